"""How often the best trial of one half of the time is worse than most in the other half.

Combinatorially symmetric cross-validation: Bailey, Borwein, Lopez de Prado & Zhu 2017, "The
probability of backtest overfitting".
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate.sharpe import Floats, checked

BLOCKS = 12  # of time; 924 ways to choose half of them
LEAST = 4  # blocks; six ways
SHORTEST = 4  # periods in a block
ROOM = 1 << 21  # numbers held at once


class Overfitting(NamedTuple):
    """Over all ways to choose half of the blocks, of the trial that is best in them."""

    pbo: float  # share of ways in which it is no better than the median trial of the other half
    loss: float  # share of ways in which it loses in the other half
    slope: float  # of its Sharpe ratio in the other half on that in the chosen one
    ways: int


def overfitting(returns: NDArray[Any], *, blocks: int = BLOCKS) -> Overfitting | None:
    """returns (T, N), T in order of time; None for one trial and for too few periods.

    `blocks`, even, at the most; fewer where periods are few. Periods that are left over at the
    start belong to no block. Raises InputError.
    """
    x = checked(returns)
    if blocks < LEAST or blocks % 2:
        raise InputError(f"{blocks} blocks: give an even number, {LEAST} or more")
    parts = min(blocks, len(x) // SHORTEST // 2 * 2)
    if parts < LEAST or x.shape[1] < 2:
        return None
    size = len(x) // parts
    cut = x[len(x) - parts * size :].reshape(parts, size, -1)
    cut = cut / max(float(np.abs(cut).max()), np.finfo(np.float64).tiny)  # no sum overflows
    sums, squares = cut.sum(axis=1), np.square(cut).sum(axis=1)
    pairs = np.concatenate([*halves(sums, squares, size)], axis=1)
    best, rank, other = pairs
    return Overfitting(
        pbo=float(np.mean(rank <= 0.5)),
        loss=float(np.mean(other < 0)),
        slope=slope(best, other),
        ways=len(best),
    )


def halves(sums: Floats, squares: Floats, size: int) -> Iterator[Floats]:
    """(3, k) of some ways: Sharpe ratio of the best, its rank and its ratio in the other half."""
    parts, trials = sums.shape
    ways = [way for way in combinations(range(parts), parts // 2) if way[0] == 0]
    chosen = np.zeros((len(ways), parts))
    chosen[np.arange(len(ways))[:, None], ways] = 1
    step = max(1, ROOM // trials)
    for start in range(0, len(ways), step):
        mine = chosen[start : start + step]
        a, b = (ratios(half, sums, squares, size) for half in (mine, 1 - mine))
        yield ranked(a, b)
        yield ranked(b, a)


def ratios(half: Floats, sums: Floats, squares: Floats, size: int) -> Floats:
    """(k, N) Sharpe ratios over the blocks of each way (k, S); 0 of what never changes."""
    n = size * half.shape[1] / 2
    mean = half @ sums / n
    spread = half @ squares / n - mean * mean
    found: Floats = np.zeros_like(mean)
    np.divide(mean, np.sqrt(np.maximum(spread, 0)), out=found, where=spread > 1e-12 * mean * mean)
    return found


def ranked(chosen: Floats, other: Floats) -> Floats:
    """(3, k): ratio of the best in `chosen` (k, N), its rank in `other`, its ratio there.

    The rank is a share: above 0 for the worst, below 1 for the best; ties count half.
    """
    rows, best = np.arange(len(chosen)), chosen.argmax(axis=1)
    there = other[rows, best]
    below = (other < there[:, None]).sum(axis=1)
    same = (other == there[:, None]).sum(axis=1)
    rank = (below + (same + 1) / 2) / (other.shape[1] + 1)
    return np.stack([chosen[rows, best], rank, there])


def slope(x: Floats, y: Floats) -> float:
    off = x - x.mean()
    spread = float(off @ off)
    return float(off @ (y - y.mean())) / spread if spread > 0 else 0.0
