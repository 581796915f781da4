"""Any model with its probabilities scaled on later rows than it was fitted on.

Platt 1999 on the two questions apart: whether it moves (slope and offset of the log-odds), and
which side (slope alone, so that no side is turned and the order of convictions stays).
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import DOWN, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget, Model
from flowsense.model.sides import Floats, moved, probabilities, sigmoid
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape

FEWEST = 200  # rows that a scale is fitted on
PRIOR = 20.0  # rows, not overlapping, that speak for leaving all as it is
TINY = 1e-6
STEPS = 30
SCALE = "calibration"  # its name among the parameters


@dataclass(frozen=True, slots=True)
class Calibrated:
    model: Model[Any]
    scale: Floats = field(default_factory=lambda: np.zeros((0, 3)))  # (T, side, move, offset)

    @property
    def needs(self) -> Needs:
        return self.model.needs

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.model.targets

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Fits the model; its probabilities are as it gives them until `on`."""
        model = self.model.fit(reader, labels, seed=seed, budget=budget)
        return replace(self, model=model, scale=np.tile([1.0, 1.0, 0.0], (len(labels.targets), 1)))

    def on(
        self,
        said: Forecast,
        labels: Labels,
        rows: NDArray[np.bool_],
        later: NDArray[np.bool_],
    ) -> Self:
        """Scaled to fit what came of `said` on `rows` (n, T), where that also helps on `later`.

        `said` is the model's own forecast. Markets drift, so a scale that is best on one stretch
        may hurt on the next: each is kept only if it lowers the log-loss of the rows after it.
        """
        scale = self.scale.copy()
        for t, target in enumerate(self.targets):
            if target.kind != "magnitude":
                asked = [answered(said, labels, t, where) for where in (rows, later)]
                (side, move), (later_side, later_move) = asked
                scale[t, 0] = kept(platt(side, offset=False), later_side)[0]
                scale[t, 1:] = kept(platt(move, offset=True), later_move)
        return replace(self, scale=scale)

    def apply(self, said: Forecast) -> Forecast:
        """The model's own forecast, scaled; what is not ready stays as it is."""
        proba, value = said.proba.copy(), said.value.copy()
        for t, target in enumerate(self.targets):
            ready = said.ready[:, t]
            if target.kind != "magnitude" and (self.scale[t] != (1.0, 1.0, 0.0)).any():
                proba[ready, t] = scaled(proba[ready, t], self.scale[t])
                value[ready, t] *= change(said.proba[ready, t], proba[ready, t])
        return replace(said, proba=proba, value=value)

    def init(self, instruments: tuple[Instrument, ...]) -> Any:
        return self.model.init(instruments)

    def predict(self, state: Any, tape: Tape) -> tuple[Any, Forecast]:
        state, said = self.model.predict(state, tape)
        return state, self.apply(said)

    def params(self) -> dict[str, NDArray[Any]]:
        return self.model.params() | {SCALE: self.scale}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        own = {name: value for name, value in params.items() if name != SCALE}
        return replace(self, model=self.model.load(own), scale=params[SCALE])


def logit(p: Floats) -> Floats:
    p = np.clip(p, TINY, 1 - TINY)
    return np.log(p) - np.log1p(-p)


def odds(p: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """(n, 3) -> log-odds of up given a move, and of a move."""
    wide = p.astype(np.float64)
    moves = np.maximum(wide[:, DOWN] + wide[:, UP], 2 * TINY)
    return logit(wide[:, UP] / moves), logit(moves)


def scaled(p: NDArray[np.float32], scale: Floats) -> NDArray[np.float32]:
    """(n, 3) probabilities with both log-odds scaled."""
    up, move = odds(p)
    return probabilities(sigmoid(scale[1] * move + scale[2]), sigmoid(scale[0] * up))


def change(p: NDArray[np.float32], q: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) by how much P(up) - P(down) is another in q than in p; 1 where it was 0."""
    before, after = p[:, UP] - p[:, DOWN], q[:, UP] - q[:, DOWN]
    return np.asarray(np.divide(after, before, out=np.ones_like(before), where=before != 0))


class Question(NamedTuple):
    """Log-odds of yes, whether yes came, and how much each row counts; (m,) each."""

    odds: Floats
    yes: NDArray[np.bool_]
    weight: Floats


def answered(
    said: Forecast, labels: Labels, t: int, where: NDArray[np.bool_]
) -> tuple[Question, Question]:
    """Of the rows of target t: up, where it moved; and whether it moved."""
    mine = where[:, t] & labels.valid[:, t] & said.ready[:, t]
    up, move = odds(said.proba[mine, t])
    y, weight = labels.y[mine, t], labels.weight[mine, t].astype(np.float64)
    moves = moved(y)
    return Question(up[moves], y[moves] == UP, weight[moves]), Question(move, moves, weight)


def loss(of: Question, slope: float, offset: float) -> float:
    """Sum of weighted log-losses."""
    x = slope * of.odds + offset
    return float(of.weight @ np.logaddexp(0.0, np.where(of.yes, -x, x)))


def kept(scale: tuple[float, float], later: Question) -> tuple[float, float]:
    """The scale where it lowers the loss of later rows, else none."""
    return scale if loss(later, *scale) < loss(later, 1.0, 0.0) else (1.0, 0.0)


def platt(of: Question, *, offset: bool) -> tuple[float, float]:
    """Slope and offset of most likelihood by Newton's method, drawn towards 1 and 0.

    The slope stays in [0.2, 2]; too few rows leave everything as it is.
    """
    x, y, weight = of
    if len(x) < FEWEST or y.all() or not y.any():
        return 1.0, 0.0
    design = np.stack([x, np.ones_like(x) * offset], axis=1)
    prior, start = PRIOR * np.eye(2), np.array([1.0, 0.0])
    w = start.copy()
    for _ in range(STEPS):
        p = sigmoid(design @ w)
        gradient = design.T @ (weight * (p - y)) + prior @ (w - start)
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + prior
        step = np.linalg.solve(curvature, gradient)
        w = w - step
        if np.abs(step).max() < 1e-9:
            break
    return float(np.clip(w[0], 0.2, 2.0)), float(w[1])
