"""Log-odds of forecasts, there and back, row by row: while serving, rows are few."""

import math
from typing import Any

import numpy as np
from numba import types

from flowsense._jit import array, compiled, kernel
from flowsense.forecast import DOWN, FLAT, UP
from flowsense.model.sides import SURE

HALVES = array(np.float64)
TABLE = array(np.float64, 2, readonly=True)


@kernel
def log_odds(p: float) -> float:
    """Of a chance that is no surer than any model's."""
    sure = min(max(p, 1.0 - SURE), SURE)
    return math.log(sure) - math.log1p(-sure)


@kernel
def chance(x: float) -> float:
    """Of log-odds; never 0 or 1."""
    return min(max(0.5 * (1.0 + math.tanh(0.5 * x)), 1.0 - SURE), SURE)


@kernel
def move_of(p: Any) -> float:
    """P(it moves) of down, flat and up; in numba, `float` of single precision stays single."""
    return float(max(np.float64(p[DOWN]) + np.float64(p[UP]), 2 * (1 - SURE)))


@kernel
def bend(x: float, knots: Any, odd: bool) -> Any:
    """The curve at x: straight between knots, and on by the same steps beyond them."""
    size, first = (abs(x), 0) if odd else (x, 1)
    sign = -1.0 if odd and x < 0.0 else 1.0
    a, b = (0.0, 0.0) if odd else (knots[0, 0], knots[0, 1])
    if size <= a:
        return sign * (b + (size - a))
    for j in range(first, len(knots)):
        if size < knots[j, 0]:
            return sign * (b + (knots[j, 1] - b) / (knots[j, 0] - a) * (size - a))
        a, b = knots[j, 0], knots[j, 1]
    return sign * (b + (size - a))


@compiled((array(np.float32, 2, readonly=True), HALVES, HALVES), brief=True)
def both(p: Any, side: Any, move: Any) -> None:
    """p (n, 3); log-odds of up given a move, and of a move, into side (n,) and move (n,)."""
    for i in range(len(p)):
        moves = move_of(p[i])
        side[i], move[i] = log_odds(np.float64(p[i, UP]) / moves), log_odds(moves)


@compiled((array(np.float64, readonly=True), TABLE, types.boolean, HALVES), brief=True)
def bends(x: Any, knots: Any, odd: bool, out: Any) -> None:
    """The curve at each x (n,)."""
    for i in range(len(x)):
        out[i] = bend(x[i], knots, odd)


@kernel
def curved(knots: Any) -> bool:
    """Whether there is a curve."""
    found = False
    for j in range(len(knots)):
        found = found or knots[j, 0] != 0.0 or knots[j, 1] != 0.0
    return found


@compiled(
    (
        array(np.float32, 3),
        array(np.float32, 2),
        array(np.bool_, 2, readonly=True),
        array(np.bool_, readonly=True),
        TABLE,
        array(np.float64, 4, readonly=True),
    ),
    brief=True,
)
def rescale(proba: Any, value: Any, ready: Any, sized: Any, scale: Any, curves: Any) -> None:
    """proba (n, T, 3), value (n, T) of what is ready, in place; targets that are sized stay.

    scale (T, 3) of the log-odds of the side, of those of a move, offset; curves (T, 2, KNOTS, 2).
    """
    for t in range(len(sized)):
        slope, steeper, offset = scale[t, 0], scale[t, 1], scale[t, 2]
        turns, shifts = curved(curves[t, 0]), curved(curves[t, 1])
        plain = slope == 1.0 and steeper == 1.0 and offset == 0.0
        if sized[t] or (plain and not turns and not shifts):
            continue
        for i in range(len(proba)):
            if not ready[i, t]:
                continue
            p = proba[i, t]
            moves, before = move_of(p), p[UP] - p[DOWN]
            up = slope * log_odds(np.float64(p[UP]) / moves)
            move = steeper * log_odds(moves) + offset
            up = chance(bend(up, curves[t, 0], True) if turns else up)
            move = chance(bend(move, curves[t, 1], False) if shifts else move)
            p[DOWN], p[FLAT], p[UP] = move * (1.0 - up), 1.0 - move, move * up
            if before != 0:
                value[i, t] *= (p[UP] - p[DOWN]) / before
