"""Maximum likelihood by expectation and maximisation. Baum, Petrie, Soules & Weiss 1970.

The likelihood has many maxima, and raw starts find bad ones: states start as groups of like
volatility, several times with other edges, and the likeliest end is kept.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from flowsense.errors import InputError
from flowsense.model import Budget
from flowsense.model.hmm import kernels
from flowsense.model.hmm.chain import Chain, Floats, Ints, observed
from flowsense.wall import Stopwatch

Bools = NDArray[np.bool_]
PRIOR = 1e-3  # jumps thought seen before any were: nothing is impossible
STAY = 0.95  # P(same state) that a fit starts from


class Seen(NamedTuple):
    """How often each thing was seen; with the chain itself, all that a fit has to remember."""

    spoke: Floats  # (K, M) each Gaussian
    jumped: Floats  # (K + 1, K) each jump, the last row each start

    def take(self, order: Ints) -> "Seen":
        """The same, states in this order."""
        rows = np.r_[order, len(order)]
        return Seen(self.spoke[order], np.ascontiguousarray(self.jumped[rows][:, order]))


class Expected(NamedTuple):
    """Sums over observations, as `kernels.backward` adds them up, and the log-likelihood."""

    moments: Floats
    jump: Floats
    likelihood: float


class Sequences(NamedTuple):
    """Observations of one or more sequences behind each other."""

    x: Floats  # (n, D)
    new: Bools  # (n,) where a sequence starts

    @classmethod
    def of(cls, X: NDArray[np.floating], new: Bools | None = None) -> "Sequences":
        """One sequence unless told otherwise. Raises InputError."""
        x = observed(X)
        first = np.zeros(len(x), np.bool_) if new is None else np.array(new, np.bool_)
        first[:1] = True
        return cls(x, first)


@dataclass(frozen=True, slots=True)
class Em:
    """How a chain is fitted."""

    states: int
    mixture: int = 1  # Gaussians of a state
    diagonal: bool = False
    starts: int = 6
    first: int = 15  # iterations of every start; the best goes on
    tolerance: float = 1e-6  # of the log-likelihood per observation
    floor: float = 1e-3  # of a variance, as a share of that of all observations
    stay: float = 0.0  # least P(same state), for states that are to last

    def fit(self, of: Sequences, key: Floats, *, seed: int, budget: Budget) -> tuple[Chain, Seen]:
        """The likeliest of several starts; key (n,) is what grows with volatility.

        Steps bound the iterations of one start. Raises InputError for fewer than 10 observations
        a state and for those that are all alike.
        """
        least = 10 * self.states * self.mixture
        if len(of.x) < least:
            raise InputError(
                f"{len(of.x)} observations do not tell {self.states} states apart: "
                f"give {least} or more, a longer recording or a shorter step"
            )
        watch, rng, tried = Stopwatch(), np.random.default_rng(seed), list[Run]()
        scale = spread(of.x)
        for start in range(self.starts):
            if tried and watch.seconds >= budget.seconds / 2:
                break
            with watch:
                chain = self.start(of, key, rng, start)
                tried.append(self.climb(of, chain, scale, min(self.first, budget.steps)))
        best = max(tried, key=lambda run: run.likelihood)
        left = budget.steps - self.first
        while left > 0 and best.rising and watch.seconds < budget.seconds:
            with watch:
                best = self.climb(of, best.chain, scale, min(10, left))
            left -= 10
        return best.chain, best.seen

    def climb(self, of: Sequences, chain: Chain, scale: Floats, iterations: int) -> "Run":
        """So many iterations, fewer where the likelihood has stopped to rise."""
        before, rising, n = -np.inf, True, len(of.x)
        work = np.empty((n, 2 * self.states + 1))
        seen = Seen(chain.weight, chain.jump)
        for _ in range(max(iterations, 1)):
            found = expect(chain, of, work)
            rising = found.likelihood - before > self.tolerance * n
            before = found.likelihood
            if not rising:
                break
            chain, seen = self.maximise(chain, found, scale)
        return Run(chain, seen, before, rising)

    def maximise(self, chain: Chain, found: Expected, scale: Floats) -> tuple[Chain, Seen]:
        """The chain that makes the sums likeliest; scale (D,) deviations of all observations."""
        k, m, d = chain.mean.shape
        count, total = found.moments[:, :, 0], found.moments[:, :, 1 : 1 + d]
        squares = found.moments[:, :, 1 + d :].reshape(k, m, d, d)
        each = np.maximum(count, 1e-12)[:, :, None]
        shift = total / each
        lower = squares / each[..., None] - np.einsum("kmd,kme->kmde", shift, shift)
        cov = np.tril(lower) + np.swapaxes(np.tril(lower, -1), 2, 3)
        weight = (count + PRIOR) / (count + PRIOR).sum(axis=1, keepdims=True)
        jumps = found.jump + PRIOR
        jump = lasting(jumps / jumps.sum(axis=1, keepdims=True), self.stay)
        fitted = Chain(jump, weight, chain.mean + shift, self.floored(cov, scale))
        return fitted, Seen(count.copy(), found.jump.copy())

    def floored(self, cov: Floats, scale: Floats) -> Floats:
        """No direction narrower than the floor, seen in deviations of all observations."""
        if self.diagonal:
            variance = np.maximum(np.diagonal(cov, axis1=2, axis2=3), self.floor * scale**2)
            return np.asarray(variance[..., None] * np.eye(len(scale)), np.float64)
        outer = np.outer(scale, scale)
        values, vectors = np.linalg.eigh(cov / outer)
        if (values >= self.floor).all():
            return cov
        kept = np.maximum(values, self.floor)[..., None, :] * vectors
        return np.asarray(kept @ np.swapaxes(vectors, 2, 3) * outer, np.float64)

    def start(self, of: Sequences, key: Floats, rng: np.random.Generator, nth: int) -> Chain:
        """From groups of like volatility: first equally many in each, then equally wide ones.

        Others at random, in turn by number and by width. From four states on, every other start
        splits a group in the middle by the side of the first number.
        """
        k, d = self.states, of.x.shape[1]
        split = k > 3 and nth % 4 in (1, 2)
        cuts, over = k - split, (5, 20)[nth] if nth < 2 else int(np.exp(rng.uniform(0, 4)))
        parts = np.ones(cuts) if nth < 2 else rng.dirichlet(np.ones(cuts)) + 0.03
        inner = (np.cumsum(parts) / parts.sum())[:-1]
        smooth = uniform_filter1d(key, over, mode="nearest")
        low, high = np.quantile(smooth, (0.005, 0.995))
        edges = np.quantile(smooth, inner) if nth % 2 == 0 else low + inner * (high - low)
        group = np.searchsorted(edges, smooth, "right")
        if split:
            up = uniform_filter1d(of.x[:, 0], 10, mode="nearest") > np.median(of.x[:, 0])
            group[(group == cuts // 2) & up] = k - 1
        stay = max(STAY, self.stay)
        jump = np.full((k + 1, k), (1 - stay) / max(k - 1, 1))
        np.fill_diagonal(jump, stay if k > 1 else 1.0)
        jump[k] = 1 / k
        mean, cov = np.zeros((k, self.mixture, d)), np.zeros((k, self.mixture, d, d))
        scale = spread(of.x)
        for i in range(k):
            mine = of.x[group == i] if (group == i).sum() > d + 1 else of.x
            cov[i] = np.atleast_2d(np.cov(mine.T))
            wide = rng.normal(0.0, 0.7, (self.mixture, d)) if self.mixture > 1 else 0.0
            mean[i] = mine.mean(axis=0) + wide * mine.std(axis=0)
        weight = np.full((k, self.mixture), 1 / self.mixture)
        return Chain(jump, weight, mean, self.floored(cov, scale))


class Run(NamedTuple):
    """Where some iterations ended."""

    chain: Chain
    seen: Seen
    likelihood: float  # before the last iteration
    rising: bool


def spread(x: Floats) -> Floats:
    """(D,) deviations. Raises InputError where a number is always the same."""
    found = x.std(axis=0)
    if not (found > 1e-12 * (1 + np.abs(x).max(axis=0))).all():
        at = int(np.argmin(found))
        raise InputError(f"observations: number {at} is always {x[0, at]:g}: nothing to tell apart")
    return np.asarray(found, np.float64)


def lasting(jump: Floats, stay: float) -> Floats:
    """The likeliest jumps (K + 1, K) under which every state stays with at least this."""
    k = jump.shape[1]
    same = np.r_[np.diagonal(jump), 1.0]
    short = same < stay
    jump[short] *= ((1 - stay) / np.maximum(1 - same[short], 1e-300))[:, None]
    at = np.flatnonzero(short[:k])
    jump[at, at] = stay
    return jump


def expect(chain: Chain, of: Sequences, work: Floats) -> Expected:
    """What the chain makes of the observations. It reads the future."""
    table = chain.table()
    likelihood = kernels.forward(of.x, of.new, table, chain.jump, work)
    moments, jump = np.zeros(table.shape), np.zeros(chain.jump.shape)
    if np.isfinite(likelihood):
        kernels.backward(of.x, of.new, table, chain.jump, work, moments, jump)
    return Expected(moments, jump, likelihood)


def likelihood(chain: Chain, of: Sequences) -> float:
    """Log-likelihood of the sequences."""
    work = np.empty((len(of.x), 2 * chain.states + 1))
    return float(kernels.forward(of.x, of.new, chain.table(), chain.jump, work))


def filtered(chain: Chain, of: Sequences) -> Floats:
    """(n, K) P(state | observations so far): what can be known at the time."""
    work = np.empty((len(of.x), 2 * chain.states + 1))
    kernels.forward(of.x, of.new, chain.table(), chain.jump, work)
    return work[:, : chain.states].copy()


def smoothed(chain: Chain, of: Sequences) -> Floats:
    """(n, K) P(state | all observations). For study: it reads the future."""
    work = np.empty((len(of.x), 2 * chain.states + 1))
    expect(chain, of, work)
    return work[:, : chain.states].copy()


def viterbi(chain: Chain, of: Sequences) -> tuple[Ints, float]:
    """(n,) the most likely path and its log-likelihood. For study: it reads the future."""
    work, path = np.empty((len(of.x), 2 * chain.states)), np.zeros(len(of.x), np.int64)
    found = kernels.best_path(of.x, of.new, chain.table(), chain.jump, work, path)
    return path, float(found)
