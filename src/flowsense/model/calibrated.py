"""Any model with its probabilities scaled on later rows than it was fitted on.

The two questions apart: whether it moves (slope and offset of the log-odds), and which side (slope
alone, so that no side is turned and the order of convictions stays). A line first (Platt 1999),
then a monotone curve on top of it (`model.isotonic`); each only where it helps.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import DOWN, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget, Model
from flowsense.model.isotonic import KNOTS, bent, curve
from flowsense.model.logits import both, rescale
from flowsense.model.sides import Floats, magnitudes, moved, sigmoid
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape

FEWEST = 200  # rows that a scale is fitted on
PRIOR = 20.0  # rows, not overlapping, that speak for leaving all as it is
STEPS = 30
ROUNDING = 1e-12  # of a sum over rows, as a share of it
SCALE, CURVE = "calibration", "calibration_curve"  # their names among the parameters
SIDE, MOVE = range(2)
QUESTIONS, NAMES = ("side", "move"), ("platt", "isotonic")
PLAIN = (1.0, 1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Calibrated:
    model: Model[Any]
    scale: Floats = field(default_factory=lambda: np.zeros((0, 3)))  # (T, side, move, offset)
    curves: Floats = field(default_factory=lambda: np.zeros((0, 2, KNOTS, 2)))  # (T, SIDE or MOVE)

    @property
    def needs(self) -> Needs:
        return self.model.needs

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.model.targets

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Fits the model; its probabilities are as it gives them until `on`."""
        model = self.model.fit(reader, labels, seed=seed, budget=budget)
        T = len(labels.targets)
        return replace(self, model=model, scale=np.tile(PLAIN, (T, 1)), curves=straight(T))

    def on(
        self,
        said: Forecast,
        labels: Labels,
        rows: NDArray[np.bool_],
        later: NDArray[np.bool_],
    ) -> Self:
        """Scaled to fit what came of `said` on `rows` (n, T), where that also helps on `later`.

        `said` is the model's own forecast. Markets drift, so what is best on one stretch may hurt
        on the next: a line is kept where it lowers the log-loss of the rows after it, and a curve
        on top where that lowers it surely.
        """
        scale, curves = self.scale.copy(), straight(len(self.targets))
        for t, target in enumerate(self.targets):
            if target.kind == "magnitude":
                continue
            asked = (answered(said, labels, t, where) for where in (rows, later))
            for k, (early, after) in enumerate(zip(*asked, strict=True)):
                line, curves[t, k] = chosen(early, after, k)
                scale[t, k : 2 * k + 1] = line[: k + 1]
        return replace(self, scale=scale, curves=curves)

    def apply(self, said: Forecast) -> Forecast:
        """The model's own forecast, scaled; what is not ready stays as it is."""
        if not len(said.ready):
            return said
        curves = self.curves if len(self.curves) else straight(len(said.targets))
        proba, value = said.proba.copy(), said.value.copy()
        ready, sized = np.ascontiguousarray(said.ready), magnitudes(said.targets)
        rescale(proba, value, ready, sized, self.scale, curves)
        return replace(said, proba=proba, value=value)

    def kept(self) -> dict[str, dict[str, str]]:
        """Of each target and question what scales it, like ``platt and isotonic``, or ``none``."""
        found = {}
        for t, target in enumerate(self.targets):
            lines = (self.scale[t, 0] != 1, (self.scale[t, 1:] != PLAIN[1:]).any())
            bends = self.curves[t].any(axis=(1, 2)) if len(self.curves) else (False, False)
            found[str(target)] = {
                q: " and ".join(NAMES[k] for k in range(2) if (line, bend)[k]) or "none"
                for q, line, bend in zip(QUESTIONS, lines, bends, strict=True)
            }
        return found

    def init(self, instruments: tuple[Instrument, ...]) -> Any:
        return self.model.init(instruments)

    def predict(self, state: Any, tape: Tape) -> tuple[Any, Forecast]:
        state, said = self.model.predict(state, tape)
        return state, self.apply(said)

    def params(self) -> dict[str, NDArray[Any]]:
        return self.model.params() | {SCALE: self.scale, CURVE: self.curves}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        own = {name: value for name, value in params.items() if name not in (SCALE, CURVE)}
        model = self.model.load(own)
        return replace(self, model=model, scale=params[SCALE], curves=params[CURVE])


def odds(p: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """(n, 3) -> log-odds of up given a move, and of a move."""
    side, move = np.empty(len(p)), np.empty(len(p))
    both(np.ascontiguousarray(p, np.float32), side, move)
    return side, move


def straight(targets: int) -> Floats:
    """No curves."""
    return np.zeros((targets, 2, KNOTS, 2))


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


def losses(of: Question, x: Floats) -> Floats:
    """(m,) log-loss of each row at these log-odds."""
    return np.asarray(np.logaddexp(0.0, np.where(of.yes, -x, x)))


def chosen(early: Question, after: Question, k: int) -> tuple[tuple[float, float], Floats]:
    """The line of question k, and the curve on top of it, that help on later rows.

    A line has to help, and a curve by more than the standard error of how much it helps.
    """
    line = platt(early, offset=k == MOVE)
    said, least = after.odds, losses(after, after.odds)
    scaled = line[0] * said + line[1]
    if after.weight @ losses(after, scaled) < after.weight @ least:
        said, least = scaled, losses(after, scaled)
    else:
        line = (1.0, 0.0)
    knots = curve(line[0] * early.odds + line[1], early.yes, early.weight, odd=k == SIDE)
    gain = least - losses(after, bent(said, knots, odd=k == SIDE))
    surely = after.weight @ gain > np.sqrt(after.weight @ gain**2)
    return line, knots if surely and knots.any() else np.zeros((KNOTS, 2))


def platt(of: Question, *, offset: bool) -> tuple[float, float]:
    """Slope and offset of most likelihood by Newton's method, drawn towards 1 and 0.

    The slope stays in [0.2, 2]; too few rows leave everything as it is. A step that would raise
    the loss is halved: at log-odds of 6 the loss is all but flat, and a whole one leaps far over
    its minimum.
    """
    x, y, weight = of
    if len(x) < FEWEST or y.all() or not y.any():
        return 1.0, 0.0
    design = np.stack([x, np.ones_like(x) * offset], axis=1)
    prior, start = PRIOR * np.eye(2), np.array([1.0, 0.0])

    def cost(w: Floats) -> float:
        return float(weight @ losses(of, design @ w) + PRIOR / 2 * (w - start) @ (w - start))

    w, least = start.copy(), cost(start)
    for _ in range(STEPS):
        p = sigmoid(design @ w)
        gradient = design.T @ (weight * (p - y)) + prior @ (w - start)
        curvature = (design * (weight * p * (1 - p))[:, None]).T @ design + prior
        step = np.linalg.solve(curvature, gradient)
        most = least + ROUNDING * abs(least)
        while (found := cost(w - step)) > most:
            step /= 2
        w, least = w - step, found
        if np.abs(step).max() < 1e-9:
            break
    return float(np.clip(w[0], 0.2, 2.0)), float(w[1])
