"""Passes over observations: the filter, forward and backward, Viterbi. Rabiner 1989, section V.

Densities are taken relative to the largest of each observation, and forward probabilities are
scaled to sum to 1, so that nothing under- or overflows however long the sequence.
A table (K, M, 1 + D + D D) is that of `Chain.table`, a chain (K + 1, K) its `jump`.
"""

from math import exp, inf, log
from typing import Any

import numpy as np

from flowsense._jit import array, compiled, kernel

F2, F3 = (array(np.float64, n) for n in (2, 3))
R2, R3 = (array(np.float64, n, readonly=True) for n in (2, 3))
NEW = array(np.bool_, readonly=True)  # (n,) where a sequence starts
PATH = array(np.int64)
FADED = 1_000  # steps after which it makes no difference how many more there were


@kernel
def gaussian(x: Any, t: int, table: Any, k: int, m: int) -> float:
    """Log of weight x density of one Gaussian."""
    d = x.shape[1]
    square = 0.0
    for i in range(d):
        y = 0.0
        for j in range(i + 1):
            y += table[k, m, 1 + d + i * d + j] * (x[t, j] - table[k, m, 1 + j])
        square += y * y
    return float(table[k, m, 0]) - 0.5 * square


@kernel
def log_density(x: Any, t: int, table: Any, k: int) -> float:
    """Log density of a state's mixture."""
    top = gaussian(x, t, table, k, 0)
    if table.shape[1] == 1:
        return top
    for m in range(1, table.shape[1]):
        top = max(top, gaussian(x, t, table, k, m))
    total = 0.0
    for m in range(table.shape[1]):
        total += exp(gaussian(x, t, table, k, m) - top)
    return top + log(total)


@kernel
def densities(x: Any, t: int, table: Any, out: Any, i: int) -> float:
    """Write those of all states relative to the largest into out[i, :K]; its log."""
    top = -inf
    for k in range(table.shape[0]):
        out[i, k] = log_density(x, t, table, k)
        top = max(top, out[i, k])
    for k in range(table.shape[0]):
        out[i, k] = exp(out[i, k] - top)
    return top


@kernel
def advance(x: Any, t: int, table: Any, chain: Any, belief: Any, i: int, work: Any) -> float:
    """One observation: belief[i] becomes P(state | all so far), in place; its log-likelihood.

    Where no state could have made it that is -inf, and the belief is only moved on. work (2, K).
    Hamilton 1989, eq. 4.
    """
    states = table.shape[0]
    top = densities(x, t, table, work, 0)
    total = 0.0
    for k in range(states):
        work[1, k] = 0.0
        for j in range(states):
            work[1, k] += belief[i, j] * chain[j, k]
        total += work[1, k] * work[0, k]
    for k in range(states):
        belief[i, k] = work[1, k] * work[0, k] / total if total > 0.0 else work[1, k]
    return top + log(total) if total > 0.0 else -inf


@kernel
def fade(chain: Any, belief: Any, i: int, steps: int, work: Any) -> None:
    """Steps in which nothing is seen: belief[i] goes where the chain goes by itself."""
    states = belief.shape[1]
    for _ in range(min(steps, FADED)):
        for k in range(states):
            work[1, k] = 0.0
            for j in range(states):
                work[1, k] += belief[i, j] * chain[j, k]
        for k in range(states):
            belief[i, k] = work[1, k]


@compiled((R2, R3, R2, F2, F2))
def step(x: Any, table: Any, chain: Any, belief: Any, work: Any) -> float:
    """`advance` by one observation x (1, D), belief (1, K) in place: for streams."""
    return advance(x, 0, table, chain, belief, 0, work)


@compiled((R2, NEW, R3, R2, F2))
def forward(x: Any, new: Any, table: Any, chain: Any, work: Any) -> float:
    """Log-likelihood of x (n, D); work (n, 2 K + 1): P(state | so far), densities, scale."""
    states = table.shape[0]
    found = 0.0
    for t in range(len(x)):
        found += densities(x, t, table, work, t)
        for k in range(states):
            work[t, states + k] = work[t, k]
        total = 0.0
        for k in range(states):
            ahead = 0.0
            if new[t]:
                ahead = chain[states, k]
            else:
                for i in range(states):
                    ahead += work[t - 1, i] * chain[i, k]
            work[t, k] = ahead * work[t, states + k]
            total += work[t, k]
        work[t, 2 * states] = total
        if total <= 0.0:
            return -inf
        for k in range(states):
            work[t, k] /= total
        found += log(total)
    return found


@kernel
def gather(x: Any, t: int, table: Any, k: int, weight: float, moments: Any) -> None:
    """Add one observation to the moments of a state's Gaussians, each by what it explains."""
    mixed, d = table.shape[1], x.shape[1]
    whole = log_density(x, t, table, k) if mixed > 1 else 0.0
    for m in range(mixed):
        share = weight
        if mixed > 1:
            share *= exp(gaussian(x, t, table, k, m) - whole)
        moments[k, m, 0] += share
        for p in range(d):
            y = share * (x[t, p] - table[k, m, 1 + p])
            moments[k, m, 1 + p] += y
            for q in range(p + 1):
                moments[k, m, 1 + d + p * d + q] += y * (x[t, q] - table[k, m, 1 + q])


@compiled((R2, NEW, R3, R2, F2, F3, F2))
def backward(
    x: Any, new: Any, table: Any, chain: Any, work: Any, moments: Any, counts: Any
) -> None:
    """After `forward`: work[:, :K] becomes P(state | everything), and sums of it are added.

    moments (K, M, 1 + D + D D): how often each Gaussian spoke, its sum and squares about its
    mean; counts (K + 1, K) of each jump, the last row of each start. It reads the future.
    """
    states = table.shape[0]
    for t in range(len(x) - 1, -1, -1):
        last = t == len(x) - 1 or new[t + 1]
        for i in range(states):
            b = 1.0
            if not last:  # work[t + 1, states:] holds density x backward / scale by now
                b = 0.0
                for j in range(states):
                    ahead = chain[i, j] * work[t + 1, states + j]
                    b += ahead
                    counts[i, j] += work[t, i] * ahead
            work[t, states + i] *= b / work[t, 2 * states]
            work[t, i] *= b
            if new[t]:
                counts[states, i] += work[t, i]
            gather(x, t, table, i, work[t, i], moments)


@compiled((R2, NEW, R3, R2, F2, PATH))
def best_path(x: Any, new: Any, table: Any, chain: Any, work: Any, path: Any) -> float:
    """Write the most likely path (n,); work (n, 2 K); its log-likelihood with x. It reads the
    future. Viterbi 1967."""
    states = table.shape[0]
    for t in range(len(x)):
        for k in range(states):
            best, at = -inf, 0
            for i in range(states):
                before, jump = 0.0, chain[states, k]
                if not new[t]:
                    before, jump = work[t - 1, i], chain[i, k]
                if new[t] and t > 0:
                    before = work[t - 1, i]
                ahead = before + log(jump) if jump > 0.0 else -inf
                if ahead > best:
                    best, at = ahead, i
            work[t, k], work[t, states + k] = best + log_density(x, t, table, k), at
    if len(x) == 0:
        return 0.0
    at, best = 0, -inf
    for k in range(states):
        if work[len(x) - 1, k] > best:
            best, at = work[len(x) - 1, k], k
    for t in range(len(x) - 1, -1, -1):
        path[t] = at
        at = int(work[t, states + at])
    return best
