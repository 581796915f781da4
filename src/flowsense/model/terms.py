"""Columns as the terms of a linear model; which of them turn with the book, from `Column.mirror`.

With bids and asks swapped an odd term changes its sign and an even one stays. A sum of odd terms
without a constant is f(x) - f(mirror x): it has no opinion on a mirrored book but the opposite.
"""

from math import asinh
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.tape import Column

Terms = NDArray[np.int64]  # (D, 4): column a, column b, sign of b (0: none), absolute value
Products = NDArray[np.int64]  # (P, 2) places of terms
FARTHEST = 10.0  # deviations beyond which a term grows no more
TOGETHER = 4  # terms whose spread is measured at once
BEND = 2.0  # terms are asinh(BEND x), x in deviations: linear inside, logarithmic in the tails


def odd(columns: tuple[Column, ...]) -> Terms:
    """Columns that are their own negative in the mirror, and differences of partners."""
    signs = [(k, 0, 0, 0) for k, c in enumerate(columns) if c.mirror == "-"]
    return np.array(signs + [(a, b, -1, 0) for a, b in partners(columns)], np.int64).reshape(-1, 4)


def even(columns: tuple[Column, ...]) -> Terms:
    """Columns that the mirror leaves, sums of partners, and the sizes of odd terms."""
    same = [(k, 0, 0, 0) for k, c in enumerate(columns) if c.mirror == ""]
    sums = [(a, b, 1, 0) for a, b in partners(columns)]
    sizes = [(a, b, sign, 1) for a, b, sign, _ in odd(columns).tolist()]
    return np.array(same + sums + sizes, np.int64).reshape(-1, 4)


def plain(columns: tuple[Column, ...]) -> Terms:
    """Every column by itself."""
    return np.array([(k, 0, 0, 0) for k in range(len(columns))], np.int64).reshape(-1, 4)


def partners(columns: tuple[Column, ...]) -> list[tuple[int, int]]:
    """Pairs of columns that the mirror swaps, each once."""
    place = {c.name: k for k, c in enumerate(columns)}
    pairs = [(k, place[c.mirror]) for k, c in enumerate(columns) if c.mirror in place]
    return [(a, b) for a, b in pairs if a < b]


def products(
    columns: tuple[Column, ...], terms: Terms, odds: tuple[str, ...], evens: tuple[str, ...]
) -> Products:
    """Odd columns times even ones, by name, where they are there: odd again."""
    names = [c.name for c in columns]
    place = {(names[a], sign): k for k, (a, _, sign, size) in enumerate(terms.tolist()) if not size}
    first = [place[name, 0] for name in odds if (name, 0) in place]
    second = [place[n, s] for n in evens for s in (0, 1) if (n, s) in place]
    return np.array([(a, b) for a in first for b in second], np.int64).reshape(-1, 2)


def multiplied(Z: NDArray[np.float32], pairs: Products) -> NDArray[np.float32]:
    """(n, D + P) the terms, then their products, brought to their scale."""
    return np.concatenate([Z, Z[:, pairs[:, 0]] * Z[:, pairs[:, 1]] / np.float32(BEND)], axis=1)


def mirror(columns: tuple[Column, ...]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """(F,) columns and signs: ``X[:, columns] * signs`` are the rows of the mirrored book."""
    place = {c.name: k for k, c in enumerate(columns)}
    source = [place.get(c.mirror, k) for k, c in enumerate(columns)]
    sign = [-1.0 if c.mirror == "-" else 1.0 for c in columns]
    return np.array(source, np.int64), np.array(sign, np.float32)


@compiled(
    (
        array(np.float32, 2, readonly=True),
        array(np.int64, readonly=True),
        array(np.int64, 2, readonly=True),
        array(np.float64, 3, readonly=True),
        array(np.float32, 2),
    ),
    brief=True,
)
def expand(X: Any, place: Any, terms: Any, standard: Any, out: Any) -> None:
    """X (n, F) with NaN, place (n,), standard (K, D, 2) centre and 1 / deviation; out (n, D).

    A plain loop over rows, so that a row's terms do not depend on the rows beside it.
    """
    for i in range(len(X)):
        for d in range(len(terms)):
            x = float(X[i, terms[d, 0]])
            if terms[d, 2] != 0:
                x += terms[d, 2] * float(X[i, terms[d, 1]])
            if terms[d, 3] != 0:
                x = abs(x)
            x = (x - standard[place[i], d, 0]) * standard[place[i], d, 1]
            if x != x:  # missing
                x = 0.0
            out[i, d] = asinh(BEND * min(max(x, -FARTHEST), FARTHEST))


@compiled(
    (
        array(np.float32, 2, readonly=True),
        array(np.int64, readonly=True),
        array(np.float64, 3, readonly=True),
        array(np.float64, 2, readonly=True),
        array(np.float64, 2),
    )
)
def weigh(Z: Any, place: Any, weight: Any, offset: Any, out: Any) -> None:
    """Z (n, D), weight (K, D, H), offset (K, H); out (n, H) sums in the order of the terms."""
    for i in range(len(Z)):
        k = place[i]
        for h in range(out.shape[1]):
            out[i, h] = offset[k, h]
        for d in range(Z.shape[1]):
            for h in range(out.shape[1]):
                out[i, h] += Z[i, d] * weight[k, d, h]


def raw(X: NDArray[np.float32], terms: Terms) -> NDArray[np.float32]:
    """(n, D) the terms before they are standardised, NaN where missing."""
    first, second, sign, absolute = terms.T
    x = X[:, first]
    x = np.where(sign != 0, x + sign.astype(np.float32) * X[:, second], x)
    return np.asarray(np.where(absolute != 0, np.abs(x), x), np.float32)


def standards(
    X: NDArray[np.float32],
    terms: Terms,
    centred: NDArray[np.bool_],
    rows: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """(D, 2) centre and 1 / deviation of each term; 0 where it is missing or never changes.

    Of `rows` of X alone, where they are given. A few terms at a time: all of them would be many
    times as large as X.
    """
    out = np.zeros((len(terms), 2))
    which = np.arange(len(X)) if rows is None else rows
    if not len(which):
        return out
    for first in range(0, len(terms), TOGETHER):
        some = slice(first, first + TOGETHER)
        columns, places = np.unique(terms[some, :2], return_inverse=True)
        local = terms[some].copy()
        local[:, :2] = places.reshape(-1, 2)
        out[some] = moments(raw(X[np.ix_(which, columns)], local), centred[some])
    return out


def moments(x: NDArray[np.float32], centred: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(D, 2) the same of terms (n, D) with NaN where missing."""
    wide = x.astype(np.float64)
    there = np.isfinite(wide)
    count = np.maximum(there.sum(axis=0), 1)
    wide[~there] = 0.0
    mean = wide.sum(axis=0) / count
    wide *= wide
    spread = np.sqrt(np.maximum(wide.sum(axis=0) / count - mean * mean * centred, 0.0))
    changes = spread > 1e-9 * np.maximum(np.abs(mean), 1e-9)
    out = np.zeros((len(mean), 2))
    out[:, 0] = np.where(centred, mean, 0.0)
    out[:, 1] = np.where(changes, 1.0 / np.where(changes, spread, 1.0), 0.0)
    return out
