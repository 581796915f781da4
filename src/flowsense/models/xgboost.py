"""Gradient-boosted trees of the side and of the move. Chen & Guestrin 2016.

Two questions instead of three classes: on moved rows the side is the question, while flat rows,
which are most, tell only when it moves. Some rows of the side model are mirrored (bids and asks
swapped, label flipped), so that what is learned of one side holds for the other; not all, because
markets are not quite symmetric. Early stopping on the rows kept for it.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.catalogue import described
from flowsense.forecast import UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.forest import Forest, forest, margin
from flowsense.model.gather import LEARN, STOP, Gathered, gather, present
from flowsense.model.instruments import Known, Places, arrays
from flowsense.model.sides import Floats, combine, moved, sigmoid
from flowsense.model.terms import mirror
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape
from flowsense.wall import Stopwatch

FEWEST = 50  # rows of one instrument that a fit of its own needs
FORECASTS = 0.2  # of the seconds, kept for forecasting


class Fitted(NamedTuple):
    """Of K instruments and T targets; heads are (instrument, side or move, target) in order."""

    known: Known
    forest: Forest
    base: Floats  # (K + 1, 2, T) margin before the first tree; K: the mean of those fitted
    own: NDArray[np.bool_]  # (K, 2, T) has trees of its own; others hear the mean of these
    size: Floats  # (K + 1, T) mean |move| of moved rows
    gain: Floats  # (T, F) share of all gain, of the side; of a magnitude, its own


class Task(NamedTuple):
    """One fit: rows to learn from and to stop on, NaN where missing."""

    X: NDArray[np.float32]
    y: NDArray[np.float32]
    weight: NDArray[np.float32]
    stop_X: NDArray[np.float32]
    stop_y: NDArray[np.float32]
    stop_weight: NDArray[np.float32]
    objective: str
    base: float  # mean of y, or probability


@dataclass(frozen=True, slots=True)
class Xgboost:
    trees: int = 400
    depth: int = 5
    rate: float = 0.05
    subsample: float = 0.5  # of the rows, for each tree
    columns: float = 0.5  # of the columns, for each tree
    smallest: float = 10.0  # least weight of a leaf
    mirrored: float = 0.25  # share of the rows of the side that are added mirrored
    patience: int = 20  # trees without gain on the rows to stop on
    unstopped: int = 60  # trees where there are none
    bins: int = 64
    most: int = 40_000  # moved rows of one instrument and target
    fitted: Fitted | None = None

    @classmethod
    def tiny(cls) -> Self:
        return cls(trees=10, most=1_000)

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.fitted.known.targets if self.fitted else ()

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Each fit gets its share of the seconds that are left; steps bound trees."""
        watch = Stopwatch()
        with watch:
            known = Known.of(labels, reader.instruments)
            turn = mirror(described(reader.spec))
            rows = gather(reader, labels, self.most, seed)
        k, t, f = len(reader.instruments), len(labels.targets), rows.X.shape[1]
        base, size = np.zeros((k + 1, 2, t)), np.zeros((k + 1, t))
        own, gain = np.zeros((k, 2, t), np.bool_), np.zeros((t, f))
        models, rng = list[bytes](), np.random.default_rng(seed)
        places = [(who, head, j) for who in range(k) for head in range(2) for j in range(t)]
        for done, (who, head, j) in enumerate(places):
            with watch:
                sized = labels.targets[j].kind == "magnitude"
                task = self._task(rows, turn, (who, head, j), sized, rng)
            left = budget.seconds * (1 - FORECASTS) - watch.seconds
            trees = min(self.trees, budget.steps)
            text, used = (
                (b"", np.zeros(f))
                if task is None
                else self._boost(task, trees, left / (len(places) - done), seed, watch)
            )
            models.append(text)
            if task is not None:
                own[who, head, j], base[who, head, j] = True, offset(task)
                if head == int(sized):
                    gain[j] += used
            if head == 1:
                size[who, j] = mean_size(rows, who, j, sized)
        rest(base, own, size)
        gain /= np.maximum(gain.sum(axis=1, keepdims=True), 1e-12)
        return replace(self, fitted=Fitted(known, forest(models), base, own, size, gain))

    def _task(
        self,
        rows: Gathered,
        turn: tuple[NDArray[np.int64], NDArray[np.float32]],
        place: tuple[int, int, int],
        sized: bool,
        rng: np.random.Generator,
    ) -> Task | None:
        """What one head learns from; None where there is too little or nothing to tell apart."""
        who, head, j = place
        learn, stop = rows.part(who, j, LEARN), rows.part(who, j, STOP)
        if sized:
            if head == 0 or len(learn) < FEWEST:
                return None
            return task(rows, learn, stop, rows.y[:, j], j, "reg:squarederror")
        moves = moved(rows.y[:, j])
        if head == 0:
            learn, stop = learn[moves[learn]], stop[moves[stop]]
        y = (moves if head else rows.y[:, j] == UP).astype(np.float32)
        if len(learn) < FEWEST or y[learn].min() == y[learn].max():
            return None
        found = task(rows, learn, stop, y, j, "binary:logistic")
        if head == 0:
            even = np.ones(len(found.y), np.float32)
            found = found._replace(weight=even, stop_weight=np.ones_like(found.stop_y), base=0.5)
            again = rng.random(len(learn)) < self.mirrored
            X = found.X[again][:, turn[0]] * turn[1]
            X, y = np.concatenate([found.X, X]), np.r_[found.y, 1 - found.y[again]]
            found = found._replace(X=X, y=y, weight=np.ones(len(y), np.float32))
        return found

    def _boost(
        self, task: Task, trees: int, seconds: float, seed: int, watch: Stopwatch
    ) -> tuple[bytes, Floats]:
        """The best forest on the rows to stop on, as JSON, and the gain of each column."""
        start = watch.seconds
        stops = len(task.stop_y) >= FEWEST
        with watch:
            data = xgb.QuantileDMatrix(task.X, task.y, weight=task.weight, max_bin=self.bins)
            watched = (
                xgb.QuantileDMatrix(
                    task.stop_X, task.stop_y, weight=task.stop_weight, ref=data, max_bin=self.bins
                )
                if stops
                else None
            )
            booster = xgb.Booster(self._settings(task, seed), [data])
        best, least, step = 0, np.inf, 0
        for step in range(trees if stops else min(trees, self.unstopped)):
            with watch:
                booster.update(data, step)
                loss = loss_on(booster, watched) if watched is not None else -float(step)
            if loss < least:
                best, least = step, loss
            if step - best >= self.patience or watch.seconds - start > seconds:
                break
        kept = booster[: best + 1]
        gain = np.zeros(task.X.shape[1])
        for name, value in kept.get_score(importance_type="total_gain").items():
            gain[int(name[1:])] = value
        return bytes(kept.save_raw("json")), gain

    def _settings(self, task: Task, seed: int) -> dict[str, Any]:
        return {
            "objective": task.objective,
            "eval_metric": "logloss" if task.objective == "binary:logistic" else "rmse",
            "base_score": task.base,
            "max_depth": self.depth,
            "eta": self.rate,
            "subsample": self.subsample,
            "colsample_bytree": self.columns,
            "min_child_weight": self.smallest,
            "max_bin": self.bins,
            "tree_method": "hist",
            "device": "cpu",
            "seed": seed,
            "verbosity": 0,
        }

    def init(self, instruments: tuple[Instrument, ...]) -> Places:
        return Places.of(self.fitted.known if self.fitted else None, instruments)

    def predict(self, state: Places, tape: Tape) -> tuple[Places, Forecast]:
        if self.fitted is None:
            raise InputError("xgboost: fit or load it before it predicts")
        fitted, rows, T = self.fitted, tape.rows[0], len(self.targets)
        place, X = state.place[rows.instrument], present(rows)
        out = fitted.base[place]  # (n, 2, T)
        for who in np.unique(place):
            mine = np.flatnonzero(place == who)
            for head in range(2):
                for j in range(T):
                    out[mine, head, j] += heard(fitted, (int(who), head, j), X, mine)
        sized = np.array([t.kind == "magnitude" for t in self.targets], np.bool_)
        size = np.where(sized, np.maximum(out[:, 1], 0.0), fitted.size[place])
        return state, combine(self.targets, sigmoid(out[:, 1]), sigmoid(out[:, 0]), size)

    def params(self) -> dict[str, NDArray[Any]]:
        return arrays(self.fitted) if self.fitted else {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        trees = Forest(*(params[name] for name in Forest._fields))
        tables = (params[name] for name in Fitted._fields[2:])
        return replace(self, fitted=Fitted(Known.load(params), trees, *tables))

    def importances(self, columns: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Of each target, the share of all gain that splits on a column brought to the side."""
        if self.fitted is None:
            return {}
        table = zip(self.targets, self.fitted.gain.tolist(), strict=True)
        return {str(target): dict(zip(columns, gain, strict=True)) for target, gain in table}


def task(
    rows: Gathered,
    learn: NDArray[np.int64],
    stop: NDArray[np.int64],
    y: NDArray[np.float32],
    j: int,
    objective: str,
) -> Task:
    """These rows, each weighing as many as it stands for."""
    w = rows.weight[:, j]
    mean = float(np.average(y[learn], weights=w[learn]))
    weights = (w[learn] / w[learn].mean(), w[stop])
    return Task(
        rows.X[learn], y[learn], weights[0], rows.X[stop], y[stop], weights[1], objective, mean
    )


def offset(task: Task) -> float:
    """The margin before the first tree."""
    if task.objective == "reg:squarederror":
        return task.base
    return float(np.log(task.base / (1 - task.base)))


def loss_on(booster: Any, watched: Any) -> float:
    return float(booster.eval(watched).rsplit(":", 1)[1])


def mean_size(rows: Gathered, who: int, j: int, sized: bool) -> float:
    learn = rows.part(who, j, LEARN)
    if not sized:
        learn = learn[moved(rows.y[learn, j])]
    return float(rows.size[learn, j].mean()) if len(learn) else 0.0


def rest(base: Floats, own: NDArray[np.bool_], size: Floats) -> None:
    """Place K, and heads without trees of their own, start at the mean of those that have."""
    k, _, targets = own.shape
    for j in range(targets):
        for head in range(2):
            mine = own[:, head, j]
            start = base[:k, head, j][mine].mean() if mine.any() else 0.0
            base[np.r_[~mine, True], head, j] = start
        seen = size[:k, j] > 0
        if seen.any():
            size[np.r_[~seen, True], j] = size[:k, j][seen].mean()


def heard(
    fitted: Fitted, place: tuple[int, int, int], X: NDArray[np.float32], rows: NDArray[np.int64]
) -> Floats:
    """(n,) what the trees say: an instrument's own, or the mean of all that have some."""
    who, head, j = place
    k, _, targets = fitted.own.shape
    alone = who < k and fitted.own[who, head, j]
    voices = np.array([who]) if alone else np.flatnonzero(fitted.own[:, head, j])
    out = np.zeros(len(rows))
    for voice in voices:
        out += margin(fitted.forest, (int(voice) * 2 + head) * targets + j, X, rows)
    return out / max(len(voices), 1)
