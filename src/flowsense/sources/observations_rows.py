"""Rows of a table of observations as records, every cell of them checked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowsense.errors import InputError
from flowsense.schema import EVERY, OBSERVATION, Observations, kind_of, zeros
from flowsense.sources.batches import Part, parts
from flowsense.sources.cells import Ints, TimeUnit, reals, time_unit, times
from flowsense.sources.columns import FLAG, NAMES, listed, looked_up, missing, pairs, squeezed

FIELDS = ("ts", "known", "symbol", "name", "value")
TIMES = {name for field in ("ts", "ts_event", "known", "closed") for name in NAMES[field].split()}
NAMED = "value."  # before the name of a kind
FIX = "correct or remove the row"


class Columns(NamedTuple):
    """A column for each field, or ""."""

    ts: str  # when it happened; that of `known` where there is no other
    known: str  # when we knew
    symbol: str
    name: str  # of what was observed; "" of a table in which each value has a column
    values: tuple[str, ...]  # one where there is a name
    names: tuple[tuple[str, str], ...] = ()  # what the table calls a kind, and what we do

    def used(self) -> list[str]:
        return list(dict.fromkeys(filter(None, (*self[:4], *self.values))))


@dataclass(frozen=True, slots=True)
class Form:
    """How to read the cells of the table."""

    table: str
    columns: Columns
    unit: TimeUnit | None  # of the times; None: found from the first
    lag: int  # ns from when it happened to when it was known, without a column of that
    prefix: str  # put before every name
    kinds: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    skip: frozenset[int] = frozenset()  # numbers of rows that lie in quarantine

    def called(self, kind: str) -> str:
        """Our name of what the table calls so."""
        return self.prefix + dict(self.columns.names).get(kind, kind)


class Found(NamedTuple):
    """Names by their order of coming, while a table is read; both grow."""

    kinds: dict[str, int]
    symbols: dict[str, int]  # "" is the first: every instrument


def columns_of(text: str, source: Path | pa.Table, names: list[str], table: str) -> Columns:
    """Those asked for and the usual ones; all columns of numbers where no value is named.

    ``value.NAME=COLUMN`` in the text gives a kind a name. Raises InputError naming a field that
    has no column.
    """
    parts = text.split(",")
    kinds = [part for part in parts if part.strip().startswith(NAMED)]
    given = pairs(",".join(part for part in parts if part not in kinds), list(FIELDS))
    found = looked_up({field: given.get(field) for field in FIELDS}, names, table)
    if not found["ts"] and not found["known"]:
        raise missing(table, names, "ts", "no column for when it happened", "ts")
    if found["name"] and not found["value"]:
        raise missing(table, names, "value", "no column for value", "value")
    long = bool(found["name"] or given.get("value"))
    values: tuple[str, ...] = (found["value"],) if long else ()
    if not long:
        taken = (found["ts"], found["known"], found["symbol"])
        others = [n for n in names if n not in taken and not timelike(n)]
        values = numeric(source, others)
        if not values:
            raise missing(table, names, "value", "no column of numbers", "value")
    called = tuple(renamed(part, names if not long else []) for part in kinds)
    ts = found["ts"] or found["known"]
    return Columns(ts, found["known"], found["symbol"], found["name"], values, called)


def renamed(part: str, columns: list[str]) -> tuple[str, str]:
    """The column, one of these where there are any, and the name of its kind."""
    name, _, column = (side.strip() for side in part.partition("="))
    name = name.removeprefix(NAMED)
    if not name.isidentifier() or not column or (columns and column not in columns):
        how = f" with one of {listed(columns)}" if columns else ""
        raise InputError(f"{FLAG} {part.strip()!r}: write {NAMED}NAME=COLUMN{how}")
    if name in columns:
        raise InputError(f"{FLAG} {part.strip()!r}: {name!r} is a column itself: take another name")
    return column, name


def timelike(column: str) -> bool:
    name = squeezed(column)
    return name in TIMES or name.endswith("timestamp")


def numeric(source: Path | pa.Table, columns: list[str]) -> tuple[str, ...]:
    """Those whose first cell that is not blank is a number."""
    form = Form("", Columns("", "", "", "", ()), None, 0, "")
    for part in parts(source, columns, form):
        return tuple(name for name in columns if counts(part.column(name)[0]))
    return tuple(columns)


def counts(cells: pa.Array) -> bool:
    kind = pa.types
    if not (kind.is_string(cells.type) or kind.is_large_string(cells.type)):
        return any(
            is_(cells.type)
            for is_ in (kind.is_integer, kind.is_floating, kind.is_decimal, kind.is_boolean)
        )
    words = pc.utf8_trim_whitespace(cells)
    words = words.filter(pc.fill_null(pc.not_equal(words, ""), False))
    try:
        return not len(words) or float(words[0].as_py()) is not None
    except ValueError:
        return False


def judge(form: Form, *, sort: bool) -> Callable[[Part[Form]], Ints | None]:
    """Raises InputError for a part with a row that cannot be used; else when they were known."""
    settled: list[TimeUnit | None] = [form.unit, form.unit]

    def check(part: Part[Form]) -> Ints | None:
        units = [*settled]
        happened, known = clocks(part, units)
        read(part, happened, known, Found({}, {"": 0}))
        settled[:] = units
        return None if sort else known

    return check


def clocks(part: Part[Form], units: list[TimeUnit | None]) -> tuple[Ints, Ints]:
    """(n,) ns each: when it happened, and when it was known."""
    happened = clock(part, part.form.columns.ts, units, 0)
    later = part.form.columns.known
    known = clock(part, later, units, 1) if later else happened
    return happened, known + part.form.lag


def records_of(
    source: Path | pa.Table, form: Form, found: Found, *, sort: bool
) -> Iterator[Observations]:
    """Batches in order of `ts_recv`; what is not yet known is entered into `found`.

    Raises InputError naming the first row that cannot be used.
    """
    last, units, held = 0, [form.unit, form.unit], list[Observations]()
    for part in parts(source, form.columns.used(), form):
        happened, known = clocks(part, units)
        if not sort:
            before = np.concatenate([[last], known[:-1]])
            fix = "is known before the row above it: sort by when it was known, or add --sort"
            part.demand(known >= before, form.columns.known or form.columns.ts, fix)
        last = int(known[-1])
        held.append(read(part, happened, known, found))
        if not sort:
            yield held.pop()
    if held:
        records = np.concatenate(held)
        yield records[np.argsort(records["ts_recv"], kind="stable")].view(OBSERVATION)


def clock(part: Part[Form], column: str, units: list[TimeUnit | None], k: int) -> Ints:
    """(n,) ns; the unit found in the first part is kept."""
    cells, at = part.column(column)
    unit = units[k] = units[k] or time_unit(cells, at)
    ts = times(cells, unit, at)
    part.demand(ts >= 0, column, f"is before 1970: {FIX}")
    return ts


def read(part: Part[Form], happened: Ints, known: Ints, found: Found) -> Observations:
    """Row by row what is not blank."""
    columns = part.form.columns
    if columns.symbol:
        who = part.codes(columns.symbol, found.symbols) - 1  # "", the first, is EVERY
    else:
        who = np.full(len(part), EVERY)
    if columns.name:
        which = part.codes(columns.name, found.kinds)[:, None]
    else:
        kinds = [found.kinds.setdefault(name, len(found.kinds)) for name in columns.values]
        which = np.array(kinds)[None]
    cells = [reals(*part.column(name)) for name in columns.values]
    values, missing = (np.stack(each, 1) for each in zip(*cells, strict=True))
    out = zeros(OBSERVATION, values.size).reshape(values.shape)
    out["ts_event"], out["ts_recv"] = happened[:, None], known[:, None]
    numbers = np.array([kind_of(part.form.called(name)) for name in found.kinds])
    out["value"], out["kind"], out["instrument"] = values, numbers[which], who[:, None]
    records: Observations = out[~missing].view(OBSERVATION)
    return records
