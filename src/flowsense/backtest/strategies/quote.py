"""A maker: its forecast is worth what it spares it, quotes that informed orders would have hit."""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import View
from flowsense.backtest.ledger import LEAVES
from flowsense.backtest.strategies import Request, asked, touch, withdrawn, working
from flowsense.errors import InputError
from flowsense.exchange.client import POST, Requests
from flowsense.forecast import Veto
from flowsense.schema import SECOND, WHOLE, Instrument

DEAF = int(Veto.WARMING_UP | Veto.NOT_TRADING)  # such a signal says nothing of the price
INVENTORY = 5  # orders, of a maker that is told no more than how large they are


class Quoting(NamedTuple):
    serial: NDArray[np.int64]  # (1,) the last order id


@dataclass(frozen=True)
class Quote:
    """A bid and an ask of one order each, kept at the touch or behind it.

    Both lean by what is expected of the mid less what the inventory makes unwelcome; the side
    that leans out goes further behind, and is withdrawn where the expected move reaches `turn`.
    An order whose price is still right stays where it is, and keeps its place in the queue.

    Attributes:
        lots: of each order; of several instruments, one for each or the same for all.
        most: lots of inventory, either way, beyond which that side is not quoted; likewise.
        behind: ticks behind the touch.
        skew: ticks further behind, per tick of lean.
        turn: ticks of expected move against a quote at which it is withdrawn.
        inventory: ticks of lean at the most inventory.
        heeds: whether it hears the forecasts at all.
        stale_ns: age at which a signal is forgotten.
    """

    lots: int | tuple[int, ...] = 1
    most: int | tuple[int, ...] = 10
    behind: int = 0
    skew: float = 1.0
    turn: float = 0.5
    inventory: float = 1.0
    heeds: bool = True
    stale_ns: int = SECOND

    def __post_init__(self) -> None:
        lots, most = each(self.lots), each(self.most)
        sized = min(lots, default=0) > 0 and len({len(lots), len(most)} - {1}) <= 1
        sized = sized and all(a <= b for a, b in zip(*np.broadcast_arrays(lots, most), strict=True))
        rules = (self.behind >= 0, self.turn > 0, self.skew >= 0, self.inventory >= 0)
        if not (sized and all(rules)):
            raise InputError(
                f"{self}: give lots and turn above 0, most of at least lots, others >= 0"
            )

    @classmethod
    def of(cls, lots: int | tuple[int, ...]) -> Self:
        """Orders of so many lots, and an inventory of `INVENTORY` of them."""
        return cls(lots=lots, most=times(lots, INVENTORY))

    def init(self, instruments: tuple[Instrument, ...]) -> Quoting:
        """No order sent. Raises InputError for lots of other instruments than these."""
        for many in (self.lots, self.most):
            if isinstance(many, tuple) and len(many) != len(instruments):
                raise InputError(f"{self}: {len(instruments)} instruments, give lots for each")
        return Quoting(np.zeros(1, np.int64))

    def decide(self, state: Quoting, view: View) -> tuple[Quoting, Requests]:
        """Keep, withdraw or send, for each side of each instrument that has a row."""
        serial, out, mine = int(state.serial[0]), list[Request](), working(view)
        for i in view.here.nonzero()[0].tolist():
            for side, price in zip((1, -1), self.prices(view, i), strict=True):
                quoted = [o for o in mine if o.instrument == i and o.side == side]
                wrong = (o for o in quoted if o.price != price and o.told != LEAVES)
                out += (withdrawn(view.ts, o) for o in wrong)
                if price is not None and not quoted:
                    serial += 1
                    out.append((view.ts, serial, price, of(self.lots, i), i, POST, side))
        if serial == state.serial[0]:
            return state, asked(out)
        return Quoting(np.array([serial], np.int64)), asked(out)

    def prices(self, view: View, i: int) -> tuple[int | None, int | None]:
        """Of the bid and the ask that should rest; None: no such quote."""
        if view.quote["state"][i] != WHOLE:
            return None, None
        held, expected = int(view.position[i]), self.expected(view, i)
        lots, most = of(self.lots, i), of(self.most, i)
        lean = expected - self.inventory * held / most
        prices = list[int | None]()
        for side in (1, -1):
            away = self.behind + round(self.skew * max(0.0, -side * lean))
            full = side * held + lots > most
            pulled = full or -side * expected >= self.turn
            prices.append(None if pulled else touch(view, i, side) - side * away)
        return prices[0], prices[1]

    def expected(self, view: View, i: int) -> float:
        """Ticks of the mid, by the signal."""
        s = view.signal[i]
        if not self.heeds or int(s["vetoes"]) & DEAF or view.ts - int(s["ts"]) > self.stale_ns:
            return 0.0
        return float(s["side"] * s["magnitude"])


def each(lots: int | tuple[int, ...]) -> tuple[int, ...]:
    return lots if isinstance(lots, tuple) else (lots,)


def of(lots: int | tuple[int, ...], i: int) -> int:
    """Those of instrument i."""
    return lots[i] if isinstance(lots, tuple) else lots


def times(lots: int | tuple[int, ...], factor: int) -> int | tuple[int, ...]:
    """So many times as many, of each."""
    return tuple(factor * n for n in lots) if isinstance(lots, tuple) else factor * lots
