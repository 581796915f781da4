"""What two instruments have to do with each other, instant by instant: moments of every pair.

Returns are of the mid from row to row of a grid, lags are counted in rows: cross-correlation on a
grid, previous-tick, which the asynchrony of fast trading pulls towards 0 (Epps 1979). All moments
forget by the row, so they mean the same on every clock; levels are centred (Engle & Granger 1987
regress them), returns and order flow are taken to have mean 0.
"""

from math import nan, sqrt

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.schema import WHOLE

LAGS = 20  # rows by which one may lead another
MEMORY = 6_000  # rows that moments reach back to
KEEP = 1.0 - 1.0 / MEMORY
FEWEST = 100  # rows together before anything is said of a pair
CHANCE = 4.5  # deviations of pure chance that a correlation has to exceed to count
NODE = (  # fields of what is remembered of one instrument
    ("ts", "i8"),  # of the last instant
    ("step", "i8"),  # ns to it from the one before
    ("here", "i8"),  # had a row then
    ("mid2", "i8"),
    ("anchor", "i8"),  # first mid2
    ("breaks", "i8"),
    ("priced", "i8"),
    ("past", "f8", LAGS + 1),  # returns, ticks, the latest first; NaN where not known
    ("level", "f8"),  # ticks since the anchor
    ("flow", "f8"),  # of the last row, NaN where not known
)
PAIR = np.dtype(  # of (i, j): what i has to do with j; sums over the rows that both have
    [
        ("weight", "f8"),
        ("squared", "f8"),  # of the squares of the weights
        ("own", "f8"),  # of squared returns of i
        ("cross", "f8", LAGS + 1),  # of return of i now x return of j so many rows before
        ("centre", "f8"),  # mean level of i
        ("spread", "f8"),  # variance of the level of i
        ("tied", "f8"),  # covariance of both levels
        ("flow_own", "f8"),  # of squared order flow of i
        ("flow_cross", "f8"),
    ]
)


@kernel
def arrive(s: Record, quote: Record, flow: float, known: bool) -> None:
    """An instrument has a row; `known` where the instant before can be compared with it."""
    whole = quote.state == WHOLE
    told = known and whole and s.priced == 1 and s.breaks == quote.breaks
    s.past[0] = 0.5 * (quote.mid2 - s.mid2) if told else nan
    s.flow, s.here, s.breaks = flow, 1, quote.breaks
    if whole:
        if s.anchor == 0:
            s.anchor = quote.mid2
        s.mid2, s.level = quote.mid2, 0.5 * (quote.mid2 - s.anchor)
    s.priced = 1 if whole else 0


@kernel
def advance(S: Record, ts: int) -> bool:
    """The next instant: nothing is known of it yet. -> whether no more time passed than before.

    A grid that was idle jumps: what happened meanwhile is no return.
    """
    step = ts - S[0].ts
    steady: bool = step <= S[0].step
    for i in range(len(S)):
        s = S[i]
        for k in range(LAGS, 0, -1):
            s.past[k] = s.past[k - 1]
        if s.here == 0:
            s.priced = 0
        s.past[0], s.flow, s.here, s.step, s.ts = nan, nan, 0, step, ts
    return steady


@kernel
def learn(P: Record, S: Record) -> None:
    """Moments of every pair (n, n) of which both have a return now."""
    for i in range(len(S)):
        for j in range(i):
            if S[i].past[0] == S[i].past[0] and S[j].past[0] == S[j].past[0]:
                weigh(P[i, j], S[i], S[j])
                weigh(P[j, i], S[j], S[i])
                level(P[i, j], P[j, i], S[i].level, S[j].level)


@kernel
def weigh(p: Record, mine: Record, other: Record) -> None:
    """One more row of returns and flows, what was before counts a little less."""
    p.weight = KEEP * p.weight + 1.0
    p.squared = KEEP * KEEP * p.squared + 1.0
    x = mine.past[0]
    p.own = KEEP * p.own + x * x
    for k in range(LAGS + 1):
        y = other.past[k]
        p.cross[k] = KEEP * p.cross[k] + (x * y if y == y else 0.0)
    if mine.flow == mine.flow and other.flow == other.flow:
        p.flow_own = KEEP * p.flow_own + mine.flow * mine.flow
        p.flow_cross = KEEP * p.flow_cross + mine.flow * other.flow


@kernel
def level(p: Record, q: Record, x: float, y: float) -> None:
    """Means and covariance of the levels, one more row. West 1979, weights that fade."""
    share = 1.0 / p.weight
    dx, dy = x - p.centre, y - q.centre
    p.centre += share * dx
    q.centre += share * dy
    p.spread = (1.0 - share) * (p.spread + share * dx * dx)
    q.spread = (1.0 - share) * (q.spread + share * dy * dy)
    p.tied = q.tied = (1.0 - share) * (p.tied + share * dx * dy)


@kernel
def rows_worth(p: Record) -> float:
    """Independent rows that the weighted ones are worth. Kish 1965."""
    return float(p.weight * p.weight / p.squared) if p.squared > 0.0 else 0.0


@kernel
def correlation(p: Record, q: Record, lag: int) -> float:
    """Of i now and j so many rows before, in -1 .. 1; 0 while either has not moved."""
    scale = p.own * q.own
    if scale <= 0.0:
        return 0.0
    found: float = p.cross[lag] / sqrt(scale)
    return max(-1.0, min(1.0, found))
