"""What a run leaves behind: a folder that is there whole or not at all."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from flowsense.evaluate.curves import curves
from flowsense.evaluate.report import render, write
from flowsense.evaluate.sample import Index, Ints
from flowsense.features.catalogue import spec
from flowsense.forecast import DOWN, FLAT, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model.calibrated import Calibrated
from flowsense.model.estimator import Estimator, unstorable
from flowsense.models import ESTIMATOR, build
from flowsense.store import checkpoint
from flowsense.store.atomic import ensure_replaceable, replacing
from flowsense.store.checkpoint import CheckpointError, versions
from flowsense.tape import FeatureSpec

if TYPE_CHECKING:
    from flowsense.train.run import Run

MARK = "metrics.json"  # a folder with it is a run's, and may be replaced by another


def check_folder(folder: Path) -> None:
    """Before anything is computed. Raises InputError where the run could not be left there."""
    ensure_replaceable(folder, MARK, "a run")


def details(run: "Run") -> dict[str, Any]:
    """curves.json: what the report draws."""
    of = run.material
    mid = np.concatenate([d.mid for d in (of.learn, *of.tests)])
    names = of.index.symbols
    ticks = {n: float(i.tick) for n, i in zip(names, of.instruments, strict=True)}
    drawn: dict[str, Any] = curves(
        of.labels, of.index, of.folds, run.forecasts, run.rules, mid, ticks
    )
    return drawn


def report(run: "Run", path: Path) -> None:
    """One self-contained HTML file. Raises InputError where it cannot be written."""
    write(path, run.metrics, details(run))


def save(run: "Run", folder: Path, files: dict[str, str]) -> None:
    """metrics.json, curves.json, report.html, manifest.json, forecasts/ and checkpoints/.

    files: SHA-256 of each file that was read. Raises InputError where nothing can be written.
    """
    check_folder(folder)
    drawn = details(run)
    manifest = {
        "versions": versions(),
        "config": run.metrics["config"],
        "seed": run.metrics["seed"],
        "data": files,
        "features": run.metrics["data"]["digests"],
    }
    with replacing(folder) as draft:
        draft.mkdir()
        for name, content in (
            (MARK, run.metrics),
            ("curves.json", drawn),
            ("manifest.json", manifest),
        ):
            (draft / name).write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
        (draft / "report.html").write_text(render(run.metrics, drawn), "utf-8")
        (draft / "forecasts").mkdir()
        for name, said in run.forecasts.items():
            pq.write_table(forecast_table(run, said), draft / "forecasts" / f"{name}.parquet")
        for name in run.fitted.keys() - unsaved(run.fitted).keys():
            save_model(run, name, run.fitted[name], draft / "checkpoints" / name)


def forecast_table(run: "Run", said: tuple[Forecast, ...]) -> pa.Table:
    """Test rows as `flowsense evaluate` reads them, and what came: a line per row and target."""
    of, parts = run.material, []
    for k, (fold, forecast) in enumerate(zip(of.folds, said, strict=True)):
        for t, target in enumerate(of.labels.targets):
            rows = np.flatnonzero(fold.test[:, t] & forecast.ready[:, t])
            told = lines(of.index, rows, forecast, t, target) | outcome(of.labels, rows, t)
            parts.append(pa.table(told | {"fold": pa.array(np.full(len(rows), k, np.int32))}))
    return pa.concat_tables(parts)


def outcome(labels: Labels, rows: Ints, t: int) -> dict[str, pa.Array]:
    """Null where a label is not valid."""
    unknown = ~labels.valid[rows, t]
    return {
        "y": pa.array(labels.y[rows, t], mask=unknown),
        "move": pa.array(labels.move[rows, t], mask=unknown),
        "known_at": pa.array(labels.known_at[rows, t]).cast(pa.timestamp("ns", "UTC")),
    }


def lines(
    index: Index, rows: Ints, forecast: Forecast, t: int, target: Target
) -> dict[str, pa.Array]:
    n = len(rows)
    symbols = pa.array(index.symbols)
    return {
        "ts": pa.array(index.ts[rows]).cast(pa.timestamp("ns", "UTC")),
        "instrument": symbols.take(pa.array(index.instrument[rows])),
        "target": pa.array([target.name] * n, pa.string()),
        "horizon_ns": pa.array(np.full(n, target.horizon_ns)),
        "p_down": pa.array(forecast.proba[rows, t, DOWN]),
        "p_flat": pa.array(forecast.proba[rows, t, FLAT]),
        "p_up": pa.array(forecast.proba[rows, t, UP]),
        "value": pa.array(forecast.value[rows, t]),
    }


def unsaved(fitted: Mapping[str, Calibrated]) -> dict[str, str]:
    """Models that no checkpoint can hold, and a sentence that says so."""
    models = {name: each.model for name, each in fitted.items()}
    others = [n for n, m in models.items() if isinstance(m, Estimator) and not m.storable]
    return {name: unstorable(name) for name in others}


def save_model(run: "Run", name: str, fitted: Calibrated, folder: Path) -> None:
    of = run.material
    trained = of.index.ts[of.folds[-1].train.any(axis=1)]
    manifest = checkpoint.Manifest(
        model=ESTIMATOR if isinstance(fitted.model, Estimator) else name,
        config=settings(fitted.model),
        spec=of.learn.spec,
        targets=fitted.targets,
        instruments=of.learn.instruments,
        trained=(int(trained.min()), int(trained.max()) + 1),
        seed=run.config.seed,
        metrics=headline(run.metrics["models"][name]),
    )
    checkpoint.save(folder, manifest, fitted.params())


def load_model(folder: str | Path) -> tuple[Calibrated, FeatureSpec]:
    """A fitted model of a run's `checkpoints`, and the features that it reads.

    Raises CheckpointError for what is damaged or of another version, before it is parsed.
    """
    manifest, params, _ = checkpoint.load(Path(folder))
    now = spec(tuple(f for f, _ in manifest.spec.versions), manifest.spec.clocks)
    if now.digest != manifest.spec.digest:
        raise CheckpointError(f"{folder}: was trained on features that have changed: train again")
    return Calibrated(build(manifest.model, **manifest.config)).load(params), manifest.spec


def settings(model: object) -> dict[str, Any]:
    """The plain numbers that a model was built with."""
    assert is_dataclass(model)
    values = ((f.name, getattr(model, f.name)) for f in fields(model))
    return {name: value for name, value in values if plain(value)}


def plain(value: object) -> bool:
    return isinstance(value, bool | int | float | str)


def headline(scores: dict[str, Any]) -> dict[str, Any]:
    """The few numbers that a checkpoint carries along."""
    kept = ("n", "accuracy", "log_loss", "mae")
    return {t: {k: s[k] for k in kept if s.get(k) is not None} for t, s in scores.items()}
