"""Rules with no knowledge, made from labels alone; those that read the market are models."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from flowsense.evaluate.sample import Sample
from flowsense.evaluate.scores import Floats
from flowsense.evaluate.significance import mean_block, stream_time
from flowsense.forecast import DOWN, UP

Ints = NDArray[np.int64]

SHUFFLES = 10
BLOCKS = 10  # at least so many pieces, however short the sample


def majority(of: Sample) -> Floats:
    """(m, 3) the class frequencies of the fold's training rows: what guessing knows.

    Its most likely class is the majority class. A third each where nothing trained.
    """
    table = np.full((len(of.trained), 3), 1 / 3)
    for k, y in enumerate(of.trained):
        if len(y):
            table[k] = np.bincount(y.astype(np.int64), minlength=3) / len(y)
    return table[of.fold]


def always(of: Sample, column: int) -> Floats:
    """(m, 3) all on UP or all on DOWN."""
    return np.broadcast_to(np.eye(3)[column], (len(of.rows), 3))


def always_one_side(of: Sample) -> Floats:
    """(m, 3) all on the side that was more common among the fold's training rows."""
    up = np.array([(y == UP).sum() >= (y == DOWN).sum() for y in of.trained], np.bool_)
    return np.eye(3)[np.where(up, UP, DOWN)[of.fold]]


def constant(of: Sample, middle: Callable[[NDArray[np.float32]], np.floating]) -> Floats:
    """(m,) mean or median magnitude of the fold's training rows; 0 where nothing trained."""
    table = np.array([float(middle(y)) if len(y) else 0.0 for y in of.trained])
    return table[of.fold]


def shuffled(of: Sample, rng: np.random.Generator) -> Ints:
    """(m,) order that moves blocks of labels in time, within each instrument.

    Blocks of max(10 horizons, 60 s), cut shorter where that would leave fewer than 10, so that
    runs of equal labels stay runs and only their link to the forecasts is cut.
    """
    order = np.arange(len(of.rows))
    for who in np.unique(of.instrument):
        mine = np.flatnonzero(of.instrument == who)
        at = stream_time(of.ts[mine], mean_block(of.target.horizon_ns))
        length = max(1, min(mean_block(of.target.horizon_ns), int(at[-1]) // BLOCKS))
        block = (at + rng.integers(length)) // length
        place = rng.permutation(int(block[-1]) + 1)[block]
        order[mine] = mine[np.argsort(place, kind="stable")]
    return order
