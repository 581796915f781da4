"""Two files of forecasts side by side: what both said of the same rows, and what came."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate.compare import Compared, Rows, Spoken, compare, luck
from flowsense.evaluate.results import SCHEMA
from flowsense.forecast import Target
from flowsense.sources import Told
from flowsense.train import outside
from flowsense.train.progress import Progress, silent
from flowsense.train.read import RESULTS

KEY = ("ts", "instrument", "target", "path")  # of a line; path: how often it was forecast before
CAME = ("y", "move")  # as labels have them
SAID = ("p_down", "p_flat", "p_up", "value")


class Side(NamedTuple):
    """One file of forecasts."""

    path: Path
    model: str
    run: Path | None  # the folder that it was chosen in


def side(place: Path) -> Side:
    """The file itself, or that of the model which a run chose. Raises InputError."""
    if not place.is_dir():
        return Side(place, place.stem, None)
    try:
        metrics = orjson.loads((place / RESULTS).read_bytes())
    except OSError:
        raise InputError(
            f"{place}: no run, it has no {RESULTS}: name the folder of a run or a file"
        ) from None
    except orjson.JSONDecodeError as error:
        raise InputError(f"{place / RESULTS}: is damaged ({error}): run again") from None
    if not isinstance(metrics, dict) or metrics.get("schema") != SCHEMA or "chosen" not in metrics:
        raise InputError(f"{place / RESULTS}: not of schema {SCHEMA}: run again")
    name = str(metrics["chosen"])
    path = place / "forecasts" / f"{name}.parquet"
    if not path.is_file():
        raise InputError(f"{path}: no such file, though the run chose {name}: run again")
    return Side(path, name, place)


def told(path: Path, prices: Told | None, progress: Progress = silent) -> pl.DataFrame:
    """Columns KEY, CAME and SAID, only lines whose outcome is known. Raises InputError.

    A file of a run holds what came; of others it is looked up in `prices`.
    """
    table = outside.table_of(path)
    if set(CAME) <= set(table.column_names):
        return of_run(path, table)
    if prices is None:
        raise InputError(f"{path}: does not say what came: name the recording with --prices")
    given = outside.arranged(path, table)
    labels, *_ = outside.labelled(given, prices, progress)
    parts = []
    for t, target in enumerate(given.forecast.targets):
        rows = np.flatnonzero(labels.valid[:, t] & given.forecast.ready[:, t])
        p = given.forecast.proba[rows, t].astype(np.float64)
        columns = {"ts": given.ts[rows], "instrument": given.symbol[rows].tolist()}
        columns |= {"target": [str(target)] * len(rows), "path": np.zeros(len(rows), np.uint32)}
        columns |= {"y": labels.y[rows, t], "move": labels.move[rows, t]}
        columns |= dict(zip(SAID[:3], p.T, strict=True))
        parts.append(pl.DataFrame(columns | {"value": given.forecast.value[rows, t]}))
    return pl.concat(parts)


def of_run(path: Path, table: pa.Table) -> pl.DataFrame:
    """Lines of a run's own file; folds that test a row again are its further paths."""
    try:
        ts = table["ts"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
        horizon = table["horizon_ns"].cast(pa.int64()).to_pylist()
        numbers = {name: table[name].cast(pa.float64()) for name in (*CAME, *SAID)}
    except (KeyError, pa.ArrowException) as error:
        raise InputError(f"{path}: is not a run's file of forecasts ({error}): run again") from None
    kinds = table["target"].cast(pa.string()).to_pylist()
    asked = list(zip(kinds, horizon, strict=True))
    known = {pair: str(Target.parse(f"{pair[0]}@{pair[1]}ns")) for pair in set(asked)}
    targets = [known[pair] for pair in asked]
    symbols = table["instrument"].cast(pa.string())
    columns = {"ts": ts, "instrument": symbols, "target": pa.array(targets, pa.string()), **numbers}
    frame = pl.DataFrame(pl.from_arrow(pa.table(columns)))
    frame = frame.with_columns(pl.int_range(pl.len()).over(KEY[:3]).cast(pl.UInt32).alias("path"))
    frame = frame.filter(pl.col("y").is_not_null())
    outside.check(path, frame.select(SAID[:3]).to_numpy())
    if not frame.select(pl.col("value", "y", "move").is_finite().all()).to_numpy().all():
        raise InputError(f"{path}: holds a number that is not finite")
    return frame


def pair(
    a: Path,
    b: Path,
    *,
    prices: Told | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Everything that `flowsense compare` knows, as JSON. Raises InputError.

    a, b: folders of runs, whose chosen models are compared, or files of forecasts.
    """
    sides = [side(place) for place in (a, b)]
    lines = [told(one.path, prices, progress) for one in sides]
    common = joined(lines[0], lines[1], sides)
    found = compared(common, seed, progress)
    return {
        "schema": SCHEMA,
        "seed": seed,
        "a": about(sides[0], lines[0]),
        "b": about(sides[1], lines[1]),
        "common": len(common),
        "targets": {target: asdict(one) for target, one in found.items()},
        "luck": luck([*found.values()]),
        "warnings": [warning for one in found.values() for warning in one.warnings],
        "left_out": alone(lines),
    }


def joined(a: pl.DataFrame, b: pl.DataFrame, sides: list[Side]) -> pl.DataFrame:
    """The lines of both, b's columns ending in _b. Raises InputError for none."""
    common = a.join(b, on=KEY, how="inner", suffix="_b").sort("target", *KEY[:2], "path")
    names = " and ".join(str(one.path) for one in sides)
    if len(common) == 0:
        raise InputError(
            f"{names}: no row in common: compare forecasts of the same times, instruments and "
            "targets"
        )
    differ = int((common["y"] != common["y_b"]).sum())
    if differ:
        raise InputError(
            f"{names}: on {differ} of {len(common)} common rows not the same came: compare "
            "forecasts of one recording"
        )
    return common


def compared(common: pl.DataFrame, seed: int, progress: Progress) -> dict[str, Compared]:
    """By target, in the order of kinds and horizons."""
    parts = {str(k[0]): part for k, part in common.group_by("target", maintain_order=True)}
    order = sorted(parts, key=lambda text: placed(Target.parse(text)))
    found = dict[str, Compared]()
    for done, text in enumerate(order):
        progress("comparing", done, len(order))
        part = parts[text]
        ts, y, move = (part[name].to_numpy() for name in ("ts", *CAME))
        single = (x.astype(np.float32) for x in (y, move))
        rows = Rows(Target.parse(text), ts, part["path"].to_numpy().astype(np.int64), *single)
        sides = (Spoken(*spoken(part, suffix)) for suffix in ("", "_b"))
        found[text] = compare(rows, *sides, seed=seed)
    return found


def placed(target: Target) -> tuple[str, int]:
    return target.name, target.horizon_ns


def spoken(part: pl.DataFrame, suffix: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    names = [f"{name}{suffix}" for name in SAID]
    return part.select(names[:3]).to_numpy().astype(np.float64), part[names[3]].to_numpy()


def about(one: Side, lines: pl.DataFrame) -> dict[str, Any]:
    run = None if one.run is None else str(one.run)
    return {"model": one.model, "file": str(one.path), "run": run, "rows": len(lines)}


def alone(lines: list[pl.DataFrame]) -> list[str]:
    """Targets that only one side forecasts."""
    mine, others = (set(each["target"].to_list()) for each in lines)
    said = [f"{target}: only A forecasts it" for target in sorted(mine - others)]
    return said + [f"{target}: only B forecasts it" for target in sorted(others - mine)]
