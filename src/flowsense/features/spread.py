"""The spread, how wide it is for its time, what lies behind it, and the microprice inside it.

Roll 1984; Stoikov 2018 (the weighted mid, first order of the microprice).
"""

from math import nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import TAUS, T, lasting
from flowsense.tape import Column

FINE = 8  # spreads below have a bin each; every octave above has half as many
BINS = 48
STATE = np.dtype(
    [
        ("ticks", "i8"),
        ("known", "i8"),
        ("began", "f8", T),  # weight when it became so wide
        ("held", "f8", T),  # of spreads before it, by how long they held
        ("time", "f8", T),
        ("bins", "f8", BINS),  # time at each width, decayed over the slowest tau
    ]
)
COLUMNS = (
    Column("spread", "ticks", "best ask - best bid"),
    Column(
        "spread_rank", "1", "share of time, decayed over 1m, with a narrower spread + half as wide"
    ),
    *(
        Column(f"spread_mean_{tau}", "ticks", f"mean spread over time, decayed over {tau}")
        for tau in TAUS[1:]
    ),
    Column("micro", "ticks", "spread / 2 x imb_l1: microprice - mid", "-"),
    Column("gap_bid", "ticks", "from the best bid to the next", "gap_ask"),
    Column("gap_ask", "ticks", "from the best ask to the next", "gap_bid"),
)
VERSION = 1


@kernel
def bin_of(ticks: int) -> int:
    k = 0
    while ticks >= FINE:
        ticks >>= 1
        k += FINE // 2
    return min(max(ticks, 0) + k, BINS - 1)


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        for t in range(T):
            s.began[t] *= c.shift[t]
            s.held[t] *= c.shift[t]
            s.time[t] *= c.shift[t]
        for k in range(BINS):
            s.bins[k] *= c.shift[T - 1]
    ticks = c.touch[2] - c.touch[0] if c.whole else 0
    if not c.fresh and s.known == c.whole and s.ticks == ticks:
        return
    if s.known and not c.fresh:
        for t in range(T):
            weight = c.grow[t] - s.began[t]
            s.held[t] += weight * s.ticks
            s.time[t] += weight
        s.bins[bin_of(s.ticks)] += c.grow[T - 1] - s.began[T - 1]
    for t in range(T):
        s.began[t] = c.grow[t]
    s.ticks, s.known = ticks, c.whole


@kernel
def rank(s: Record, c: Record) -> float:
    k, below = bin_of(s.ticks), 0.0
    for i in range(k):
        below += s.bins[i]
    now = lasting(c, s.began[T - 1], T - 1)
    time = s.time[T - 1] * c.fade[T - 1] + now
    equal = s.bins[k] * c.fade[T - 1] + now
    return (below * c.fade[T - 1] + 0.5 * equal) / time if time > 0.0 else 0.5


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    out[0:8] = nan
    if s.known:
        out[0], out[1] = s.ticks, rank(s, c)
        for t in range(1, T):
            now = lasting(c, s.began[t], t)
            time = s.time[t] * c.fade[t] + now
            total = s.held[t] * c.fade[t] + now * s.ticks
            out[1 + t] = total / time if time > 0.0 else s.ticks
        bid, ask = c.touch[1], c.touch[3]
        out[5] = 0.5 * s.ticks * (bid - ask) / (bid + ask)
    if b.known > 1 and b.bid_sz[1] > 0:
        out[6] = b.bid_px[0] - b.bid_px[1]
    if b.known > 1 and b.ask_sz[1] > 0:
        out[7] = b.ask_px[1] - b.ask_px[0]
