"""What families share: time, the touch, and the counts of every event since the book was whole.

Exponential sums of all families decay together. A sum over increments x at times t is kept as
sum(x * exp((t - origin) / tau)): an update adds ``x * c.grow[k]`` and touches nothing where x is 0,
a row reads ``s.sum[k] * c.fade[k]``. When the origin has moved (`c.moved`), families first multiply
their sums by ``c.shift[k]``; it moves at a multiple of tau told by the stream, never by a chunk.
"""

from math import exp

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.schema import FILL, SCROLL, TRADE

TAUS_NS = (1e8, 1e9, 1e10, 6e10)
TAUS = ("100ms", "1s", "10s", "1m")
T = len(TAUS)
SPAN = 20.0  # the origin moves when it lies this many tau back
ADD_BID, ADD_ASK, CUT_BID, CUT_ASK, BUYS, SELLS, SIGNED, LOTS, LEFT, AGE, JOINED, AHEAD = range(12)
N = 12

STATE = np.dtype(
    [
        ("ts", "i8"),  # of the last whole book
        ("dt", "i8"),  # ns from the one before to it; 0 where fresh
        ("seen", "i8"),
        ("lost", "i8"),  # not live since then: no flow is read across it
        ("fresh", "i8"),  # this whole book follows a loss, a snapshot, a halt, or nothing
        ("mid2", "i8"),  # bid + ask, ticks; holds while a side is empty
        ("move2", "i8"),  # its last change
        ("whole", "i8"),  # both sides are there
        ("touch", "i8", 4),  # bid price, bid lots, ask price, ask lots of this whole book
        ("past", "i8", 4),  # the same of the one before
        ("ofi", "i8"),  # order flow imbalance of the touch between the two, lots
        ("ofi_sum", "i8"),
        ("count", "i8", N),  # of the events that made this book, see the names above
        ("noted", "i8", N),  # the same, still being counted
        ("hit", "i8", 2),  # lots traded against bids, asks since then and not yet taken off them
        ("moved", "i8"),
        ("origin", "f8", T),  # ns
        ("grow", "f8", T),
        ("shift", "f8", T),
        ("fade", "f8", T),
    ]
)
VERSION = 1


@kernel
def note(c: Record, e: Record, t: Record) -> None:
    """Count one event; t is what it did (TOUCH). A level cut by a trade just told is no cancel."""
    if e.action == TRADE:
        c.noted[SIGNED] += e.side * e.lots
        c.noted[LOTS] += e.lots
        if e.side != 0:
            c.noted[BUYS if e.side > 0 else SELLS] += 1
            c.hit[1 if e.side > 0 else 0] += e.lots
    elif e.action != FILL and t.delta != 0 and not e.bits & SCROLL:
        k = 0 if e.side > 0 else 1
        if t.delta < 0 and c.hit[k] > 0 and t.age < 0:
            c.hit[k] += t.delta
            if c.hit[k] >= 0:
                return
        c.noted[(ADD_BID if t.delta > 0 else CUT_BID) + k] += 1
        if t.delta < 0 and t.age >= 0:
            c.noted[LEFT] += 1
            c.noted[AGE] += t.age
        if t.ahead >= 0:
            c.noted[JOINED] += 1
            c.noted[AHEAD] += t.ahead


@kernel
def weigh(c: Record) -> None:
    """The weight of an increment now, for each tau."""
    c.moved = 0
    for k in range(T):
        age = (c.ts - c.origin[k]) / TAUS_NS[k]
        c.shift[k] = 1.0
        if age > SPAN:
            c.moved = 1
            c.shift[k] = exp(-age)
            c.origin[k] = c.ts
            age = 0.0
        c.grow[k] = exp(age)


@kernel
def order_flow(now: Record, past: Record) -> int:
    """Of one level, lots: what joined the bid or left the ask. Cont, Kukanov & Stoikov 2014, eq. 2.

    now, past (4,): bid price, bid lots, ask price, ask lots.
    """
    x = 0
    if now[0] >= past[0]:
        x += now[1]
    if now[0] <= past[0]:
        x -= past[1]
    if now[2] <= past[2]:
        x -= now[3]
    if now[2] >= past[2]:
        x += past[3]
    return x


@kernel
def update(c: Record, e: Record, b: Record) -> None:
    """The book is whole: bring everything that families read up to date."""
    c.fresh = c.seen == 0 or c.lost
    c.dt = 0 if c.fresh else e.ts_recv - c.ts
    if c.dt > 0 or c.fresh or c.moved:
        c.ts = e.ts_recv
        weigh(c)
    for k in range(4):
        c.past[k] = c.touch[k]
    c.touch[0], c.touch[1], c.touch[2], c.touch[3] = (
        b.bid_px[0],
        b.bid_sz[0],
        b.ask_px[0],
        b.ask_sz[0],
    )
    c.whole = b.bid_sz[0] > 0 and b.ask_sz[0] > 0
    mid2 = b.bid_px[0] + b.ask_px[0] if c.whole else c.mid2
    c.move2 = 0 if c.fresh else mid2 - c.mid2
    c.ofi = 0 if c.fresh else order_flow(c.touch, c.past)
    c.ofi_sum += c.ofi
    c.mid2, c.seen, c.lost = mid2, 1, 0
    for k in range(N):
        c.count[k] = 0 if c.fresh else c.noted[k]
        c.noted[k] = 0
    c.hit[0] = c.hit[1] = 0


@kernel
def fade(c: Record, ts: int) -> None:
    """What a row at `ts` multiplies sums by."""
    for k in range(T):
        c.fade[k] = exp((c.origin[k] - ts) / TAUS_NS[k])
