"""Fit and forecast fold by fold, then score every model beside its nulls on the same rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from threadpoolctl import threadpool_limits

from flowsense.evaluate.results import SCHEMA
from flowsense.evaluate.score import evaluate
from flowsense.evaluate.scores import log_loss
from flowsense.evaluate.walk import Moves
from flowsense.features.catalogue import spec
from flowsense.features.fold import Chunks
from flowsense.forecast import Forecast, Target
from flowsense.model import Budget, Model
from flowsense.model.calibrated import Calibrated
from flowsense.model.estimator import Estimator
from flowsense.models import NULLS, asked
from flowsense.schema import Quotes
from flowsense.train import save
from flowsense.train.config import RunConfig
from flowsense.train.dataset import Cost, Dataset, prepare
from flowsense.train.material import Material, material
from flowsense.train.progress import Progress, silent
from flowsense.train.read import Recording, hashes
from flowsense.wall import Stopwatch


@runtime_checkable
class Weighed(Protocol):
    """A model that says which columns it leans on: by target, then by column."""

    def importances(self, columns: tuple[str, ...]) -> dict[str, dict[str, float]]: ...


@dataclass(frozen=True)
class Run:
    """What came out. `metrics` is metrics.json, field for field."""

    config: RunConfig
    material: Material
    metrics: dict[str, Any]
    fitted: Mapping[str, Calibrated]  # of the last fold
    forecasts: Mapping[str, tuple[Forecast, ...]]  # one per fold, of all rows
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


@dataclass
class Bench:
    """Fits and forecasts, and the time that they take."""

    of: Material
    config: RunConfig
    progress: Progress
    cost: dict[str, Cost] = field(default_factory=dict)

    def work(self, models: Mapping[str, Model[Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of each name the last fitted model, and a forecast per fold."""
        fitted, said = dict[str, Calibrated](), dict[str, tuple[Forecast, ...]]()
        total, done = len(models) * len(self.of.folds), 0
        for name, unfitted in models.items():
            forecasts, fit, ahead = list[Forecast](), Stopwatch(), Stopwatch()
            for fold in self.of.folds:
                self.progress(f"fitting {name}", done, total)
                budget = Budget(self.config.epochs, self.config.budget_s / len(self.of.folds))
                labels = self.of.fit_labels(fold)
                with fit, threadpool_limits(1, "blas"):  # the same bits on any number of cores
                    model = Calibrated(unfitted)
                    model = model.fit(self.of.learn, labels, seed=self.config.seed, budget=budget)
                with ahead:
                    plain = self.of.forecast(model, fold)
                    model = model.on(plain, self.of.labels, fold.calibrate, fold.choose)
                    forecasts.append(model.apply(plain))
                done += 1
            fitted[name], said[name] = model, tuple(forecasts)
            learned = sum(int(fold.train.any(axis=1).sum()) for fold in self.of.folds)
            self.cost[f"fit {name}"] = Cost(fit.seconds, 0, learned)
            self.cost[f"forecast {name}"] = Cost(ahead.seconds, 0, len(self.of.labels.y))
        self.progress("fitting", total, total)
        return fitted, said


def run(
    source: Chunks,
    config: RunConfig,
    *,
    tests: tuple[Chunks, ...] = (),
    progress: Progress = silent,
) -> Run:
    """The main job on sources. `tests` are never trained on; with them they alone are scored.

    Raises InputError for what the user can mend.
    """
    models = models_of(config)
    features = spec(config.families, config.clocks)
    bounds = {"start": config.start, "end": config.end, "progress": progress}
    smoothed = any(t.kind == "smoothed" for t in config.targets)
    told = [list[Quotes]() if smoothed else None for _ in (source, *tests)]
    learn, *others = (
        prepare(s, features, config.targets, quotes=quotes, **bounds)  # type: ignore[arg-type]
        for s, quotes in zip((source, *tests), told, strict=True)
    )
    quotes = tuple(np.concatenate(each) for each in told if each is not None)
    return judge(learn, tuple(others), config, models, progress, quotes)


def walk_forward(
    reader: Recording,
    models: Sequence[object] = ("fast",),
    *,
    tests: Sequence[Recording] = (),
    targets: Sequence[str] | None = None,
    progress: Progress = silent,
    **config: Any,
) -> Run:
    """Train and score on a recording from `read`; other options are those of `RunConfig`.

    `models` are names, and estimators with scikit-learn's methods (`model.estimator`).
    Raises InputError for names that do not exist and recordings that are too short.
    """
    if targets is not None:
        config["targets"] = tuple(Target.parse(t) for t in targets)
    families = tuple(f for f, _ in reader.spec.versions)
    asked = RunConfig(tuple(models), families, reader.spec.clocks, **config)
    return run(reader.source, asked, tests=tuple(t.source for t in tests), progress=progress)


def models_of(config: RunConfig) -> dict[str, Model[Any]]:
    """By name, not yet fitted. Raises InputError."""
    return asked(config.models)


def judge(
    learn: Dataset,
    tests: tuple[Dataset, ...],
    config: RunConfig,
    models: Mapping[str, Model[Any]],
    progress: Progress = silent,
    quotes: tuple[Quotes, ...] = (),
) -> Run:
    """The same from recordings that are already folded.

    `quotes` of each, where a target is smoothed: the nulls of its label are made of them.
    """
    of = material(learn, tests, config)
    moves = [Moves(d.ts, d.instrument, q) for d, q in zip((learn, *tests), quotes, strict=False)]
    bench = Bench(of, config, progress, together((learn, *tests)))
    rules = bench.work(asked([n for n in NULLS if n != "majority"]))[1]
    fitted, said = bench.work(models)
    watch = Stopwatch()
    with watch:
        progress("scoring", 0, None)
        found = evaluate(of.labels, of.index, of.folds, said, rules, moves=moves, seed=config.seed)
    bench.cost["score"] = Cost(watch.seconds, 0, len(of.labels.y))
    best = min(models, key=lambda name: held_out(of, said[name]))
    metrics = {
        "schema": SCHEMA,
        "seed": config.seed,
        "data": data_of(of),
        "config": config_of(config, models),
        "timing": {stage: cost._asdict() for stage, cost in bench.cost.items()},
        "models": found.as_json(),
        "backtest": {},
        "chosen": best,
        "left_out": list(of.left_out),
        "warnings": [*found.warnings, *save.unsaved(fitted).values()],
        "importances": {
            name: calibrated.model.importances(learn.spec.columns)
            for name, calibrated in fitted.items()
            if isinstance(calibrated.model, Weighed)
        },
    }
    return Run(config, of, metrics, fitted, said, rules)


def together(data: tuple[Dataset, ...]) -> dict[str, Cost]:
    """What reading them took, stage by stage."""
    stages = data[0].cost
    return {s: Cost(*map(sum, zip(*(d.cost[s] for d in data), strict=True))) for s in stages}


def held_out(of: Material, forecasts: tuple[Forecast, ...]) -> float:
    """Mean log-loss over targets on the validation rows kept for the choice of the model.

    A smoothed label, which is for comparison, decides only where there is no other.
    """
    losses, directed = [], [t for t in of.labels.targets if t.kind != "magnitude"]
    asked = [t for t in directed if t.kind != "smoothed"] or directed
    for t, target in enumerate(of.labels.targets):
        if target not in asked:
            continue
        for fold, forecast in zip(of.folds, forecasts, strict=True):
            rows = fold.choose[:, t] & of.labels.valid[:, t]
            p = forecast.proba[rows, t].astype(np.float64)
            loss = log_loss(p, of.labels.y[rows, t].astype(np.int64))
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
    }


def config_of(config: RunConfig, models: Mapping[str, Model[Any]]) -> dict[str, Any]:
    """As JSON holds it: what was asked for, with ``fast`` and ``all`` spelled out."""
    texts = {n: m.text for n, m in models.items() if isinstance(m, Estimator) and m.text}
    names = tuple(texts.get(name, name) for name in models)
    plain = asdict(replace(config, models=()))
    return plain | {"models": names, "targets": [str(t) for t in config.targets]}
