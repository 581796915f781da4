"""What the three outputs of a net mean: side, move and size of every target.

The side is log-odds of up on moved rows; the move is log-odds beside those of its instrument; the
size is a logarithm of the mean |move|, in mean |move|s of its instrument. So instruments that move
by other amounts and at other rates share one net.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model.gather import learned
from flowsense.model.sides import THIRD, Floats, combine, magnitudes, moved, sigmoid
from flowsense.nn.inputs import Ints

SIDE, MOVE, SIZE = range(3)
FARTHEST = 4.0  # of a log size


class Scale(NamedTuple):
    """Of K instruments, and in place K of all together, for others."""

    base: Floats  # (K + 1, T) log-odds of a move
    size: Floats  # (K + 1, T) mean |move| of moved rows; of all rows of a magnitude


def moves(labels: Labels) -> NDArray[np.bool_]:
    """(n, T) rows that have a side, and every row of a magnitude."""
    return np.asarray(moved(labels.y) | magnitudes(labels.targets))


def sizes(labels: Labels) -> NDArray[np.float32]:
    """(n, T) |move|, and the label of a magnitude."""
    return np.asarray(
        np.where(magnitudes(labels.targets), labels.y, np.abs(labels.move)), np.float32
    )


def scaled(labels: Labels, who: Ints, instruments: int) -> Scale:
    """Of the rows to learn from; who (n,) says whose each is."""
    use, move, size = learned(labels), moves(labels), sizes(labels)
    base, mean = (np.zeros((instruments + 1, len(labels.targets))) for _ in range(2))
    for k in range(instruments, -1, -1):
        mine = use if k == instruments else use & (who == k)[:, None]
        n, up = mine.sum(0), (mine & move).sum(0)
        total = np.where(mine & move, size, 0).sum(0, dtype=np.float64)
        base[k] = np.where(n > 0, np.log((up + 1.0) / (n - up + 1.0)), base[-1])
        mean[k] = np.where(total > 0, total / np.maximum(up, 1), mean[-1])
    return Scale(base, mean)


def said(
    targets: tuple[Target, ...],
    out: NDArray[np.float32],
    scale: Scale,
    place: Ints,
    ready: NDArray[np.bool_],
) -> Forecast:
    """The forecast of out (n, T, 3), place (n,), ready (n,); silent where a net is not ready."""
    wide = out.astype(np.float64)
    move = sigmoid(wide[..., MOVE] + scale.base[place])
    size = np.exp(np.clip(wide[..., SIZE], -FARTHEST, FARTHEST)) * scale.size[place]
    found = combine(targets, move, sigmoid(wide[..., SIDE]), size)
    found.proba[~ready], found.value[~ready] = THIRD, 0.0
    found.ready[:] = ready[:, None]
    return found
