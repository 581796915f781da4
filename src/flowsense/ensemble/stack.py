"""Boosted trees on what members say: a correction to their mean, where it helps on later rows.

Stacked generalisation (Wolpert 1992) with XGBoost (Chen & Guestrin 2016). The trees start from the
mean log-odds and are few, shallow and slow; half of what they say of a row less half of what they
say of its mirror makes the answer flip with the sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from flowsense.ensemble import Heard
from flowsense.ensemble.opinions import (
    Bools,
    Opinions,
    Silent,
    answer,
    cut,
    even,
    mean,
    regime_of,
    sides,
    total,
)
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Regime, Target
from flowsense.labels import Labels
from flowsense.model.calibrated import losses
from flowsense.model.forest import Forest, Tree, margins, planted
from flowsense.model.sides import Floats
from flowsense.model.trees_read import of_xgboost
from flowsense.schema import Instrument
from flowsense.tape import Tape

FEWEST = 500  # rows that trees are grown on
JUDGED = 200  # rows that say whether they are heard
MIRROR = {Regime.TRENDING_UP: Regime.TRENDING_DOWN, Regime.TRENDING_DOWN: Regime.TRENDING_UP}
Matrix = NDArray[np.float32]


class Fitted(NamedTuple):
    target: NDArray[np.str_]  # (T,)
    regimes: NDArray[np.int64]  # (R,) which regime each is in the mirror
    node: NDArray[np.int32]  # from here on as `model.forest.Forest`, a head for each target
    value: Floats
    cover: Floats
    tree: NDArray[np.int64]
    gain: Floats  # (T, 3) sum of log-loss of the mean less that of the trees, its error, rows

    @property
    def forest(self) -> Forest:
        return Forest(self.node, self.value, self.cover, self.tree)


@dataclass(frozen=True, slots=True)
class Stack:
    trees: int = 60
    depth: int = 2
    rate: float = 0.05
    smallest: float = 25.0  # least weight of a leaf
    ridge: float = 10.0  # on what a leaf says
    share: float = 2 / 3  # of the rows, to grow on; the later ones say whether it helps
    regimes: tuple[str, ...] = ()  # their names, in the order of a forecast
    fitted: Fitted | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(Target.parse(str(t)) for t in self.fitted.target) if self.fitted else ()

    @property
    def kept(self) -> dict[str, bool]:
        """Of each target, whether the trees are heard or the mean alone."""
        if self.fitted is None:
            return {}
        heads = set(self.fitted.tree[:, 2].tolist())
        return {str(t): j in heads for j, t in enumerate(self.fitted.target)}

    def in_regimes(self, names: tuple[str, ...]) -> Self:
        """The same for regimes of these names."""
        return replace(self, regimes=names)

    def fit(self, heard: Heard, labels: Labels) -> Self:
        """Raises InputError where regimes are told apart whose names do not fit."""
        turn, T = self._turn(heard.regime.shape[1]), len(labels.targets)
        gain, heads = np.zeros((T, 3)), [list[Tree]() for _ in range(T)]
        if heard.said:
            of = Opinions.of(heard.said)
            early, late = cut(heard.ts, labels, self.share)
            for t, target in enumerate(labels.targets):
                if target.directed:
                    where = early[:, t], late[:, t]
                    heads[t], gain[t] = self._grown(of, heard.regime, turn, (labels, t), where)
        names = np.array([str(t) for t in labels.targets])
        return replace(self, fitted=Fitted(names, turn, *planted(heads), gain))

    def _turn(self, regimes: int) -> NDArray[np.int64]:
        """(R,) the place of each regime in the mirror: up is down there, others are as they are."""
        if self.regimes and regimes and len(self.regimes) != regimes:
            raise InputError(f"stack: {regimes} regimes are told: name as many, not {self.regimes}")
        names = list(self.regimes) if regimes else []
        there = [str(MIRROR.get(Regime(n), n)) if n in MIRROR else n for n in names]
        if names and set(there) == set(names):
            return np.array([names.index(n) for n in there], np.int64)
        return np.arange(regimes)

    def _grown(
        self,
        of: Opinions,
        regime: NDArray[np.float32],
        turn: NDArray[np.int64],
        asked: tuple[Labels, int],
        where: tuple[Bools, Bools],
    ) -> tuple[list[Tree], Floats]:
        """Trees of one target, none where they do not help; and what helping amounts to."""
        labels, t = asked
        early, late = (sides(labels, t, one) for one in where)
        if len(early.rows) < FEWEST or early.yes.all() or not early.yes.any():
            return [], np.zeros(3)
        base = mean(of)[0][:, t]
        X, back = rows_of(of, regime, t), rows_of(mirrored(of), regime[:, turn], t)
        trees = self._boosted(
            np.concatenate([X[early.rows], back[early.rows]]),
            np.r_[early.yes, ~early.yes],
            np.r_[base[early.rows], -base[early.rows]],
            np.r_[early.weight, early.weight],
        )
        plain = late.question(base)
        found = late.question(base + odd(planted([trees]), 0, X, back))
        each = losses(plain, plain.odds) - losses(found, found.odds)
        gain, error = float(plain.weight @ each), float(np.sqrt(plain.weight @ each**2))
        told = np.array([gain, error, len(late.rows)])
        return (trees if len(late.rows) >= JUDGED and gain > error else []), told

    def _boosted(self, X: Matrix, yes: Bools, base: Floats, weight: Floats) -> list[Tree]:
        data = xgb.DMatrix(X, yes.astype(np.float32), weight=weight, base_margin=base)
        settings = {
            "objective": "binary:logistic",
            "max_depth": self.depth,
            "eta": self.rate,
            "min_child_weight": self.smallest / 4,  # a row weighs p (1 - p)
            "lambda": self.ridge,
            "tree_method": "hist",
            "max_bin": 64,
            "device": "cpu",
            "nthread": 1,
            "verbosity": 0,
        }
        booster = xgb.train(settings, data, num_boost_round=self.trees)
        return of_xgboost(bytes(booster.save_raw("json")))

    def init(
        self, instruments: tuple[Instrument, ...], members: int, targets: tuple[Target, ...]
    ) -> Silent:
        return Silent()

    def combine(
        self, state: Silent, tape: Tape, said: Sequence[Forecast]
    ) -> tuple[Silent, Forecast]:
        if self.fitted is None:
            raise InputError("stack: fit or load it before it combines")
        of, fitted = Opinions.of(said), self.fitted
        side, move = mean(of)
        regime = told(regime_of(said), len(fitted.regimes))
        for t in sorted(set(fitted.tree[:, 2].tolist())):
            X = rows_of(of, regime, t)
            back = rows_of(mirrored(of), regime[:, fitted.regimes], t)
            side[:, t] += odd(fitted.forest, t, X, back) * of.any_ready[:, t]
        return state, answer(said, of, (side, move), even(of), of.any_ready)

    def params(self) -> dict[str, NDArray[Any]]:
        if self.fitted is None:
            return {}
        return self.fitted._asdict() | {"names": np.array(self.regimes, np.str_)}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        fitted = Fitted(*(params[name] for name in Fitted._fields))
        return replace(self, fitted=fitted, regimes=tuple(map(str, params["names"])))


def mirrored(of: Opinions) -> Opinions:
    """What members that flip with the book would say of the mirrored row."""
    return of._replace(side=-of.side)


def told(regime: NDArray[np.float32], regimes: int) -> NDArray[np.float32]:
    """(n, R) as fitted; missing where it is not told."""
    if regime.shape[1] == regimes:
        return regime
    return np.full((len(regime), regimes), np.nan, np.float32)


def rows_of(of: Opinions, regime: NDArray[np.float32], t: int) -> Matrix:
    """(n, N + 2 + R) of one target: each side, NaN where silent; mean, disagreement; regimes."""
    ready, side = of.ready[:, :, t], of.side[:, :, t]
    count = np.maximum(total(ready.astype(np.float64)), 1.0)
    middle = total(side) / count
    apart = np.sqrt(total(((side - middle) * ready) ** 2) / count)
    columns = [*np.where(ready, side, np.nan), middle, apart, *regime.T]
    return np.ascontiguousarray(np.stack(columns, axis=1), np.float32)


def odd(forest: Forest, head: int, X: Matrix, back: Matrix) -> Floats:
    """(n,) what the trees of a head say of a row, less what they say of its mirror, by half."""
    trees = forest.of(head, head + 1)
    here, there = (margins(forest, trees, 1, rows)[:, 0] for rows in (X, back))
    return np.asarray((here - there) / 2)
