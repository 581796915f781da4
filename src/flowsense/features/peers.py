"""What the other instruments of the same instant do. Hasbrouck & Seppi 2001, commonality.

Reads the rows of one instant and nothing else; an instrument without a row then is absent.
"""

from math import nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.tape import Column

READS = ("ofi_l1_1s", "flow_share_1s", "imb_l1")
STATE = np.dtype([("ts", "i8")])
COLUMNS = tuple(
    Column(f"peers_{name}", unit, f"mean of {name} over the other instruments", "-")
    for name, unit in zip(READS, ("lots", "1", "1"), strict=True)
)
VERSION = 1


@kernel
def across(S: Record, rows: Record, at: Record, out: Record) -> None:
    """S (n,) STATE; rows (m,) of one instant; at (R,) columns read; out (>= m, R) float64."""
    for j in range(len(at)):
        total, present = 0.0, 0
        for r in range(len(rows)):
            if rows[r].valid[at[j]]:
                total += float(rows[r].X[at[j]])
                present += 1
        for r in range(len(rows)):
            mine = rows[r].valid[at[j]]
            others = present - 1 if mine else present
            x = total - float(rows[r].X[at[j]]) if mine else total
            out[r, j] = x / others if others > 0 else nan
