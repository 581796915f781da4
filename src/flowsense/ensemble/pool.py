"""Unlike models heard together: the mean of their log-odds, all alike.

A logarithmic opinion pool (Genest & Zidek 1986). Weights are not learned: on the few moved rows of
a day they would learn the day. What one member mistakes another often does not, which is why
unlike ones gain most: here an antisymmetric linear model, boosted trees as they are, and boosted
trees that see every row in the mirror too (bids and asks swapped) and few columns at a time.
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from flowsense.ensemble.states import Params, joined, numbered, own, part
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget, Model
from flowsense.model.calibrated import odds
from flowsense.model.sides import THIRD, probabilities, sigmoid
from flowsense.models import build
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape

MIRRORED = {"mirrored": 1.0, "columns": 0.25, "smallest": 30.0, "rate": 0.04}


@dataclass(frozen=True, slots=True)
class Pool:
    trees: int = 400  # of each boosted member, at most
    most: int = 40_000  # moved rows of one instrument and target
    members: tuple[Model[Any], ...] = ()  # fitted

    @classmethod
    def tiny(cls) -> Self:
        return cls(trees=10, most=1_000)

    @property
    def needs(self) -> Needs:
        return Needs()

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.members[0].targets if self.members else ()

    def unfitted(self) -> tuple[Model[Any], ...]:
        trees = {"trees": self.trees, "most": self.most}
        return (
            build("antisymmetric", most=min(self.most, 20_000)),
            build("xgboost", **trees),
            build("xgboost", **trees, **MIRRORED),
        )

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Each member gets the same share of the seconds."""
        asked = self.unfitted()
        each = budget._replace(seconds=budget.seconds / len(asked))
        found = (m.fit(reader, labels, seed=seed, budget=each) for m in asked)
        return replace(self, members=tuple(found))

    def init(self, instruments: tuple[Instrument, ...]) -> Any:
        return joined([member.init(instruments) for member in self.members])

    def predict(self, state: Any, tape: Tape) -> tuple[Any, Forecast]:
        if not self.members:
            raise InputError("pool: fit or load it before it predicts")
        states, said = list[Any](), list[Forecast]()
        for k, member in enumerate(self.members):
            after, forecast = member.predict(part(state, k), tape)
            states.append(after)
            said.append(forecast)
        return joined(states), pooled(said)

    def params(self) -> Params:
        return numbered([member.params() for member in self.members])

    def load(self, params: Params) -> Self:
        found = (m.load(own(params, k)) for k, m in enumerate(self.unfitted()))
        return replace(self, members=tuple(found))

    def importances(self, columns: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Of each target, the mean over the members of a column's share."""
        members: tuple[Any, ...] = self.members  # linear ones and trees: both tell
        each = [m.importances(columns) for m in members]
        return {
            str(t): {c: float(np.mean([m[str(t)][c] for m in each])) for c in columns}
            for t in self.targets
        }


def pooled(said: list[Forecast]) -> Forecast:
    """The mean of both log-odds, of a move and of its side, where all are ready."""
    first = said[0]
    ready = np.logical_and.reduce([one.ready for one in said])
    proba, value = np.full_like(first.proba, THIRD), np.zeros_like(first.value)
    for t, target in enumerate(first.targets):
        rows = ready[:, t]
        value[rows, t] = np.mean([one.value[rows, t] for one in said], axis=0)
        if target.directed:
            pairs = [odds(one.proba[rows, t]) for one in said]
            up, move = (np.mean(part, axis=0) for part in zip(*pairs, strict=True))
            proba[rows, t] = probabilities(sigmoid(move), sigmoid(up))
    return Forecast(first.targets, proba, value, ready)
