"""How much of an instrument is the others', and how much of all is few: risk that spreads.

Absorption ratio: Kritzman, Li, Page & Rigobon 2011. What chance alone makes of the spectrum of a
correlation matrix is known (Marchenko & Pastur 1967) and taken out first (Laloux et al. 1999).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError

Floats = NDArray[np.float64]
FACTORS = 5  # one in so many instruments counts as few


class Contagion(NamedTuple):
    explained: Floats  # (K,) share of the variance of each that the others explain, 0 .. 1
    centrality: Floats  # (K,) share of each in the largest factor, sums to 1
    absorbed: float  # share of all variance that the largest fifth of factors holds
    factors: int  # eigenvalues beyond what chance makes


def cleaned(correlation: Floats, rows: float) -> tuple[Floats, int]:
    """(K, K) eigenvalues that chance would make replaced by their mean; how many are larger."""
    values, vectors = np.linalg.eigh(correlation)
    edge = (1 + np.sqrt(len(values) / rows)) ** 2
    noise = values <= edge
    values[noise] = max(values[noise].mean(), 1e-9) if noise.any() else 0.0
    out = (vectors * values) @ vectors.T
    scale = np.sqrt(np.maximum(np.diag(out), 1e-12))
    return out / scale[:, None] / scale[None, :], int((~noise).sum())


def contagion(correlation: Floats, rows: float) -> Contagion:
    """Of a correlation matrix (K, K) of so many independent rows. Raises InputError."""
    k = len(correlation)
    if correlation.shape != (k, k) or not np.isfinite(correlation).all() or not rows > 1:
        raise InputError(
            f"correlation of shape {correlation.shape} and {rows} rows: "
            "give a finite square and more than 1 row"
        )
    full = 0.5 * (correlation + correlation.T)
    np.fill_diagonal(full, 1.0)
    matrix, factors = cleaned(full, rows)
    inverse = np.linalg.inv(matrix + 1e-9 * np.eye(k))
    explained = np.clip(1 - 1 / np.maximum(np.diag(inverse), 1.0), 0.0, 1.0)
    values, vectors = np.linalg.eigh(matrix)
    few = max(1, round(k / FACTORS))
    share = float(np.clip(values[-few:].sum() / values.sum(), 0.0, 1.0))
    return Contagion(explained, vectors[:, -1] ** 2, share, factors)
