"""How unusual a column is for its instrument of late: how many deviations from its own mean.

Welford 1962, with weights that decay over 10 minutes (West 1979). The row itself is not yet part of
the mean it is compared with. Missing until 30 rows have been seen.
"""

from math import exp, nan, sqrt

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.tape import Column

TAU = 600.0  # s
LEAST = 30  # rows before there is a deviation
OF = (
    *(("imb_l1", "-"), ("imb_cum5", "-"), ("micro", "-"), ("ret_1s", "-"), ("ofi_l1_1s", "-")),
    *(("flow_1s", "-"), ("spread", ""), ("rv_10s", ""), ("arrivals_1m", "")),
    *(("queue_bid", "queue_ask"), ("queue_ask", "queue_bid")),
)
READS = tuple(name for name, _ in OF)
K = len(OF)
STATE = np.dtype(
    [
        ("ts", "i8"),
        ("seen", "i8", K),
        ("weight", "f8", K),
        ("centre", "f8", K),
        ("squares", "f8", K),  # of distances from the centre
    ]
)
COLUMNS = tuple(
    Column(
        f"z_{name}",
        "1",
        f"({name} - its mean) / its deviation, rows before it decayed over 10 min",
        f"z_{mirror}" if mirror not in ("", "-") else mirror,
    )
    for name, mirror in OF
)
VERSION = 1


@kernel
def learn(s: Record, j: int, x: float) -> float:
    """-> the z-score of x among what came before it."""
    away, z = x - s.centre[j], nan
    if s.seen[j] >= LEAST and s.squares[j] > 0.0:
        z = away / sqrt(s.squares[j] / s.weight[j])
    s.seen[j] += 1
    s.weight[j] += 1.0
    s.centre[j] += away / s.weight[j]
    s.squares[j] += away * (x - s.centre[j])
    return z


@kernel
def across(S: Record, rows: Record, at: Record, out: Record) -> None:
    """S (n,) STATE; rows (m,) of one instant; at (R,) columns read; out (>= m, F) float64."""
    for r in range(len(rows)):
        s = S[rows[r].instrument]
        keep = exp((s.ts - rows[r].ts) * 1e-9 / TAU) if s.ts != 0 else 0.0
        s.ts = rows[r].ts
        for j in range(K):
            s.weight[j] *= keep
            s.squares[j] *= keep
            if rows[r].valid[at[j]]:
                out[r, j] = learn(s, j, float(rows[r].X[at[j]]))
