"""The orders of one market by level, and the EVENTs that tell what becomes of them."""

from bisect import bisect_left, insort
from typing import NamedTuple

import numpy as np

from flowsense.schema import ADD, CANCEL, CLEAR, EVENT, LAST, SNAPSHOT, TRADE, Events, zeros

REST = 1 << 62  # from here on no order of the venue: stand-ins, one a level, for those unheard of


class Order(NamedTuple):
    """What is known of an order."""

    side: int
    key: int  # side * price: the greatest is the best
    lots: int
    ts: int  # ns, when a line last named it

    @property
    def price(self) -> int:
        return self.side * self.key


class Half:
    """One side of the book."""

    def __init__(self) -> None:
        self.keys: list[int] = []  # rising
        self.levels: dict[int, dict[int, int]] = {}  # key -> order -> lots, in order of arrival

    def put(self, key: int, order: int, lots: int) -> None:
        """The order at this level is now that; with 0 lots it is gone."""
        if lots and key not in self.levels:
            insort(self.keys, key)
            self.levels[key] = {}
        level = self.levels.get(key, {})
        if lots:
            level[order] = lots
        elif level.pop(order, 0) and not level:
            del self.levels[key], self.keys[bisect_left(self.keys, key)]

    def since(self, key: int) -> list[int]:
        """Keys at least as good, best first."""
        return self.keys[bisect_left(self.keys, key) :][::-1]

    def reaches(self, key: int) -> bool:
        return bool(self.keys) and self.keys[-1] >= key


class Book:
    """Never crossed, as long as who adds asks `meets` first."""

    def __init__(self) -> None:
        self.out: list[tuple[int, ...]] = []
        self.ts = self.line = 0  # of what is told now
        self.clear()

    def clear(self) -> None:
        self.halves = {1: Half(), -1: Half()}
        self.orders: dict[int, Order] = {}
        self.ready = False  # before the first snapshot nothing but trades is told

    def meets(self, side: int, key: int) -> bool:
        """An order would trade here."""
        return self.halves[-side].reaches(-key)

    def emit(
        self, action: int, order: int, side: int, price: int, lots: int, bits: int = 0
    ) -> None:
        if self.ready or action == TRADE:
            when = self.ts, self.ts
            self.out.append((*when, order, price, lots, self.line, 0, action, side, bits, 0))

    def put(self, action: int, order: int, o: Order, bits: int = 0) -> None:
        """The order is now this: ADD or MODIFY."""
        self.orders[order] = o
        self.halves[o.side].put(o.key, order, o.lots)
        self.emit(action, order, o.side, o.price, o.lots, bits)

    def cut(self, action: int, order: int, lots: int, bits: int = 0) -> None:
        """It loses lots that it has: CANCEL or FILL."""
        o = self.orders.pop(order)
        left = o.lots - lots
        if left:
            self.orders[order] = o._replace(lots=left, ts=self.ts)
        self.halves[o.side].put(o.key, order, left)
        self.emit(action, order, o.side, o.price, lots, bits)

    def drop(self, order: int, bits: int = 0) -> None:
        self.cut(CANCEL, order, self.orders[order].lots, bits)

    def show(self) -> None:
        """All of it as a snapshot."""
        start, self.ready = len(self.out), True
        self.emit(CLEAR, 0, 0, 0, 0, SNAPSHOT)
        for order, o in self.orders.items():
            self.emit(ADD, order, o.side, o.price, o.lots, SNAPSHOT)
        self.close(start)

    def close(self, start: int) -> None:
        """The book is whole after the events from here on, where there are any."""
        if self.ready and len(self.out) > start:
            *most, bits, pad = self.out[-1]
            self.out[-1] = (*most, bits | LAST, pad)

    def take(self) -> Events:
        """The events since the last call."""
        told, self.out = self.out, []
        events = zeros(EVENT, len(told))
        if told:
            events[:] = np.array(told, EVENT)
        return events


def rest_of(side: int, key: int) -> int:
    """The stand-in of a level."""
    return REST + 2 * abs(key) + (side > 0)
