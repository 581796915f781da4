"""A side of a book as a venue shows it to a depth: its levels, best first, whole as they came."""

from bisect import bisect_left, insort
from decimal import Decimal as Exact
from typing import Generic, NamedTuple, TypeVar

L = TypeVar("L")  # a level as its venue writes it


class Changed(NamedTuple):
    """Prices of the levels that a message changed."""

    flow: list[Exact]
    scrolled: list[Exact]  # they only entered or left the depth that is shown


class Ladder(Generic[L]):
    """sign: +1 bids, -1 asks."""

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.prices = list[Exact]()  # rising
        self.levels = dict[Exact, L]()

    def put(self, price: Exact, level: L | None) -> None:
        """What the level is now; None: gone, or not there."""
        if level is not None:
            if price not in self.levels:
                insort(self.prices, price)
            self.levels[price] = level
        elif self.levels.pop(price, None) is not None:
            del self.prices[bisect_left(self.prices, price)]

    def best(self, n: int) -> list[L]:
        first = self.prices[: -n - 1 : -1] if self.sign > 0 else self.prices[:n]
        return [self.levels[price] for price in first]

    def cut(self, depth: int) -> dict[Exact, L]:
        """The levels beyond it, which are there no more."""
        beyond = max(len(self.prices) - depth, 0)
        ends = slice(0, beyond) if self.sign > 0 else slice(len(self.prices) - beyond, None)
        fallen = {price: self.levels.pop(price) for price in self.prices[ends]}
        del self.prices[ends]
        return fallen

    def advance(self, changes: list[tuple[Exact, L | None]], depth: int) -> Changed:
        """One message, in its order; then no more than `depth` levels are left.

        A level that fell out of the view is told of by nobody, and one that comes in at its far
        end has rested there before: neither is flow. What is as it was before is not named.
        """
        before = {price: self.levels.get(price) for price, _ in changes}
        full = len(self.prices) >= depth
        edge = self.prices[0 if self.sign > 0 else -1] if full else None
        for price, level in changes:
            self.put(price, level)
        fallen, changed = self.cut(depth), Changed([], [])
        for price, was in (fallen | before).items():
            now = self.levels.get(price)
            if now != was:
                passed = (
                    price in fallen if now is None else was is None and self._below(price, edge)
                )
                (changed.scrolled if passed else changed.flow).append(price)
        return changed

    def _below(self, price: Exact, edge: Exact | None) -> bool:
        return edge is not None and (price < edge if self.sign > 0 else price > edge)
