"""Forecasts of the size of a move on the rows of one target, beside constants and rules."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from flowsense.evaluate import nulls
from flowsense.evaluate.results import Intervals, SizeFold, SizeNull, SizePart, SizeScore, spread
from flowsense.evaluate.sample import Sample
from flowsense.evaluate.scores import Bools, Classes, Floats, number
from flowsense.evaluate.significance import interval
from flowsense.evaluate.tally import Sums, magnitude_scores, magnitudes, mean_defined


@dataclass(frozen=True, slots=True)
class Sized:
    """One forecast of sizes (m,), its scores, and the scores of every resample."""

    value: Floats
    found: Sums
    draws: Sums | None  # (R,) each


def size(of: Sample, value: Floats) -> Sized:
    columns = magnitudes(value, of.y)
    draws = magnitude_scores(columns.resampled(of.blocks)) if of.blocks else None
    return Sized(value, magnitude_scores(columns.total), draws)


@dataclass(frozen=True, slots=True)
class SizeBench:
    """What every model on one magnitude is measured against."""

    of: Sample
    rules: Mapping[str, Sized]
    best: Sized | None
    seed: int

    @classmethod
    def build(
        cls, of: Sample, rules: Mapping[str, Floats], best: Floats | None, seed: int
    ) -> "SizeBench":
        """The constant with the least absolute error is the median, the least square the mean."""
        values = {"median": nulls.constant(of, np.median), "mean": nulls.constant(of, np.mean)}
        values |= rules
        sized = {name: size(of, value) for name, value in values.items()}
        return cls(of, sized, size(of, best) if best is not None else None, seed)

    def score(self, value: Floats) -> SizeScore:
        """One model's entry of `metrics.json`."""
        of, model = self.of, size(self.of, value)
        beside = {name: _beside(model, rule, of.counted) for name, rule in self.rules.items()}
        folds = tuple(self._fold(value, of.fold == k) for k in np.unique(of.fold))
        tested = range(of.paths) if of.paths > 1 else ()
        paths = tuple(self._fold(value, of.path == k) for k in tested)
        return SizeScore(
            of.counted,
            **_numbers(model.found),
            ci95={name: interval(x) for name, x in (model.draws or {}).items()},
            nulls=beside | {"shuffled": self._shuffled(value)},
            ceiling=_beside(model, self.best, of.counted) if self.best else None,
            by_instrument=self._parts(value, of.instrument, of.symbols),
            by_regime=self._parts(value, of.regime, of.regimes),
            folds=folds,
            paths=paths,
            spread=spread(paths or folds, ("mae", "rmse")),
        )

    def _shuffled(self, value: Floats) -> SizeNull:
        rng = np.random.default_rng(self.seed)
        orders = (nulls.shuffled(self.of, rng) for _ in range(nulls.SHUFFLES))
        found = [size(self.of.relabelled(order), value).found for order in orders]
        mean = {name: mean_defined([f[name] for f in found]) for name in found[0]}
        return SizeNull(self.of.counted, **_numbers(mean), difference={})

    def _parts(self, value: Floats, part: Classes, names: tuple[str, ...]) -> dict[str, SizePart]:
        each = ((names[k], part == k) for k in np.unique(part[part >= 0]))
        return {
            name: SizePart(int((w & self.of.once).sum()), **self._some(value, w))
            for name, w in each
        }

    def _fold(self, value: Floats, here: Bools) -> SizeFold:
        ts = self.of.ts[here]
        return SizeFold(int(ts[0]), int(ts[-1]), len(ts), **self._some(value, here))

    def _some(self, value: Floats, which: Bools) -> dict[str, float | None]:
        return _numbers(magnitude_scores(magnitudes(value[which], self.of.y[which]).total))


def _beside(model: Sized, null: Sized, n: int) -> SizeNull:
    difference: Intervals = {}
    if model.draws and null.draws:
        difference = {name: interval(x - null.draws[name]) for name, x in model.draws.items()}
    return SizeNull(n, **_numbers(null.found), difference=difference)


def _numbers(found: Sums) -> dict[str, float | None]:
    return {name: number(x) for name, x in found.items()}
