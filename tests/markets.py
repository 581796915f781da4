"""Markets for the tests of families: lines that a person writes, and a random one with its rows."""

from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from flowsense.features.catalogue import DEFAULT, MORE, spec
from flowsense.features.context import TAUS, TAUS_NS
from flowsense.schema import (
    CLEAR,
    EVENT,
    LAST,
    MILLISECOND,
    SET,
    SNAPSHOT,
    TRADE,
    Decimal,
    Instrument,
)
from flowsense.testing import tape_of

MS = MILLISECOND
FAMILIES = DEFAULT + MORE
EACH, GRID = spec(FAMILIES, ("events:1",)), spec(FAMILIES, ("interval:100ms",))
L3 = Instrument("A", "toy", Decimal(1, -2), Decimal(1, 0), by_order=True)
L2 = L3._replace(symbol="B", by_order=False)


def stream(*lines, every=MS):
    """Each line: action, side, price, lots, bits[, instrument[, order id]]; one per `every` ns."""
    out = np.zeros(len(lines), EVENT)
    for i, (action, side, price, lots, bits, *more) in enumerate(lines):
        who, oid = (*more, 0, 0)[:2]
        ts = (i + 1) * every
        out[i] = (ts, ts, oid, price, lots, i, who, action, side, bits, 0)
    return out.view(EVENT)


def book(*levels):
    """A snapshot of levels (side, price, lots)."""
    first, last = (CLEAR, 0, 0, 0, SNAPSHOT), levels[-1]
    middle = ((SET, *level, SNAPSHOT) for level in levels[:-1])
    return (first, *middle, (SET, *last, SNAPSHOT | LAST))


def column(name, events, instrument=L2):
    """Of the row after each whole book; NaN where it is missing."""
    return told(name, EACH, tape_of(EACH, (instrument,), events).rows[0]).tolist()


def told(name, spec, rows):
    k = spec.columns.index(name)
    return np.where(rows.valid[:, k], rows.X[:, k], np.nan)


class Touch(NamedTuple):
    """(n,) each, of every whole book."""

    bid: np.ndarray
    bid_lots: np.ndarray
    ask: np.ndarray
    ask_lots: np.ndarray


class Market:
    """One instrument: its whole books, the events that made each, and the rows every 100 ms."""

    def __init__(self, events, instrument=L2):
        self.events, self.instrument = events, instrument
        self.last = np.flatnonzero(events["bits"] & LAST)
        self.ts = events["ts_recv"][self.last]

    @cached_property
    def rows(self):
        return tape_of(GRID, (self.instrument,), self.events).rows[0]

    def column(self, name):
        """(R,) of the rows every 100 ms, NaN where missing."""
        return told(name, GRID, self.rows)

    @cached_property
    def books(self):
        each = spec(("depth",), ("events:1",))
        return tape_of(each, (self.instrument,), self.events).rows[0].book

    @cached_property
    def touch(self):
        b = self.books
        return Touch(b["bid_px"][:, 0], b["bid_sz"][:, 0], b["ask_px"][:, 0], b["ask_sz"][:, 0])

    @cached_property
    def mid(self):
        """(n,) ticks; NaN while a side is empty."""
        bid, bid_lots, ask, ask_lots = self.touch
        return np.where((bid_lots > 0) & (ask_lots > 0), (bid + ask) / 2, np.nan)

    @cached_property
    def moves(self):
        """(n,) of the mid between whole books that both have one; gaps in it are read across."""
        out, before = np.zeros(len(self.mid)), np.nan
        for i, mid in enumerate(self.mid):
            if mid == mid:
                out[i] = mid - before if before == before else 0.0
                before = mid
        return out

    def spans(self):
        """The events that made each whole book, the first (a snapshot) left empty."""
        edges = (self.last + 1).tolist()
        return [self.events[:0]] + [self.events[a:b] for a, b in pairwise(edges)]

    def trades(self):
        """Per whole book a list of (side, price, lots)."""
        return [
            [
                (int(e["side"]), int(e["price"]), int(e["lots"]))
                for e in span
                if e["action"] == TRADE
            ]
            for span in self.spans()
        ]

    def ofi(self, k=0):
        """(n,) of level k between whole books. Cont, Kukanov & Stoikov 2014, eq. 2."""
        b = self.books
        bp, bs, ap, as_ = (b[name][:, k] for name in ("bid_px", "bid_sz", "ask_px", "ask_sz"))
        x = (bp[1:] >= bp[:-1]) * bs[1:] - (bp[1:] <= bp[:-1]) * bs[:-1]
        y = (ap[1:] >= ap[:-1]) * as_[:-1] - (ap[1:] <= ap[:-1]) * as_[1:]
        return np.append(0, x + y)

    @lru_cache(maxsize=1)  # noqa: B019 - of the markets of a session, and the last alone
    def weights(self, tau):
        """(R, n) what a whole book before a row weighs there, decayed over `tau` till then."""
        now, then = ((ts - self.ts[0]) / TAUS_NS[TAUS.index(tau)] for ts in (self.rows.ts, self.ts))
        age = np.subtract.outer(now, then)  # in place from here: fresh memory costs more
        age[(age <= 0) | (age > 50)] = np.inf  # what would underflow is slow to reckon with
        return np.exp(np.negative(age, out=age), out=age)

    def sums(self, x, tau):
        """(R,) sum of x (n,) of the whole books before a row, each decayed over `tau` till then."""
        return self.weights(tau) @ np.asarray(x, float)

    def held(self, x, tau):
        """(R,) mean over time of x (n,), NaN unknown, each from its whole book to the next."""
        tau_ns, out = TAUS_NS[TAUS.index(tau)], []
        for ts in self.rows.ts:
            n = int(np.searchsorted(self.ts, ts))
            age = np.append(ts - self.ts[:n], 0) / tau_ns
            weight = np.exp(-age[1:]) - np.exp(-age[:-1])
            known = ~np.isnan(x[:n])
            out.append((weight[known] @ x[:n][known]) / weight[known].sum())
        return np.array(out)

    def now(self, x):
        """(R,) x of the last whole book before each row."""
        return np.asarray(x)[np.searchsorted(self.ts, self.rows.ts) - 1]


def agree(ours, oracle):
    """Equal to float32, and missing at the same places."""
    np.testing.assert_allclose(ours, oracle, rtol=2e-5, atol=2e-5)
