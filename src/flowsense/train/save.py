"""What a run leaves behind: a folder that is there whole or not at all."""

from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from flowsense.evaluate import curves
from flowsense.evaluate.report import write
from flowsense.evaluate.sample import Index, Ints
from flowsense.forecast import DOWN, FLAT, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.model.calibrated import Calibrated
from flowsense.models import ENSEMBLE
from flowsense.store.atomic import ensure_replaceable, replacing
from flowsense.store.checkpoint import versions
from flowsense.train.material import Material, apart
from flowsense.train.read import RESULTS
from flowsense.train.shelf import load_model, save_model, unstored

if TYPE_CHECKING:
    from flowsense.train.run import Run

__all__ = ["check_folder", "load_model", "report", "save", "unsaved", "write_results"]

WRITERS = ("flowsense", "numpy", "polars", "pyarrow", "duckdb")
LINES = 1 << 18  # of a row group, at most


def check_folder(folder: Path) -> None:
    """Before anything is computed. Raises InputError where the run could not be left there."""
    ensure_replaceable(folder, RESULTS, "a run")


def details(run: "Run") -> dict[str, Any]:
    """curves.json: what the report draws."""
    of = run.material
    mid = np.concatenate([d.mid for d in (of.learn, *of.tests)])
    names = of.index.symbols
    ticks = {n: float(i.tick) for n, i in zip(names, of.instruments, strict=True)}
    shown, targets = curves.headline(of.labels.targets), dict[str, Any]()
    drawn = dict[str, Any]()
    for one in apart(of, run.forecasts, run.rules):
        found = curves.curves(one.labels, of.index, one.folds, one.said, one.rules, mid, ticks)
        targets |= found["targets"]
        drawn = found if one.labels.targets == (shown,) else drawn
    return drawn | {"targets": targets}


def report(run: "Run", path: Path) -> None:
    """One self-contained HTML file. Raises InputError where it cannot be written."""
    write(path, run.metrics, details(run))


def save(run: "Run", folder: Path, files: dict[str, str]) -> None:
    """metrics.json, curves.json, report.html, manifest.json, forecasts/ and checkpoints/.

    files: SHA-256 of each file that was read. Raises InputError where nothing can be written.
    """
    check_folder(folder)
    of, last = run.material, len(run.material.folds) - 1
    with replacing(folder) as draft:
        draft.mkdir()
        write_results(run, draft, files)
        for name in run.fitted.keys() - unsaved(run.fitted).keys():
            about = headline(run.metrics["models"][name])
            place = draft / "checkpoints" / name
            save_model(of, last, run.fitted[name], place, run.config.seed, about)


def write_results(run: "Run", folder: Path, files: dict[str, str]) -> None:
    """Everything but the checkpoints; each file is whole or not there, metrics.json the last."""
    drawn = details(run)
    manifest = {
        "versions": versions() | installed(),
        "config": run.metrics["config"],
        "seed": run.metrics["seed"],
        "data": files,
        "features": run.metrics["data"]["digests"],
    }
    with replacing(folder / "forecasts") as draft:
        draft.mkdir()
        for name, said in run.forecasts.items():
            write_forecasts(run, said, draft / f"{name}.parquet")
    write(folder / "report.html", run.metrics, drawn)
    for name, content in (
        ("curves.json", drawn),
        ("manifest.json", manifest),
        (RESULTS, run.metrics),
    ):
        with replacing(folder / name) as draft:
            draft.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def told_again(run: "Run", folder: Path) -> None:
    """report.html and metrics.json anew, where more is known of a run that is saved."""
    drawn = orjson.loads((folder / "curves.json").read_bytes())
    write(folder / "report.html", run.metrics, drawn)
    with replacing(folder / RESULTS) as draft:
        draft.write_bytes(orjson.dumps(run.metrics, option=orjson.OPT_INDENT_2))


def installed() -> dict[str, str]:
    """Versions of what reads and writes, whether or not it took part."""
    found = {}
    for name in WRITERS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def write_forecasts(run: "Run", said: tuple[Forecast, ...], path: Path) -> None:
    """Test rows as `flowsense evaluate` reads them, and what came: a line per row and target."""
    of = run.material
    schema = forecast_table(of, said[0], np.zeros(0, np.int64), 0, 0).schema
    with pq.ParquetWriter(path, schema) as file:
        for k, (fold, forecast) in enumerate(zip(of.folds, said, strict=True)):
            for t in range(len(of.labels.targets)):
                rows = np.flatnonzero(fold.test[:, t] & forecast.ready[:, t])
                for first in range(0, len(rows), LINES):
                    some = rows[first : first + LINES]
                    file.write_table(forecast_table(of, forecast, some, t, k))
                of.release()


def forecast_table(of: Material, said: Forecast, rows: Ints, t: int, fold: int) -> pa.Table:
    """Some rows of one target in one fold."""
    told = lines(of.index, rows, said, t, of.labels.targets[t]) | outcome(of.labels, rows, t)
    return pa.table(told | {"fold": pa.array(np.full(len(rows), fold, np.int32))})


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
    found = {n: f"{n}: {why}" for n, each in fitted.items() if (why := unstored(each))}
    others = [name for name in found if name != ENSEMBLE]
    if others and ENSEMBLE in fitted:
        found[ENSEMBLE] = f"{ENSEMBLE}: no checkpoint is kept of it: there is none of {others[0]}"
    return found


def headline(scores: dict[str, Any]) -> dict[str, Any]:
    """The few numbers that a checkpoint carries along."""
    kept = ("n", "accuracy", "log_loss", "mae")
    return {t: {k: s[k] for k in kept if s.get(k) is not None} for t, s in scores.items()}
