"""Any model with its probabilities scaled on later rows than it was fitted on.

Platt 1999 on the two questions apart: whether it moves (slope and offset of the log-odds), and
which side (slope alone, so that no side is turned and the order of convictions stays).
"""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import DOWN, FLAT, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget, Model
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape

Floats = NDArray[np.float64]
FEWEST = 200  # rows that a scale is fitted on
PRIOR = 20.0  # rows that speak for leaving all as it is
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

    def on(self, said: Forecast, labels: Labels, rows: NDArray[np.bool_]) -> Self:
        """Scaled to fit what came of `said`, the model's own forecast, on `rows` (n, T)."""
        scale = self.scale.copy()
        for t, target in enumerate(self.targets):
            if target.kind == "magnitude":
                continue
            mine = rows[:, t] & labels.valid[:, t] & said.ready[:, t]
            up, move = odds(said.proba[mine, t])
            y = labels.y[mine, t]
            moved = y != FLAT
            scale[t, 0], _ = platt(up[moved], y[moved] == UP, offset=False)
            scale[t, 1:] = platt(move, moved, offset=True)
        return replace(self, scale=scale)

    def apply(self, said: Forecast) -> Forecast:
        """The model's own forecast, scaled; what is not ready stays as it is."""
        proba = said.proba.copy()
        for t, target in enumerate(self.targets):
            ready = said.ready[:, t]
            if target.kind != "magnitude" and (self.scale[t] != (1.0, 1.0, 0.0)).any():
                proba[ready, t] = scaled(proba[ready, t], self.scale[t])
        return replace(said, proba=proba)

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


def expit(x: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(x, -30, 30)))


def odds(p: NDArray[np.float32]) -> tuple[Floats, Floats]:
    """(n, 3) -> log-odds of up given a move, and of a move."""
    wide = p.astype(np.float64)
    moves = np.maximum(wide[:, DOWN] + wide[:, UP], 2 * TINY)
    return logit(wide[:, UP] / moves), logit(moves)


def scaled(p: NDArray[np.float32], scale: Floats) -> NDArray[np.float32]:
    """(n, 3) probabilities with both log-odds scaled."""
    up, move = odds(p)
    u, m = expit(scale[0] * up), expit(scale[1] * move + scale[2])
    return np.stack([m * (1 - u), 1 - m, m * u], axis=1).astype(np.float32)


def platt(x: Floats, y: NDArray[np.bool_], *, offset: bool) -> tuple[float, float]:
    """Slope and offset of most likelihood by Newton's method, drawn towards 1 and 0.

    The slope stays in [0.2, 2]; too few rows leave everything as it is.
    """
    if len(x) < FEWEST or y.all() or not y.any():
        return 1.0, 0.0
    design = np.stack([x, np.ones_like(x) * offset], axis=1)
    prior, start = PRIOR * np.eye(2), np.array([1.0, 0.0])
    w = start.copy()
    for _ in range(STEPS):
        p = expit(design @ w)
        gradient = design.T @ (p - y) + prior @ (w - start)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + prior
        step = np.linalg.solve(curvature, gradient)
        w = w - step
        if np.abs(step).max() < 1e-9:
            break
    return float(np.clip(w[0], 0.2, 2.0)), float(w[1])
