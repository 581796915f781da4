"""One file of the lake: the records of one instrument in one span, with their positions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import BAR, NEVER, OBSERVATION, Events, Instrument, zeros
from flowsense.store.events import ALONE, KEY, POSITION, SMALL, described, readable
from flowsense.store.lake import KINDS, Part, Recording, digest, manifest, place

ENOUGH = 1 << 17  # records in order at a time
HELD = 1 << 20  # records of all row groups that a reader of a span may have to hold at once
Placed = NDArray[Any]  # (n,) of PLACED: records, each with its position in the stream
PLACED = {k: np.dtype([(POSITION.name, "i8"), ("record", d)]) for k, d in KINDS.items()}


class Layout(NamedTuple):
    """How one kind of record lies in a file."""

    key: bytes  # of the schema's metadata, which tells the instrument
    schema: Any
    small: tuple[str, ...]  # columns of few values: dictionaries

    @property
    def delta(self) -> dict[str, str]:
        whole = [f.name for f in self.schema if pa.types.is_integer(f.type)]
        return {name: "DELTA_BINARY_PACKED" for name in whole if name not in self.small}


def alone(dtype: np.dtype[Any]) -> Any:
    """The columns of a file of one instrument."""
    names = [name for name in dtype.names or () if name != "instrument"]
    return pa.schema([*((name, pa.from_numpy_dtype(dtype[name])) for name in names), POSITION])


LAYOUTS = {
    "events": Layout(KEY, ALONE, tuple(name for name in SMALL if name != "instrument")),
    "bars": Layout(b"flowsense.bars", alone(BAR), ()),
    "observations": Layout(b"flowsense.observations", alone(OBSERVATION), ("kind", "value")),
}


def group_size(parts: int) -> int:
    """Records a row group, so that a reader of so many parts at once stays within HELD."""
    return min(max(HELD // max(parts, 1), 1 << 10), ENOUGH)


def write(
    path: Path,
    kind: str,
    instrument: tuple[Instrument, ...],
    opening: Events,
    groups: Iterable[Placed],
) -> int:
    """Writes the file, a row group each of `groups`; -> rows without the opening.

    `instrument` is one, or none for what is of the whole market. Raises OSError.
    """
    layout, rows = LAYOUTS[kind], 0
    said = layout.schema.with_metadata({layout.key: described(instrument)})
    with pq.ParquetWriter(
        path,
        said,
        compression="zstd",
        use_dictionary=list(layout.small),
        column_encoding=layout.delta,
        write_page_checksum=True,
    ) as file:
        if len(opening):
            first = np.zeros(len(opening), PLACED[kind])
            first["position"], first["record"] = np.arange(-len(opening), 0), opening
            file.write_table(columns(first, layout), row_group_size=ENOUGH)
        for group in groups:
            file.write_table(columns(group, layout), row_group_size=len(group))
            rows += len(group)
    return rows


def columns(group: Placed, layout: Layout) -> Any:
    record = group["record"]
    values = (group if f.name == POSITION.name else record for f in layout.schema)
    arrays = [
        pa.array(np.ascontiguousarray(of[field.name]))
        for of, field in zip(values, layout.schema, strict=True)
    ]
    return pa.table(arrays, layout.schema)


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that was found to be what its manifest says; never left open."""

    path: Path
    kind: str
    index: int  # becomes the `instrument` of what is read
    metadata: Any

    def groups(self) -> Iterator[tuple[int, int]]:
        """(first position, number) of each row group; of an opening the position is below 0."""
        at = self.metadata.schema.names.index(POSITION.name)
        for number in range(self.metadata.num_row_groups):
            yield self.metadata.row_group(number).column(at).statistics.min, number

    def read(self, number: int) -> Placed:
        """A row group. Raises InputError where it is damaged."""
        with (
            readable(self.path),
            pq.ParquetFile(
                self.path, metadata=self.metadata, page_checksum_verification=True
            ) as file,
        ):
            found = file.read_row_group(number, use_threads=False)
            out = np.zeros(len(found), PLACED[self.kind])
            for name in found.schema.names:
                into = out if name == POSITION.name else out["record"]
                into[name] = found[name].to_numpy()
            out["record"]["instrument"] = self.index
            return out

    def opening(self) -> Events:
        """What the book was before: none for the first of a recording, and for other kinds."""
        found = [self.read(number)["record"] for first, number in self.groups() if first < 0]
        return joined(found, self.kind)


def stored(folder: Path, recording: Recording, number: int, part: Part, index: int) -> Stored:
    """The part, after its SHA-256 has been checked. Raises InputError that names the file."""
    path = place(folder, recording, number, part)
    again = f"delete {manifest(folder, recording)} and ingest {recording.name} again"
    try:
        found = digest(path)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path}: cannot be read: {reason}: {again}") from error
    if (found.size, found.sha256) != (part.size, part.sha256):
        raise InputError(f"{path}: damaged, its SHA-256 is not that of its manifest: {again}")
    with readable(path):
        return Stored(path, part.kind, index, pq.read_metadata(path))


def in_order(parts: list[Stored], kind: str) -> Iterator[NDArray[Any]]:
    """The records of several instruments, without openings, in order of their positions.

    Row groups are read in order of their first position. What lies before the first position of
    the next to be read is complete.
    """
    found = ((first, k, n) for k, part in enumerate(parts) for first, n in part.groups())
    groups = sorted(group for group in found if group[0] >= 0)
    held, fresh = list[Placed](), 0
    for at, (_, k, number) in enumerate(groups, 1):
        held.append(parts[k].read(number))
        fresh += len(held[-1])
        if fresh < ENOUGH and at < len(groups):
            continue
        limit = groups[at][0] if at < len(groups) else NEVER
        ends = [int(np.searchsorted(rows["position"], limit)) for rows in held]
        rows = np.concatenate([rows[:end] for rows, end in zip(held, ends, strict=True)])
        order = np.argsort(rows["position"], kind="stable") if len(parts) > 1 else slice(None)
        held = [rows[end:] for rows, end in zip(held, ends, strict=True) if end < len(rows)]
        fresh = 0
        yield rows["record"][order].astype(KINDS[kind], copy=True).view(KINDS[kind])


def joined(records: list[NDArray[Any]], kind: str) -> NDArray[Any]:
    dtype = KINDS[kind]
    return np.concatenate(records).view(dtype) if records else zeros(dtype)
