"""Correlation and lead-lag of prices that change at times of their own, without a grid.

Hayashi & Yoshida 2005: products of all moves whose intervals overlap, so that no price is made up
between. One of them shifted in time tells who leads (Hoffmann, Rosenbaum & Yoshida 2013).
"""

from math import sqrt
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled
from flowsense.errors import InputError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


class LeadLag(NamedTuple):
    correlation: Floats  # (L,) at each lag
    lag_ns: int  # where it is largest; > 0: the second leads the first
    ratio: float  # > 1: the second leads. Sum of squares at lags > 0 / at lags < 0; Huth & Abergel


@compiled(types.float64(array("i8"), array("f8"), array("i8"), array("f8"), types.int64))
def overlap(s: Record, x: Record, t: Record, y: Record, shift: int) -> float:
    """Sum of products of moves whose intervals overlap, y `shift` ns later than it is."""
    total, a = 0.0, 1
    for b in range(1, len(t)):
        begin, end, move = t[b - 1] + shift, t[b] + shift, y[b] - y[b - 1]
        while a < len(s) and s[a] <= begin:
            a += 1
        k = a
        while k < len(s) and s[k - 1] < end:
            total += move * (x[k] - x[k - 1])
            k += 1
    return total


def lead_lag(s: Ints, x: Floats, t: Ints, y: Floats, lags_ns: Ints) -> LeadLag:
    """Prices x at times s and y at times t, ns rising; lags as they may be. Raises InputError."""
    for name, ts, price in (("first", s, x), ("second", t, y)):
        if len(ts) != len(price) or len(ts) < 3 or np.any(np.diff(ts) <= 0):
            raise InputError(f"{name} prices: give 3 or more, each with a later time")
        if not np.isfinite(price).all():
            raise InputError(f"{name} prices: one is not finite: leave it out")
    scale = sqrt(float((np.diff(x) ** 2).sum() * (np.diff(y) ** 2).sum()))
    if scale == 0:
        raise InputError("prices that never move have no correlation")
    args = (s.astype(np.int64), x.astype(np.float64), t.astype(np.int64), y.astype(np.float64))
    found = np.array([overlap(*args, int(lag)) for lag in lags_ns]) / scale
    later, sooner = ((found[side] ** 2).sum() for side in (lags_ns > 0, lags_ns < 0))
    ratio = float(later / sooner) if sooner > 0 else float("inf") if later > 0 else 1.0
    return LeadLag(found, int(lags_ns[np.abs(found).argmax()]), ratio)
