"""Simulated markets, and the slowest possible book beside them."""

import numpy as np
import pytest

from flowsense.schema import ADD, CANCEL, CLEAR, FILL, LAST, MILLISECOND, MODIFY
from flowsense.simulate.market import EPOCH, Market, simulate

STEP = 100 * MILLISECOND


class Book:
    """Orders in a dict; levels summed from what each event says."""

    def __init__(self):
        self.orders, self.levels = {}, {1: {}, -1: {}}

    def add(self, side, price, lots):
        level = self.levels[side]
        level[price] = level.get(price, 0) + lots
        assert level[price] >= 0
        if level[price] == 0:
            del level[price]

    def apply(self, action, oid, side, price, lots):
        if action == CLEAR:
            self.__init__()
        elif action in (ADD, MODIFY):
            assert (oid in self.orders) == (action == MODIFY)
            if action == MODIFY:
                old = self.orders.pop(oid)
                self.add(*old[:2], -old[2])
            self.orders[oid] = side, price, lots  # at the end: the order in which they joined
            self.add(side, price, lots)
        elif action in (CANCEL, FILL):
            assert self.orders[oid][:2] == (side, price)
            self.add(side, price, -lots)
            left = self.orders[oid][2] - lots
            self.orders[oid] = side, price, left
            if left == 0:
                del self.orders[oid]

    def touch(self):
        bids, asks = self.levels[1], self.levels[-1]
        bid, ask = max(bids), min(asks)
        return bid, ask, bids[bid], asks[ask], min(len(bids), len(asks))


def rebuilt(events, instrument):
    """(w, 6) ts_recv, bid, ask, lots of both, levels of the shorter side, per whole book; Book."""
    book, rows = Book(), []
    names = ("ts_recv", "bits", "action", "order_id", "side", "price", "lots")
    mine = events[events["instrument"] == instrument]
    for ts, bits, *what in zip(*(mine[n].tolist() for n in names), strict=True):
        book.apply(*what)
        if bits & LAST:
            rows.append((ts, *book.touch()))
    return np.array(rows), book


@pytest.fixture(scope="session")
def rebuild():
    return rebuilt


@pytest.fixture(scope="session")
def small():
    """Some seconds of a small market: cheap enough for plain Python."""
    return simulate(Market.tiny(), 10, 3)


@pytest.fixture(scope="session")
def busy():
    """Twenty minutes of the default market."""
    return simulate(Market(), 1_200, 7)


@pytest.fixture(scope="session")
def sampled(busy):
    """Per instrument, every 100 ms: (g, 6) of `rebuilt`, (g,) regime."""
    grid = np.arange(EPOCH + STEP, EPOCH + 1_200 * 1_000_000_000, STEP)
    out = []
    for k in range(3):
        rows, _ = rebuilt(busy.events, k)
        latent = busy.truth.latent[busy.truth.latent["instrument"] == k]
        state = latent["state"][np.searchsorted(latent["ts"], grid) - 1]
        out.append((rows[np.searchsorted(rows[:, 0], grid) - 1], state))
    return grid, out
