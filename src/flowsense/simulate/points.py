"""Points of several kinds that excite each other, with known parameters (Hawkes 1971), simulated.

The intensity of kind j at t, per second, is ``mu[j] + sum of phi[j, k](t - t_i)`` over the earlier
points i, k being the kind of i. Kernels are mixtures of exponentials, which keeps the process
Markov: ``phi[j, k](u) = sum over p of weight[j, k, p] * beta[p] * exp(-beta[p] * u)``.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import array, compiled, kernel
from flowsense.errors import InputError
from flowsense.schema import DAY

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
NS = 1e-9  # seconds
NOON = np.array([DAY // 2], np.int64)  # one knot: a baseline that never changes
ROOM = 4_096  # points by which a table grows


class Process(NamedTuple):
    """K kinds, Q shapes that are mixtures of P exponentials, and B knots of the baseline."""

    mu: Floats  # (K, B) per second, at the knots; linear between, constant outside
    alpha: Floats  # (K, K, Q) mean number of children of kind j that a point of kind k has directly
    beta: Floats  # (P,) per second
    mix: Floats  # (Q, P) each row sums to one
    knots: Ints  # (B,) ns after midnight UTC, rising

    @property
    def weight(self) -> Floats:
        """(K, K, P) mean number of children by each exponential."""
        return np.asarray(self.alpha @ self.mix, np.float64)

    @property
    def branching(self) -> float:
        """Spectral radius of the mean numbers of children: stationary below one."""
        return float(np.abs(np.linalg.eigvals(self.alpha.sum(axis=2))).max())

    @property
    def rates(self) -> Floats:
        """(K,) stationary mean per second, at the mean of the knots: (I - alpha)^-1 mu."""
        direct = np.eye(len(self.mu)) - self.alpha.sum(axis=2)
        return np.asarray(np.linalg.solve(direct, self.mu.mean(axis=1)), np.float64)


class Points(NamedTuple):
    """All points in [start, end)."""

    ts: Ints  # (n,) ns, never falling
    kind: Ints  # (n,)
    start: int
    end: int

    @property
    def seconds(self) -> float:
        return (self.end - self.start) * NS


def exponential(mu: Any, alpha: Any, beta: float) -> Process:
    """One decay for all pairs of kinds: mu (K,), alpha (K, K). Raises InputError."""
    base, children = np.asarray(mu, np.float64)[:, None], np.asarray(alpha, np.float64)[:, :, None]
    return checked(Process(base, children, np.array([float(beta)]), np.ones((1, 1)), NOON))


def checked(process: Process) -> Process:
    """The process, if it can be simulated. Raises InputError."""
    mu, alpha, beta, mix, knots = process
    (k, b), (q, p) = mu.shape, mix.shape
    if alpha.shape != (k, k, q) or beta.shape != (p,) or knots.shape != (b,):
        raise InputError(f"process: {k} kinds and {q} shapes need alpha ({k}, {k}, {q})")
    if not (np.isfinite(mu).all() and np.isfinite(alpha).all() and np.isfinite(beta).all()):
        raise InputError("process: every parameter must be a finite number")
    if (mu < 0).any() or (alpha < 0).any() or (beta <= 0).any():
        raise InputError("process: mu and alpha must not be negative, beta must be above 0")
    if process.branching >= 1:
        raise InputError(f"process: branching ratio {process.branching:.3f} must be below 1")
    return process


@kernel
def between(knots: Any, ts: int) -> tuple[int, float]:
    """The knot at or before a time of day, and how far the next is reached."""
    day, last = ts % DAY, len(knots) - 1
    if day <= knots[0]:
        return 0, 0.0
    for j in range(last):
        if day < knots[j + 1]:
            return j, (day - knots[j]) / (knots[j + 1] - knots[j])
    return last, 0.0


@kernel
def base(mu: Any, knots: Any, kind: int, ts: int) -> float:
    j, far = between(knots, ts)
    here = float(mu[kind, j])
    return here if far == 0.0 else here + far * (float(mu[kind, j + 1]) - here)


TABLE = array(np.float64, 2)
PARTS = types.Tuple(
    (TABLE, array(np.float64, 3, readonly=True), array(np.float64), array(np.int64))
)
INTS = array(np.int64)


@kernel
def excess_of(weight: Any, sums: Any, kind: int) -> float:
    """What earlier points add to the intensity of a kind; sums (K, P)."""
    total = 0.0
    for k in range(sums.shape[0]):
        for p in range(sums.shape[1]):
            total += weight[kind, k, p] * sums[k, p]
    return total


@kernel
def chosen(process: Any, sums: Any, ts: int, x: float) -> int:
    """The kind in whose share of the intensities x falls; as many as there are beyond them all."""
    mu, weight, _, knots = process
    for j in range(len(mu)):
        x -= base(mu, knots, j, ts) + excess_of(weight, sums, j)
        if x < 0.0:
            return j
    return len(mu)


@compiled(types.int64(PARTS, TABLE, INTS, types.npy_rng, INTS, INTS))
def thin(process: Any, sums: Any, span: Any, rng: Any, ts: Any, kind: Any) -> int:
    """Points from span[0] on, until span[1] or until the table is full; -> how many.

    process: mu, weight, beta, knots; sums (K, P) decayed to span[0], which moves on.
    """
    mu, weight, beta, _ = process
    n = 0
    while n < len(ts):
        bound = 0.0
        for j in range(len(mu)):
            bound += mu[j].max() + excess_of(weight, sums, j)
        wait = -math.log(1.0 - rng.random()) / bound if bound > 0.0 else math.inf
        if span[0] + wait * 1e9 >= span[1]:
            span[0] = span[1]
            return n
        span[0] += int(wait * 1e9 + 0.5)
        for p in range(len(beta)):
            fade = math.exp(-beta[p] * wait)
            for k in range(len(mu)):
                sums[k, p] *= fade
        j = chosen(process, sums, span[0], rng.random() * bound)
        if j < len(mu):
            ts[n], kind[n] = span[0], j
            n += 1
            for p in range(len(beta)):
                sums[j, p] += beta[p]
    return n


def thinned(process: Process, seconds: float, rng: np.random.Generator, start: int = 0) -> Points:
    """By thinning (Ogata 1981), from an empty past."""
    mu, _, beta, mix, knots = checked(process)
    sums = np.zeros((len(mu), mix.shape[1]))
    span = np.array([start, start + round(seconds / NS)], np.int64)
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    end = int(span[1])
    while span[0] < end:
        ts, kind = np.zeros(ROOM, np.int64), np.zeros(ROOM, np.int64)
        n = thin((mu, process.weight, beta, knots), sums, span, rng, ts, kind)
        parts.append((ts[:n], kind[:n]))
    times, kinds = (np.concatenate(list(column)) for column in zip(*parts, strict=True))
    return Points(times, kinds, start, end)


def clustered(process: Process, seconds: float, rng: np.random.Generator, start: int = 0) -> Points:
    """The same law as `thinned`, by generations: each point has its children (Hawkes & Oakes 1974).

    Baselines must be constant. Raises InputError.
    """
    mu, alpha, beta, mix, knots = checked(process)
    if len(knots) > 1:
        raise InputError("clusters: give a baseline of one knot, or simulate by thinning")
    kinds = np.arange(len(mu))
    count = rng.poisson(mu[:, 0] * seconds)
    kind, when = np.repeat(kinds, count), rng.uniform(0, seconds, count.sum())
    found = [(when, kind)]
    while len(when):
        number = rng.poisson(alpha[:, kind])  # (K, n, Q)
        child, parent, shape = (np.repeat(x, number.ravel()) for x in indices(number.shape))
        term = (rng.random(len(child))[:, None] > np.cumsum(mix, axis=1)[shape]).sum(axis=1)
        wait = rng.exponential(1 / beta[np.minimum(term, len(beta) - 1)])
        when, kind = when[parent] + wait, child
        when, kind = when[when < seconds], kind[when < seconds]
        found.append((when, kind))
    times, marks = (np.concatenate(list(column)) for column in zip(*found, strict=True))
    order = np.argsort(times, kind="stable")
    ts = start + np.round(times[order] / NS).astype(np.int64)
    return Points(ts, marks[order], start, start + round(seconds / NS))


def indices(shape: tuple[int, ...]) -> list[Ints]:
    """Of every cell in order, its place along each axis."""
    return [axis.ravel() for axis in np.indices(shape)]
