"""What the other instruments of the same instant do, and what the busiest of them does.

Hasbrouck & Seppi 2001 (commonality); Hayashi & Yoshida 2005, Huth & Abergel 2014 (the liquid
lead). Reads the rows of one instant and nothing else; an instrument without a row then is absent.
"""

from math import nan, sqrt

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.tape import Column

SIGNALS = ("ret_100ms", "ret_1s", "ofi_share_1s", "flow_share_1s", "imb_l1")
LED = 3  # of them, also told of the busiest
READS = (*SIGNALS, "rv_1m", "arrivals_1m")
VARIANCE, BUSY = len(SIGNALS), len(SIGNALS) + 1
SCALES = (0.1 / 60 / 2, 1.0 / 60 / 2)  # variance of a decayed return / rv_1m, of a random walk
STATE = np.dtype([("none", "i8")])
OF = ("ret_100ms in its own deviations", "ret_1s in its own deviations", *SIGNALS[2:])
COLUMNS = (
    *(
        Column(f"peers_{name}", "1", f"mean of {of} over the other instruments", "-")
        for name, of in zip(SIGNALS, OF, strict=True)
    ),
    *(
        Column(f"lead_{name}", "1", f"{of} of the other instrument with most arrivals_1m", "-")
        for name, of in zip(SIGNALS[:LED], OF[:LED], strict=True)
    ),
)
VERSION = 2


@kernel
def signal(row: Record, at: Record, j: int) -> float:
    """Signal j of a row, NaN where it is missing; returns in deviations of that instrument."""
    if not row.valid[at[j]]:
        return nan
    x = float(row.X[at[j]])
    if j < len(SCALES):
        variance = float(row.X[at[VARIANCE]]) * SCALES[j]
        return x / sqrt(variance) if row.valid[at[VARIANCE]] and variance > 0.0 else nan
    return x


@kernel
def busiest(rows: Record, at: Record, but: int) -> int:
    """The row with most arrivals, the first of equals, or -1; never row `but`."""
    found, most = -1, -1.0
    for r in range(len(rows)):
        x = float(rows[r].X[at[BUSY]])
        if r != but and x > most:
            found, most = r, x
    return found


@kernel
def across(S: Record, rows: Record, at: Record, out: Record) -> None:
    """S (n,) STATE; rows (m,) of one instant; at (R,) columns read; out (>= m, F) float64."""
    first = busiest(rows, at, -1)
    second = busiest(rows, at, first)
    for j in range(len(SIGNALS)):
        total, present = 0.0, 0
        for r in range(len(rows)):
            x = signal(rows[r], at, j)
            out[r, j] = x
            if x == x:
                total += x
                present += 1
        for r in range(len(rows)):
            lead = second if r == first else first
            if j < LED:
                out[r, len(SIGNALS) + j] = signal(rows[lead], at, j) if lead >= 0 else nan
        for r in range(len(rows)):
            mine = out[r, j] == out[r, j]
            others = present - 1 if mine else present
            x = total - out[r, j] if mine else total
            out[r, j] = x / others if others > 0 else nan
