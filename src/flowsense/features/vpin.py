"""Imbalance of trades in volume time. Easley, Lopez de Prado & O'Hara 2012, eq. 7.

A bucket holds what 20 trades of mean size hold, the mean being decayed over 1m; it closes with the
whole book whose trades fill it, and is never split. Sides are told by the feed, not inferred.
"""

from math import nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import LOTS, SIGNED, TRADES
from flowsense.tape import Column

TRADES_EACH = 20
BUCKETS = 50  # a window, as in the paper
STATE = np.dtype(
    [
        ("lots", "f8"),
        ("trades", "f8"),
        ("open", "i8", 2),  # lots, signed lots of the bucket being filled
        ("closed", "i8", (BUCKETS, 2)),  # of the last ones, a ring
        ("total", "i8", 3),  # lots, signed lots and |signed lots| of the closed ones
        ("seen", "i8"),
    ]
)
COLUMNS = (
    Column("vpin", "1", "sum of |buys - sells| of the last 50 buckets / their lots"),
    Column("vpin_side", "1", "sum of buys - sells of the last 50 buckets / their lots", "-"),
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        s.lots *= c.shift[3]
        s.trades *= c.shift[3]
    if c.count[TRADES] != 0:
        s.lots += c.grow[3] * c.count[LOTS]
        s.trades += c.grow[3] * c.count[TRADES]
        s.open[0] += c.count[LOTS]
        s.open[1] += c.count[SIGNED]
        if s.open[0] * s.trades >= TRADES_EACH * s.lots:
            close(s)


@kernel
def close(s: Record) -> None:
    at = s.seen % BUCKETS
    gone = s.closed[at]
    s.total[0] += s.open[0] - gone[0]
    s.total[1] += s.open[1] - gone[1]
    s.total[2] += abs(s.open[1]) - abs(gone[1])
    gone[0], gone[1] = s.open[0], s.open[1]
    s.open[0] = s.open[1] = 0
    s.seen += 1


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    out[0] = s.total[2] / s.total[0] if s.total[0] > 0 else nan
    out[1] = s.total[1] / s.total[0] if s.total[0] > 0 else nan
