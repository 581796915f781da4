"""How single orders fare: how long those executed had waited, how many are, how large they are.

Cho & Nelling 2000 (time to execution); Lo, MacKinlay & Zhang 2002 (limit orders as survival).
Missing without L3.
"""

from math import nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import AGE, CUTS, FILL_AGE, FILLS, JOINED, JOINED_LOTS, TAUS
from flowsense.tape import Column

SLOW = 2  # the taus from here on
WHAT = (FILLS, FILL_AGE, CUTS, AGE, JOINED, JOINED_LOTS)
K = len(WHAT)
STATE = np.dtype([("ew", "f8", (2, K))])
COLUMNS = tuple(
    column
    for tau in TAUS[SLOW:]
    for column in (
        Column(f"fill_age_{tau}", "s", f"mean age of orders executed, decayed over {tau}"),
        Column(f"fill_share_{tau}", "1", f"executed / (executed + cut) orders, decayed over {tau}"),
        Column(f"fill_patience_{tau}", "1", f"mean age of orders executed / of orders cut, {tau}"),
        Column(f"order_size_{tau}", "lots", f"mean lots of orders that join, decayed over {tau}"),
    )
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        for t in range(2):
            for k in range(K):
                s.ew[t, k] *= c.shift[SLOW + t]
    if c.count[FILLS] + c.count[CUTS] + c.count[JOINED] != 0:
        for t in range(2):
            for k in range(K):
                s.ew[t, k] += c.grow[SLOW + t] * c.count[WHAT[k]]


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    for t in range(2):
        fills, fill_age, cuts, age = s.ew[t, 0], s.ew[t, 1], s.ew[t, 2], s.ew[t, 3]
        joined, lots = s.ew[t, 4], s.ew[t, 5]
        at = 4 * t
        out[at] = fill_age / fills * 1e-9 if fills > 0.0 else nan
        out[at + 1] = fills / (fills + cuts) if joined > 0.0 and fills + cuts > 0.0 else nan
        known = fills > 0.0 and age > 0.0
        out[at + 2] = (fill_age / fills) / (age / cuts) if known else nan
        out[at + 3] = lots / joined if joined > 0.0 else nan
