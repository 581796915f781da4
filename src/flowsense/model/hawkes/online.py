"""Learning on: expectation and maximisation with forgetting (Dempster, Laird & Rubin 1977; online,
Cappe & Moulines 2009).

A theta is the points that its column tells divided by the integral of the column. Both are sums
over time; old time counts for less, and the new points are shared out by the intensities of before.
"""

import numpy as np

from flowsense.model.hawkes.likelihood import Design, slopes
from flowsense.simulate.points import Floats

FAINT = 1e-8  # least baseline, of what it was


def learned_on(
    theta: Floats, exposure: Floats, seen: Design, keep: float, knots: int
) -> tuple[Floats, Floats]:
    """(H, D) theta and exposure after what was seen; `keep`: weight of all before, in (0, 1]."""
    low = np.zeros_like(theta)
    low[:, :knots] = np.maximum(FAINT * theta[:, :knots], 1e-12)
    alive = np.maximum(theta, low)
    shared = alive * (slopes(seen, alive).theta + seen.c)
    told = keep * theta * exposure + shared
    after = keep * exposure + seen.c
    moved = np.divide(told, after, out=theta.copy(), where=after > 0)
    return np.maximum(moved, low), after
