"""Pairs whose levels come back to each other: how much of one hedges the other, and how fast.

Engle & Granger 1987: levels are regressed on each other, and a residual that is pulled back is a
pair. The test is Dickey & Fuller's t with the critical values of MacKinnon 2010, table 2 (N = 2,
constant). A study of a recording: among many pairs some pass by luck, so the level is shared.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError

Floats = NDArray[np.float64]
SURFACE = {  # level: b0, b1, b2 of b0 + b1 / n + b2 / n^2. MacKinnon 2010, table 2
    0.01: (-3.89644, -10.9519, -22.527),
    0.05: (-3.33613, -6.1101, -6.823),
    0.10: (-3.04445, -4.2412, -2.720),
}
FEWEST = 50  # rows


class Hedge(NamedTuple):
    """`long` - beta x `short` is pulled back to its mean."""

    long: int
    short: int
    beta: float
    half_life: float  # rows in which half of a deviation is gone
    statistic: float  # t of the pull; the more below 0 the surer
    deviation: float  # of the residual
    now: float  # the last residual, in deviations


def critical(level: float, n: int) -> float:
    """The statistic below which independent walks lie with this probability. Raises InputError."""
    if level not in SURFACE:
        raise InputError(f"level {level}: tables hold {', '.join(map(str, SURFACE))}")
    b0, b1, b2 = SURFACE[level]
    return b0 + b1 / n + b2 / n**2


def hedge(levels: Floats, long: int, short: int) -> Hedge:
    """Of two columns of levels (n, K)."""
    x, y = (levels[:, k] - levels[:, k].mean() for k in (long, short))
    power = float(y @ y)
    beta = float(x @ y) / power if power > 0 else 0.0
    left = x - beta * y
    past, change = left[:-1], np.diff(left)
    weight = float(past @ past)
    pull = float(past @ change) / weight if weight > 0 else 0.0
    noise = change - pull * past
    error = np.sqrt(float(noise @ noise) / max(len(noise) - 1, 1) / weight) if weight > 0 else 0.0
    half = float(-np.log(2) / np.log1p(pull)) if -1 < pull < 0 else (0.0 if pull <= -1 else np.inf)
    deviation = float(left.std())
    now = float(left[-1] / deviation) if deviation > 0 else 0.0
    return Hedge(long, short, beta, half, pull / error if error > 0 else 0.0, deviation, now)


def hedges(levels: Floats, level: float = 0.01) -> tuple[Hedge, ...]:
    """Pairs of columns of levels (n, K), log prices or ticks, that pass, the surest first.

    Of two directions the surer one. Raises InputError.
    """
    if levels.ndim != 2 or len(levels) < FEWEST or not np.isfinite(levels).all():
        shape = "x".join(map(str, levels.shape))
        raise InputError(f"levels {shape}: give {FEWEST} rows or more, finite, a column each")
    bound, k = critical(level, len(levels)), levels.shape[1]
    found = []
    for i in range(k):
        for j in range(i):
            best = min(hedge(levels, i, j), hedge(levels, j, i), key=lambda h: h.statistic)
            if best.statistic < bound:
                found.append(best)
    return tuple(sorted(found, key=lambda h: h.statistic))
