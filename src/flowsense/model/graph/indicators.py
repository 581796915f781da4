"""Relations among indicators: a graph whose nodes are columns. A study, of rows of one instrument.

Ranks are compared, so that no outlier makes an edge (Spearman 1904); columns that remember
themselves are worth fewer rows than they have (Bartlett 1935), and only what chance does not
explain at a level shared by all pairs is an edge. Groups are what edges tie together.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtri
from scipy.stats import rankdata

from flowsense.errors import InputError
from flowsense.tape import Rows

Floats = NDArray[np.float64]
REACH = 300  # rows over which a column may remember itself
FEWEST = 50


class Relations(NamedTuple):
    """Of F columns; one that never changes is related to none."""

    columns: tuple[str, ...]
    correlation: Floats  # (F, F) of ranks
    worth: Floats  # (F, F) independent rows behind it
    edge: NDArray[np.bool_]  # (F, F) beyond chance, and |correlation| at least as asked
    group: NDArray[np.int64]  # (F,) number of its connected component


def standard(X: NDArray[np.float32], valid: NDArray[np.bool_]) -> Floats:
    """(n, F) ranks with mean 0 and variance 1; 0 where missing or where nothing changes."""
    out = np.zeros(X.shape)
    for j in range(X.shape[1]):
        known = valid[:, j]
        if known.sum() >= FEWEST and np.ptp(X[known, j]) > 0:
            ranks = rankdata(X[known, j])
            out[known, j] = (ranks - ranks.mean()) / ranks.std()
    return out


def memory(Z: Floats) -> Floats:
    """(F, REACH) autocorrelation at lags 1 and on, tapered to 0. Bartlett 1946."""
    n, reach = len(Z), min(REACH, len(Z) - 1)
    power = np.abs(np.fft.rfft(Z, 2 * n, axis=0)) ** 2
    found = np.fft.irfft(power, axis=0)[: reach + 1]
    scale = np.where(found[0] > 0, found[0], 1.0)
    taper = 1 - np.arange(1, reach + 1) / (reach + 1)
    return np.asarray((found[1:] / scale).T * taper)


def relations(
    rows: Rows, columns: tuple[str, ...], *, level: float = 0.01, least: float = 0.0
) -> Relations:
    """Among the columns of these rows; `least`: |correlation| of an edge. Raises InputError."""
    if len(np.unique(rows.instrument)) != 1 or len(rows.ts) < FEWEST:
        raise InputError(f"relations of columns: give {FEWEST} rows or more, of one instrument")
    if len(columns) != rows.X.shape[1]:
        raise InputError(f"{len(columns)} names of {rows.X.shape[1]} columns: give one each")
    known, Z = rows.valid.astype(np.float64), standard(rows.X, rows.valid)
    both = known.T @ known
    correlation = (Z.T @ Z) / np.maximum(both, 1.0)
    past = memory(Z)
    worth = both / np.maximum(1 + 2 * (past @ past.T), 1.0)
    f = len(columns)
    z = float(ndtri(1 - level / max(f * (f - 1), 1)))
    bound = np.maximum(least, np.minimum(1.0, z / np.sqrt(np.maximum(worth, 1.0))))
    edge = (np.abs(correlation) > bound) & ~np.eye(f, dtype=np.bool_)
    _, group = connected_components(edge, directed=False)
    return Relations(columns, np.clip(correlation, -1, 1), worth, edge, group.astype(np.int64))
