"""Books of which a venue shows so many levels a side: the SETs from one view to the next.

A level that only enters or leaves the view at its far end is told apart from one that the market
made or took away, as `sources.rows` does for recorded rows.
"""

from collections.abc import Callable
from decimal import Decimal as Exact
from decimal import InvalidOperation
from math import inf
from typing import NamedTuple, TypeAlias

from flowsense.sources.levels import Levels, plain
from flowsense.sources.venues.ladder import Changed, Ladder

Level: TypeAlias = tuple[Exact, Exact, str]  # price, size, and both as written


Sides: TypeAlias = tuple[list[Level], list[Level]]  # bids and asks
NO_END = 2**31  # levels a side, more than any book has


class Turn(NamedTuple):
    """From one view to the next; a size of 0: gone."""

    market: Levels
    view: Levels  # levels that only entered or left it


class Side(Ladder[tuple[Exact, str]]):
    """A level is its size, and price and size as written."""

    def replace(self, levels: list[Level], depth: int) -> Changed:
        """These are all that are shown. Raises ValueError for a price that stands twice."""
        now = {price for price, _, _ in levels}
        if len(now) != len(levels):
            raise ValueError("a price stands twice on one side of the book")
        full = len(now) >= depth  # what is deeper has left the view, and may rest there
        end = min((self.sign * price for price in now), default=0)
        gone = [p for p in self.prices if p not in now and not (full and self.sign * p < end)]
        return self.update([*((p, Exact(0), "") for p in gone), *levels], depth)

    def update(self, levels: list[Level], depth: int) -> Changed:
        """What some levels are now."""
        changes = [(price, (size, text) if size else None) for price, size, text in levels]
        return self.advance(changes, depth)

    def texts(self, prices: list[Exact]) -> list[str]:
        return [self.levels[p][1] if p in self.levels else f"{p:f},0" for p in prices]


class Shown:
    """One instrument's book, `depth` levels a side, as `read` understands levels."""

    def __init__(self, depth: int, read: Callable[[Levels], Sides] | None = None) -> None:
        self.depth, self.bids, self.asks = depth, Side(1), Side(-1)
        self.read, self.full = read or plainly, (False, False)

    def replace(self, levels: Levels) -> Turn:
        """This is the view now. Raises ValueError for what is no book."""
        bids, asks = self.read(levels)
        self.full = levels.bids >= self.depth, levels.asks >= self.depth
        return self._turn(self.bids.replace(bids, self.depth), self.asks.replace(asks, self.depth))

    def update(self, levels: Levels) -> Turn:
        """These levels are such now. Raises ValueError for what are no numbers."""
        bids, asks = self.read(levels)
        return self._turn(self.bids.update(bids, self.depth), self.asks.update(asks, self.depth))

    def whole(self) -> Levels:
        """All that is shown."""
        return told(self.bids.texts(self.bids.prices), self.asks.texts(self.asks.prices))

    def known(self) -> float:
        """Levels of the shorter side, of those that the view was full of."""
        sides = zip((self.bids, self.asks), self.full, strict=True)
        return min((len(side.prices) for side, full in sides if full), default=inf)

    def _turn(self, bids: Changed, asks: Changed) -> Turn:
        market = told(self.bids.texts(bids.flow), self.asks.texts(asks.flow))
        return Turn(market, told(self.bids.texts(bids.scrolled), self.asks.texts(asks.scrolled)))


class Known:
    """One instrument's book where it is known: as deep as a snapshot of so many levels went.

    Updates tell of all levels, also of deeper ones; there others may rest that were never told of.
    """

    def __init__(self, limit: int, read: Callable[[Levels], Sides]) -> None:
        self.limit, self.read = limit, read
        self.ends: tuple[Exact | None, Exact | None] = None, None
        self.book = Shown(NO_END, self._inside)

    def replace(self, levels: Levels) -> Turn:
        self.ends = None, None
        turn, sides = self.book.replace(levels), (self.book.bids, self.book.asks)
        bids, asks = (
            side.prices[0 if side.sign > 0 else -1] if n >= self.limit and side.prices else None
            for side, n in zip(sides, (levels.bids, levels.asks), strict=True)
        )
        self.ends = bids, asks
        return turn

    def update(self, levels: Levels) -> Turn:
        return self.book.update(levels)

    def whole(self) -> Levels:
        return self.book.whole()

    def known(self) -> float:
        """Levels of the side that fewer are left of, where it has an end."""
        sides = zip((self.book.bids, self.book.asks), self.ends, strict=True)
        return min((len(side.prices) for side, end in sides if end is not None), default=inf)

    def _inside(self, levels: Levels) -> Sides:
        bids, asks = self.read(levels)
        low, high = self.ends
        return (
            [level for level in bids if low is None or level[0] >= low],
            [level for level in asks if high is None or level[0] <= high],
        )


def told(bids: list[str], asks: list[str]) -> Levels:
    """Of levels as `price,size`."""
    return Levels(len(bids), len(asks), ",".join(bids + asks))


def plainly(levels: Levels) -> Sides:
    """Bids and asks. Raises ValueError for what is no number."""
    numbers = levels.text.split(",") if levels.total else []
    found = [
        (exact(price), exact(size), f"{plain(price)},{plain(size)}")
        for price, size in zip(numbers[::2], numbers[1::2], strict=True)
    ]
    return found[: levels.bids], found[levels.bids :]


def exact(number: str) -> Exact:
    """Raises ValueError.

    >>> exact("0.10")
    Decimal('0.10')
    """
    try:
        value = Exact(number)
    except InvalidOperation:
        raise ValueError(f"{number[:40]!r} is no number") from None
    if not value.is_finite() or not -40 < value.adjusted() < 40:
        raise ValueError(f"{number[:40]!r} is no price and no size")
    return value
