"""A model of models: members that are heard, and a combiner that answers. Ensembles nest.

The combiner never learns from rows that the members learned from: they would say what they know by
heart, and the one that overfits most would be heard most (Wolpert 1992).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np

from flowsense.ensemble import Combiner, Heard
from flowsense.ensemble.blend import Blend
from flowsense.ensemble.combiners import (
    combiner,
    described,
    in_regimes,
    told,
    undescribed,
    untold,
)
from flowsense.ensemble.held import behind, blocks, hear, times
from flowsense.ensemble.opinions import Bools, cut, taken
from flowsense.ensemble.states import Params, joined, numbered, own, part, united
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget, Model, RegimeModel
from flowsense.model.calibrated import Calibrated
from flowsense.model.gather import learned
from flowsense.models import build
from flowsense.models.settings import parts
from flowsense.schema import Instrument
from flowsense.tape import Needs, Reader, Tape

MEMBERS, NAMES, COMBINER = "members", "names", "combiner"  # among the parameters


@dataclass(frozen=True, slots=True)
class Ensemble:
    """`Ensemble((build("logistic"), build("xgboost")), Fallback())`.

    With `folds` the combiner learns from forecasts out of fold, and each member is fitted once more
    than there are folds; else from the last `held` share of the rows, which members never see.
    """

    members: tuple[Model[Any], ...] = ()
    combiner: Combiner[Any] = field(default_factory=Blend)
    names: tuple[str, ...] = ()  # of the members; by default those of their classes
    held: float = 0.25
    folds: int = 0
    silent: Forecast | None = field(
        default=None, init=False, compare=False, repr=False
    )  # of no row

    def __post_init__(self) -> None:
        if not 0 < self.held < 1 or self.folds < 0 or self.folds == 1:
            given = f"held {self.held}, folds {self.folds}"
            raise InputError(
                f"ensemble: {given}: give a share between 0 and 1, and 0 or 2 folds up"
            )
        if self.members and self.names and len(self.names) != len(self.members):
            count = f"{len(self.names)} names of {len(self.members)} members"
            raise InputError(f"ensemble: {count}: give as many")
        if not self.names:
            object.__setattr__(self, "names", titles(self.members))

    @classmethod
    def of(
        cls, members: Sequence[Model[Any]], combiner: Combiner[Any], heard: Heard, labels: Labels
    ) -> Self:
        """Of fitted members, and what they said of rows that they had not learned from.

        Raises InputError where a member forecasts other targets than the labels.
        """
        ensure_alike(members, labels.targets)
        one = cls(tuple(members), in_regimes(combiner, told_by(members)), heard.names)
        return replace(one, combiner=one.combiner.fit(heard, labels))

    @classmethod
    def tiny(cls) -> Self:
        small = build("logistic", most=1_000), build("xgboost", trees=10, most=1_000)
        return cls((*small, build("vote")), combiner("fallback"))

    @property
    def needs(self) -> Needs:
        return united(self.members)

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.combiner.targets

    def fit(self, reader: Reader, labels: Labels, *, seed: int, budget: Budget) -> Self:
        """Every fit gets the same share of the seconds. Raises InputError for no member."""
        if not self.members:
            raise InputError("ensemble: no member is given: name two models or more")
        fits = len(self.members) * (1 + self.folds)
        each = budget._replace(seconds=budget.seconds / fits)
        teach = self._across if self.folds else self._ahead
        members, heard, known = teach(reader, labels, seed, each)
        one = in_regimes(self.combiner, told_by(members)).fit(heard, known)
        return replace(self, members=members, combiner=one)

    def _ahead(
        self, reader: Reader, labels: Labels, seed: int, budget: Budget
    ) -> tuple[tuple[Model[Any], ...], Heard, Labels]:
        """Members fitted on the earlier rows, and what they say of the later ones."""
        early, late = cut(times(reader), labels._replace(valid=learned(labels)), 1 - self.held)
        members = self._fitted(reader, labels.to_fit(early, stops(labels)), seed, budget)
        return members, *self._taught(members, reader, labels, late)

    def _across(
        self, reader: Reader, labels: Labels, seed: int, budget: Budget
    ) -> tuple[tuple[Model[Any], ...], Heard, Labels]:
        """Members fitted on all rows, and what those fitted without a block say of it."""
        parts, known, learn = list[Heard](), list[Bools](), learned(labels)
        for block, others in blocks(labels, times(reader), self.folds):
            members = self._fitted(reader, labels.to_fit(others, stops(labels)), seed, budget)
            inside = np.zeros_like(learn)
            inside[block] = learn[block]
            parts.append(hear(members, self.names, reader, some(inside)))
            known.append(inside)
        heard, rows = behind(parts), np.logical_or.reduce(known)
        members = self._fitted(reader, labels, seed, budget)
        valid = labels._replace(valid=labels.valid & rows)
        return members, heard, taken(valid, np.flatnonzero(some(rows)))

    def _fitted(
        self, reader: Reader, labels: Labels, seed: int, budget: Budget
    ) -> tuple[Model[Any], ...]:
        return tuple(m.fit(reader, labels, seed=seed, budget=budget) for m in self.members)

    def _taught(
        self, members: tuple[Model[Any], ...], reader: Reader, labels: Labels, late: Bools
    ) -> tuple[Heard, Labels]:
        heard = hear(members, self.names, reader, some(late))
        return heard, taken(labels._replace(valid=late), np.flatnonzero(some(late)))

    def init(self, instruments: tuple[Instrument, ...]) -> Any:
        states = [member.init(instruments) for member in self.members]
        return joined([*states, self.combiner.init(instruments, len(states), self.targets)])

    def predict(self, state: Any, tape: Tape) -> tuple[Any, Forecast]:
        if not self.targets:
            raise InputError("ensemble: fit or load it before it predicts")
        rowless = not any(len(rows.ts) for rows in tape.rows)
        if rowless and self.silent is not None:
            return self._followed(state, tape), self.silent
        states, said = list[Any](), list[Forecast]()
        for k, member in enumerate(self.members):
            after, forecast = member.predict(part(state, k), tape)
            states.append(after)
            said.append(forecast)
        after, found = self.combiner.combine(part(state, len(said)), tape, said)
        if rowless:
            object.__setattr__(self, "silent", found)  # what it carries along is known from here on
        return joined([*states, after]), found

    def _followed(self, state: Any, tape: Tape) -> Any:
        """After a tape without rows: only members that read events have anything to do."""
        states = [part(state, k) for k in range(len(self.members) + 1)]
        for k, member in enumerate(self.members):
            if member.needs.events:
                states[k], _ = member.predict(states[k], tape)
        return joined(states)

    def params(self) -> Params:
        """Arrays of the members, then of the combiner, and what all of them are."""
        parts = numbered([*(m.params() for m in self.members), self.combiner.params()])
        about = {
            MEMBERS: np.array([described(m) for m in self.members], np.str_),
            NAMES: np.array(self.names, np.str_),
            COMBINER: np.array([told(self.combiner)], np.str_),
        }
        return parts | about

    def load(self, params: Params) -> Self:
        """Members are those of the same settings, or made anew. Raises InputError."""
        about, names = params[MEMBERS].tolist(), tuple(map(str, params[NAMES].tolist()))
        asked = self.members if len(self.members) == len(about) else tuple(map(undescribed, about))
        members = tuple(m.load(own(params, k)) for k, m in enumerate(asked))
        one = untold(str(params[COMBINER][0])).load(own(params, len(members)))
        return replace(self, members=members, combiner=one, names=names)


def titles(members: Sequence[Model[Any]]) -> tuple[str, ...]:
    """By class, as models are registered; numbered where there are several of one."""
    inner = [m.model if isinstance(m, Calibrated) else m for m in members]
    kinds = [type(m).__name__.lower() for m in inner]
    seen = [kinds[:k].count(name) for k, name in enumerate(kinds)]
    return tuple(f"{n}-{k + 1}" if k else n for n, k in zip(kinds, seen, strict=True))


def told_by(members: Sequence[Model[Any]]) -> tuple[str, ...]:
    """What the first member that tells regimes calls them, inside other models too."""
    for member in members:
        names = member.regimes if isinstance(member, RegimeModel) else ()
        if found := tuple(map(str, names)) or told_by(tuple(parts(member))):
            return found
    return ()


def some(which: Bools) -> Bools:
    """(n,) rows on which it holds for any target."""
    return np.asarray(which.any(axis=1))


def stops(labels: Labels) -> Bools:
    """(n, T) the rows to stop on."""
    return labels.valid & False if labels.stop is None else labels.stop


def ensure_alike(members: Sequence[Model[Any]], targets: tuple[Target, ...]) -> None:
    for name, member in zip(titles(members), members, strict=True):
        if member.targets != targets:
            raise InputError(
                f"ensemble: {name} forecasts other targets than the labels: fit it anew"
            )
