"""Forecasts of classes on the rows of one target, each beside the same nulls and ceiling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from flowsense.evaluate import calibration, classes, nulls, scores, walk
from flowsense.evaluate.results import Coverage, Fold, Intervals, Null, Part, Score, Share, spread
from flowsense.evaluate.sample import Said, Sample, spoken
from flowsense.evaluate.scores import COVERAGES, Bools, Classes, Floats, Tradable, number, ratio
from flowsense.evaluate.significance import Interval, interval
from flowsense.evaluate.tally import (
    CELLS,
    Calls,
    Sums,
    Tally,
    direction_scores,
    directions,
    mean_defined,
)
from flowsense.evaluate.walk import Moves
from flowsense.forecast import DOWN, UP, Forecast

NO_SKILL = 0.02  # of accuracy, of a ceiling over the majority
BY_SIDE = ("accuracy", "side_balanced", *(f"coverage@{c}" for c in COVERAGES))
SCORES = (
    "accuracy",
    "side_balanced",
    "balanced_accuracy",
    "macro_f1",
    "mcc",
    "log_loss",
    "brier",
    "ic",
)
SPREAD = ("accuracy", "side_balanced", "log_loss")
PAIRED = (*BY_SIDE, "log_loss", "brier")
BY_RULE = (*BY_SIDE, "balanced_accuracy", "macro_f1", "mcc", "ic")  # of a call with no chances
Took = Mapping[str, tuple[Bools, Bools]]  # by share: rows that had a threshold, rows taken


@dataclass(frozen=True, slots=True)
class Judged:
    """One forecast: what it called, its scores, and the scores of every resample."""

    calls: Calls
    columns: Tally
    found: Sums
    resampled: Sums | None  # sums of columns, (R,) each
    draws: Sums | None  # scores, (R,) each

    @property
    def rule(self) -> "Rule":
        return Rule(self.calls.right, self.found, self.draws)


class Rule(NamedTuple):
    """What a model is compared with: of a forecast judged no more than that needs."""

    right: Floats  # (m,) 1, 0.5 or 0
    found: Sums
    draws: Sums | None


def judge(of: Sample, p: Floats, value: Floats, only: tuple[str, ...] = ()) -> Judged:
    """Score p (m, 3) and value (m,); `only` these scores mean something."""
    y, regime = of.classes, of.target.kind == "regime"
    calls = Calls.of(of.target.kind, p, y)
    columns = directions(calls, p, y, value, of.move)
    found = direction_scores(columns.total)
    resampled = columns.resampled(of.blocks) if of.blocks else None
    draws = direction_scores(resampled) if resampled else None
    undefined = set(found) - set(only) if only else {"side_balanced"} if regime else set()
    for name in undefined:
        found[name] = np.full_like(found[name], np.nan)
        if draws:
            draws[name] = np.full_like(draws[name], np.nan)
    return Judged(calls, columns, found, resampled, draws)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every model on one target is measured against."""

    of: Sample
    rules: Mapping[str, Rule]
    best: Rule | None
    seed: int
    walks: Sums | None = None  # scores of the rule of `evaluate.walk`, (W,) each

    @classmethod
    def build(cls, of: Sample, rules: Mapping[str, Said], best: Said | None, seed: int) -> "Bench":
        still = np.zeros(len(of.rows))
        judged = {"majority": judge(of, nulls.majority(of), still).rule}
        if of.target.kind != "regime":
            sides = {
                "always_one_side": nulls.always_one_side(of),
                "always_up": nulls.always(of, UP),
                "always_down": nulls.always(of, DOWN),
            }
            judged |= {name: judge(of, p, still, BY_SIDE).rule for name, p in sides.items()}
        judged |= {name: judge(of, said.p, said.value).rule for name, said in rules.items()}
        return cls(of, judged, judge(of, best.p, best.value).rule if best else None, seed)

    def beside_walks(self, moves: Sequence[Moves]) -> "Bench":
        """The same with what the past alone tells of a smoothed label, here and on walks."""
        past = walk.past_mean(self.of, moves)
        rules = {**self.rules, "past_mean": judge(self.of, past.p, past.value, BY_RULE).rule}
        drawn = walk.walks(self.of, moves, self.seed)
        found = [judge(of, rule.p, rule.value, BY_RULE).found for of, rule in drawn]
        each = {name: np.array([f[name] for f in found]) for name in found[0]}
        return replace(self, rules=rules, walks=each)

    def score(self, what: Said, took: Took) -> Score:
        """One model's entry of `metrics.json`."""
        of, y = self.of, self.of.classes
        model = judge(of, what.p, what.value)
        found = {name: number(x) for name, x in model.found.items()}
        counts = np.array([model.columns.total[c] for c in CELLS]).astype(int).reshape(3, 3)
        beside = {name: self._beside(model, rule) for name, rule in self.rules.items()}
        folds = tuple(self._fold(model, of.fold == k) for k in np.unique(of.fold))
        tested = range(of.paths) if of.paths > 1 else ()
        paths = tuple(self._fold(model, of.path == k) for k in tested)
        return Score(
            n=of.counted,
            accuracy=found["accuracy"],
            side_balanced=found["side_balanced"],
            share_of_skill=self._share(model),
            balanced_accuracy=found["balanced_accuracy"],
            macro_f1=found["macro_f1"],
            per_class=classes.per_class(counts),
            confusion=tuple(tuple(row) for row in counts.tolist()),
            mcc=found["mcc"],
            log_loss=found["log_loss"],
            brier=found["brier"],
            ece=calibration.ece(what.p, y),
            ece_band=calibration.ece_band(
                what.p, seed=self.seed, same=of.rows if of.path.any() else None
            ),
            ic=found["ic"],
            coverage=_coverage(model.found),
            tradable=self._tradable(what.p, took),
            ci95={name: interval(x) for name, x in (model.draws or {}).items()},
            nulls=beside | self._walk(model) | {"shuffled": self._shuffled(model, what)},
            ceiling=self._beside(model, self.best) if self.best else None,
            by_instrument=self._parts(model, of.instrument, of.symbols),
            by_regime=self._parts(model, of.regime, of.regimes),
            folds=folds,
            paths=paths,
            spread=spread(paths or folds, SPREAD),
        )

    def _beside(self, model: Judged, null: Rule) -> Null:
        """A null on the model's rows: its own coverages, and those the model took."""
        same_rows: dict[str, float | None] = {}
        differences: dict[str, Floats] = {}
        if model.draws and null.draws:
            differences = {name: model.draws[name] - null.draws[name] for name in PAIRED}
        for share in COVERAGES:
            weight = model.columns.columns[f"taken{share}"]
            right = weight * null.right
            same_rows[str(share)] = number(ratio(right.sum(), weight.sum()))
            if self.of.blocks and model.resampled and model.draws:
                there = ratio(self.of.blocks.sum(right), model.resampled[f"taken{share}"])
                differences[f"same_rows@{share}"] = model.draws[f"coverage@{share}"] - there
        difference: Intervals = {name: interval(x) for name, x in differences.items()}
        return _null(self.of.counted, null.found, same_rows, difference)

    def _shuffled(self, model: Judged, what: Said) -> Null:
        """Mean scores of the model's own forecasts against labels moved in blocks of time."""
        rng = np.random.default_rng(self.seed)
        orders = (nulls.shuffled(self.of, rng) for _ in range(nulls.SHUFFLES))
        found = [judge(self.of.relabelled(o), what.p, what.value).found for o in orders]
        mean = {name: mean_defined([f[name] for f in found]) for name in found[0]}
        return _null(self.of.counted, mean, _coverage(mean), {})

    def _walk(self, model: Judged) -> dict[str, Null]:
        """Mean scores on random walks; the model less a walk drawn for each of its resamples."""
        if self.walks is None:
            return {}
        mean = {name: mean_defined(list(each)) for name, each in self.walks.items()}
        difference: dict[str, Interval | None] = {}
        for name, ours in (model.draws or {}).items():
            rng = np.random.default_rng(self.seed)
            difference[name] = interval(ours - rng.choice(self.walks[name], len(ours)))
        nowhere = {str(c): None for c in COVERAGES}
        return {"random_walk": _null(self.of.counted, mean, nowhere, difference)}

    def _share(self, model: Judged) -> Share:
        """(score - null) / (ceiling - null) on log-loss, over the majority."""
        if self.best is None:
            return None
        null, best = self.rules["majority"].found, self.best.found
        tie = 0.5 if self.of.target.directed else 0.0  # what calling no side scores
        if not best["accuracy"] - max(float(null["accuracy"]), tie) >= NO_SKILL:
            return "no skill to have"
        return number(
            (null["log_loss"] - model.found["log_loss"]) / (null["log_loss"] - best["log_loss"])
        )

    def _tradable(self, p: Floats, took: Took) -> dict[str, Tradable]:
        y = self.of.classes
        return {c: scores.outcome(which[can], p[can], y[can]) for c, (can, which) in took.items()}

    def _parts(self, model: Judged, part: Classes, names: tuple[str, ...]) -> dict[str, Part]:
        found = {}
        for k in np.unique(part[part >= 0]):
            calls = model.calls.of_rows(part == k)
            n, coverage = int(calls.counts[self.of.once[part == k]].sum()), calls.coverage()
            found[names[k]] = Part(n, coverage["1.0"], coverage)
        return found

    def _fold(self, model: Judged, here: Bools) -> Fold:
        found = direction_scores(model.columns.of_rows(here).total)
        ts, calls = self.of.ts[here], model.calls.of_rows(here)
        return Fold(
            start=int(ts[0]),
            end=int(ts[-1]),
            n=int(calls.counts.sum()),
            accuracy=number(found["accuracy"]),
            side_balanced=number(found["side_balanced"]),
            log_loss=number(found["log_loss"]),
            coverage=calls.coverage(),
        )


def thresholds(name: str, forecasts: Sequence[Forecast], what: Said, of: Sample) -> Took:
    """For each share, the rows taken at the conviction that this share of `choose` rows reach.

    Fold by fold; rows of a fold without such rows have no threshold. A regime has no side.
    """
    shares = [c for c in COVERAGES if c < 1] if of.target.kind != "regime" else []
    took = {str(c): (np.zeros(len(of.rows), bool), np.zeros(len(of.rows), bool)) for c in shares}
    for k, (forecast, rows) in enumerate(zip(forecasts, of.chosen, strict=True)):
        before, _, _ = spoken(name, forecast, rows, of)
        here = of.fold == k
        for c in shares:
            least = scores.threshold(before, c)
            can, which = took[str(c)]
            can[here] = least is not None
            which[here] = scores.taken(what.p[here], least)
    return took


def _coverage(found: Sums) -> dict[str, float | None]:
    return {str(c): number(found[f"coverage@{c}"]) for c in COVERAGES}


def _null(n: int, found: Sums, same_rows: Coverage, difference: Intervals) -> Null:
    three = {name: number(found[name]) for name in SCORES}
    return Null(n, **three, coverage=_coverage(found), same_rows=same_rows, difference=difference)
