"""Logistic regression by Newton's method, ridge chosen on the rows kept for that; and its fits.

One model of the side, fitted on moved rows, and one of whether it moves; see `model.sides`.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.catalogue import described
from flowsense.forecast import UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.gather import LEARN, STOP, Gathered, gather, present
from flowsense.model.instruments import Known, Places, arrays
from flowsense.model.sides import Floats, combine, logit, magnitudes, moved, sigmoid
from flowsense.model.terms import Products, Terms, even, expand, multiplied, standards, weigh
from flowsense.schema import Instrument
from flowsense.tape import Column, Needs, Reader, Tape

RIDGES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003)  # per row; strong to weak
RIDGE = 0.03  # where no row is left to choose it by
FEWEST = 50  # rows of one instrument that a fit of its own needs
STEPS = 8  # of Newton's method, at most, for each ridge
Design = NDArray[np.float32]  # (n, D)
Ints = NDArray[np.int64]


class Fitted(NamedTuple):
    """Of K instruments, and in place K the mean over those that were fitted, for all others."""

    known: Known
    terms: Terms  # (D, 4) those of the side, then those of the move
    product: Products  # (P, 2) of terms, for the side
    standard: Floats  # (K + 1, D, 2)
    weight: Floats  # (K + 1, D + P, 2 T) of T sides, then of T moves or magnitudes
    offset: Floats  # (K + 1, 2 T)
    size: Floats  # (K + 1, T) mean |move| of moved rows
    ridge: Floats  # (K, 2 T) chosen; 0 where not fitted


@dataclass(frozen=True, slots=True)
class Linear(ABC):
    """Everything but the terms of the side."""

    most: int = 20_000  # moved rows of one instrument and target
    fitted: Fitted | None = None

    @abstractmethod
    def side(self, columns: tuple[Column, ...]) -> Terms:
        """The terms of the side model."""

    @abstractmethod
    def products(self, columns: tuple[Column, ...], terms: Terms) -> Products:
        """Of which terms, of side and move together, the side model reads the product."""

    @property
    @abstractmethod
    def centred(self) -> bool:
        """Whether these have a mean and a constant: not where the mirror must flip the side."""

    @classmethod
    def tiny(cls) -> Self:
        return cls(most=1_000)

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.fitted.known.targets if self.fitted else ()

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Deterministic but for the rows drawn by `seed`; seconds of the budget are not needed."""
        known, columns = Known.of(labels, reader.instruments), described(reader.spec)
        side, move = self.side(columns), even(columns)
        terms = np.concatenate([side, move])
        product = self.products(columns, terms)
        rows = gather(reader, labels, self.most, seed)
        fitted = empty(known, terms, product)
        centred = np.r_[np.full(len(side), self.centred), np.ones(len(move), np.bool_)]
        for who in range(len(reader.instruments)):
            learned = (rows.instrument == who) & (rows.role == LEARN).any(axis=1)
            fitted.standard[who] = standards(rows.X, terms, centred, np.flatnonzero(learned))
        of_move = np.arange(len(side), len(terms))
        of_side = np.setdiff1d(np.arange(len(terms) + len(product)), of_move)
        for j, target in enumerate(labels.targets):
            for who in range(len(reader.instruments)):
                self._learn(
                    fitted, rows, (of_side, of_move), (who, j), max(1, min(budget.steps, STEPS))
                )
            share(fitted, rows, j, target.kind == "magnitude")
        standard_of_others(fitted)
        return replace(self, fitted=fitted)

    def _learn(
        self,
        fitted: Fitted,
        rows: Gathered,
        heads: tuple[Ints, Ints],
        place: tuple[int, int],
        steps: int,
    ) -> None:
        """Write the weights of one instrument and target, where it has rows enough.

        `heads` are the places of the terms of the side, and of the move.
        """
        (who, j), (of_side, of_move), T = place, heads, fitted.size.shape[1]
        learn, stop = rows.part(who, j, LEARN), rows.part(who, j, STOP)
        at = np.r_[learn, stop]
        every = np.arange(len(at))
        parts = every[: len(learn)], every[len(learn) :]
        y, weight, size = rows.y[at, j], rows.weight[at, j], rows.size[at, j]
        Z = expanded(rows.X[at], rows.instrument[at], fitted)
        if fitted.known.targets[j].kind == "magnitude":
            if len(parts[0]) >= FEWEST:
                write(fitted, (who, T + j), of_move, ridge_regression(Z[:, of_move], y, parts))
                fitted.size[who, j] = y[parts[0]].mean()
            return
        moves = moved(y)
        only = (parts[0][moves[parts[0]]], parts[1][moves[parts[1]]])
        if len(only[0]):
            fitted.size[who, j] = size[only[0]].mean()
        if worth(y[only[0]] == UP):
            found = chosen(Z[:, of_side], y == UP, only, None, self.centred, steps)
            write(fitted, (who, j), of_side, found)
        if worth(moves[parts[0]]):
            found = chosen(Z[:, of_move], moves, parts, weight, True, steps)
            write(fitted, (who, T + j), of_move, found)

    def init(self, instruments: tuple[Instrument, ...]) -> Places:
        return Places.of(self.fitted.known if self.fitted else None, instruments)

    def predict(self, state: Places, tape: Tape) -> tuple[Places, Forecast]:
        if self.fitted is None:
            raise InputError(f"{type(self).__name__}: fit or load it before it predicts")
        fitted, rows, T = self.fitted, tape.rows[0], len(self.targets)
        place = state.place[rows.instrument]
        out = np.zeros((len(place), 2 * T))
        weigh(expanded(present(rows), place, fitted), place, fitted.weight, fitted.offset, out)
        sized = magnitudes(self.targets)
        size = np.where(sized, np.maximum(out[:, T:], 0.0), fitted.size[place])
        return state, combine(self.targets, sigmoid(out[:, T:]), sigmoid(out[:, :T]), size)

    def params(self) -> dict[str, NDArray[Any]]:
        return arrays(self.fitted) if self.fitted else {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        """Raises InputError for arrays that do not fit each other: kernels would read past them."""
        found = Fitted(Known.load(params), *(params[name] for name in Fitted._fields[1:]))
        right = empty(found.known, found.terms, found.product)
        if [a.shape for a in found[3:]] != [a.shape for a in right[3:]]:
            name = type(self).__name__
            raise InputError(f"{name}: its weights are of other shapes than its terms: train again")
        return replace(self, fitted=found)

    def importances(self, columns: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Of each target, |weight| per deviation of the terms a column is in, of the side.

        Of a magnitude, those of the magnitude. The mean over instruments; they sum to 1.
        """
        if self.fitted is None:
            return {}
        fitted, T = self.fitted, len(self.targets)
        out = {}
        for j, target in enumerate(self.targets):
            head = T + j if target.kind == "magnitude" else j
            size = np.abs(fitted.weight[-1, :, head])
            total = np.zeros(len(columns))
            for size_k, term in zip(size, origins(fitted), strict=True):
                total[list(term)] += size_k
            total /= max(total.sum(), 1e-12)
            out[str(target)] = dict(zip(columns, total.tolist(), strict=True))
        return out


def empty(known: Known, terms: Terms, product: Products) -> Fitted:
    """Nothing learned yet."""
    k, t, d = len(known.symbol), len(known.target), len(terms) + len(product)
    shapes = ((k + 1, len(terms), 2), (k + 1, d, 2 * t), (k + 1, 2 * t), (k + 1, t), (k, 2 * t))
    return Fitted(known, terms, product, *(np.zeros(shape) for shape in shapes))


def write(
    fitted: Fitted, at: tuple[int, int], terms: Ints, found: tuple[Floats, float, float]
) -> None:
    """The weights of these terms, the offset and the ridge of one instrument and head."""
    who, head = at
    fitted.weight[who, terms, head], fitted.offset[who, head], fitted.ridge[who, head] = found


def expanded(X: NDArray[np.float32], place: Ints, fitted: Fitted) -> Design:
    """(n, D + P) the terms of rows and their products."""
    Z = np.zeros((len(X), len(fitted.terms)), np.float32)
    expand(X, place, fitted.terms, fitted.standard, Z)
    return multiplied(Z, fitted.product)


def origins(fitted: Fitted) -> list[set[int]]:
    """Of each term and product, the columns it is made of."""
    single = [{a, b} if sign else {a} for a, b, sign, _ in fitted.terms.tolist()]
    return single + [single[a] | single[b] for a, b in fitted.product.tolist()]


def worth(y: NDArray[np.bool_]) -> bool:
    """Enough rows, of both kinds."""
    return len(y) >= FEWEST and 0 < int(y.sum()) < len(y)


def chosen(
    Z: Design,
    y: NDArray[np.bool_],
    parts: tuple[Ints, Ints],
    weight: NDArray[np.float32] | None,
    constant: bool,
    steps: int,
) -> tuple[Floats, float, float]:
    """Weights, offset and ridge: the path from strong to weak, the best on the rows to stop on."""
    learn, stop = parts
    w = np.ones(len(y), np.float32) if weight is None else weight
    A, B = design(Z[learn], constant), design(Z[stop], constant)
    b = np.zeros(A.shape[1])
    found, least = None, np.inf
    for ridge in RIDGES if len(stop) >= FEWEST else (RIDGE,):
        penalty = np.full(len(b), ridge * len(A))
        penalty[Z.shape[1] :] = 1e-3  # the constant is not shrunk
        b = newton(A, y[learn], w[learn] / w[learn].mean(), b, penalty, steps)
        loss = log_loss(B, y[stop], w[stop], b) if len(stop) else 0.0
        if loss < least:
            found, least = (b, ridge), loss
        else:
            break
    best, ridge = found or (b, RIDGE)
    return best[: Z.shape[1]], float(best[-1]) if constant else 0.0, ridge


def design(Z: Design, constant: bool) -> Design:
    return np.c_[Z, np.ones(len(Z), np.float32)] if constant else Z


def newton(
    A: Design,
    y: NDArray[np.bool_],
    w: NDArray[np.float32],
    b: Floats,
    penalty: Floats,
    steps: int,
) -> Floats:
    """Penalised maximum likelihood from b: one Hessian, as the next ridge starts close by."""
    inverse: NDArray[Any] = np.zeros((0, 0))
    for step in range(steps):
        p = sigmoid((A @ b.astype(np.float32)).astype(np.float64))
        gradient = A.T @ (w * (y - p)).astype(np.float32) - penalty * b
        if step == 0:
            curved = A * (w * p * (1 - p)).astype(np.float32)[:, None]
            inverse = np.linalg.inv((curved.T @ A).astype(np.float64) + np.diag(penalty))
        change = inverse @ gradient
        furthest = float(np.abs(change).max(initial=0.0))  # columns of bars may leave no term
        b = b + change * min(1.0, 1.0 / max(furthest, 1e-12))
        if furthest < 1e-3:
            break
    return b


def log_loss(A: Design, y: NDArray[np.bool_], w: NDArray[np.float32], b: Floats) -> float:
    margin = (A @ b.astype(np.float32)).astype(np.float64)
    return float(np.average(np.logaddexp(0.0, np.where(y, -margin, margin)), weights=w))


def ridge_regression(
    Z: Design,
    y: NDArray[np.float32],
    parts: tuple[Ints, Ints],
) -> tuple[Floats, float, float]:
    """Ridge regression of a magnitude, by the same path."""
    learn, stop = parts
    A, mean = Z[learn], float(y[learn].mean())
    centre = A.mean(axis=0)
    gram = ((A - centre).T @ (A - centre)).astype(np.float64)
    target = ((A - centre).T @ (y[learn] - mean)).astype(np.float64)
    found, least = None, np.inf
    for ridge in RIDGES if len(stop) >= FEWEST else (RIDGE,):
        b = np.linalg.solve(gram + ridge * len(A) * np.eye(len(gram)), target)
        said = (Z[stop] - centre) @ b + mean
        loss = float(((said - y[stop]) ** 2).mean()) if len(stop) else 0.0
        if loss < least:
            found, least = (b, ridge), loss
    best, ridge = found or (np.zeros(len(gram)), RIDGE)
    return best, mean - float(centre @ best), ridge


def share(fitted: Fitted, rows: Gathered, j: int, sized: bool) -> None:
    """Place K, and instruments without a fit of their own, get the mean of those that have one."""
    T = fitted.size.shape[1]
    for head in (j, T + j):
        own = fitted.ridge[:, head] > 0
        if own.any():
            offset, weight = fitted.offset[:-1][own, head], fitted.weight[:-1][own, :, head]
        else:
            offset = np.array([0.0 if sized or head < T else logit(rows.share_of_moves(j))])
            weight = np.zeros((1, fitted.weight.shape[1]))
        others = np.r_[~own, True]
        fitted.offset[others, head] = offset.mean()
        fitted.weight[others, :, head] = weight.mean(axis=0)
    seen = fitted.size[:-1, j] > 0
    if seen.any():
        fitted.size[np.r_[~seen, True], j] = fitted.size[:-1, j][seen].mean()


def standard_of_others(fitted: Fitted) -> None:
    """Geometric mean of the deviations, mean of the centres, over instruments that have them."""
    for d in range(len(fitted.terms)):
        has = fitted.standard[:-1, d, 1] > 0
        if has.any():
            centre, inverse = fitted.standard[:-1][has, d].T
            fitted.standard[-1, d] = centre.mean(), np.exp(np.log(inverse).mean())
