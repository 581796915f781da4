"""Has a distribution left the one it was? Histograms by quantiles, and how far two are apart.

The population stability index is Siddiqi 2006, *Credit risk scorecards*, ch. 10: the symmetric
divergence of two histograms; by custom above 0.25 much has changed.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.store.arrays import Arrays, CheckpointError

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

EDGES = 9  # of a histogram: its deciles
BINS = 2 * EDGES + 2  # between deciles, at each, and missing
LEAST = 1e-4  # share that a bin is taken to have, at least
MOST = 10_000  # rows of a reference that is kept: its deciles are known to a third of a percent


class Reference(NamedTuple):
    """What columns were distributed like."""

    edges: NDArray[np.float32]  # (F, EDGES) deciles
    counts: Ints  # (F, BINS) of the rows

    @classmethod
    def of(cls, X: NDArray[np.float32], valid: Bools) -> "Reference":
        """Of rows (n, F); missing where not valid. Raises InputError without rows."""
        if len(X) == 0:
            raise InputError("drift: a reference without rows: give those it was trained on")
        edges = np.zeros((X.shape[1], EDGES), np.float32)
        for f in range(X.shape[1]):
            known = X[valid[:, f] & np.isfinite(X[:, f]), f]
            if len(known):
                edges[f] = np.quantile(known, np.linspace(0.1, 0.9, EDGES), method="lower")
        return cls(edges, histogram(edges, X, valid))

    @property
    def rows(self) -> int:
        return int(self.counts[:1].sum())

    def psi(self, counts: Ints) -> Floats:
        """(F,) of the rows in a histogram (F, BINS)."""
        p, q = shares(self.counts), shares(counts)
        return np.asarray(((q - p) * np.log(q / p)).sum(axis=1))

    def arrays(self) -> Arrays:
        """To be kept: 76 bytes a column. At most 65,535 rows."""
        return {"edges": self.edges, "counts": self.counts.astype(np.uint16)}

    @classmethod
    def load(cls, arrays: Arrays, columns: int) -> "Reference":
        """What `arrays` gave. Raises CheckpointError for what is none of so many columns."""
        edges, counts = (arrays.get(name, np.zeros(0)) for name in ("edges", "counts"))
        shaped = edges.shape == (columns, EDGES) and counts.shape == (columns, BINS)
        typed = edges.dtype == np.float32 and counts.dtype == np.uint16
        if not (shaped and typed and sound(edges, counts)):
            raise CheckpointError(f"is no histogram of {columns} columns: train again")
        return cls(edges, counts.astype(np.int64))


def sound(edges: NDArray[np.float32], counts: NDArray[np.uint16]) -> bool:
    """Whether deciles rise, and each column has all of the rows."""
    rows = {*counts.sum(axis=1).tolist()}
    return (
        bool(np.isfinite(edges).all() and (np.diff(edges) >= 0).all())
        and len(rows) == 1
        and 0 not in rows
    )


def shares(counts: Ints) -> Floats:
    """(F, BINS) of the rows in each bin, none of them nothing."""
    whole = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.asarray(np.maximum(counts / whole, LEAST))


def histogram(edges: NDArray[np.float32], X: NDArray[np.float32], valid: Bools) -> Ints:
    """(F, BINS) how many of the rows (n, F) lie between edges, at each, or are missing."""
    F = X.shape[1]
    at = np.full(X.shape, BINS - 1)
    for f in range(F):
        x = X[:, f]
        place = np.searchsorted(edges[f], x, "left") + np.searchsorted(edges[f], x, "right")
        at[:, f] = np.where(valid[:, f] & np.isfinite(x), place, BINS - 1)
    flat = (at + np.arange(F) * BINS).ravel()
    return np.bincount(flat, minlength=F * BINS).reshape(F, BINS)


def spaced(ts: Ints, instrument: Ints, last: Ints, every_ns: int) -> tuple[Ints, Ints]:
    """Rows (m,) that begin another step of their instrument, about one each `every_ns` of all
    instruments in turn: neighbours say the same. And the latest of each after these rows.

    last (K,): the latest before them, -1 where there was none.
    """
    step, last, found = every_ns * len(last), last.copy(), np.zeros(len(ts), np.bool_)
    for w in np.unique(instrument).tolist():
        mine = np.flatnonzero(instrument == w)
        steps = np.r_[last[w], ts[mine]] // step
        found[mine] = np.diff(steps) != 0
        last[w] = ts[mine[-1]]
    return np.flatnonzero(found), last
