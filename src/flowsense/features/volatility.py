"""How far and how often the mid moves, which way, and how much of it is jumps or bounce.

Barndorff-Nielsen & Shephard 2004 (realised and bipower variation); Barndorff-Nielsen, Kinnebrock &
Shephard 2010 (semivariance); Lo & MacKinlay 1988 (variance ratio). A return is mid - decayed mean
of the mid: the sum of the moves, each decayed since it happened.
"""

from math import exp, nan, pi

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import RATES, TAUS, T, powers
from flowsense.schema import SECOND
from flowsense.tape import Column

STATE = np.dtype(
    [
        ("ret", "f8", T),  # of moves, ticks
        ("up", "f8", T),  # of squares of the moves up
        ("down", "f8", T),
        ("changes", "f8", T),
        ("side", "i8"),  # of the last move; 0: none since the loss
        ("ts", "i8"),
        ("next", "i8"),  # end of the second under way
        ("move2", "i8"),  # in it
        ("past2", "i8"),  # in the one before
        ("squares", "f8"),  # of seconds, decayed over 1m
        ("products", "f8"),  # of neighbouring seconds
    ]
)
COLUMNS = (
    *(Column(f"ret_{tau}", "ticks", f"mid - mean mid, decayed over {tau}", "-") for tau in TAUS),
    *(
        Column(f"rv_{tau}", "ticks^2", f"sum of squared mid moves, decayed over {tau}")
        for tau in TAUS
    ),
    Column("rv_up_10s", "ticks^2", "the same of moves up, decayed over 10s", "rv_down_10s"),
    Column("rv_down_10s", "ticks^2", "the same of moves down, decayed over 10s", "rv_up_10s"),
    *(
        Column(f"changes_{tau}", "1/s", f"mid moves per second, decayed over {tau}")
        for tau in TAUS[1:3]
    ),
    *(
        Column(f"last_move_{tau}", "1", f"sign of the last mid move x exp(-age / {tau})", "-")
        for tau in TAUS[:3]
    ),
    Column("since_move", "s", "since the last mid move"),
    Column("bipower_1m", "ticks^2", "pi / 2 x |moves of neighbouring seconds|, decayed over 1m"),
    Column("variance_ratio", "1", "squared moves of whole seconds / rv_1m"),
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        for t in range(T):
            s.ret[t] *= c.shift[t]
            s.up[t] *= c.shift[t]
            s.down[t] *= c.shift[t]
            s.changes[t] *= c.shift[t]
        s.squares *= c.shift[3]
        s.products *= c.shift[3]
    if c.fresh:
        s.side = s.move2 = s.past2 = 0
    if c.ts >= s.next:
        close(s, c)
    if c.move2 != 0:
        move(s, c)


@kernel
def move(s: Record, c: Record) -> None:
    s.move2 += c.move2
    s.side, s.ts = 1 if c.move2 > 0 else -1, c.ts
    x = 0.5 * c.move2
    for t in range(T):
        s.ret[t] += c.grow[t] * x
        s.changes[t] += c.grow[t]
    if x > 0.0:
        for t in range(T):
            s.up[t] += c.grow[t] * (x * x)
    else:
        for t in range(T):
            s.down[t] += c.grow[t] * (x * x)


@kernel
def close(s: Record, c: Record) -> None:
    """A second is over; those without a record had no move."""
    x = 0.5 * s.move2
    s.squares += c.grow[3] * (x * x)
    s.products += c.grow[3] * (0.5 * pi) * abs(x * 0.5 * s.past2)
    end = c.ts - c.ts % SECOND + SECOND
    s.past2 = s.move2 if end == s.next + SECOND else 0
    s.move2, s.next = 0, end


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    for t in range(T):
        out[t] = s.ret[t] * c.fade[t]
        out[T + t] = (s.up[t] + s.down[t]) * c.fade[t]
    out[8], out[9] = s.up[2] * c.fade[2], s.down[2] * c.fade[2]
    for t in range(1, 3):
        out[9 + t] = s.changes[t] * c.fade[t] * RATES[t]
    out[12:16] = nan
    if s.side != 0:
        powers(out[12:16], exp((s.ts - ts) / 6e10))
        for t in range(3):
            out[12 + t] *= s.side
        out[15] = (ts - s.ts) * 1e-9
    out[16] = s.products * c.fade[3]
    total = s.up[3] + s.down[3]
    out[17] = s.squares / total if total > 0.0 else nan
