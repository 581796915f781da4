"""Of all members the one that is surest, each by what came of its forecasts when it was so sure.

Dynamic selection (Cruz, Sabourin & Cavalcanti 2018): a member that is always sure and seldom right
counts as unsure, by a slope and a monotone curve through its log-odds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble import Heard
from flowsense.ensemble.convex import likeliest
from flowsense.ensemble.opinions import (
    Asked,
    Opinions,
    Silent,
    answer,
    even,
    mean,
    sides,
)
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model.isotonic import KNOTS, bent, curve
from flowsense.model.sides import Floats
from flowsense.schema import Instrument
from flowsense.tape import Tape

FEWEST = 100  # rows of a record
PRIOR = 20.0  # rows, not overlapping, that speak for a member as it is


class Fitted(NamedTuple):
    """The record of N members on T targets."""

    target: NDArray[np.str_]  # (T,)
    slope: Floats  # (N, T)
    knots: Floats  # (N, T, KNOTS, 2) zeros where there are too few rows
    last: Floats  # (T,) slope of the answer: who is surest of many is a little too sure


@dataclass(frozen=True, slots=True)
class Select:
    """The side is that of one member, as sure as it turned out to be; all say if it moves."""

    fitted: Fitted | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(Target.parse(str(t)) for t in self.fitted.target) if self.fitted else ()

    def fit(self, heard: Heard, labels: Labels) -> Self:
        N, T = len(heard.names), len(labels.targets)
        fitted = Fitted(
            np.array([str(t) for t in labels.targets]),
            np.ones((N, T)),
            np.zeros((N, T, KNOTS, 2)),
            np.ones(T),
        )
        if not heard.said:
            return replace(self, fitted=fitted)
        of = Opinions.of(heard.said)
        for n, t in np.ndindex(N, T):
            asked = sides(labels, t, of.ready[n, :, t])
            if len(asked.rows) >= FEWEST and asked.yes.min() != asked.yes.max():
                said = of.side[n, asked.rows, t]
                fitted.slope[n, t] = slope = steepness(said, asked)
                fitted.knots[n, t] = curve(slope * said, asked.yes, asked.weight, odd=True)
        found, every = surest(of, fitted), np.ones(len(heard.ts), np.bool_)
        for t in range(T):
            asked = sides(labels, t, every)
            if len(asked.rows) >= FEWEST:
                fitted.last[t] = steepness(found[asked.rows, t], asked)
        return replace(self, fitted=fitted)

    def init(
        self, instruments: tuple[Instrument, ...], members: int, targets: tuple[Target, ...]
    ) -> Silent:
        return Silent()

    def combine(
        self, state: Silent, tape: Tape, said: Sequence[Forecast]
    ) -> tuple[Silent, Forecast]:
        if self.fitted is None:
            raise InputError("select: fit or load it before it combines")
        of = Opinions.of(said)
        odds = surest(of, self.fitted) * self.fitted.last, mean(of)[1]
        return state, answer(said, of, odds, even(of), of.any_ready)

    def params(self) -> dict[str, NDArray[Any]]:
        return self.fitted._asdict() if self.fitted else {}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        return replace(self, fitted=Fitted(*(params[name] for name in Fitted._fields)))


def steepness(said: Floats, asked: Asked) -> float:
    """By what to multiply log-odds (m,)."""
    return float(likeliest(said[:, None], asked, np.ones(1), PRIOR)[0][0])


def surest(of: Opinions, record: Fitted) -> Floats:
    """(n, T) log-odds of up of the member that is surest by its record; of equals the first."""
    out = np.zeros(of.side.shape[1:])
    for n, t in np.ndindex(*record.slope.shape):
        said = record.slope[n, t] * of.side[n, :, t]
        if record.knots[n, t].any():
            said = bent(said, record.knots[n, t], odd=True) * of.ready[n, :, t]
        out[:, t] = np.where(np.abs(said) > np.abs(out[:, t]), said, out[:, t])
    return out
