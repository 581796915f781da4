"""The lake as tables of DuckDB, which reads them and can touch nothing else.

`events`, `bars` and `observations` have the columns of the records, and of the folders venue,
instrument and day; `ts` is ts_recv as a timestamp, `px` and `qty` are prices and sizes as numbers
(so are open_px, ... of a bar), `what` names an action. `instruments` tells ticks and lots.
The files are those of the manifests. DuckDB gets them as Arrow, and may itself open no file.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from flowsense import schema
from flowsense.errors import InputError
from flowsense.schema import EVERY, Decimal, Instrument, kind_of
from flowsense.store.atomic import replacing
from flowsense.store.lake import EPOCH, KINDS, Part, Recording, places, recordings, union
from flowsense.store.lake_parts import LAYOUTS

ACTIONS = ("ADD", "MODIFY", "CANCEL", "FILL", "TRADE", "SET", "CLEAR", "BEAT", "STATUS", "CONTROL")
NAMES = {getattr(schema, name): name.lower() for name in (*ACTIONS, "CLOSE")}
FOLDERS = [
    pa.field("venue", pa.string()),
    pa.field("instrument", pa.string()),
    pa.field("day", pa.date32()),
]
TABLE = pa.schema(
    [
        *FOLDERS[:2],
        ("tick", pa.float64()),
        ("lot", pa.float64()),
        ("contract", pa.float64()),
        ("inverse", pa.bool_()),
        ("by_order", pa.bool_()),
        ("depth", pa.int64()),
    ]
)


def number(unit: str, column: str) -> str:
    """The nearest double to a count of ticks or lots: a power of ten below 1 is divided by."""
    return f"p.{column} * u.{unit}_times / u.{unit}_over"


PRICES = ", ".join(f"{number('tick', k)} AS {k}_px" for k in ("open", "high", "low", "close"))
VIEWS = {
    "events": f"""
        SELECT make_timestamp_ns(p.ts_recv) AS ts, p.* EXCLUDE (pad), a.name AS what,
            {number("tick", "price")} AS px, {number("lot", "lots")} AS qty
        FROM events_parts p JOIN units u USING (venue, instrument)
        LEFT JOIN actions a ON a.action = p.action
        WHERE p.position >= 0""",
    "bars": f"""
        SELECT make_timestamp_ns(p.ts_recv) AS ts, p.*, {PRICES}, {number("lot", "lots")} AS qty
        FROM bars_parts p JOIN units u USING (venue, instrument)""",
    "observations": """
        SELECT make_timestamp_ns(p.ts_recv) AS ts, k.name, p.*
        FROM observations_parts p LEFT JOIN kinds k USING (kind)""",
}
CLOSED: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}


def connect(folder: Path) -> duckdb.DuckDBPyConnection:
    """A connection in memory with these tables. Raises InputError for what is no lake.

    What it was when it was opened is what it reads. SQL cannot read or write other files, load
    extensions or change that; `query` tells its errors in one sentence.
    """
    found = recordings(folder)
    connection = duckdb.connect(":memory:", config=CLOSED)
    table = union(found)
    connection.register("instruments", instruments(table))
    connection.register("units", units(table))
    connection.register("kinds", pairs({kind_of(k): k for r in found for k in r.kinds}, "kind"))
    connection.register("actions", pairs(NAMES, "action"))
    for kind in KINDS:
        files = (file for file in places(folder, found) if file[3].kind == kind)
        connection.register(f"{kind}_parts", dataset(kind, files))
        connection.execute(f"CREATE VIEW {kind} AS {VIEWS[kind]}")
    connection.execute("SET lock_configuration = true")
    return connection


class Answer(NamedTuple):
    """Rows, made as they are asked for."""

    schema: Any  # of Arrow
    batches: Iterator[Any]  # raises InputError


def query(connection: duckdb.DuckDBPyConnection, sql: str) -> Answer:
    """What the (last) statement gives. Raises InputError where it is wrong."""
    with told():
        found = connection.sql(sql)
        if found is None:
            raise InputError("SQL: it gives no rows: write a SELECT")
        reader = found.to_arrow_reader()
    return Answer(reader.schema, rows(reader))


def rows(reader: Any) -> Iterator[Any]:
    with told(), reader:
        yield from reader


@contextmanager
def told() -> Iterator[None]:
    """What DuckDB says in several lines, as one sentence."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise InputError(f"SQL: {' '.join(lines[:2])[:300]}") from error


def dataset(kind: str, files: Iterator[tuple[Path, Recording, int, Part]]) -> Any:
    """Of files that are named, with what their folders tell."""
    form, system, field = ds.ParquetFileFormat(), LocalFileSystem(), ds.field
    schema = LAYOUTS[kind].schema
    fragments = []
    for path, recording, number, part in files:
        day = EPOCH + timedelta(days=recording.spans[number].day)
        told = field("day") == pa.scalar(day, pa.date32())
        if part.instrument != EVERY:
            who = recording.instruments[part.instrument]
            told &= (field("venue") == who.venue) & (field("instrument") == who.symbol)
        fragments.append(form.make_fragment(str(path), system, partition_expression=told))
    return ds.FileSystemDataset(fragments, pa.schema([*FOLDERS, *schema]), form, system)


def instruments(table: tuple[Instrument, ...]) -> Any:
    rows = [
        (i.venue, i.symbol, float(i.tick), float(i.lot), float(i.contract), *i[5:]) for i in table
    ]
    columns = zip(*rows, strict=True) if rows else [[]] * len(TABLE)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, TABLE, strict=True)]
    return pa.table(arrays, TABLE)


def units(table: tuple[Instrument, ...]) -> Any:
    """Of each instrument what a count of ticks or lots is multiplied with, and divided by."""
    columns: dict[str, Any] = {"venue": pa.array([i.venue for i in table], pa.string())}
    columns["instrument"] = pa.array([i.symbol for i in table], pa.string())
    for name in ("tick", "lot"):
        steps = [getattr(i, name) for i in table]
        times = [float(Decimal(s.mantissa, max(s.exponent, 0))) for s in steps]
        over = [float(Decimal(1, max(-s.exponent, 0))) for s in steps]
        columns |= {f"{name}_times": pa.array(times, pa.float64())}
        columns |= {f"{name}_over": pa.array(over, pa.float64())}
    return pa.table(columns)


def pairs(names: dict[int, str], key: str) -> Any:
    """A table of numbers and their names."""
    columns = pa.array(list(names), pa.int32()), pa.array(list(names.values()), pa.string())
    return pa.table(columns, [key, "name"])


def save(answer: Answer, path: Path) -> int:
    """The answer as a .parquet or .csv file, whole or not at all; -> rows. Raises InputError."""
    kind = {".parquet": pq.ParquetWriter, ".csv": pc.CSVWriter}.get(path.suffix)
    if kind is None:
        raise InputError(f"{path}: write the name of a .parquet or .csv file")
    rows = 0
    with replacing(path) as draft, kind(draft, answer.schema) as file:
        for batch in answer.batches:
            file.write(batch)
            rows += batch.num_rows
    return rows
