"""The smallest models that obey the laws: a recursive one and a windowed one."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Rows, Tape


class Means(NamedTuple):
    mean: NDArray[np.float64]  # (instruments,)
    rows: NDArray[np.int64]  # (instruments,) seen


@dataclass(frozen=True, slots=True)
class Ewma:
    """An exponential mean of one column, mapped to a side by one fitted slope."""

    target: Target
    column: int = 0
    alpha: float = 0.1
    warmup: int = 10
    slope: float = 1.0  # fitted: log-odds of UP per unit of the mean

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def targets(self) -> tuple[Target, ...]:
        return (self.target,)

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Least squares of the side on the mean, over one pass; the first order of a logit."""
        state, at, xx, xy = self.init(reader.instruments), 0, 0.0, 0.0
        j = labels.targets.index(self.target)
        for tape in reader:
            state, x, _ = self._means(state, tape.rows[0])
            here = slice(at, at + len(x))
            x = x * labels.valid[here, j]
            xx += float(x @ x)
            xy += float(x @ (labels.y[here, j] - 1.0))
            at += len(x)
        return replace(self, slope=2.0 * xy / xx if xx else 0.0)

    def init(self, instruments: tuple[Instrument, ...]) -> Means:
        return Means(np.zeros(len(instruments)), np.zeros(len(instruments), np.int64))

    def predict(self, state: Means, tape: Tape) -> tuple[Means, Forecast]:
        state, x, ready = self._means(state, tape.rows[0])
        up = np.where(ready, 1.0 / (1.0 + np.exp(-np.clip(self.slope * x, -30, 30))), 0.5)
        flat = np.where(ready, 0.0, 1 / 3)
        proba = np.stack([(1 - up) * (1 - flat), flat, up * (1 - flat)], -1).astype(np.float32)
        value = (2 * up - 1).astype(np.float32)[:, None]
        return state, Forecast((self.target,), proba[:, None], value, ready[:, None])

    def params(self) -> dict[str, NDArray[Any]]:
        return {"slope": np.array(self.slope)}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        return replace(self, slope=float(params["slope"]))

    def _means(
        self, state: Means, rows: Rows
    ) -> tuple[Means, NDArray[np.float64], NDArray[np.bool_]]:
        mean, seen, out = state.mean.copy(), state.rows.copy(), np.zeros(len(rows.ts))
        ready = np.zeros(len(rows.ts), np.bool_)
        for i, k in enumerate(rows.instrument):
            if rows.valid[i, self.column]:
                mean[k] += self.alpha * (float(rows.X[i, self.column]) - mean[k])
                seen[k] += 1
            out[i], ready[i] = mean[k], seen[k] > self.warmup
        return Means(mean, seen), out, ready


class Tails(NamedTuple):
    tail: NDArray[np.float32]  # (instruments, history - 1) oldest first
    rows: NDArray[np.int64]  # (instruments,) seen


@dataclass(frozen=True, slots=True)
class Window:
    """The share of positive values among the last `history` rows; stands for a net."""

    target: Target
    column: int = 0
    history: int = 32

    @property
    def needs(self) -> Needs:
        return Needs(history=self.history)

    @property
    def targets(self) -> tuple[Target, ...]:
        return (self.target,)

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        return self

    def init(self, instruments: tuple[Instrument, ...]) -> Tails:
        n = len(instruments)
        return Tails(np.zeros((n, self.history - 1), np.float32), np.zeros(n, np.int64))

    def predict(self, state: Tails, tape: Tape) -> tuple[Tails, Forecast]:
        rows = tape.rows[0]
        tail, seen, n = state.tail.copy(), state.rows.copy(), len(rows.ts)
        up, ready = np.full(n, 0.5, np.float32), np.zeros(n, np.bool_)
        for who in np.unique(rows.instrument):
            mine = np.flatnonzero(rows.instrument == who)
            x = np.concatenate([tail[who], rows.X[mine, self.column]])
            windows = np.lib.stride_tricks.sliding_window_view(x, self.history)
            ready[mine] = seen[who] + 1 + np.arange(len(mine)) >= self.history
            up[mine] = np.where(ready[mine], (windows > 0).mean(axis=1), 0.5)
            seen[who] += len(mine)
            tail[who] = x[len(mine) :]
        flat = np.where(ready, 0.0, 1 / 3)
        proba = np.stack([(1 - up) * (1 - flat), flat, up * (1 - flat)], -1).astype(np.float32)
        value = (2 * up - 1)[:, None]
        return Tails(tail, seen), Forecast((self.target,), proba[:, None], value, ready[:, None])

    def params(self) -> dict[str, NDArray[Any]]:
        return {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        return self
