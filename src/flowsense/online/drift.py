"""Has the mean of a stream risen? Has a distribution left the one it was? Both are folds.

Page 1954, *Continuous inspection schemes*, as the Page-Hinkley test: the mean is that of the
stream itself. The population stability index is Siddiqi 2006, *Credit risk scorecards*, ch. 10: the
symmetric divergence of two histograms; by custom above 0.25 much has changed.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.errors import InputError

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

EDGES = 9  # of a histogram: its deciles
BINS = 2 * EDGES + 2  # between deciles, at each, and missing
LEAST = 1e-4  # share that a bin is taken to have, at least


@dataclass(frozen=True, slots=True)
class PageHinkley:
    """A detector that alarms when the mean has risen, and begins anew with that.

    Of errors of 0 and 1: `flowsense bench drift` says how soon, and how often for nothing.
    """

    rise: float = 0.1  # of the mean, half of which is too little to be seen
    threshold: float = 9.5
    fewest: int = 30  # samples before it can alarm

    def __post_init__(self) -> None:
        if not (self.rise > 0 and self.threshold > 0 and self.fewest > 0):
            raise InputError(
                f"drift: rise {self.rise}, threshold {self.threshold} and fewest {self.fewest} "
                "have to be above 0"
            )

    def init(self, streams: int) -> Floats:
        """(streams, 4) samples, mean, sum above its least, alarms."""
        return np.zeros((streams, 4))

    def push(self, state: Floats, stream: Ints, x: Floats) -> tuple[Floats, Bools]:
        """Samples (m,) in order, each of a stream; which of them alarm. What is not finite is
        left out."""
        state, alarms = state.copy(), np.zeros(len(x), np.bool_)
        settings = np.array([self.rise, self.threshold, self.fewest])
        follow(state, stream, x, settings, alarms)
        return state, alarms


TABLE, FLOATS, INTS = array(np.float64, 2), array(np.float64), array(np.int64)


@compiled((TABLE, INTS, FLOATS, FLOATS, array(np.bool_)))
def follow(state: Floats, stream: Ints, x: Floats, settings: Floats, alarms: Bools) -> None:
    rise, threshold, fewest = settings
    for i in range(len(x)):
        s = state[stream[i]]
        if not np.isfinite(x[i]):
            continue
        s[0] += 1.0
        s[1] += (x[i] - s[1]) / s[0]
        s[2] = max(s[2] + x[i] - s[1] - rise, 0.0)
        if s[0] >= fewest and s[2] > threshold:
            alarms[i] = True
            s[0] = s[1] = s[2] = 0.0
            s[3] += 1.0


class Reference(NamedTuple):
    """What columns were distributed like."""

    edges: NDArray[np.float32]  # (F, EDGES) deciles
    share: Floats  # (F, BINS) of the rows

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
        return cls(edges, histogram(edges, X, valid) / len(X))

    def psi(self, counts: Ints) -> Floats:
        """(F,) of the rows in a histogram (F, BINS)."""
        p = np.maximum(self.share, LEAST)
        q = np.maximum(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1), LEAST)
        return np.asarray(((q - p) * np.log(q / p)).sum(axis=1))


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
