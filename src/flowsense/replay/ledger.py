"""What an account has at a replayed venue: orders, executions and positions, whatever is spoken.

An order meets the levels that the venue shows and takes them at their prices; the recording goes on
as if nobody had. What rests is never executed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from flowsense.schema import Instrument

Ladder: TypeAlias = Callable[[int, int], Iterable[tuple[int, int]]]  # instrument, side of the book
OPEN, FILLED, EXPIRED, CANCELLED = "open", "filled", "expired", "cancelled"


@dataclass
class Placed:
    """An order, in ticks and lots."""

    id: int
    client: str
    instrument: int
    side: int
    lots: int
    price: int
    ms: int
    at_once: bool = True  # what does not fill at once goes
    state: str = OPEN
    filled: int = 0
    value: Fraction = Fraction(0)  # ticks times lots


class Execution(NamedTuple):
    id: int
    order: int
    instrument: int
    side: int
    lots: int
    price: int
    ms: int


@dataclass
class Ledger:
    """One account; `money` is in the currency of the price."""

    instruments: tuple[Instrument, ...]
    ladder: Ladder
    money: Fraction = Fraction(1_000_000)
    fee: Fraction = Fraction(0)  # share of the value
    orders: dict[int, Placed] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    lots: dict[int, Fraction] = field(default_factory=dict)  # by instrument

    def place(self, order: Placed) -> None:
        """It fills as far as the levels go."""
        self.orders[order.id] = order
        for price, lots in self.ladder(order.instrument, -order.side):
            if order.side * price > order.side * order.price or order.filled == order.lots:
                break
            self._execute(order, price, min(lots, order.lots - order.filled))
        if order.filled == order.lots:
            order.state = FILLED
        elif order.at_once:
            order.state = EXPIRED

    def _execute(self, order: Placed, price: int, lots: int) -> None:
        k, number = order.instrument, len(self.executions) + 1
        self.executions.append(Execution(number, order.id, k, order.side, lots, price, order.ms))
        order.filled += lots
        order.value += price * lots
        self.lots[k] = self.position(k) + order.side * lots
        value = price * lots * self.unit(k)
        self.money -= order.side * value + value * self.fee

    def unit(self, k: int) -> Fraction:
        """Money of a lot and a tick."""
        i = self.instruments[k]
        return exact(i.tick) * exact(i.lot) * exact(i.contract)

    def position(self, k: int) -> Fraction:
        return self.lots.get(k, Fraction(0))

    def open(self, k: int | None = None) -> list[Placed]:
        return [o for o in self.orders.values() if o.state == OPEN and k in (None, o.instrument)]

    def named(self, client: str) -> Placed | None:
        """The latest of that name."""
        return next((o for o in [*self.orders.values()][::-1] if o.client == client), None)


def exact(number: tuple[int, int]) -> Fraction:
    mantissa, exponent = number
    return mantissa * Fraction(10) ** exponent
