"""Does a process explain its points? Time rescaling (Papangelou 1972; Ogata 1988).

The integral of a kind's true intensity from one of its points to the next is exponential with mean
one, and independent of the others.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types
from scipy.special import kolmogorov

from flowsense._jit import array, compiled
from flowsense.errors import InputError
from flowsense.schema import DAY
from flowsense.simulate.points import NOON, Floats, Ints, Points, Process, base

FEWEST = 20  # residuals that a test needs
READ_INTS = array(np.int64, readonly=True)
READ_FLOATS, READ_TABLE = (array(np.float64, n, readonly=True) for n in (1, 2))
PROCESS = types.Tuple((READ_TABLE, array(np.float64, 3, readonly=True), READ_FLOATS, READ_INTS))


class Residuals(NamedTuple):
    """Of one kind, or of all."""

    values: Floats  # (m,) exponential with mean one, if the process is right
    ks: float  # greatest distance of their distribution from that
    p_value: float  # of it (Kolmogorov 1933; Stephens 1970 for few)
    mean: float  # 1
    variance: float  # 1
    correlation: float  # of neighbours of a kind: 0


@compiled(types.int64(READ_INTS, READ_INTS, PROCESS, types.int64, array(np.float64), READ_INTS))
def rescale(ts: Any, kind: Any, process: Any, start: int, out: Any, grid: Any) -> int:
    """Integrals between points of a kind, in order of their ends; the first of each is left out.

    The baseline is integrated by trapezes between points and, where it bends, the times of `grid`;
    it may jump at midnight: what holds just before the end of a trapeze counts.
    """
    mu, weight, beta, knots = process
    kinds, terms, n, g = len(mu), len(beta), 0, 0
    sums, total, seen = np.zeros((kinds, terms)), np.zeros(kinds), np.zeros(kinds, np.int64)
    at, i = start, 0
    while i < len(ts):
        bend = g < len(grid) and grid[g] < ts[i]
        to = grid[g] if bend else ts[i]
        gap = (to - at) * 1e-9
        for j in range(kinds):
            total[j] += 0.5 * gap * (base(mu, knots, j, at) + base(mu, knots, j, to - 1))
        for p in range(terms):
            lost = -math.expm1(-beta[p] * gap)
            for k in range(kinds):
                for j in range(kinds):
                    total[j] += weight[j, k, p] * sums[k, p] * lost / beta[p]
                sums[k, p] *= 1.0 - lost
        at = to
        if bend:
            g += 1
            continue
        j = kind[i]
        if seen[j]:
            out[n] = total[j]
            n += 1
        seen[j], total[j] = 1, 0.0
        for p in range(terms):
            sums[j, p] += beta[p]
        i += 1
    return n


def residuals(points: Points, process: Process) -> Residuals:
    """Of all kinds, one after the other, with nothing before the start.

    Raises InputError for few points.
    """
    out = np.zeros(len(points.ts))
    parts = (process.mu, np.ascontiguousarray(process.weight), process.beta, process.knots)
    bends = edges(process.knots, points)
    n = rescale(points.ts, points.kind, parts, points.start, out, bends)
    rest = np.ones(len(points.ts), np.bool_)
    rest[np.unique(points.kind, return_index=True)[1]] = False
    return judged(out[:n][np.argsort(points.kind[rest], kind="stable")])


def edges(knots: Ints, points: Points) -> Ints:
    """Every time at which the baseline bends."""
    if len(knots) < 2:
        return NOON[:0]
    days = np.arange(points.start // DAY, points.end // DAY + 1)
    times = np.sort((days[:, None] * DAY + np.r_[0, knots]).ravel())
    return times[(times > points.start) & (times < points.end)]


def judged(values: Floats) -> Residuals:
    """Raises InputError for fewer than FEWEST."""
    m = len(values)
    if m < FEWEST:
        raise InputError(f"residuals: {m} intervals, a test needs {FEWEST}: give more points")
    ordered = -np.expm1(-np.sort(values))
    place = np.arange(m)
    ks = float(max((ordered - place / m).max(), ((place + 1) / m - ordered).max()))
    root = math.sqrt(m)
    p_value = float(kolmogorov(ks * (root + 0.12 + 0.11 / root)))
    apart = values - values.mean()
    spread = max(float(apart @ apart), 1e-300)
    correlation = float(apart[1:] @ apart[:-1]) / spread
    return Residuals(values, ks, p_value, float(values.mean()), spread / m, correlation)
