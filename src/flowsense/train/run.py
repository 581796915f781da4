"""Fit and forecast fold by fold, then score every model beside its nulls on the same rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from flowsense.errors import InputError
from flowsense.evaluate.results import SCHEMA, Evaluation, Score, SizeScore
from flowsense.evaluate.score import Forecasts, evaluate
from flowsense.evaluate.scores import log_loss, side_loss
from flowsense.evaluate.walk import Moves
from flowsense.features.catalogue import spec
from flowsense.forecast import Forecast, Target, spell
from flowsense.model import Model
from flowsense.model.calibrated import Calibrated
from flowsense.model.estimator import Estimator
from flowsense.models import ENSEMBLE, absent, asked, left_out
from flowsense.models.settings import kind_of, text_of
from flowsense.schema import SECOND
from flowsense.sources import Told
from flowsense.store.room import Room
from flowsense.train import save
from flowsense.train.ceiling import ceiling
from flowsense.train.combined import combined
from flowsense.train.config import RunConfig, options_of
from flowsense.train.dataset import MEMORY, Cost, Data, needs_quotes, prepare
from flowsense.train.fits import RULES, Bench, Models, reads_events
from flowsense.train.material import Material, apart, material, only
from flowsense.train.progress import Progress, silent
from flowsense.train.read import Recording, hashes
from flowsense.wall import Stopwatch

OVER, LATE = 1.25, 5.0  # times a budget, and seconds beyond it, that are clearly longer


@runtime_checkable
class Weighed(Protocol):
    """A model that says which columns it leans on: by target, then by column."""

    def importances(self, columns: tuple[str, ...]) -> dict[str, dict[str, float]]: ...


@runtime_checkable
class Attributed(Protocol):
    """A model with SHAP values: by target and column the mean size, and the direction."""

    def shap(self, columns: tuple[str, ...]) -> dict[str, dict[str, tuple[float, float]]]: ...


@dataclass(frozen=True)
class Run:
    """What came out. `metrics` is metrics.json, field for field."""

    config: RunConfig
    material: Material
    metrics: dict[str, Any]
    fitted: Mapping[str, Calibrated]  # of the last fold
    forecasts: Mapping[str, tuple[Forecast, ...]]  # one per fold; zeros outside its blocks
    rules: Mapping[str, tuple[Forecast, ...]]

    @property
    def chosen(self) -> str:
        """The model that was best on validation rows, before the test rows were read."""
        return str(self.metrics["chosen"])

    def report(self, path: str | Path) -> None:
        """Write the report, one self-contained HTML file. Raises InputError."""
        save.report(self, Path(path))

    def save(self, folder: str | Path, files: tuple[Path, ...] = ()) -> None:
        """Write the run's folder; `files` are hashed into its manifest. Raises InputError."""
        save.save(self, Path(folder), hashes(files))

    def table(self) -> list[dict[str, Any]]:
        """One line per model and target with the scores that people ask for first."""
        keys = ("n", "accuracy", "side_balanced", "log_loss", "mae")
        return [
            {"model": name, "target": target} | {k: s.get(k) for k in keys}
            for name, scores in self.metrics["models"].items()
            for target, s in scores.items()
        ]

    def __repr__(self) -> str:
        models, targets = ", ".join(self.fitted), len(self.material.labels.targets)
        return f"<Run of {models} on {targets} targets, chosen: {self.chosen}>"


def run(
    source: Told,
    config: RunConfig,
    *,
    tests: tuple[Told, ...] = (),
    options: dict[str, str] | None = None,
    progress: Progress = silent,
) -> Run:
    """The main job on sources. `tests` are never trained on; with them they alone are scored.

    `options` tell how the sources were read; they go to metrics.json.

    Raises InputError for what the user can mend.
    """
    models = able(config)
    features = spec(config.families, config.clocks)
    learn, *others = (
        prepare(
            s,
            features,
            config.targets,
            start=config.start,
            end=config.end,
            events=reads_events(models),
            progress=progress,
        )
        for s in (source, *tests)
    )
    learn = replace(learn, options=options or {})
    return judge(learn, tuple(others), config, models, progress)


def walk_forward(
    reader: Recording,
    models: object = ("fast",),
    *,
    tests: Sequence[Recording] = (),
    targets: Sequence[str] | None = None,
    progress: Progress = silent,
    **config: Any,
) -> Run:
    """Train and score on a recording from `read`; other options are those of `RunConfig`.

    `models` are names, models like ``Hmm(preset="three")``, and estimators with scikit-learn's
    methods: see `models.asked`. Times may be given as on the command line: ``budget="5s"``,
    ``train_window="30d"``. Raises InputError for names and options that do not exist and
    recordings that are too short.
    """
    config = options_of(config)
    if targets is not None:
        config["targets"] = tuple(Target.parse(t) for t in targets)
    families = tuple(f for f, _ in reader.spec.versions)
    several = isinstance(models, Iterable) and not isinstance(models, str)
    named = tuple(models) if isinstance(models, Iterable) and several else (models,)
    asked = RunConfig(named, families, reader.spec.clocks, **config)
    given = tuple(t.source for t in tests)
    return run(reader.source, asked, tests=given, options=reader.options, progress=progress)


def models_of(config: RunConfig) -> Models:
    """By name, not yet fitted. Raises InputError, also for targets that one cannot be fitted to."""
    found = asked(config.models)
    for estimator in (m for m in found.values() if isinstance(m, Estimator)):
        for target in config.targets:
            estimator.estimator_of(target)
    return found


def able(config: RunConfig) -> Models:
    """The same where all of them can be fitted here. Raises InputError that says what is missing.

    A net that was fitted elsewhere forecasts without the library that it was fitted with.
    """
    found = models_of(config)
    for name in map(kind_of, found.values()):
        if absent(name):
            raise InputError(f"model {name!r} {absent(name)}")
    return found


def judge(
    learn: Data,
    tests: tuple[Data, ...],
    config: RunConfig,
    models: Models,
    progress: Progress = silent,
    room: Room = MEMORY,
) -> Run:
    """The same from recordings that are already folded; arrays of all rows lie in `room`."""
    of = material(learn, tests, config, room)
    return scored(Bench(of, config, progress, together((learn, *tests))), models)


def scored(bench: Bench, models: Models) -> Run:
    """Fit what is not fitted yet, and score it."""
    of, config = bench.of, bench.config
    rules = bench.work(asked(RULES))[1]
    fitted, said = bench.work(models)
    best, watch, alone = known(bench), Stopwatch(), tuple(fitted)
    both = combined(bench, fitted, said)
    if both is not None:
        fitted, said = fitted | {ENSEMBLE: both.fitted}, said | {ENSEMBLE: both.said}
    with watch:
        bench.progress("scoring", 0, None)
        found = evaluated(by_regime(bench), said, rules, best, config.seed)
    bench.cost["score"] = Cost(watch.seconds, 0, len(of.labels.y))
    first = min(alone, key=lambda name: held_out(of, said[name]))  # these rows taught the ensemble
    refused = [f"{name}: {why}" for name, why in bench.refused.items()]
    metrics = {
        "schema": SCHEMA,
        "seed": config.seed,
        "data": data_of(of),
        "config": config_of(config, {name: models[name] for name in alone}),
        "timing": {stage: cost._asdict() for stage, cost in bench.cost.items()},
        "models": found.as_json(),
        "backtest": {},
        "chosen": first,
        "left_out": list(of.left_out),
        "warnings": [
            *left_out(config.models),
            *refused,
            *overdue(bench.cost, alone, config.budget_s),
            *found.warnings,
            *save.unsaved(fitted).values(),
        ],
        "importances": {
            name: calibrated.model.importances(of.learn.spec.columns)
            for name, calibrated in fitted.items()
            if isinstance(calibrated.model, Weighed)
        },
        "shap": {
            name: calibrated.model.shap(of.learn.spec.columns)
            for name, calibrated in fitted.items()
            if isinstance(calibrated.model, Attributed)
        },
        "calibration": {name: fitted[name].kept() for name in alone},
        "ensemble": both.as_json() if both else {},
    }
    return Run(config, of, metrics, fitted, said, rules)


def overdue(cost: Mapping[str, Cost], names: Sequence[str], budget_s: float) -> Iterator[str]:
    """A sentence for each model that took clearly longer than it was given."""
    for name in names:
        stages = (f"fit {name}", f"forecast {name}")
        took = sum(cost[stage].seconds for stage in stages if stage in cost)
        if took > max(OVER * budget_s, budget_s + LATE):
            yield (
                f"{name}: its fits and forecasts took {took:.0f} s, where its budget is "
                f"{spell(round(budget_s * SECOND))}"
            )


def by_regime(bench: Bench) -> Material:
    """The rows, with the regime that each was in where a model tells."""
    of, told = bench.of, bench.regimes
    if told is None:
        return of
    return replace(of, index=replace(of.index, regime=told.seen, regimes=told.names))


def known(bench: Bench) -> Forecast | None:
    """What is said of all rows by whoever knows the truth; None where it is not known."""
    watch, of = Stopwatch(), bench.of
    with watch:
        best = ceiling(of, bench.progress)
    if best is not None:
        bench.cost["ceiling"] = Cost(watch.seconds, 0, len(of.labels.y))
    return best


def evaluated(
    of: Material, said: Forecasts, rules: Forecasts, best: Forecast | None, seed: int
) -> Evaluation:
    """A target at a time, so that no more of the forecasts is in memory."""
    models: dict[str, dict[str, Score | SizeScore]] = {name: {} for name in said}
    moves, warnings = moves_of(of), list[str]()
    for one in apart(of, said, rules):
        top = above(best, one.labels.targets[0], len(one.folds))
        found = evaluate(
            one.labels,
            of.index,
            one.folds,
            one.said,
            one.rules,
            ceiling=top,
            moves=moves,
            seed=seed,
        )
        warnings += found.warnings
        for name, scores in found.models.items():
            models[name] |= scores
    return Evaluation(models, tuple(warnings))


def above(best: Forecast | None, target: Target, folds: int) -> list[Forecast] | None:
    """The ceiling of one target in every fold; sizes and regimes have none."""
    if best is None or not target.directed:
        return None
    return [only(best, best.targets.index(target))] * folds


def moves_of(of: Material) -> list[Moves]:
    """What the nulls of a smoothed label are made of, where one is asked for."""
    if not needs_quotes(of.labels.targets):
        return []
    return [Moves(d.ts, d.instrument, d.told) for d in (of.learn, *of.tests)]


def together(data: tuple[Data, ...]) -> dict[str, Cost]:
    """What reading them took, stage by stage."""
    stages = data[0].cost
    return {s: Cost(*map(sum, zip(*(d.cost[s] for d in data), strict=True))) for s in stages}


def held_out(of: Material, forecasts: tuple[Forecast, ...]) -> float:
    """Mean log-loss over targets on the validation rows kept for the choice of the model.

    Of a direction that of its side, on moved rows: what its scores are of. A smoothed label, which
    is for comparison, decides only where there is no other.
    """
    losses, directed = [], [t for t in of.labels.targets if t.kind != "magnitude"]
    asked = [t for t in directed if t.kind != "smoothed"] or directed
    for t, target in enumerate(of.labels.targets):
        if target not in asked:
            continue
        for fold, forecast in zip(of.folds, forecasts, strict=True):
            rows = fold.choose[:, t] & of.labels.valid[:, t]
            p = forecast.proba[rows, t].astype(np.float64)
            y = of.labels.y[rows, t].astype(np.int64)
            loss = side_loss(p, y) if target.directed else log_loss(p, y)
            losses += [loss] if loss is not None else []
    return float(np.mean(losses)) if losses else float("inf")


def data_of(of: Material) -> dict[str, Any]:
    """What was read, for people and for comparison."""
    recordings = (of.learn, *of.tests)
    return {
        "source": of.learn.name,
        "tests": [test.name for test in of.tests],
        "instruments": [
            {"symbol": name, "venue": i.venue, "tick": float(i.tick), "lot": float(i.lot)}
            for name, i in zip(of.index.symbols, of.instruments, strict=True)
        ],
        "span": [int(of.index.ts.min()), int(of.index.ts.max())],
        "events": sum(d.events for d in recordings),
        "rows": len(of.labels.y),
        "columns": len(of.learn.spec.columns),
        "features": of.learn.spec.digest,
        "digests": [d.digest for d in recordings],
        "options": of.learn.options,
    }


def told(name: str, model: Model[Any]) -> str:
    """What asks for it again: its name, with the settings that are not the usual."""
    if isinstance(model, Estimator):
        return model.text or name
    return text_of(model) if kind_of(model) else name


def config_of(config: RunConfig, models: Models) -> dict[str, Any]:
    """As JSON holds it: what was asked for, with ``fast`` and ``all`` spelled out."""
    names = tuple(told(name, model) for name, model in models.items())
    plain = asdict(replace(config, models=()))
    return plain | {"models": names, "targets": [str(t) for t in config.targets]}
