"""Trees of the side and of the move, whoever grows them: all of a model but its learner.

Two questions instead of three classes: on moved rows the side is the question, while flat rows,
which are most, tell only when it moves. Some rows of the side are mirrored (bids and asks swapped,
label flipped), so that what is learned of one side holds for the other; not all, because markets
are not quite symmetric.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.catalogue import described
from flowsense.features.observed import PREFIX
from flowsense.forecast import UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.forest import Forest, Tree, margins, planted
from flowsense.model.gather import LEARN, STOP, Gathered, Ints, gather, present
from flowsense.model.instruments import Known, Places, arrays
from flowsense.model.sides import Floats, combine, logit, magnitudes, moved, sigmoid
from flowsense.model.terms import mirror
from flowsense.model.trees_shap import contributions
from flowsense.schema import Instrument
from flowsense.tape import FeatureSpec, Needs, Reader, Tape
from flowsense.wall import Stopwatch

FEWEST = 50  # rows of one instrument that a fit of its own needs
FORECASTS = 0.2  # of the seconds, kept for forecasting
EXPLAINED = 128  # rows of one instrument and target whose SHAP values are tracked
Matrix = NDArray[np.float32]
Place = tuple[int, int, int]  # instrument, side (0) or move (1), target


class Fitted(NamedTuple):
    """Of K instruments and T targets; heads are (instrument, side or move, target) in order."""

    known: Known
    forest: Forest
    base: Floats  # (K + 1, 2, T) before the first tree; K: the mean of those fitted
    own: NDArray[np.bool_]  # (K, 2, T) has trees of its own; others hear the mean of these
    size: Floats  # (K + 1, T) mean |move| of moved rows
    gain: Floats  # (T, F) share of all gain, of the side; of a magnitude, its own
    shap: Floats  # (T, F) mean |SHAP value| of the same head, on rows not learned from
    slope: Floats  # (T, F) correlation of a column with its SHAP values


class Task(NamedTuple):
    """One fit: rows to learn from and to stop on, NaN where missing."""

    X: Matrix
    y: NDArray[np.float32]
    weight: NDArray[np.float32]
    stop_X: Matrix
    stop_y: NDArray[np.float32]
    stop_weight: NDArray[np.float32]
    sized: bool  # a number is asked for, not whether
    mean: float  # of y

    @property
    def stops(self) -> bool:
        return len(self.stop_y) >= FEWEST


class Grown(NamedTuple):
    """What a learner makes of a task."""

    trees: list[Tree]
    gain: Floats  # (F,) that splits on each column brought


@dataclass(frozen=True, slots=True)
class Trees(ABC):
    """Everything but how trees are grown."""

    trees: int = 400
    most: int = 40_000  # moved rows of one instrument and target
    mirrored: float = 0.25  # share of the rows of the side that are added mirrored
    patience: int = 20  # trees without gain on the rows to stop on
    unstopped: int = 60  # trees where there are none
    fitted: Fitted | None = None

    @property
    def odds(self) -> bool:
        """Whether the trees of a yes or no add up to log-odds; else to a probability."""
        return True

    @abstractmethod
    def grow(self, task: Task, trees: int, seconds: float, seed: int) -> Grown:
        """At most so many trees, and none begun after so many seconds."""

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
        """Each head gets its share of the seconds that are left; steps bound trees."""
        watch = Stopwatch()
        with watch:
            known = Known.of(labels, reader.instruments)
            turn = turned(reader.spec)
            rows = gather(reader, labels, self.most, seed)
        fitted, shown = empty(known, rows.X.shape[1]), dict[Place, Matrix]()
        heads, rng = list[list[Tree]](), np.random.default_rng(seed)
        places = [(w, head, j) for w, head, j in np.ndindex(*fitted.own.shape)]
        for done, (who, head, j) in enumerate(places):
            with watch:
                sized = labels.targets[j].kind == "magnitude"
                task = self._task(rows, turn, (who, head, j), sized, rng)
                if head == 1:
                    fitted.size[who, j] = mean_size(rows, who, j, sized)
            if task is None:
                heads.append([])
                continue
            left = budget.seconds * (1 - FORECASTS) - watch.seconds
            with watch:
                trees = min(self.trees, budget.steps, 1 << 30 if task.stops else self.unstopped)
                grown = self.grow(task, trees, left / (len(places) - done), seed)
            heads.append(grown.trees)
            fitted.own[who, head, j], fitted.base[who, head, j] = True, self.start(task)
            if head == int(sized):
                fitted.gain[j] += grown.gain
                shown[who, head, j] = some(task.stop_X if task.stops else task.X)
        rest(fitted, self.unknown(rows, labels.targets))
        fitted.gain[:] /= np.maximum(fitted.gain.sum(axis=1, keepdims=True), 1e-12)
        fitted = fitted._replace(forest=planted(heads))
        explain(fitted, shown)
        return replace(self, fitted=fitted)

    def _task(
        self,
        rows: Gathered,
        turn: tuple[Ints, Matrix],
        place: Place,
        sized: bool,
        rng: np.random.Generator,
    ) -> Task | None:
        """What one head learns from; None where there is too little or nothing to tell apart."""
        who, head, j = place
        learn, stop = rows.part(who, j, LEARN), rows.part(who, j, STOP)
        moves = moved(rows.y[:, j])
        if head == 0:
            if sized:
                return None
            learn, stop = learn[moves[learn]], stop[moves[stop]]
        yes = moves if head else rows.y[:, j] == UP
        y = rows.y[:, j] if sized else yes.astype(np.float32)
        if len(learn) < FEWEST or (not sized and y[learn].min() == y[learn].max()):
            return None
        found = posed(rows, (learn, stop), y, j, sized)
        if head:
            return found
        again = rng.random(len(learn)) < self.mirrored
        X = np.concatenate([found.X, found.X[again][:, turn[0]] * turn[1]])
        y = np.r_[found.y, 1 - found.y[again]]
        even, evenly = (np.ones(len(v), np.float32) for v in (y, found.stop_y))
        return found._replace(X=X, y=y, weight=even, stop_weight=evenly, mean=0.5)

    def start(self, task: Task) -> float:
        """What is said before the first tree."""
        chance = not task.sized and self.odds
        return float(np.log(task.mean / (1 - task.mean))) if chance else task.mean

    def unknown(self, rows: Gathered, targets: tuple[Target, ...]) -> Floats:
        """(2, T) what heads say where none has a tree: no side, the share of moves, no size."""
        moves = np.array([rows.share_of_moves(j) for j in range(len(targets))])
        chance = np.stack([np.full(len(targets), 0.5), moves])
        return np.where(magnitudes(targets), 0.0, logit(chance) if self.odds else chance)

    def init(self, instruments: tuple[Instrument, ...]) -> Places:
        return Places.of(self.fitted.known if self.fitted else None, instruments)

    def predict(self, state: Places, tape: Tape) -> tuple[Places, Forecast]:
        if self.fitted is None:
            raise InputError(f"{type(self).__name__.lower()}: fit or load it before it predicts")
        fitted, rows = self.fitted, tape.rows[0]
        place, X = state.place[rows.instrument], present(rows)
        out = fitted.base[place]  # (n, 2, T)
        for who, mine in by_place(place):
            out[mine] += heard(fitted, who, X if len(mine) == len(X) else X[mine])
        sized = magnitudes(self.targets)
        size = np.where(sized, np.maximum(out[:, 1], 0.0), fitted.size[place])
        chance = sigmoid(out) if self.odds else np.clip(out, 0.0, 1.0)
        return state, combine(self.targets, chance[:, 1], chance[:, 0], size)

    def explain(self, state: Places, tape: Tape) -> Floats:
        """(n, T, F + 1) SHAP values of the side before its link, of a magnitude those of it.

        The last is what is said where no column is known. Raises InputError before a fit.
        """
        if self.fitted is None:
            raise InputError(f"{type(self).__name__.lower()}: fit or load it before it explains")
        fitted, rows = self.fitted, tape.rows[0]
        place, X = state.place[rows.instrument], present(rows)
        out = np.zeros((len(X), len(self.targets), X.shape[1] + 1))
        for j, target in enumerate(self.targets):
            head = int(target.kind == "magnitude")
            out[:, j, -1] = fitted.base[place, head, j]
            for who, mine in by_place(place):
                voices = heeded(fitted.own, who)[:, head, j]
                for voice in np.flatnonzero(voices):
                    trees = of_head(fitted, (int(voice), head, j))
                    each = contributions(fitted.forest, trees, X[mine])
                    out[mine, j] += each * voices[voice]
        return out

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

    def shap(self, columns: tuple[str, ...]) -> dict[str, dict[str, tuple[float, float]]]:
        """Of each target and column the mean |SHAP value|, of the side, and its direction.

        Direction: correlation of the column with its SHAP values; 1: more of it says up (of a
        magnitude: more). On rows that were held back from the fit, where there were some.
        """
        if self.fitted is None:
            return {}
        both = np.stack([self.fitted.shap, self.fitted.slope], axis=-1).tolist()
        return {
            str(target): {c: (mean, way) for c, (mean, way) in zip(columns, each, strict=True)}
            for target, each in zip(self.targets, both, strict=True)
        }


def rounds(
    grow: Callable[[int], float], trees: int, patience: int, watch: Stopwatch, seconds: float
) -> int:
    """How many trees are best, at least one: `grow` adds one and says its loss."""
    best, least = 0, np.inf
    for step in range(trees):
        with watch:
            loss = grow(step)
        if loss < least:
            best, least = step, loss
        if step - best >= patience or watch.seconds > seconds:
            break
    return best + 1


def posed(
    rows: Gathered, parts: tuple[Ints, Ints], y: NDArray[np.float32], j: int, sized: bool
) -> Task:
    """To learn and to stop on these rows, each weighing as many as it stands for."""
    (learn, stop), w = parts, rows.weight[:, j]
    weights = (w[learn] / w[learn].mean(), w[stop])
    mean = float(np.average(y[learn], weights=w[learn]))
    return Task(rows.X[learn], y[learn], weights[0], rows.X[stop], y[stop], weights[1], sized, mean)


def empty(known: Known, columns: int) -> Fitted:
    """Nothing learned yet."""
    k, t = len(known.symbol), len(known.target)
    base, own = np.zeros((k + 1, 2, t)), np.zeros((k, 2, t), np.bool_)
    tables = (np.zeros((t, columns)) for _ in range(3))
    return Fitted(known, planted([]), base, own, np.zeros((k + 1, t)), *tables)


def mean_size(rows: Gathered, who: int, j: int, sized: bool) -> float:
    learn = rows.part(who, j, LEARN)
    if not sized:
        learn = learn[moved(rows.y[learn, j])]
    return float(rows.size[learn, j].mean()) if len(learn) else 0.0


def rest(fitted: Fitted, unknown: Floats) -> None:
    """Place K, and heads without trees of their own, start at the mean of those that have.

    unknown (2, T): what is said where none has.
    """
    base, own, size = fitted.base, fitted.own, fitted.size
    k, _, targets = own.shape
    for j in range(targets):
        for head in range(2):
            mine = own[:, head, j]
            start = base[:k, head, j][mine].mean() if mine.any() else unknown[head, j]
            base[np.r_[~mine, True], head, j] = start
        seen = size[:k, j] > 0
        if seen.any():
            size[np.r_[~seen, True], j] = size[:k, j][seen].mean()


def by_place(place: Ints) -> list[tuple[int, Ints]]:
    """Each place and its rows."""
    return [(int(who), np.flatnonzero(place == who)) for who in np.unique(place)]


def heeded(own: NDArray[np.bool_], who: int) -> Floats:
    """(K, 2, T) how much each instrument's trees say: its own, or the mean of all there are."""
    alone = own[who] if who < len(own) else np.zeros_like(own[0])
    voices = own / np.maximum(own.sum(axis=0), 1) * ~alone
    if who < len(own):
        voices[who] += alone
    return np.asarray(voices)


def heard(fitted: Fitted, who: int, X: Matrix) -> Floats:
    """(n, 2, T) what the trees say."""
    k, _, T = fitted.own.shape
    out, voices = np.zeros((len(X), 2, T)), heeded(fitted.own, who).reshape(k, 2 * T)
    for voice in np.flatnonzero(voices.any(axis=1)).tolist():
        trees = fitted.forest.of(voice * 2 * T, (voice + 1) * 2 * T)
        trees = trees[voices[voice][trees[:, 2]] > 0]
        said = margins(fitted.forest, trees, 2 * T, X) * voices[voice]
        out += said.reshape(out.shape)
    return out


def of_head(fitted: Fitted, place: Place) -> Ints:
    """(t, 3) the trees of one head."""
    head = int(np.ravel_multi_index(place, fitted.own.shape))
    return fitted.forest.of(head, head + 1)


def turned(spec: FeatureSpec) -> tuple[Ints, Matrix]:
    """`mirror`, and NaN as the sign of what is observed without saying how it mirrors.

    What would have been observed beside the mirrored book nobody knows: there it is missing.
    """
    columns = described(spec)
    place, sign = mirror(columns)
    kinds = {f.removeprefix(PREFIX) for f, _ in spec.versions if f.startswith(PREFIX)}
    unknown = [c.name in kinds and c.mirror == "" for c in columns]
    return place, np.where(unknown, np.float32(np.nan), sign)


def some(X: Matrix) -> Matrix:
    """At most `EXPLAINED` rows, evenly spread."""
    return X[np.linspace(0, len(X) - 1, min(EXPLAINED, len(X))).astype(np.int64)]


def explain(fitted: Fitted, shown: dict[Place, Matrix]) -> None:
    """Write of each target the SHAP values of these rows, over all instruments together."""
    for j in range(len(fitted.shap)):
        rows = {place: X for place, X in shown.items() if place[2] == j}
        if rows:
            each = [contributions(fitted.forest, of_head(fitted, p), X) for p, X in rows.items()]
            said, X = np.concatenate(each)[:, :-1], np.concatenate(list(rows.values()))
            fitted.shap[j], fitted.slope[j] = np.abs(said).mean(axis=0), slopes(X, said)


def slopes(X: Matrix, said: Floats) -> Floats:
    """(F,) correlation of each column with what it says, where it is there; 0 where constant."""
    there = np.isfinite(X)
    n = np.maximum(there.sum(axis=0), 1)
    pair = [np.where(there, v, 0.0) for v in (X, said)]
    x, y = (np.where(there, v - v.sum(axis=0) / n, 0.0) for v in pair)
    spread = np.sqrt((x * x).sum(axis=0) * (y * y).sum(axis=0))
    return np.asarray(
        np.divide((x * y).sum(axis=0), spread, np.zeros_like(spread), where=spread > 0)
    )
