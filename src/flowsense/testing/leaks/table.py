"""A ready table of features, and beside it what could be known at its times: the causal columns.

Nothing can be rerun, so nothing can be cut. What can be done is to compute, at the same times, all
that the stream itself gives, and the wrong ways in which bars and observations are often joined.
"""

from dataclasses import dataclass
from functools import reduce
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.catalogue import columns, spec, split
from flowsense.features.fold import Fold
from flowsense.forecast import spell
from flowsense.schema import (
    BAR,
    EVERY,
    MILLISECOND,
    NEVER,
    OBSERVATION,
    QUOTE,
    Bars,
    Instrument,
    Observations,
    checked,
    kind_of,
)
from flowsense.sources import Told, chunks, kinds_of
from flowsense.tape import FeatureSpec

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
FINEST = 1 * MILLISECOND  # of a grid that rows are computed on; else one follows every book
FIELDS = {  # of a bar that are joined: one, or one less another
    "high": ("high", ""),
    "low": ("low", ""),
    "close": ("close", ""),
    "volume": ("lots", ""),
    "move": ("close", "open"),
    "range": ("high", "low"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """Rows in order of time."""

    ts: Ints  # (n,) ns
    instrument: Ints  # (n,) in the table of the prices
    names: tuple[str, ...]
    X: Floats  # (n, F) NaN where missing


class Joined(NamedTuple):
    """One number as it was known at each row, and as a wrong join would have it."""

    name: str
    how: str  # the wrong one
    known: Floats  # (n,)
    wrong: Floats  # (n,)
    told: Ints  # (n,) when the number of the wrong join was really known


@dataclass(frozen=True, slots=True)
class Beside:
    """What the stream gives at the rows of a table."""

    names: tuple[str, ...]  # of the causal columns
    reads_events: NDArray[np.bool_]  # (K,) those that lag behind no bar and no bucket
    C: Floats  # (n, K) NaN where missing
    mid: Floats  # (n,) ticks, as of each row
    joins: tuple[Joined, ...]


def load(path: Path, instruments: tuple[Instrument, ...]) -> Table:
    """Columns ts (UTC), instrument where there are several, and numbers. Raises InputError."""
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file: check the name") from None
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: is not a readable Parquet file ({error})") from None
    if "ts" not in table.column_names:
        raise InputError(f"{path}: column 'ts' is missing: give the time at which each row is used")
    try:
        ts = table["ts"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
    except pa.ArrowException as error:
        raise InputError(f"{path}: column 'ts' holds no times ({error})") from None
    if ts.null_count or len(ts) == 0:
        raise InputError(f"{path}: column 'ts' is blank in {ts.null_count} of {len(ts)} rows")
    who = symbols(path, table, instruments)
    kept = [f.name for f in table.schema if numeric(f.type) and f.name not in ("ts", "instrument")]
    if not kept:
        raise InputError(f"{path}: holds no column of numbers beside ts and instrument")
    X = np.stack([table[k].cast(pa.float64()).to_numpy(zero_copy_only=False) for k in kept], axis=1)
    order = np.lexsort((who, ts.to_numpy()))
    X[~np.isfinite(X)] = np.nan
    return Table(ts.to_numpy()[order], who[order], tuple(kept), X[order])


def numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    )


def symbols(path: Path, table: pa.Table, instruments: tuple[Instrument, ...]) -> Ints:
    names = [i.symbol for i in instruments]
    if "instrument" not in table.column_names:
        if len(names) > 1:
            raise InputError(f"{path}: column 'instrument' is missing: the prices are of {names}")
        return np.zeros(table.num_rows, np.int64)
    given = table["instrument"].cast(pa.string()).to_pylist()
    for row, name in enumerate(given, 1):
        if name not in names:
            known = ", ".join(names)
            raise InputError(f"{path}: row {row}: instrument {name!r}: the prices are of {known}")
    return np.array([names.index(name) for name in given], np.int64)


def beside(table: Table, source: Told, families: tuple[str, ...]) -> Beside:
    """Every column of these families and the source's kinds, as of the table's rows.

    Times on a grid of a millisecond or more get the rows of that grid; others what was known
    with the last whole book.
    """
    step = reduce(gcd, np.unique(table.ts).tolist())
    clock = f"interval:{spell(step)}" if step >= FINEST else "events:1"
    kinds = tuple(f"observed:{kind}" for kind in kinds_of(source))
    features = spec((*families, *(k for k in kinds if k not in families)), (clock,))
    C, quotes, bars, observations = as_of(table, source, features)
    names = tuple(name for name, _ in features.versions)
    plain = [c.name for c in columns(split(names).events) if not c.name.startswith("vpin")]
    direct = np.isin(features.columns, plain)
    joins = [*of_bars(table, bars)]
    for kind in kinds_of(source):
        joins += of_kind(table, observations, kind)
    return Beside(features.columns, direct, C, mids(table, quotes), tuple(joins))


def as_of(
    table: Table, source: Told, features: FeatureSpec
) -> tuple[Floats, NDArray[np.void], Bars, Observations]:
    """(n, K) the last row at or before each of the table; all quotes, bars, observations."""
    fold, n = Fold(features, source.instruments), len(table.ts)
    C = np.full((n, len(features.columns)), np.nan)
    quotes, bars, told = [np.zeros(0, QUOTE)], [np.zeros(0, BAR)], [np.zeros(0, OBSERVATION)]
    last = {who: np.full(len(features.columns), np.nan) for who in range(len(source.instruments))}
    at, end = dict.fromkeys(last, 0), {w: np.flatnonzero(table.instrument == w) for w in last}

    def put(who: int, until: int) -> None:
        mine = end[who]
        stop = int(np.searchsorted(table.ts[mine], until))
        C[mine[at[who] : stop]] = last[who]
        at[who] = max(at[who], stop)

    for chunk in chunks(source):
        bars.append(chunk.bars)
        told.append(chunk.observations)
        for tape in fold.push(checked(chunk.events, len(last)), chunk.bars, chunk.observations):
            quotes.append(tape.quotes)
            rows = tape.rows[0]
            for k, who in enumerate(rows.instrument.tolist()):
                put(who, int(rows.ts[k]))
                last[who] = np.where(rows.valid[k], rows.X[k], np.nan)
    for who in last:
        put(who, NEVER)
    joined = np.concatenate(quotes), np.concatenate(bars), np.concatenate(told)
    return C, *joined


def mids(table: Table, quotes: NDArray[np.void]) -> Floats:
    """(n,) bid + ask over 2 as of each row, ticks; NaN before the first."""
    out = np.full(len(table.ts), np.nan)
    for who in np.unique(table.instrument):
        mine, path = np.flatnonzero(table.instrument == who), quotes[quotes["instrument"] == who]
        at = np.searchsorted(path["ts"], table.ts[mine], "right") - 1
        out[mine[at >= 0]] = path["mid2"][at[at >= 0]] / 2
    return out


def of_bars(table: Table, bars: Bars) -> list[Joined]:
    """Numbers of bars, joined by when they opened."""
    if not len(bars):
        return []
    out = {name: np.full((2, len(table.ts)), np.nan) for name in FIELDS}
    told = np.zeros(len(table.ts), np.int64)
    for who in np.unique(bars["instrument"]):
        path, mine = bars[bars["instrument"] == who], np.flatnonzero(table.instrument == who)
        known = np.searchsorted(path["ts_recv"], table.ts[mine], "right") - 1
        opened = np.searchsorted(path["ts_open"], table.ts[mine], "right") - 1
        told[mine[opened >= 0]] = path["ts_recv"][opened[opened >= 0]]
        for name, (a, b) in FIELDS.items():
            x = path[a] - path[b] if b else path[a]
            for k, place in enumerate((known, opened)):
                out[name][k, mine[place >= 0]] = x[place[place >= 0]]
    how = "the bar that is still open"
    return [Joined(f"{n} of a bar", how, x[0], x[1], told) for n, x in out.items()]


def of_kind(table: Table, observations: Observations, kind: str) -> list[Joined]:
    """One kind of observation, joined by when it happened: as first told, and as last revised."""
    n = len(table.ts)
    known, first, last = (np.full(n, np.nan) for _ in range(3))
    told_first, told_last = np.zeros(n, np.int64), np.zeros(n, np.int64)
    every = observations[observations["kind"] == kind_of(kind)]
    for who in np.unique(table.instrument):
        mine = np.flatnonzero(table.instrument == who)
        some = every[np.isin(every["instrument"], (EVERY, who))]
        if not len(some):
            continue
        known[mine] = as_known(some, table.ts[mine])
        order = np.argsort(some["ts_event"], kind="stable")
        for values, told, keep in ((first, told_first, 0), (last, told_last, 1)):
            path = some[order]
            edge = np.diff(path["ts_event"], prepend=-1) != 0
            path = path[np.r_[edge[1:], True] if keep else edge]
            at = np.searchsorted(path["ts_event"], table.ts[mine], "right") - 1
            values[mine[at >= 0]] = path["value"][at[at >= 0]]
            told[mine[at >= 0]] = path["ts_recv"][at[at >= 0]]
    return [
        Joined(kind, "the value by the time it happened", known, first, told_first),
        Joined(kind, "the last revision by the time it happened", known, last, told_last),
    ]


def as_known(some: Observations, ts: Ints) -> Floats:
    """(k,) of what had been told by each ts, the last revision of what happened last."""
    newest = np.maximum.accumulate(some["ts_event"])
    counts = some["ts_event"] >= newest  # a late report of an earlier time changes nothing
    path = some[counts]
    at = np.searchsorted(path["ts_recv"], ts, "right") - 1
    return np.where(at >= 0, path["value"][np.maximum(at, 0)], np.nan)
