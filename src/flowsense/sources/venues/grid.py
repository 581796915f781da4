"""What rests off an instrument's grid: venues change ticks and lots, orders from before remain.

A size is cut to whole lots, so that less than one is none; a level off the ticks is left out. Both
are counted.
"""

from decimal import Decimal as Exact
from decimal import InvalidOperation

from flowsense.schema import Decimal, Instrument
from flowsense.sources.levels import Levels
from flowsense.sources.venues.shown import Level, Sides, plainly, told
from flowsense.sources.venues.sink import Sink


class Grid:
    """Of one instrument."""

    def __init__(self, instrument: Instrument, sink: Sink) -> None:
        self.tick, self.lot, self.sink = _exact(instrument.tick), _exact(instrument.lot), sink

    def read(self, levels: Levels) -> Sides:
        """Bids and asks. Raises ValueError for what is no number."""
        bids, asks = plainly(levels)
        try:
            return self._fit(bids), self._fit(asks)
        except InvalidOperation:
            raise ValueError("a price or a size has more digits than a market's") from None

    def taken(self, trade: Levels) -> Levels:
        """Of an execution; no level where it was of less than a lot."""
        bids, asks = self.read(trade)
        return told([t for _, size, t in bids if size], [t for _, size, t in asks if size])

    def _fit(self, levels: list[Level]) -> list[Level]:
        found = []
        for price, size, text in levels:
            if price % self.tick:
                self.sink.count("level off the ticks")
                continue
            rest = size % self.lot
            if rest:
                self.sink.count("size off the lots")
                size -= rest
                text = f"{text.partition(',')[0]},{size:f}"
            found.append((price, size, text))
        return found


def _exact(value: Decimal) -> Exact:
    return Exact(value.mantissa).scaleb(value.exponent)
