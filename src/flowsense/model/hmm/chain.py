"""The numbers of a hidden Markov model, and the form in which kernels read them.

K states, M Gaussians in each, D numbers in an observation. Rabiner 1989.
"""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Chain(NamedTuple):
    """Which state follows which, and what each lets us see."""

    jump: Floats  # (K + 1, K) P(next | state); the last row: where a sequence starts
    weight: Floats  # (K, M) of the Gaussians of each state
    mean: Floats  # (K, M, D)
    cov: Floats  # (K, M, D, D)

    @property
    def states(self) -> int:
        return len(self.mean)

    def take(self, order: Ints) -> Self:
        """The same chain, its states in this order."""
        rows = np.r_[order, self.states]
        return type(self)(
            np.ascontiguousarray(self.jump[rows][:, order]),
            *(np.ascontiguousarray(table[order]) for table in self[1:]),
        )

    def table(self) -> Floats:
        """(K, M, 1 + D + D D) log of weight and norm, mean, and W with W W' the precision.

        A Gaussian's log density is what comes first less half the square of W' (x - mean).
        """
        k, m, d = self.mean.shape
        root = np.linalg.inv(np.linalg.cholesky(self.cov))
        diagonal = np.diagonal(root, axis1=2, axis2=3)
        logs = np.log(np.maximum(self.weight, 1e-300)) - 0.5 * d * np.log(2 * np.pi)
        norm = logs + np.log(diagonal).sum(axis=-1)
        return np.concatenate([norm[:, :, None], self.mean, root.reshape(k, m, d * d)], axis=2)

    def stationary(self) -> Floats:
        """(K,) shares of time in each state in the long run."""
        a = np.vstack([self.jump[:-1].T - np.eye(self.states), np.ones(self.states)])
        found = np.linalg.lstsq(a, np.r_[np.zeros(self.states), 1.0], rcond=None)[0]
        found = np.maximum(found, 0.0)
        return np.asarray(found / found.sum(), np.float64)

    def moments(self) -> tuple[Floats, Floats]:
        """Mean (K, D) and covariance (K, D, D) of what each state lets us see."""
        mean = np.einsum("km,kmd->kd", self.weight, self.mean)
        off = self.mean - mean[:, None]
        spread = self.cov + np.einsum("kmd,kme->kmde", off, off)
        return mean, np.einsum("km,kmde->kde", self.weight, spread)

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
        """(n,) states of one sequence and (n, D) what they let us see."""
        edges, u = np.cumsum(self.jump, axis=1), rng.random(n)
        state, now = np.zeros(n, np.int64), self.states
        for t in range(n):
            now = min(int(np.searchsorted(edges[now], u[t], "right")), self.states - 1)
            state[t] = now
        shares = np.cumsum(self.weight, axis=1)[state]
        part = np.minimum((rng.random(n)[:, None] > shares).sum(axis=1), shares.shape[1] - 1)
        noise = rng.standard_normal((n, self.mean.shape[2]))
        root = np.linalg.cholesky(self.cov)[state, part]
        return state, self.mean[state, part] + np.einsum("nij,nj->ni", root, noise)


def later(chain: Chain, belief: Floats, steps: int) -> Floats:
    """(n, K) P(state) so many steps after belief (n, K)."""
    return np.asarray(belief @ np.linalg.matrix_power(chain.jump[:-1], steps), np.float64)


def changes(chain: Chain, belief: Floats, steps: int) -> Floats:
    """(n,) P(another state so many steps on than now), of belief (n, K)."""
    stay = np.diagonal(np.linalg.matrix_power(chain.jump[:-1], steps))
    return np.asarray(1.0 - belief @ stay, np.float64)


def observed(X: NDArray[np.floating], dimensions: int | None = None) -> Floats:
    """X (n, D) as kernels read it. Raises InputError on another shape or a non-finite value."""
    x = np.ascontiguousarray(X, np.float64)
    if x.ndim != 2 or (dimensions is not None and x.shape[1] != dimensions):
        wanted = "D" if dimensions is None else dimensions
        raise InputError(f"observations: shape {x.shape}, give (n, {wanted})")
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(bad):
        raise InputError(f"observations: {x[bad[0]].tolist()} at {bad[0]}: leave it out")
    return x
