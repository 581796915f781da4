"""Columns of the dashboard's picture as bytes, little-endian; dashboard/src/wire.ts reads them.

A frame is a head (`HEAD`), then `count` columns: each a `COLUMN`, its image of `cells` bytes, its
trades (`TRADE`), and zeros up to a multiple of 8. A cell holds round(8 * log2(1 + lots)) of what
rests in its ticks, 0 for nothing; cell k spans the ticks [base + k * bucket, base + (k + 1) *
bucket). Nothing is ever not finite: what is not known has its bit in `known` unset and is 0.
"""

import numpy as np

VERSION = 1
CELLS = 256
STEPS = 8.0  # of a byte for each doubling: 2 ** 31 lots fit, 9 % apart

NOTHING, BROKEN, ONE_SIDED, WHOLE = range(4)  # state: no book was ever whole; a gap; ...
MID, MICRO, OFI1, OFI5, OFI10, IMBALANCE, SAID = (1 << k for k in range(7))  # bits of `known`
STALE, BREAKER, ACT, SWAPPED = (1 << k for k in range(4))  # bits of `marks`
NO_REGIME = 255

HEAD = np.dtype(
    [
        ("kind", "u1"),  # 1
        ("version", "u1"),
        ("instrument", "<u2"),
        ("count", "<u2"),
        ("cells", "<u2"),
        ("bucket", "<u4"),  # ticks of a cell: the same in every frame of an instrument
        ("pad", "<u4"),
    ]
)
COLUMN = np.dtype(
    [
        ("number", "<f8"),  # of its start on the grid: ns UTC / 100 ms
        ("base", "<f8"),  # ticks
        ("mid", "<f8"),  # ticks
        ("micro", "<f8"),  # ticks
        ("cvd", "<f8"),  # lots bought less lots sold since the server began
        ("ofi1", "<f4"),  # lots in this column, at the touch
        ("ofi5", "<f4"),  # summed over the first 5 levels
        ("ofi10", "<f4"),
        ("imbalance", "<f4"),  # -1 .. 1 of the first 5 levels
        ("state", "u1"),
        ("known", "u1"),
        ("direction", "i1"),  # of the newest prediction, like those that follow
        ("confidence", "u1"),  # of 255
        ("regime", "u1"),  # the likeliest: place among those of `Hello`
        ("likely", "u1"),  # of 255
        ("marks", "u1"),
        ("trades", "u1"),  # that follow the image
    ]
)
TRADE = np.dtype(
    [
        ("cell", "<i2"),  # may lie outside the image
        ("side", "i1"),  # 1 bought, -1 sold, 0 unknown
        ("pad", "u1"),
        ("lots", "<f4"),  # all of the column at this cell and side
    ]
)
