"""Candles of the trades that a served venue tells, in ticks, lots and ms of its clock.

An interval without a trade has none. The first may lack what was traded before somebody asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Candle:
    """In the making; over when the venue's clock has reached its end."""

    opened: int
    over: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    trades: int = 0

    @property
    def ohlc(self) -> tuple[int, int, int, int]:
        return self.open, self.high, self.low, self.close


@dataclass
class Candles:
    """Of one instrument, by their length."""

    spans: tuple[int, ...] = ()
    running: dict[int, Candle] = field(default_factory=dict)

    def traded(self, now: int, price: int, lots: int) -> None:
        """Whoever calls it has taken what was `over` by then."""
        for span in self.spans:
            opened = now - now % span
            c = self.running.setdefault(span, Candle(opened, opened + span, *(price,) * 4))
            c.high, c.low, c.close = max(c.high, price), min(c.low, price), price
            c.lots, c.trades = c.lots + lots, c.trades + 1

    def over(self, now: int) -> Iterator[tuple[int, Candle]]:
        """With their length, once each."""
        for span, candle in [*self.running.items()]:
            if now >= candle.over:
                yield span, self.running.pop(span)
