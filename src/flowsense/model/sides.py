"""Three classes out of two questions: does it move, and if so, to which side.

Most rows are flat, and a single three-class fit spends itself on which; the side is the
question that a direction forecast is judged by, so it is learned from moved rows alone.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.forecast import DOWN, FLAT, UP, Forecast, Target

Floats = NDArray[np.float64]
THIRD = np.float32(1 / 3)
SURE = 1 - 1e-6  # no model is surer: what came against it would cost without bound


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)) without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float64)


def logit(p: Floats | float) -> Floats:
    """Log-odds, of chances that are no surer than any model's."""
    p = np.clip(p, 1 - SURE, SURE)
    return np.asarray(np.log(p) - np.log1p(-p), np.float64)


def probabilities(move: Floats, up: Floats) -> NDArray[np.float32]:
    """(..., 3) down, flat, up of P(move) and P(up | move): none is 0 or 1."""
    move, up = (np.clip(p, 1 - SURE, SURE) for p in (move, up))
    return np.stack([move * (1 - up), 1 - move, move * up], axis=-1).astype(np.float32)


def combine(targets: tuple[Target, ...], move: Floats, up: Floats, size: Floats) -> Forecast:
    """P(move), P(up | move) and the mean size of a move, (n, T) each, as a forecast.

    The value of a direction is (P(up) - P(down)) x size; a magnitude's is its size alone, and
    its probabilities are a third each.
    """
    n, T = move.shape
    proba, value = np.empty((n, T, 3), np.float32), np.empty((n, T), np.float32)
    said = [np.ascontiguousarray(x, np.float64) for x in (move, up, size)]
    classes(said[0], said[1], said[2], magnitudes(targets), proba, value)
    return Forecast(targets, proba, value, np.ones((n, T), np.bool_))


TABLE = array(np.float64, 2, readonly=True)


@compiled((TABLE, TABLE, TABLE, array(np.bool_), array(np.float32, 3), array(np.float32, 2)))
def classes(move: Any, up: Any, size: Any, sized: Any, proba: Any, value: Any) -> None:
    """What `combine` says, into proba (n, T, 3) and value (n, T)."""
    for i in range(len(move)):
        for t in range(len(sized)):
            m = min(max(move[i, t], 1.0 - SURE), SURE)
            u = min(max(up[i, t], 1.0 - SURE), SURE)
            down, flat, rise = m * (1.0 - u), 1.0 - m, m * u
            value[i, t] = move[i, t] * (2.0 * up[i, t] - 1.0) * size[i, t]
            if sized[t]:
                down = flat = rise = 1 / 3
                value[i, t] = size[i, t]
            proba[i, t, DOWN], proba[i, t, FLAT], proba[i, t, UP] = down, flat, rise


def magnitudes(targets: tuple[Target, ...]) -> NDArray[np.bool_]:
    """(T,) which targets ask how far, not which way."""
    return np.array([t.kind == "magnitude" for t in targets], np.bool_)


def moved(y: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which labels of a direction are not flat."""
    return np.asarray(y != FLAT)
