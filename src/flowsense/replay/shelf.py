"""The books that a served venue shows, and its numbers as the text that it would write."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from flowsense.schema import CLEAR, SET, Decimal, Events, Instrument


@dataclass
class Shelf:
    """One instrument's book by level, in ticks and lots."""

    instrument: Instrument
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    sequence: int = 0  # messages that changed it, or the venue's own number

    def apply(self, events: Events) -> None:
        """One message: its SETs and CLEARs."""
        for e in events:
            if e["action"] == CLEAR:
                self.bids.clear()
                self.asks.clear()
            elif e["action"] == SET:
                side = self.bids if e["side"] > 0 else self.asks
                side[int(e["price"])] = int(e["lots"])
                if not e["lots"]:
                    del side[int(e["price"])]

    def best(self, side: int, depth: int = 10**9) -> Iterator[tuple[int, int]]:
        """Levels from the touch outwards: +1 bids, -1 asks."""
        levels = self.bids if side > 0 else self.asks
        yield from sorted(levels.items(), key=lambda level: -side * level[0])[:depth]

    def price(self, ticks: int) -> str:
        return text(ticks, self.instrument.tick)

    def size(self, lots: int) -> str:
        return text(lots, self.instrument.lot)


def text(count: int, unit: Decimal) -> str:
    """So many units as a plain decimal, with the digits that the unit has.

    >>> text(617376, Decimal(1, -1)), text(3, Decimal(25, -2)), text(2, Decimal(1, 1))
    ('61737.6', '0.75', '20')
    """
    value = count * unit.mantissa * 10 ** max(unit.exponent, 0)
    places = max(-unit.exponent, 0)
    if not places:
        return str(value)
    whole, part = divmod(value, 10**places)
    return f"{whole}.{part:0{places}d}"
