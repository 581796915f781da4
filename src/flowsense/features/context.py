"""What families share: time, the touch, and the counts of every event since the book was whole.

Exponential sums of all families decay together. A sum over increments x at times t is kept as
sum(x * exp((t - origin) / tau)): an update adds ``x * c.grow[k]`` and touches nothing where x is 0,
a row reads ``s.sum[k] * c.fade[k]``. When the origin has moved (`c.moved`), families first multiply
their sums by ``c.shift[k]``; it moves at a time told by the stream, never by a chunk. What holds
over time rather than at an instant has the weight ``c.grow[k]`` now less the one when it began.
"""

from math import exp

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.schema import FILL, LATE, MILLISECOND, SCROLL, TRADE

TAUS_NS = (100 * MILLISECOND, 1_000 * MILLISECOND, 10_000 * MILLISECOND, 60_000 * MILLISECOND)
TAUS = ("100ms", "1s", "10s", "1m")
RATES = (10.0, 1.0, 0.1, 1.0 / 60.0)  # 1 / tau, 1/s
T = len(TAUS)
SPAN = 30_000 * MILLISECOND  # the origin moves when it lies further back: weights stay < exp(300)
FLEETING = 100 * MILLISECOND  # an order cut within this was not meant to trade
N = 21
ADD_BID, ADD_ASK, CUT_BID, CUT_ASK, BUYS, SELLS, TRADES, SIGNED, LOTS, ABOVE = range(10)
AGREE, CUTS, AGE, FLED_BID, FLED_ASK, JOINED, AHEAD, ARRIVED = range(10, 18)
FILLS, FILL_AGE, JOINED_LOTS = range(18, N)

LATEST = np.dtype(  # the last execution with a known aggressor; side 0: none since the loss
    [
        ("side", "i8"),
        ("price", "i8"),
        ("lots", "i8"),
        ("ts", "i8"),
        ("through", "i8"),  # ticks beyond the touch of the last whole book, along its side
        ("run", "i8"),  # executions of one side in a row, up to it
    ]
)
STATE = np.dtype(
    [
        ("ts", "i8"),  # of the last whole book
        ("dt", "i8"),  # ns from the one before to it; 0 where fresh
        ("seen", "i8"),
        ("lost", "i8"),  # not live since then: no flow is read across it
        ("fresh", "i8"),  # this whole book follows a loss, a snapshot, a halt, or nothing
        ("depth", "i8"),  # shallowest level, 0 the touch, that changed since the one before
        ("mid2", "i8"),  # bid + ask, ticks; holds while the book is not whole
        ("priced", "i8"),  # mid2 was seen since the loss
        ("move2", "i8"),  # its last change
        ("whole", "i8"),  # both sides are there, the ask above the bid: else there is no mid
        ("touch", "i8", 4),  # bid price, bid lots, ask price, ask lots of this whole book
        ("past", "i8", 4),  # the same before they last changed
        ("ofi", "i8"),  # order flow imbalance of the touch between the two, lots
        ("ofi_sum", "i8"),
        ("latest", LATEST),
        ("count", "i8", N),  # of the events that made this book, see the names above
        ("noted", "i8", N),  # the same, still being counted
        ("hit", "i8", 2),  # lots traded against bids, asks since then and not yet taken off them
        ("moved", "i8"),
        ("origin", "i8"),
        ("grow", "f8", T),
        ("shift", "f8", T),
        ("fade", "f8", T),
    ]
)
VERSION = 2


@kernel
def note(c: Record, e: Record, t: Record) -> None:
    """Count one event; t is what it did (TOUCH). A level cut by a trade just told is no cancel."""
    if e.action == TRADE:
        if e.bits & LATE:
            return
        c.noted[TRADES] += 1
        c.noted[LOTS] += e.lots
        if c.priced:
            c.noted[ABOVE] += e.lots * (2 * e.price - c.mid2)
        if e.side != 0:
            execution(c, e)
    elif e.action != FILL and t.delta != 0 and not e.bits & SCROLL:
        k = 0 if e.side > 0 else 1
        if t.delta < 0 and c.hit[k] > 0 and t.age < 0:
            c.hit[k] += t.delta
            if c.hit[k] >= 0:
                return
        c.noted[ARRIVED] += 1
        c.noted[(ADD_BID if t.delta > 0 else CUT_BID) + k] += 1
        if t.delta < 0 and t.age >= 0:
            c.noted[CUTS] += 1
            c.noted[AGE] += t.age
            c.noted[FLED_BID + k] += t.age < FLEETING
        if t.ahead >= 0:
            c.noted[JOINED] += 1
            c.noted[AHEAD] += t.ahead
            c.noted[JOINED_LOTS] += t.delta
    elif e.action == FILL and t.age >= 0:
        c.noted[FILLS] += 1
        c.noted[FILL_AGE] += t.age


@kernel
def execution(c: Record, e: Record) -> None:
    """A trade whose aggressor is known."""
    last, side = c.latest, 1 if e.side > 0 else -1
    k = 1 if side > 0 else 0
    c.noted[ARRIVED] += 1
    c.noted[BUYS if side > 0 else SELLS] += 1
    c.noted[SIGNED] += side * e.lots
    c.noted[AGREE] += side * last.side
    c.hit[k] += e.lots
    beyond = side * (e.price - c.touch[2 * k])
    last.through = beyond if beyond > 0 and c.touch[2 * k + 1] > 0 else 0
    last.run = last.run + 1 if side == last.side else 1
    last.side, last.price, last.lots, last.ts = side, e.price, e.lots, e.ts_recv


@kernel
def powers(out: Record, x: float) -> None:
    """out (T,): x is exp(t / the slowest tau); the faster are its 6th, 60th and 600th power."""
    x2 = x * x
    out[3], out[2] = x, x2 * x2 * x2
    for k in range(2, 0, -1):
        y = out[k]
        y2 = y * y
        y4 = y2 * y2
        out[k - 1] = y4 * y4 * y2


@kernel
def weigh(c: Record) -> None:
    """The weight of an increment now, for each tau."""
    age = c.ts - c.origin
    c.moved = age > SPAN
    if c.moved:
        powers(c.shift, exp(age / -6e10))
        c.origin, age = c.ts, 0
    powers(c.grow, exp(age / 6e10))


@kernel
def fade(c: Record, ts: int) -> None:
    """What a row at `ts` multiplies sums by."""
    powers(c.fade, exp((c.origin - ts) / 6e10))


@kernel
def lasting(c: Record, began: float, k: int) -> float:
    """The weight, at a row, of what holds since the weight of an increment was `began`."""
    return max(1.0 - began * float(c.fade[k]), 0.0)


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
def update(c: Record, e: Record, b: Record, depth: int) -> None:
    """The book is whole: bring everything that families read up to date."""
    c.fresh, c.depth = c.seen == 0 or c.lost, depth
    c.dt = 0 if c.fresh else e.ts_recv - c.ts
    if c.dt > 0 or c.fresh or c.moved:
        c.ts = e.ts_recv
        weigh(c)
    c.move2 = c.ofi = 0
    if depth == 0 or c.fresh:
        touch(c, b)
    for k in range(N):
        c.count[k] = 0 if c.fresh else c.noted[k]
        c.noted[k] = 0
    if c.fresh:
        c.latest.side = 0
    c.seen, c.lost, c.hit[0], c.hit[1] = 1, 0, 0, 0


@kernel
def touch(c: Record, b: Record) -> None:
    """The best levels, and what changed there; nothing did where the book is fresh."""
    for k in range(4):
        c.past[k] = c.touch[k]
    c.touch[0], c.touch[1] = b.bid_px[0], b.bid_sz[0]
    c.touch[2], c.touch[3] = b.ask_px[0], b.ask_sz[0]
    c.whole = b.bid_sz[0] > 0 and b.ask_sz[0] > 0 and b.ask_px[0] > b.bid_px[0]
    if c.fresh:
        c.priced = 0
    else:
        c.ofi = order_flow(c.touch, c.past)
        c.ofi_sum += c.ofi
    if c.whole:
        mid2 = b.bid_px[0] + b.ask_px[0]
        c.move2 = mid2 - c.mid2 if c.priced else 0
        c.mid2, c.priced = mid2, 1
