"""Anybody's estimator with scikit-learn's methods as a Model.

A clone is fitted for each target on the rows of all instruments together: a classifier on down,
flat and up, a regressor on sizes. What is asked for forecasts is, where it can be, the fit
written as arrays (`model.stored`), so that a checkpoint says what the run said, bit for bit.
"""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import DOWN, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget, Model
from flowsense.model.gather import LEARN, Gathered, Ints, gather, present
from flowsense.model.instruments import Known, Places
from flowsense.model.sides import THIRD, Floats, moved
from flowsense.model.stored import Chain, Stored, load, says, stored
from flowsense.schema import Instrument
from flowsense.store.arrays import first_line
from flowsense.tape import Needs, Reader, Tape

FEWEST = 50  # rows that a fit needs; fewer, and the frequencies of those there are stand for it
ASKED = 1_000  # rows on which arrays must say what the estimator says
NAMED = re.compile(r"((?:[^\W\d]\w*\.)+)([^\W\d]\w*)(\(.*\))?", re.DOTALL)


@runtime_checkable
class Classifier(Protocol):
    def fit(self, X: Any, y: Any) -> Any: ...
    def predict_proba(self, X: Any) -> Any: ...


@runtime_checkable
class Regressor(Protocol):
    def fit(self, X: Any, y: Any) -> Any: ...
    def predict(self, X: Any) -> Any: ...


class Live(NamedTuple):
    """A fitted estimator that no arrays of ours can stand for."""

    estimator: Any


class Head(NamedTuple):
    """The fit of one target."""

    plain: Floats  # (3,) frequencies, or (1,) the mean size: said where there was too little
    fill: NDArray[np.float32]  # (F,) medians for what is missing; empty: missing stays missing
    classes: Ints  # (C,) what the columns of the fit stand for
    factor: Floats  # (C,) by which its probabilities grow: the rows drawn were thinned so
    fit: Stored | Live | None = None


class Fitted(NamedTuple):
    known: Known
    size: Floats  # (K + 1, T) mean |move| of moved rows; K: of instruments not in training
    columns: int
    heads: tuple[Head, ...]  # by target


@dataclass(frozen=True, slots=True)
class Estimator:
    """`classifier` forecasts directions, `regressor` magnitudes; either may be left out.

    Missing values are medians of the rows it learned from where the estimator does not take
    them as they are. Rows are weighted where `fit` takes `sample_weight`; where it does not,
    probabilities are corrected for the rows drawn (Elkan 2001, theorem 2). Seeds that are not
    set are the run's, and one core is used. The budget's seconds cannot be held: they bind no
    estimator of others.
    """

    classifier: Any = None
    regressor: Any = None
    most: int = 20_000  # moved rows of one target, for each instrument there is
    text: str = ""  # how it was asked for
    fitted: Fitted | None = field(default=None, repr=False)

    @classmethod
    def tiny(cls) -> Self:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        small = {"max_depth": 3}
        return cls(DecisionTreeClassifier(**small), DecisionTreeRegressor(**small), most=1_000)

    @property
    def name(self) -> str:
        """Of its class, for the tables; of a pipeline, of the last step's."""
        inner = self.regressor if self.classifier is None else self.classifier
        return type(inner.steps[-1][1] if isinstance(inner, Chain) else inner).__name__

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.fitted.known.targets if self.fitted else ()

    @property
    def storable(self) -> bool:
        """Whether `params` can hold the fit."""
        return self.fitted is not None and not any(
            isinstance(head.fit, Live) for head in self.fitted.heads
        )

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Raises InputError for a target that it has no estimator for, and for a fit that fails."""
        known = Known.of(labels, reader.instruments)
        for target in known.targets:
            self.estimator_of(target)
        rows = gather(reader, labels, self.most, seed)
        heads = tuple(self._head(rows, j, t, seed) for j, t in enumerate(known.targets))
        size = sizes(rows, len(reader.instruments), known.targets)
        return replace(self, fitted=Fitted(known, size, rows.X.shape[1], heads))

    def estimator_of(self, target: Target) -> Any:
        sized = target.kind == "magnitude"
        found = self.regressor if sized else self.classifier
        if found is None:
            asked = ("a size", "regressor") if sized else ("a direction", "classifier")
            raise InputError(
                f"{self.name}: {target} is {asked[0]}: give Estimator a {asked[1]} for it, or "
                "leave the target out"
            )
        return found

    def _head(self, rows: Gathered, j: int, target: Target, seed: int) -> Head:
        learn = np.flatnonzero(rows.role[:, j] == LEARN)
        weight, sized = rows.weight[learn, j].astype(np.float64), target.kind == "magnitude"
        y = rows.y[learn, j].astype(np.float64 if sized else np.int64)
        none = np.zeros(0)
        if sized:
            plain = np.array([y.mean() if len(y) else 0.0])
        else:
            plain = np.bincount(y, weight, 3) / weight.sum() if len(y) else np.full(3, 1 / 3)
        if len(learn) < FEWEST or y.min() == y.max():
            return Head(plain, none.astype(np.float32), none.astype(np.int64), none)
        foreign = fitting()
        one = foreign.prepared(self.estimator_of(target), seed)
        X = rows.X[learn]
        fill = none.astype(np.float32) if foreign.takes_missing(one) else medians(X)
        X = filled(X, fill)
        weighs = foreign.fit_one(one, X, y, weight, f"{self.name}: {target}")
        classes = np.zeros(1, np.int64) if sized else foreign.classes_of(one, y)
        factor = np.ones(len(classes))
        if not sized and not weighs:
            factor = np.array([weight[y == c].mean() for c in classes]) / weight.mean()
        some = np.ascontiguousarray(X[:: max(1, len(X) // ASKED)])
        expected = asked(one, some, sized, len(classes), self.name)
        arrays = stored(one, some, expected)
        return Head(plain, fill, classes, factor, Live(one) if arrays is None else arrays)

    def init(self, instruments: tuple[Instrument, ...]) -> Places:
        return Places.of(self.fitted.known if self.fitted else None, instruments)

    def predict(self, state: Places, tape: Tape) -> tuple[Places, Forecast]:
        if self.fitted is None:
            raise InputError("estimator: fit or load it before it predicts")
        rows, targets = tape.rows[0], self.targets
        X, size = present(rows), self.fitted.size[state.place[rows.instrument]]
        proba = np.full((len(X), len(targets), 3), THIRD, np.float32)
        value = np.zeros((len(X), len(targets)), np.float32)
        for j, (target, head) in enumerate(zip(targets, self.fitted.heads, strict=True)):
            p = self._said(head, X, target.kind == "magnitude")
            if target.kind == "magnitude":
                value[:, j] = np.maximum(p[:, 0], 0.0)
            else:
                proba[:, j], value[:, j] = p, (p[:, UP] - p[:, DOWN]) * size[:, j]
        return state, Forecast(targets, proba, value, np.ones(value.shape, np.bool_))

    def _said(self, head: Head, X: NDArray[np.float32], sized: bool) -> Floats:
        """(n, 3) probabilities, or (n, 1) sizes."""
        if head.fit is None or not len(X):
            return np.tile(head.plain, (len(X), 1))
        X = filled(X, head.fill)
        if isinstance(head.fit, Live):
            said = asked(head.fit.estimator, X, sized, len(head.classes), self.name)
        else:
            said = says(head.fit, X)
        if sized:
            return said
        p = np.zeros((len(X), 3))
        p[:, head.classes] = said * head.factor
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    def params(self) -> dict[str, NDArray[Any]]:
        """Raises InputError where there is a fit that arrays cannot hold; see `storable`."""
        if self.fitted is None:
            return {}
        known, size, columns, heads = self.fitted
        out: dict[str, NDArray[Any]] = known._asdict() | {"size": size}
        out["columns"] = np.array([columns])
        for j, head in enumerate(heads):
            if isinstance(head.fit, Live):
                raise InputError(unstorable(self.name))
            out |= {f"head{j}_{name}": getattr(head, name) for name in Head._fields[:-1]}
            own = {} if head.fit is None else head.fit._asdict()
            out |= {f"head{j}_{name}": array for name, array in own.items()}
        return out

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        """Raises InputError for arrays that do not hang together."""
        known, columns = Known.load(params), int(params["columns"][0])
        heads = []
        for j in range(len(known.target)):
            plain, fill, classes, factor = (params[f"head{j}_{n}"] for n in Head._fields[:-1])
            heads.append(Head(plain, fill, classes, factor, load(params, f"head{j}_", columns)))
        fitted = Fitted(known, params["size"], columns, tuple(heads))
        return replace(self, fitted=fitted)


def unstorable(name: str) -> str:
    """Why a run keeps no checkpoint of it."""
    return (
        f"{name}: cannot be written as plain arrays, so no checkpoint of it is kept; it was scored "
        "like any other model"
    )


def wrapped(given: object) -> Estimator:
    """An estimator object as a model. Raises InputError for what is none."""
    if isinstance(given, Estimator):
        return given
    if not isinstance(given, type | Model):
        if isinstance(given, Classifier):
            return Estimator(classifier=given)
        if isinstance(given, Regressor):
            return Estimator(regressor=given)
    raise InputError(
        f"model {str(given)[:60]!r}: give a name, a model such as Hmm(), or an object with fit and "
        "predict_proba, or with fit and predict for sizes"
    )


def named(text: str) -> Estimator:
    """``package.module.Class``, perhaps with ``(option=1)``, as a model.

    The package is imported, which runs its code: it is the user's own word on the user's own
    machine. Options are numbers, texts and lists of these, and nothing is called in them. Raises
    InputError.
    """
    match = NAMED.fullmatch(text.strip())
    if match is None:
        raise InputError(f"model {text!r}: write package.Class or package.Class(option=1)")
    package, name, options = match[1].rstrip("."), match[2], match[3] or "()"
    try:
        kind = getattr(import_module(package), name)
    except ModuleNotFoundError as missing:
        root = str(missing.name).split(".")[0]
        extra = "flowsense[sklearn]" if root == "sklearn" else root
        raise InputError(f"model {text!r} needs {missing.name}: pip install '{extra}'") from missing
    except AttributeError:
        raise InputError(f"model {text!r}: {package} has no {name}: check the name") from None
    try:
        return replace(wrapped(kind(**keywords(options))), text=text.strip())
    except (TypeError, ValueError, SyntaxError) as error:
        raise InputError(f"model {text!r}: {first_line(error)}: check the options") from error


def keywords(options: str) -> dict[str, Any]:
    """Of ``(a=1, b='x')``. Raises SyntaxError, ValueError for anything but plain values."""
    call = ast.parse(f"f{options}", mode="eval").body
    if not isinstance(call, ast.Call) or call.args or any(k.arg is None for k in call.keywords):
        raise ValueError("write options like n_estimators=50")
    return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}


def fitting() -> ModuleType:
    """`model.foreign`. Raises InputError where scikit-learn is missing."""
    try:
        return import_module("flowsense.model.foreign")
    except ModuleNotFoundError as missing:
        fix = "pip install 'flowsense[sklearn]'"
        raise InputError(f"fitting an estimator needs {missing.name}: {fix}") from missing


def asked(estimator: Any, X: NDArray[np.float32], sized: bool, classes: int, name: str) -> Floats:
    """(n, C) what it says of rows. Raises InputError for what are no forecasts."""
    wide = X.astype(np.float64)
    said = np.asarray(estimator.predict(wide) if sized else estimator.predict_proba(wide), float)
    said = said.reshape(len(X), -1) if sized else said
    if said.shape != (len(X), classes) or not np.isfinite(said).all():
        raise InputError(f"{name}: forecasts of shape {said.shape} or not finite, of {len(X)} rows")
    if not sized and ((said < 0).any() or (np.abs(said.sum(axis=1) - 1) > 1e-3).any()):
        raise InputError(f"{name}: predict_proba gives rows that do not sum to 1")
    return said


def medians(X: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F,) of what is there; 0 of a column that never is."""
    out = np.zeros(X.shape[1], np.float32)
    for k, column in enumerate(X.T):
        there = column[np.isfinite(column)]
        if len(there):
            out[k] = np.median(there)
    return out


def filled(X: NDArray[np.float32], fill: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isnan(X), fill, X).astype(np.float32) if len(fill) else X


def sizes(rows: Gathered, instruments: int, targets: Sequence[Target]) -> Floats:
    """(K + 1, T) mean |move| of the moved rows of each instrument; last, of all of them."""
    out = np.zeros((instruments + 1, len(targets)))
    for j, target in enumerate(targets):
        moves = moved(rows.y[:, j]) | (target.kind == "magnitude")
        learned = np.asarray((rows.role[:, j] == LEARN) & moves)
        every = rows.size[learned, j]
        out[:, j] = every.mean() if len(every) else 0.0
        for who in range(instruments):
            mine = rows.size[learned & (rows.instrument == who), j]
            if len(mine):
                out[who, j] = mine.mean()
    return out
