"""Tables of any kind, read as Arrow batches in memory that does not grow. Meaning is not here."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.sources.cells import Ints, Place, plain, shown
from flowsense.sources.files import COMPRESSED, bare_name, head, reading

ROWS = 1 << 14
BLOCK = 1 << 20  # bytes of text parsed at a time
TEXT, PARQUET, ARROW = (".csv", ".tsv"), (".parquet", ".pq"), (".feather", ".arrow", ".ipc")


class Named(Protocol):
    @property
    def table(self) -> str: ...
    @property
    def skip(self) -> frozenset[int]: ...  # numbers of rows that lie in quarantine


F = TypeVar("F", bound=Named)  # how the cells are read: each format has its own


class Part(NamedTuple, Generic[F]):
    """Consecutive rows of a table, as they are written."""

    cells: Any  # pyarrow.RecordBatch
    form: F
    first: int  # number of its first row

    def __len__(self) -> int:
        return int(self.cells.num_rows)

    def column(self, name: str | None) -> tuple[Any, Place]:
        return self.cells.column(name), Place(self.form.table, str(name), self.first)

    def piece(self, start: int, end: int) -> Self:
        cells = self.cells.slice(start, end - start)
        return type(self)(cells, self.form, self.first + start)

    def without(self, skip: frozenset[int]) -> Iterator[Self]:
        """The pieces between rows with these numbers."""
        start = 0
        for i in [i for i in range(len(self)) if self.first + i in skip]:
            if i > start:
                yield self.piece(start, i)
            start = i + 1
        if start < len(self):
            yield self.piece(start, len(self))

    def demand(self, good: NDArray[np.bool_], column: str | None, fix: str) -> None:
        """Raises InputError naming the first row where it is not so."""
        if not good.all():
            cells, at = self.column(column)
            i = int(good.argmin())
            raise at.wrong(i, shown(cells, i), fix)

    def codes(self, column: str, known: dict[str, int]) -> Ints:
        """(n,) the number of each row's word; those not yet known are entered.

        Raises InputError for a blank, unless "" is known.
        """
        written = pc.fill_null(plain(*self.column(column)), "")
        if "" not in known:
            good = np.asarray(pc.not_equal(written, ""))
            self.demand(good, column, "is no symbol or name: fill it in")
        found = pc.dictionary_encode(written)
        indices: Ints = np.asarray(found.indices).astype(np.int64)
        words = found.dictionary.to_pylist()
        return np.array([known.setdefault(w, len(known)) for w in words], np.int64)[indices]


def parts(source: Path | pa.Table, columns: list[str], form: F) -> Iterator[Part[F]]:
    """All rows but those that the form skips."""
    first = 1
    for batch in batches(source, columns):
        part = Part(batch, form, first)
        first += batch.num_rows
        yield from part.without(form.skip) if form.skip else (part,)


def arrow(table: Any, name: str) -> pa.Table:
    """A pyarrow Table, of a polars or pandas DataFrame, or of what else speaks Arrow."""
    try:
        return pa.table(table)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {type(table).__name__} is no table: {error}") from None


def known(path: Path) -> bool:
    """Whether the name is that of a table."""
    suffix = Path(bare_name(path)).suffix.lower()
    return suffix in TEXT or (path.suffix not in COMPRESSED and suffix in (*PARQUET, *ARROW))


def names(source: Path | pa.Table) -> list[str]:
    """Of its columns; text without a line of names has columns 1, 2, ... Raises InputError."""
    if isinstance(source, pa.Table):
        return list(source.column_names)
    if not known(source):
        endings = ", ".join((*TEXT, *PARQUET, *ARROW))
        raise InputError(f"{source}: not the name of a table: it should end in one of {endings}")
    if Path(bare_name(source)).suffix.lower() in TEXT:
        return layout(source)[0]
    with parsed(source), opened(source) as file:
        return list((file.schema_arrow if is_parquet(source) else file.schema).names)


def batches(source: Path | pa.Table, columns: list[str]) -> Iterator[Any]:
    """Record batches with these columns, of 1 to ROWS rows. Raises InputError."""
    if isinstance(source, pa.Table):
        found = iter(source.select(columns).to_batches())
    elif Path(bare_name(source)).suffix.lower() in TEXT:
        found = text(source, columns)
    else:
        found = binary(source, columns)
    for batch in found:
        for start in range(0, batch.num_rows, ROWS):
            yield batch.slice(start, ROWS)


def layout(path: Path) -> tuple[list[str], str, bool]:
    """Names of the columns, what separates them, and whether the first line names them."""
    line = head(path, 1 << 16).split(b"\n")[0]
    try:
        first = line.decode("utf-8-sig").strip("\r")
    except UnicodeDecodeError:
        raise InputError(f"{path}: line 1 is not UTF-8 text: save the file as such") from None
    if "\r" in first:
        raise InputError(f"{path}: line 1 holds a carriage return: end lines with a newline")
    separator = max(",;\t|", key=first.count)
    cells = [c.strip() for c in next(csv.reader([first], delimiter=separator), [])]
    if not any(cells):
        raise InputError(f"{path}: line 1 is empty: it should name the columns")
    if any(number(cell) for cell in cells):
        return [str(k + 1) for k in range(len(cells))], separator, False
    return cells, separator, True


def number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.lower() != "nan"


def text(path: Path, columns: list[str]) -> Iterator[Any]:
    """Every cell as it is written."""
    cells, separator, named = layout(path)
    with reading(path) as file, parsed(path):
        reader = pa_csv.open_csv(
            file,
            pa_csv.ReadOptions(
                use_threads=False, block_size=BLOCK, skip_rows=int(named), column_names=cells
            ),
            pa_csv.ParseOptions(delimiter=separator),
            pa_csv.ConvertOptions(
                include_columns=columns,
                column_types=dict.fromkeys(columns, pa.string()),
                strings_can_be_null=False,
            ),
        )
        with reader:
            yield from reader


def binary(path: Path, columns: list[str]) -> Iterator[Any]:
    with parsed(path), opened(path) as file:
        if is_parquet(path):
            yield from file.iter_batches(ROWS, columns=columns, use_threads=False)
        elif isinstance(file, pa.ipc.RecordBatchFileReader):
            for k in range(file.num_record_batches):
                yield file.get_batch(k).select(columns)
        else:
            for batch in file:
                yield batch.select(columns)


def is_parquet(path: Path) -> bool:
    return path.suffix.lower() in PARQUET


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A reader of Parquet or of Arrow's file or stream format."""
    with reading(path):  # tells what is wrong with a path
        pass
    if is_parquet(path):
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
        return
    with pa.memory_map(str(path)) as data:
        magic = data.read(6)
        data.seek(0)
        stream = magic != b"ARROW1"
        with pa.ipc.open_stream(data) if stream else pa.ipc.open_file(data) as file:
            yield file


@contextmanager
def parsed(path: Path) -> Iterator[None]:
    """What Arrow finds wrong with the content, as InputError."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowKeyError, OSError) as error:
        if path.suffix in COMPRESSED and not isinstance(error, pa.ArrowInvalid):
            raise  # of the compression
        said = (str(error).splitlines() or ["empty"])[0][:150]
        raise InputError(f"{path}: damaged, or not what its name says: {said}") from None
