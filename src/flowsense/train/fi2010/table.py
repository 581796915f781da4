"""Rows behind each other with their classes, and which of them learn, stop and test."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError

UNKNOWN = -1  # a class that nobody told
Floats = NDArray[np.float32]
Classes = NDArray[np.int8]  # DOWN, FLAT, UP or UNKNOWN


class Rule(NamedTuple):
    """How a recording is labelled, so that a random walk can be labelled alike."""

    past: bool  # against the mean of the last k, not against now
    bp: float  # by more than which the mean of the next k has to differ


class Table(NamedTuple):
    """n rows, in order."""

    x: Floats  # (n, D) of which the first 40 are in the order of `nn.inputs.levels`
    y: Classes  # (n, K)
    mid: NDArray[np.float64]  # (n,) ticks; of FI-2010 a z-score
    horizons: tuple[int, ...]  # (K,) events
    every: int  # events between two rows
    rule: Rule | None = None  # None: as given

    def only(self, horizons: tuple[int, ...]) -> "Table":
        """Raises InputError for a horizon that it has not."""
        for k in horizons:
            if k not in self.horizons:
                known = ", ".join(map(str, self.horizons))
                raise InputError(f"horizon {k}: the labels are of {known} events")
        y = self.y[:, [self.horizons.index(k) for k in horizons]]
        return self._replace(y=y, horizons=horizons)


class Fold(NamedTuple):
    """Consecutive runs of rows; a window never begins before its own."""

    name: str
    table: Table
    learn: slice
    stop: slice
    test: slice


def cut(name: str, table: Table, learn: int, stop: int) -> Fold:
    """The first `learn` rows, those up to `stop`, and the rest, purged by the longest horizon."""
    n, gap = len(table.x), max(table.horizons)
    fold = Fold(name, table, slice(0, learn - gap), slice(learn, stop - gap), slice(stop, n))
    if min(learn - gap, stop - gap - learn, n - stop) <= 0:
        raise InputError(
            f"{name}: {n} rows are too few to learn from, stop on and test with labels of "
            f"{gap} events: give more"
        )
    return fold
