"""Fits and forecasts, fold by fold: taken from the shelf where they lie there already."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from flowsense.errors import InputError
from flowsense.forecast import Forecast
from flowsense.model import Budget, Model, RegimeModel
from flowsense.model.calibrated import Calibrated
from flowsense.models import NULLS, unnamed
from flowsense.store.checkpoint import CheckpointError
from flowsense.train.config import RunConfig
from flowsense.train.dataset import Cost, Data
from flowsense.train.material import Material
from flowsense.train.peak import Peak
from flowsense.train.progress import Progress
from flowsense.train.shelf import Shelf
from flowsense.wall import Stopwatch

Models = Mapping[str, Model[Any]]  # by name, not yet fitted
Forecasts = tuple[Forecast, ...]  # one per fold
RULES = tuple(name for name in NULLS if name != "majority")  # nulls that read the market


def reads_events(models: Models) -> bool:
    """Whether rows alone are not enough for one of them."""
    return any(model.needs.events for model in models.values())


def ensure_held(data: Iterable[Data], models: Models) -> None:
    """Raises InputError for a model that reads events where they were not kept."""
    for name in (name for name, model in models.items() if model.needs.events):
        for one in data:
            if not one.holds_events:
                raise InputError(
                    f"{name} reads events, which {one.name} was prepared without: prepare it again "
                    "with --events, or leave the model out"
                )


class Regimes(NamedTuple):
    """As a filter saw them at the time."""

    model: str
    names: tuple[str, ...]
    seen: NDArray[np.int64]  # (n,) of the rows that are tested; -1 elsewhere


@dataclass
class Bench:
    """What fits and forecasts, and the time that it takes."""

    of: Material
    config: RunConfig
    progress: Progress
    cost: dict[str, Cost] = field(default_factory=dict)
    shelf: Shelf | None = None
    regimes: Regimes | None = None  # where a model tells them
    beliefs: dict[int, NDArray[np.float32]] = field(default_factory=dict)  # of each fold, P(regime)
    refused: dict[str, str] = field(default_factory=dict)  # why, of models that nobody named

    def work(self, models: Models) -> tuple[dict[str, Calibrated], dict[str, Forecasts]]:
        """Of each name the last fitted model, and a forecast per fold. Raises InputError."""
        self.ensure_named_held(models)
        fitted, said = dict[str, Calibrated](), dict[str, Forecasts]()
        for n, (name, unfitted) in enumerate(models.items()):
            with self.unless_refused(name, models):
                fitted[name], said[name] = self.heard(name, unfitted, n, self.total(models))
        self.progress("fitting", self.total(models), self.total(models))
        return fitted, said

    def heard(
        self, name: str, unfitted: Model[Any], before: int, total: int
    ) -> tuple[Calibrated, Forecasts]:
        """One model, fold by fold; so many models are done before."""
        ensure_held(self.data, {name: unfitted})
        forecasts, ahead, peak = list[Forecast](), Stopwatch(), Peak()
        for k, fold in enumerate(self.of.folds):
            self.progress(f"fitting {name}", before * len(self.of.folds) + k, total)
            fitted = self.model(name, unfitted, k)
            with ahead, peak:
                forecasts.append(self.of.forecast(fitted, fold))
            self.classify(name, fitted, k)
        self.add(f"forecast {name}", Cost(ahead.seconds, 0, len(self.of.labels.y), peak.bytes))
        return fitted, tuple(forecasts)

    @property
    def data(self) -> tuple[Data, ...]:
        return (self.of.learn, *self.of.tests)

    def ensure_named_held(self, models: Models) -> None:
        """Before anything is fitted. Raises InputError for a model that was asked for by name."""
        spared = unnamed(self.config.models)
        ensure_held(self.data, {n: m for n, m in models.items() if n not in spared})

    @contextmanager
    def unless_refused(self, name: str, models: Models) -> Iterator[None]:
        """A model that nobody named is left out where it refuses, unless all of them do."""
        try:
            yield
        except CheckpointError:
            raise
        except InputError as error:
            if name not in unnamed(self.config.models):
                raise
            self.refused[name] = str(error).removeprefix(name).lstrip(": ")
            if models.keys() <= {*self.refused, *RULES}:
                raise

    def classify(self, name: str, fitted: Calibrated, k: int) -> None:
        """Which regime the rows are in that fold k tests, by the first model that tells."""
        if not isinstance(fitted.model, RegimeModel):
            return
        if self.regimes is None:
            names = tuple(map(str, fitted.model.regimes))  # plain: they are keys of JSON
            self.regimes = Regimes(name, names, np.full(len(self.of.index.ts), -1))
        if self.regimes.model == name:
            self.beliefs[k] = self.of.regimes(fitted, self.of.folds[k], self.regimes.seen)

    def learn(self, models: Models) -> None:
        """Only fit, onto the shelf; reported done when a model lies there. Raises InputError."""
        self.ensure_named_held(models)
        folds = len(self.of.folds)
        for n, (name, unfitted) in enumerate(models.items()):
            with self.unless_refused(name, models):
                ensure_held(self.data, {name: unfitted})
                for k in range(folds):
                    self.progress(f"fitting {name}", n * folds + k, self.total(models))
                    self.model(name, unfitted, k)
        self.progress("fitting", self.total(models), self.total(models))

    def total(self, models: Models) -> int:
        return len(models) * len(self.of.folds)

    def model(self, name: str, unfitted: Model[Any], k: int) -> Calibrated:
        """The model of fold k, scaled on its validation rows."""
        if self.shelf and (found := self.shelf.load(name, k, unfitted)):
            self.add(f"fit {name}", found.cost)
            return found.model
        fold, watch, peak = self.of.folds[k], Stopwatch(), Peak()
        seconds = self.config.budget_s / len(self.of.folds)
        budget = Budget(self.config.epochs, seconds, self.of.ahead(unfitted, fold))
        with watch, peak, threadpool_limits(1, "blas"):  # the same bits on any number of cores
            model = Calibrated(unfitted)
            labels = self.of.fit_labels(fold)
            model = model.fit(self.of.learn, labels, seed=self.config.seed, budget=budget)
        del labels
        model = self.of.calibrated(model, fold)
        cost = Cost(watch.seconds, 0, int(fold.train.any(axis=1).sum()), peak.bytes)
        if self.shelf:
            self.shelf.save(name, k, model, cost)
        self.add(f"fit {name}", cost)
        return model

    def add(self, stage: str, cost: Cost) -> None:
        had = self.cost.get(stage, Cost(0.0, 0, 0))
        self.cost[stage] = Cost(
            had.seconds + cost.seconds,
            had.events + cost.events,
            had.rows + cost.rows,
            max(had.memory, cost.memory),
        )
