"""Price impact: what a lot of signed trades, or of order flow imbalance, moves the mid by.

Kyle 1985 (lambda); Cont, Kukanov & Stoikov 2014, eq. 8 (OFI). Regressions through the origin over
the fixed intervals of a grid, decayed; an interval without a record adds nothing to either sum.
"""

from math import nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import SIGNED
from flowsense.schema import MILLISECOND, SECOND
from flowsense.tape import Column

STEPS = (100 * MILLISECOND, SECOND)
DECAYS = (2, 3)  # tau of each
K = len(STEPS)
STATE = np.dtype(
    [
        ("next", "i8", K),  # end of the interval under way
        ("sums", "i8", 3),  # half-ticks moved, signed lots, OFI since the stream began
        ("at", "i8", (K, 3)),  # the same when the interval began
        ("ew", "f8", (K, 4)),  # move x flow, flow^2, move x OFI, OFI^2
    ]
)
COLUMNS = tuple(
    Column(f"{name}_{tau}", "ticks/lot", f"{of} per {step}, regressed, decayed over {tau}")
    for step, tau in (("100ms", "10s"), ("1s", "1m"))
    for name, of in (("kyle", "mid move on signed lots"), ("impact", "mid move on ofi_l1"))
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        for k in range(K):
            for j in range(4):
                s.ew[k, j] *= c.shift[DECAYS[k]]
    for k in range(K):
        if c.ts >= s.next[k] or c.fresh:
            close(s, k, c)
    s.sums[0] += c.move2
    s.sums[1] += c.count[SIGNED]
    s.sums[2] += c.ofi


@kernel
def close(s: Record, k: int, c: Record) -> None:
    """An interval cut short by a loss is left out."""
    if not c.fresh:
        grow, y = c.grow[DECAYS[k]], 0.5 * (s.sums[0] - s.at[k, 0])
        flow, ofi = float(s.sums[1] - s.at[k, 1]), float(s.sums[2] - s.at[k, 2])
        s.ew[k, 0] += grow * (y * flow)
        s.ew[k, 1] += grow * (flow * flow)
        s.ew[k, 2] += grow * (y * ofi)
        s.ew[k, 3] += grow * (ofi * ofi)
    for j in range(3):
        s.at[k, j] = s.sums[j]
    s.next[k] = c.ts - c.ts % STEPS[k] + STEPS[k]


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    for k in range(K):
        out[2 * k] = s.ew[k, 0] / s.ew[k, 1] if s.ew[k, 1] > 0.0 else nan
        out[2 * k + 1] = s.ew[k, 2] / s.ew[k, 3] if s.ew[k, 3] > 0.0 else nan
