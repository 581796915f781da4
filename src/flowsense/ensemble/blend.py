"""A logarithmic pool whose weights depend on the regime. Genest & Zidek 1986.

    logit P(up | move) = sum over members of w[regime, member] x logit P_member(up | move)

Weights start from a table and are learned by convex minimisation of the log-loss, drawn towards
where they started: with few rows they stay there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble import Heard
from flowsense.ensemble.convex import likeliest
from flowsense.ensemble.opinions import (
    Opinions,
    Silent,
    answer,
    finite,
    heeded,
    moves,
    regime_of,
    sides,
    total,
)
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Regime, Target
from flowsense.labels import Labels
from flowsense.model.sides import Floats
from flowsense.schema import Instrument
from flowsense.tape import Tape

MEMBERS = ("hawkes", "transformer", "hmm", "graph", "xgboost")  # of the columns of the table
CALM, TREND, WILD = (0.3, 0.3, 0.1, 0.2, 0.1), (0.2, 0.3, 0.2, 0.2, 0.1), (0.4, 0.2, 0.2, 0.1, 0.1)
TABLE: dict[str, tuple[float, ...]] = {
    Regime.LOW_VOLATILITY: CALM,
    Regime.TRENDING_UP: TREND,
    Regime.TRENDING_DOWN: TREND,
    Regime.TRENDING: TREND,
    Regime.HIGH_VOLATILITY: WILD,
    Regime.VOLATILE: WILD,
    Regime.CRISIS: WILD,
}
ELSEWHERE = tuple(np.mean([CALM, TREND, WILD], axis=0).tolist())  # where no regime is known
ALIKE = 1 / len(MEMBERS)  # the weight of a member that is not in the table, before they add up to 1
FEWEST = 100  # rows that weights are learned from
SIDE, MOVE = range(2)


class Fitted(NamedTuple):
    """Of N members, R regimes (1 where none tells) and T targets."""

    target: NDArray[np.str_]  # (T,)
    weight: Floats  # (2, R, N, T) of the side, of the move
    offset: Floats  # (T,) of the log-odds of a move
    usual: Floats  # (R,) mean probability of each regime, where it is not told


@dataclass(frozen=True, slots=True)
class Blend:
    """`Blend(learn=False, table=False)` is the plain mean: what others have to beat."""

    learn: bool = True
    table: bool = True  # start from the table, else all members alike
    prior: float = 50.0  # rows, not overlapping, that speak for the weights as they start
    regimes: tuple[str, ...] = ()  # their names, in the order of a forecast
    fitted: Fitted | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(Target.parse(str(t)) for t in self.fitted.target) if self.fitted else ()

    def in_regimes(self, names: tuple[str, ...]) -> Self:
        """The same for regimes of these names."""
        return replace(self, regimes=names)

    def fit(self, heard: Heard, labels: Labels) -> Self:
        """Raises InputError where regimes are told apart whose names do not fit."""
        start = self.start(heard.names, heard.regime.shape[1])
        T = len(labels.targets)
        weight = np.repeat(np.stack([start, start])[..., None], T, axis=3)
        usual = typical(heard.regime) if heard.regime.shape[1] else np.ones(1)
        fitted = Fitted(np.array([str(t) for t in labels.targets]), weight, np.zeros(T), usual)
        if self.learn and heard.said:
            regime = mixed(heard.regime, usual)
            self._learn(fitted, Opinions.of(heard.said), regime, labels)
        return replace(self, fitted=fitted)

    def start(self, members: tuple[str, ...], regimes: int) -> Floats:
        """(R, N) weights before anything is learned; each row adds up to 1."""
        if regimes and self.regimes and len(self.regimes) != regimes:
            raise InputError(f"blend: {regimes} regimes are told: name as many, not {self.regimes}")
        names = self.regimes if regimes and self.regimes else ("",) * max(regimes, 1)
        if not self.table:
            return np.full((len(names), len(members)), 1 / len(members))
        rows = [dict(zip(MEMBERS, TABLE.get(name, ELSEWHERE), strict=True)) for name in names]
        weight = np.array([[row.get(m, ALIKE) for m in members] for row in rows])
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def _learn(self, fitted: Fitted, of: Opinions, regime: Floats, labels: Labels) -> None:
        """Weights of all regimes together first, then of each around these."""
        every = np.ones(len(regime), np.bool_)
        for t, target in enumerate(labels.targets):
            if not target.directed:
                continue
            asked = (sides(labels, t, every), moves(labels, t, every))
            for k, (question, said) in enumerate(zip(asked, (of.side, of.move), strict=True)):
                if len(question.rows) < FEWEST or question.yes.all() or not question.yes.any():
                    continue
                start = fitted.weight[k, :, :, t]
                x = lent(start.mean(axis=0), said[:, :, t], of.ready[:, :, t])[question.rows]
                w, b = likeliest(x, question, start.mean(axis=0), self.prior, offset=k == MOVE)
                fitted.weight[k, :, :, t] = start * (w / start.mean(axis=0))
                if k == MOVE:
                    fitted.offset[t] = b
                if len(start) > 1:
                    each = (regime[question.rows][:, :, None] * x[:, None]).reshape(len(x), -1)
                    at = fitted.weight[k, :, :, t].ravel()
                    w, _ = likeliest(each, question, at, self.prior, constant=b)
                    fitted.weight[k, :, :, t] = w.reshape(start.shape)

    def init(
        self, instruments: tuple[Instrument, ...], members: int, targets: tuple[Target, ...]
    ) -> Silent:
        return Silent()

    def combine(
        self, state: Silent, tape: Tape, said: Sequence[Forecast]
    ) -> tuple[Silent, Forecast]:
        of, side, move = self.weighed(said)
        assert self.fitted is not None
        odds = total(side * of.side), total(move * of.move) + self.fitted.offset
        return state, answer(said, of, odds, move, of.any_ready)

    def weighed(self, said: Sequence[Forecast]) -> tuple[Opinions, Floats, Floats]:
        """What members say, and (N, n, T) the weights of their sides and of their moves.

        Raises InputError before it is fitted.
        """
        if self.fitted is None:
            raise InputError("blend: fit or load it before it combines")
        of, regime = Opinions.of(said), mixed(regime_of(said), self.fitted.usual)
        side, move = (
            heeded(weights(self.fitted.weight[k], regime), of.ready) for k in (SIDE, MOVE)
        )
        return of, side, move

    def params(self) -> dict[str, NDArray[Any]]:
        if self.fitted is None:
            return {}
        return self.fitted._asdict() | {"regimes": np.array(self.regimes, np.str_)}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        fitted = Fitted(*(params[name] for name in Fitted._fields))
        return replace(self, fitted=fitted, regimes=tuple(map(str, params["regimes"])))


def mixed(told: NDArray[np.float32], usual: Floats) -> Floats:
    """(n, R) probabilities that add up to 1: the usual mixture (R,) where none is told."""
    if told.shape[1] != len(usual):
        return np.tile(usual, (len(told), 1))
    wide = finite(told).astype(np.float64)
    whole = total(wide.T)[:, None]
    return np.asarray(np.where(whole > 0, wide / np.where(whole > 0, whole, 1.0), usual))


def typical(told: NDArray[np.float32]) -> Floats:
    """(R,) the mean of (n, R) over the rows that tell; all alike where none does."""
    each = mixed(told, np.zeros(told.shape[1]))
    each = each[each.any(axis=1)]
    return each.mean(axis=0) if len(each) else np.full(told.shape[1], 1 / told.shape[1])


def weights(table: Floats, regime: Floats) -> Floats:
    """(R, N, T) by regime and (n, R) probabilities of regimes: (N, n, T)."""
    parts = (table[r][:, None, :] * regime[None, :, r, None] for r in range(len(table)))
    return total(parts)


def lent(start: Floats, said: Floats, ready: NDArray[np.bool_]) -> Floats:
    """(n, N) log-odds, as if those that are ready spoke for the weight of all."""
    whole = np.where(ready.any(axis=0), start.sum(), 0.0)
    heard = (start[:, None] * ready).sum(axis=0)
    return np.asarray((said * (whole / np.where(heard > 0, heard, 1.0))).T)
