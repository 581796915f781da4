"""DBN files, plain or compressed, as batches of messages and counts of what else is in them."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled
from flowsense.errors import InputError
from flowsense.sources.dbn_messages import (
    MESSAGE,
    Batch,
    Part,
    candles_of,
    levels_of,
    messages_of,
    refuse,
)
from flowsense.sources.dbn_metadata import FRAME, SKIPPABLE, Metadata, read, read_dbz
from flowsense.sources.dbn_records import (
    ANY_BAR,
    BARS,
    LAYOUTS,
    MARKET,
    MBP_1,
    TBBO,
    TS_OUT,
    TYPES,
    WORD,
    Layout,
)
from flowsense.sources.files import COMPRESSED, reading

READ = 1 << 18  # bytes decompressed at a time: some thousand records
SHORTEST = 16  # bytes of a record: its header
AGAIN = "copy or download the file again"


class Piece(NamedTuple):
    """What consecutive records hold."""

    batch: Batch
    described: tuple[Part, ...]  # definitions and symbol mappings
    counts: Counter[str]  # records by name


@compiled(types.UniTuple(types.int64, 2)(array("u1", readonly=True), array("i8")))
def walk(data: Record, starts: Record) -> tuple[int, int]:
    """-> records, and where the first that is not whole begins; -1 less that where none can be."""
    n = at = 0
    while at < len(data):
        size = 4 * int(data[at])
        if size < 16:
            return n, -1 - at
        if at + size > len(data):
            break
        starts[n] = at
        n, at = n + 1, at + size
    return n, at


@contextmanager
def opened(path: Path) -> Iterator[tuple[Metadata, bytes, BinaryIO]]:
    """-> metadata, bytes that were read with them, and the rest; what is damaged is InputError."""
    with reading(path) as file:
        if path.suffix in COMPRESSED:
            yield (*read(file, path), file)
            return
        first = file.read(8)
        if first[:4] not in (SKIPPABLE, FRAME):
            file.seek(0)
            yield (*read(file, path), file)
            return
        frame = first + file.read(min(int.from_bytes(first[4:], "little"), READ << 8))
        file.seek(0)
        stream = cast(BinaryIO, pa.CompressedInputStream(pa.PythonFile(file), "zstd"))
        if first.startswith(SKIPPABLE):
            yield read_dbz(path, frame), b"", stream
        else:
            yield (*read(stream, path), stream)


def metadata_of(path: Path) -> Metadata:
    with opened(path) as (metadata, _, _):
        return metadata


def pieces(path: Path, size: int = READ) -> Iterator[Piece]:
    """All records, `size` bytes at a time. Raises InputError naming the record that cannot be."""
    with opened(path) as (metadata, rest, file):
        first, empty = 1, not metadata.dataset
        while piece := rest or file.read(size):
            data = np.frombuffer(piece, np.uint8)
            rest, empty = b"", False
            starts = np.empty(len(data) // SHORTEST + 1, np.int64)
            n, end = walk(data, starts)
            if end < 0:
                refuse(path, first + n, f"its length cannot be: {AGAIN}")
            if n:
                yield piece_of(data, starts[:n], metadata, first)
            first += n
            if end < len(data):
                more = file.read(size)
                if not more:
                    refuse(path, first, f"the file ends inside it: {AGAIN}")
                rest = piece[end:] + more
        if empty:
            raise InputError(f"{path}: is empty: copy or download it again, or leave it out")


def layout_of(rtype: int, size: int, metadata: Metadata, record: int) -> Layout | None:
    """None of a type that is unknown: later versions add some. Raises InputError for the rest."""
    if rtype == ANY_BAR:
        return next((x for x in LAYOUTS.values() if x.name == metadata.schema), None)
    if rtype not in TYPES:
        return None
    found = LAYOUTS.get((rtype, size)) or LAYOUTS.get((rtype, size - TS_OUT))
    if found is None:
        refuse(metadata.path, record, f"type {rtype} is never {size} bytes long: {AGAIN}")
    if found.feed == MBP_1 and metadata.schema == "tbbo":
        return found._replace(name="tbbo", feed=TBBO)
    return found


def parts_of(
    data: NDArray[np.uint8], starts: NDArray[Any], metadata: Metadata, first: int
) -> Iterator[tuple[str, Part | None, NDArray[np.int64]]]:
    """-> name of each kind of record, these records, and which of all they are."""
    kinds = data[starts + 1].astype(np.int64) << 8 | data[starts]
    for kind in [kinds[0]] if (kinds == kinds[0]).all() else np.unique(kinds):
        where = np.flatnonzero(kinds == kind)
        at, rtype, size = starts[where], int(kind) >> 8, (int(kind) & 255) * WORD
        layout = layout_of(rtype, size, metadata, first + int(where[0]))
        if layout is None:
            yield f"type {rtype}", None, where
            continue
        if layout.dtype.itemsize > size:
            refuse(metadata.path, first + int(where[0]), f"{size} bytes: {AGAIN}")
        alike = len(at) == len(starts)
        block = data[: at[-1] + size] if alike else data[at[:, None] + np.arange(size)]
        raw: NDArray[Any] = np.ndarray(len(at), layout.dtype, block, strides=(size,))
        yield layout.name, Part(metadata.path, layout, raw, first + where), where


def piece_of(
    data: NDArray[np.uint8], starts: NDArray[Any], metadata: Metadata, first: int
) -> Piece:
    out, told = np.zeros(len(starts), MESSAGE), np.zeros(len(starts), np.bool_)
    books, bars, described = list[NDArray[Any]](), list[NDArray[Any]](), list[Part]()
    counts = Counter[str]()
    for name, part, where in parts_of(data, starts, metadata, first):
        counts[name] += len(where)
        if part is None or part.layout.feed not in MARKET:
            described += [part] if part else []
            continue
        beside = books if part.layout.levels else bars if part.layout.feed in BARS else None
        messages = messages_of(part)
        if beside is not None:
            messages["row"] = sum(map(len, beside)) + np.arange(len(messages))
            beside.append(levels_of(part) if beside is books else candles_of(part))
        if len(where) == len(out):
            out, told = messages, np.ones(len(out), np.bool_)
        else:
            out[where], told[where] = messages, True
    return Piece(Batch.of(out if told.all() else out[told], books, bars), tuple(described), counts)
