"""Calibration by a monotone curve through log-odds. Zadrozny & Elkan 2002.

The curve of most likelihood is a staircase; here it is one of straight lines between the middles
of its steps, and a tenth of every rise is kept as it was, so that two forecasts that differ still
differ afterwards and the order of convictions stays.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from flowsense.model.logits import bends
from flowsense.model.sides import Floats, sigmoid

KNOTS = 20  # of a curve, at most
FEWEST = 60  # rows behind each
PRIOR = 20.0  # rows, not overlapping, that speak for leaving a knot where it is
STAYS = 0.1  # share of each rise
EDGE = 1e-6


def curve(x: Floats, yes: NDArray[np.bool_], weight: Floats, *, odd: bool) -> Floats:
    """(KNOTS, 2) log-odds said, and what came of them, ascending; zeros where rows are too few.

    x (m,) log-odds of yes, yes (m,) whether it came. Where `odd` the curve turns with its
    argument: as much is made of a call down as of one up, and no call is turned.
    """
    if odd:
        x, yes = np.abs(x), yes ^ (x < 0)
    count = min(KNOTS, len(x) // FEWEST)
    if count < 3 or yes.min() == yes.max():
        return np.zeros((KNOTS, 2))
    parts = np.array_split(np.argsort(x, kind="stable"), count)
    rows = np.array([weight[part].sum() for part in parts])
    said = np.array([np.average(x[part], weights=weight[part]) for part in parts])
    came = np.array([weight[part] @ yes[part] for part in parts])
    share = (came + PRIOR * sigmoid(said)) / (rows + PRIOR)
    fit = np.clip(isotonic_regression(share, weights=rows + PRIOR).x, EDGE, 1 - EDGE)
    meant = np.log(fit) - np.log1p(-fit)
    meant = (1 - STAYS) * (np.maximum(meant, 0.0) if odd else meant) + STAYS * said
    knots = np.stack([said, meant], axis=1)
    return np.concatenate([knots, np.repeat(knots[-1:], KNOTS - count, axis=0)])


def bent(x: Floats, knots: Floats, *, odd: bool) -> Floats:
    """(m,) the curve at x: straight between knots, and on by the same steps beyond them."""
    out = np.empty(len(x))
    bends(np.ascontiguousarray(x, np.float64), knots, odd, out)
    return out
