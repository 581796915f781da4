"""The exact law of what happens next, given the present intensities.

Given the past, the points of (t, t + h] are independent clusters, whose founders come at the rate
of the baseline and of what still decays. The logarithm of their characteristic function is thus
linear in the baseline and in the decayed sums (the affine transform of Errais, Giesecke & Goldberg
2010), with coefficients that solve one ordinary differential equation, once per horizon. Summing
over frequencies gives P(more of one side) and P(as many of both) of each row, with no simulation.
"""

import cmath
import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from flowsense._jit import array, compiled, kernel
from flowsense.simulate.points import Floats, Ints, Process

HALF = 64  # largest difference that is told apart; beyond it, a normal law
WIDE = 6.0  # deviations that must fit into it
FIRST = 0.02  # first step, of the shortest decay time
GROWTH = 0.04  # later ones, of the time that has passed
CORRECTIONS = 3  # of the end of each step
NUDGE = 1e-20  # imaginary: an exact derivative
APART = 1e-3  # real: of a second difference of exact derivatives
STRIDE, STRIDES = 0.15, 200  # of the integral over the next point: growth of a step, most steps
NOTHING = -40.0  # log of a frequency that no chance is changed by
CERTAIN = 30.0  # minus the log of a survival that leaves nothing to share
ROOT2 = math.sqrt(2.0)
COMPLEX = np.complex128


class Law(NamedTuple):
    """Of C horizons, linear in L = K + K x P numbers: baselines, then decayed sums.

    The difference counts each kind with a sign, as buys less sells.
    """

    mean: Floats  # (C, K, L) expected count of each kind
    drift: Floats  # (C, L) expected difference
    variance: Floats  # (C, L) of the difference
    real: Floats  # (C, L, HALF) log characteristic function of the difference,
    imaginary: Floats  # (C, L, HALF) at 2 pi m / (2 HALF), m = 1 .. HALF


def law(
    process: Process, horizons: Floats, sign: Floats, *, half: int = HALF, finer: float = 1.0
) -> Law:
    """horizons (C,) seconds, any order; sign (K,) +1, -1 or 0 of each kind in the difference.

    half: largest difference told apart; finer: so many times more steps, to see what they cost.
    """
    K = len(process.mu)
    angle = np.pi * np.arange(1, half + 1) / half
    unit = NUDGE * 1j * np.eye(K)
    second = np.stack([(s * APART + NUDGE * 1j) * sign for s in (-1, 1)])
    logz = np.concatenate([1j * np.outer(angle, sign), unit, second])
    found = transform(process, logz, horizons, finer)  # (S, C, L)
    waves, means, ends = np.split(found, [half, half + K])
    variance = (ends[1].imag - ends[0].imag) / (2 * APART * NUDGE)
    real, imaginary = (np.ascontiguousarray(np.moveaxis(w, 0, 2)) for w in (waves.real, waves.imag))
    mean = np.ascontiguousarray(np.moveaxis(means.imag, 0, 1)) / NUDGE
    return Law(mean, np.einsum("ckl,k->cl", mean, sign), variance, real, imaginary)


def transform(process: Process, logz: Any, horizons: Floats, finer: float = 1.0) -> Any:
    """(S, C, L) coefficients of log E[product of z_k^count_k] for logz (S, K)."""
    rising, back = np.unique(horizons, return_inverse=True)
    times, at = grid(float(process.beta.max()), rising, finer)
    K, P = len(process.mu), len(process.beta)
    out = np.zeros((len(logz), len(rising), K + K * P), COMPLEX)
    weight = np.ascontiguousarray(process.weight)
    integrate(logz.astype(COMPLEX), weight, process.beta, times, at, out)
    return out[:, back]


def grid(fastest: float, horizons: Floats, finer: float) -> tuple[Floats, Ints]:
    """Times from 0, near each other at first, and where the rising horizons are among them."""
    first, last = FIRST / fastest / finer, float(horizons[-1])
    rise = [0.0]
    while rise[-1] < last:
        rise.append(rise[-1] + max(first, GROWTH / finer * rise[-1]))
    times = np.unique(np.r_[np.array(rise)[:-1], horizons])
    return times, np.searchsorted(times, horizons).astype(np.int64)


TABLE3 = array(np.float64, 3, readonly=True)
FLOATS = array(np.float64, 1, readonly=True)


@kernel
def advance(past: Any, f: Any, g: Any, beta: Any, step: float, now: Any) -> None:
    """Decayed integrals one step on: exact where the transform goes linearly from f to g."""
    for p in range(len(beta)):
        lost = -math.expm1(-beta[p] * step)
        new = 1.0 - lost / (beta[p] * step)
        for k in range(len(f)):
            now[k, p] = (1.0 - lost) * past[k, p] + (lost - new) * f[k] + new * g[k]


@kernel
def clusters(logz: Any, weight: Any, now: Any, out: Any) -> None:
    """Transforms of the clusters of a point of each kind, less one."""
    for k in range(len(logz)):
        log = logz[k]
        for j in range(len(logz)):
            for p in range(now.shape[1]):
                log += weight[j, k, p] * now[j, p]
        out[k] = cmath.exp(log) - 1.0


@kernel
def note(total: Any, past: Any, weight: Any, beta: Any, out: Any) -> None:
    """Coefficients of the baselines, then of the decayed sums."""
    kinds, terms = past.shape
    for k in range(kinds):
        out[k] = total[k]
        for p in range(terms):
            for j in range(kinds):
                out[kinds + k * terms + p] += weight[j, k, p] * past[j, p] / beta[p]


@compiled(
    types.void(
        array(COMPLEX, 2), TABLE3, FLOATS, array(np.float64), array(np.int64), array(COMPLEX, 3)
    )
)
def integrate(logz: Any, weight: Any, beta: Any, times: Any, at: Any, out: Any) -> None:
    """F_k(v): transform of the cluster of a point of kind k over v; H its decayed integrals.

    F_k = z_k exp(sum of weight[j, k, p] H[j, p]), dH[j, p] / dv = beta[p] (F_j - 1 - H[j, p]). The
    decay is exact in each step, F linear in it, corrected at its end.
    """
    kinds, terms = logz.shape[1], len(beta)
    past, now = np.zeros((kinds, terms), np.complex128), np.zeros((kinds, terms), np.complex128)
    f, g = np.zeros(kinds, np.complex128), np.zeros(kinds, np.complex128)
    total = np.zeros(kinds, np.complex128)
    for s in range(len(logz)):
        past[:] = 0.0
        total[:] = 0.0
        clusters(logz[s], weight, past, f)
        c = 0
        for i in range(1, len(times)):
            step = times[i] - times[i - 1]
            g[:] = f
            for _ in range(CORRECTIONS):
                advance(past, f, g, beta, step, now)
                clusters(logz[s], weight, now, g)
            for k in range(kinds):
                total[k] += 0.5 * step * (f[k] + g[k])
            f[:] = g
            past[:] = now
            if at[c] == i:
                note(total, past, weight, beta, out[s, c])
                c += 1
                if c == len(at):
                    break


@cache
def counted(half: int = HALF) -> tuple[Floats, Floats]:
    """(half,) real and imaginary weights by which frequencies add up to P(difference > 0)."""
    m, d = np.arange(1, half + 1), np.arange(1, half)
    waves = np.exp(-1j * np.pi * np.outer(m, d) / half).sum(axis=1)
    twice = np.where(m < half, 2.0, 1.0) / (2 * half)
    return np.ascontiguousarray(waves.real * twice), np.ascontiguousarray(waves.imag * twice)


TABLE4 = array(np.float64, 4, readonly=True)
LAWS = types.Tuple((TABLE4, TABLE3, TABLE3, TABLE4, TABLE4))


@kernel
def beyond(x: float) -> float:
    """P(a standard normal number > x)."""
    return 0.5 * math.erfc(x / ROOT2)


@kernel
def signs(log: Any, angle: Any, weights: Any) -> tuple[float, float]:
    """P(difference > 0), P(it is 0) by the inverse discrete Fourier transform."""
    half = len(log)
    above, same = (half - 1) / (2.0 * half), 0.5 / half
    for m in range(half):
        if log[m] > NOTHING:
            size = math.exp(log[m])
            real, imaginary = size * math.cos(angle[m]), size * math.sin(angle[m])
            above += real * weights[0][m] - imaginary * weights[1][m]
            same += real * ((1.0 if m < half - 1 else 0.5) / half)
    same = min(max(same, 0.0), 1.0)
    return min(max(above, 0.0), 1.0 - same), same


@compiled(
    types.void(
        array(np.float64, 2, readonly=True),
        array(np.int64, readonly=True),
        LAWS,
        types.UniTuple(FLOATS, 2),
        array(np.float64, 3),
    )
)
def evaluate(now: Any, place: Any, laws: Any, weights: Any, out: Any) -> None:
    """now (n, L), place (n,) in the laws; out (n, C, K + 2): counts, P(more), P(as many)."""
    means, drifts, variances, reals, imaginaries = laws
    kinds, size, half = means.shape[2], now.shape[1], reals.shape[3]
    log, angle = np.zeros(half), np.zeros(half)
    for i in range(len(now)):
        w = place[i]
        for c in range(means.shape[1]):
            for k in range(kinds):
                out[i, c, k] = 0.0
            drift = variance = 0.0
            log[:] = 0.0
            angle[:] = 0.0
            for a in range(size):
                x = now[i, a]
                for k in range(kinds):
                    out[i, c, k] += means[w, c, k, a] * x
                drift += drifts[w, c, a] * x
                variance += variances[w, c, a] * x
                for m in range(half):
                    log[m] += reals[w, c, a, m] * x
                    angle[m] += imaginaries[w, c, a, m] * x
            spread = math.sqrt(max(variance, 0.0))
            if abs(drift) + WIDE * spread < half:
                above, same = signs(log, angle, weights)
            else:
                above = beyond((0.5 - drift) / spread)
                same = max(1.0 - above - beyond((0.5 + drift) / spread), 0.0)
            out[i, c, kinds], out[i, c, kinds + 1] = above, same


@kernel
def intensities(now: Any, weight: Any, beta: Any, t: float, out: Any) -> None:
    """(K,) per second, t seconds on, if nothing happens until then."""
    kinds, terms = len(weight), len(beta)
    for j in range(kinds):
        out[j] = now[j]
    for p in range(terms):
        fade = math.exp(-beta[p] * t)
        for j in range(kinds):
            for k in range(kinds):
                out[j] += weight[j, k, p] * now[kinds + k * terms + p] * fade


@compiled(
    types.void(array(np.float64, 2, readonly=True), TABLE3, FLOATS, array(np.float64, 2)),
    brief=True,
)
def following(now: Any, weight: Any, beta: Any, out: Any) -> None:
    """now (n, K + K x P) of one process; out (n, 2 K): intensities, P(the next point is of kind k).

    Integral of share x survival by steps over which shares hardly change; survival is exact.
    """
    kinds, terms = len(weight), len(beta)
    size, share, rest = np.zeros(kinds), np.zeros(kinds), np.zeros(terms)
    for i in range(len(now)):
        t, left, step = 0.0, 1.0, STRIDE / beta.max()
        intensities(now[i], weight, beta, 0.0, size)
        steady = 0.0
        for k in range(kinds):
            steady += now[i, k]
            out[i, k], out[i, kinds + k] = size[k], 0.0
        for p in range(terms):
            rest[p] = 0.0
            for j in range(kinds):
                for k in range(kinds):
                    rest[p] += weight[j, k, p] * now[i, kinds + k * terms + p]
        for _ in range(STRIDES):
            t += step
            step = STRIDE * t
            waited = steady * t
            for p in range(terms):
                waited -= rest[p] * math.expm1(-beta[p] * t) / beta[p]
            share[:] = size
            intensities(now[i], weight, beta, t, size)
            total, before, survival = size.sum(), share.sum(), math.exp(-waited)
            for k in range(kinds):
                mean = 0.0
                if total > 0.0 and before > 0.0:
                    mean = 0.5 * (share[k] / before + size[k] / total)
                out[i, kinds + k] += mean * (left - survival)
            left = survival
            if waited > CERTAIN:
                break
        named = out[i, kinds:].sum()
        for k in range(kinds):
            out[i, kinds + k] = out[i, kinds + k] / named if named > 0.0 else 1.0 / kinds
