"""Forecasts made elsewhere, scored against a recording: their times need not lie on any grid."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate.results import Evaluation
from flowsense.evaluate.sample import Index
from flowsense.evaluate.score import evaluate
from flowsense.evaluate.walk import Moves
from flowsense.features.catalogue import spec
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.labels.stages import Pending, Stages
from flowsense.model import Budget
from flowsense.models import build
from flowsense.schema import QUOTE
from flowsense.sources import Told
from flowsense.train.dataset import Dataset, forecast, prepare
from flowsense.train.fits import RULES
from flowsense.train.material import names_of
from flowsense.train.progress import Progress, silent

KEYS = ("ts", "instrument", "target", "horizon_ns")
CHANCES = ("p_down", "p_flat", "p_up")
OFF_GRID = 0.01  # of the forecasts, that may lie between rows


@dataclass(frozen=True, slots=True)
class Given:
    """A table of forecasts in order of time."""

    ts: NDArray[np.int64]  # (n,) distinct pairs of time and instrument
    symbol: NDArray[np.str_]  # (n,)
    forecast: Forecast  # (n, T), not ready where the table has no line


@dataclass(frozen=True, slots=True)
class Halves:
    """Masks (n, T): the first share of time sets thresholds and constants, the rest is scored."""

    train: NDArray[np.bool_]
    choose: NDArray[np.bool_]
    test: NDArray[np.bool_]


def load(path: Path) -> Given:
    """Columns ts (ns UTC), instrument, target, horizon_ns, p_down, p_flat, p_up, maybe value.

    Raises InputError, naming the column or the row, for tables that are not forecasts.
    """
    return arranged(path, table_of(path))


def table_of(path: Path) -> pa.Table:
    """The file with all its columns. Raises InputError where one of a forecast's is missing."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: check the name") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: is not a readable Parquet file ({error})") from None
    missing = [name for name in (*KEYS, *CHANCES) if name not in table.column_names]
    if missing:
        has = ", ".join(table.column_names)
        raise InputError(f"{path}: column {missing[0]!r} is missing; the file has {has}")
    if table.num_rows == 0:
        raise InputError(f"{path}: holds no forecast")
    return table


def arranged(path: Path, table: pa.Table) -> Given:
    """One row per time and instrument, one column per target."""
    for name in KEYS:
        if table[name].null_count:
            row = table[name].is_null().index(True).as_py() + 1
            raise InputError(f"{path}: row {row}: {name} is blank: fill it in or remove the row")
    try:
        ts = table["ts"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64()).to_numpy()
        horizon = table["horizon_ns"].cast(pa.int64()).to_numpy()
        p = np.stack([table[name].cast(pa.float64()).to_numpy() for name in CHANCES], axis=1)
    except pa.ArrowException as error:
        raise InputError(f"{path}: a column has the wrong type ({error})") from None
    symbol = np.array(table["instrument"].cast(pa.string()).to_pylist())
    kinds = table["target"].cast(pa.string()).to_pylist()
    check(path, p)
    asked = [Target.parse(f"{kind}@{h}ns") for kind, h in zip(kinds, horizon, strict=True)]
    targets = tuple(dict.fromkeys(asked))
    keys, at = np.unique(np.rec.fromarrays([ts, symbol]), return_inverse=True)
    column = np.array([targets.index(t) for t in asked])
    shape = (len(keys), len(targets))
    proba, value = np.full((*shape, 3), 1 / 3, np.float32), np.zeros(shape, np.float32)
    ready = np.zeros(shape, np.bool_)
    if len(np.unique(at * len(targets) + column)) < len(at):
        raise InputError(
            f"{path}: two forecasts of the same time, instrument and target: keep those of one fold"
        )
    proba[at, column], ready[at, column] = p, True
    value[at, column] = p[:, 2] - p[:, 0]
    if "value" in table.column_names:
        value[at, column] = table["value"].cast(pa.float32()).to_numpy()
    if not np.isfinite(value).all():
        raise InputError(f"{path}: column 'value' holds a number that is not finite")
    return Given(keys["f0"].copy(), keys["f1"].copy(), Forecast(targets, proba, value, ready))


def check(path: Path, p: NDArray[np.float64]) -> None:
    """Each row is a distribution."""
    good = np.isfinite(p).all(axis=1) & (p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < 1e-3)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            f"{path}: row {row + 1}: {p[row].tolist()} are no probabilities: "
            "p_down, p_flat, p_up must lie in [0, 1] and sum to 1"
        )


def labelled(
    given: Given, source: Told, progress: Progress = silent
) -> tuple[Labels, Index, Moves]:
    """What really came at the times of the forecasts. Raises InputError for unknown symbols."""
    return outcomes(given, folded(given, source, progress))


def folded(given: Given, source: Told, progress: Progress = silent) -> Dataset:
    """The rows and every quote of a source. Raises InputError for symbols that it has not."""
    names = names_of(source.instruments)
    unknown = sorted(set(given.symbol.tolist()) - set(names))
    if unknown:
        raise InputError(f"instrument {unknown[0]!r}: the prices are of {', '.join(names)}")
    return prepare(source, spec(), given.forecast.targets, progress=progress, quotes=True)


def outcomes(given: Given, data: Dataset) -> tuple[Labels, Index, Moves]:
    """What really came at the times of the forecasts."""
    names, quotes = names_of(data.instruments), data.told
    who = np.array([names.index(s) for s in given.symbol.tolist()])
    base = np.zeros(len(who), QUOTE)
    for k in range(len(names)):
        path, mine = quotes[quotes["instrument"] == k], np.flatnonzero(who == k)
        at = np.searchsorted(path["ts"], given.ts[mine]) - 1
        base[mine[at >= 0]] = path[at[at >= 0]]
    base["instrument"] = who
    stage = Stages(given.forecast.targets)
    labels = stage.close(Pending(given.ts, base, quotes, np.array([data.until])))
    return labels, Index(given.ts, who, names), Moves(given.ts, who, quotes)


def rules_of(given: Given, early: NDArray[np.bool_], data: Dataset) -> dict[str, list[Forecast]]:
    """Nulls that read the market, fitted on the early rows; none where times are off the grid."""
    names = np.array(names_of(data.instruments))[data.instrument]
    rows = {key: i for i, key in enumerate(zip(data.ts.tolist(), names.tolist(), strict=True))}
    keys = zip(given.ts.tolist(), given.symbol.tolist(), strict=True)
    at = np.array([rows.get(key, -1) for key in keys])
    if (at < 0).mean() > OFF_GRID:
        return {}
    fit = np.zeros(data.labels.y.shape, np.bool_)
    fit[at[at >= 0]] = early[at >= 0]
    labels = data.labels.to_fit(fit, np.zeros_like(fit))
    found = {}
    for name in RULES:
        rule = build(name).fit(data, labels, seed=0, budget=Budget())
        said = forecast(rule, data)
        ready = said.ready[at] & (at >= 0)[:, None]
        found[name] = [Forecast(said.targets, said.proba[at], said.value[at], ready)]
    return found


def score(
    path: Path, source: Told, *, share: float = 0.2, seed: int = 0, progress: Progress = silent
) -> Evaluation:
    """Score a file of forecasts. The first `share` of its time sets thresholds, the rest counts.

    The nulls that read the market stand beside where the times are those of rows every 100 ms;
    else a warning says that only constants do.
    Raises InputError for a file, a symbol or a share that cannot be used.
    """
    if not 0 < share < 1:
        raise InputError(f"share {share}: give one between 0 and 1")
    given = load(path)
    data = folded(given, source, progress)
    labels, index, moves = outcomes(given, data)
    labels = labels._replace(valid=labels.valid & given.forecast.ready)
    if not labels.valid.any():
        raise InputError(f"{path}: no forecast lies where the prices are known: check the times")
    edge = given.ts[0] + share * float(given.ts[-1] - given.ts[0])
    early = (given.ts < edge)[:, None] & (labels.known_at < edge)
    late = np.broadcast_to((given.ts >= edge)[:, None], early.shape)
    name = path.stem
    halves = Halves(early, early, late)
    rules = rules_of(given, early & labels.valid, data)
    said = {name: [given.forecast]}
    found = evaluate(labels, index, [halves], said, rules, moves=[moves], seed=seed)
    notes = [f"the first {share:.0%} of the time sets thresholds and nulls and is not scored"]
    if not rules:
        notes.append("times are not those of rows every 100 ms: only constant nulls stand beside")
    return replace(found, warnings=(*notes, *found.warnings))
