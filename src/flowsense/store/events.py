"""Recordings in our own format: Parquet, one row per EVENT, the instrument table in its schema.

Checksums on every page and over the table, so that damage is found and never read as prices.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flowsense.errors import InputError
from flowsense.schema import EVENT, Events, Instrument, checked, zeros
from flowsense.store import instruments as table
from flowsense.store.atomic import replacing

FORMAT = 1
KEY = b"flowsense.events"
GROUP = 1 << 17  # events a row group: about 8 MB in memory
NAMES = EVENT.names or ()
SCHEMA = pa.schema([(name, pa.from_numpy_dtype(EVENT[name])) for name in NAMES])
POSITION = pa.field("position", pa.int64())  # in the stream it was taken from; < 0 before it
ALONE = SCHEMA.remove(NAMES.index("instrument")).append(POSITION)  # of one instrument, in a lake
SMALL = ["instrument", "action", "side", "bits", "pad"]  # few values: dictionaries
DELTA = {name: "DELTA_BINARY_PACKED" for name in NAMES if name not in SMALL}


def write_events(path: Path, instruments: tuple[Instrument, ...], chunks: Iterable[Events]) -> int:
    """Writes a recording, whole or not at all, holding one row group in memory; -> events.

    Chunks follow each other in time, as a source gives them. Raises InputError where they do
    not, or where nothing can be written.
    """
    said = {KEY: described(instruments)}
    count = 0
    with (
        replacing(path) as draft,
        pq.ParquetWriter(
            draft,
            SCHEMA.with_metadata(said),
            compression="zstd",
            use_dictionary=SMALL,
            column_encoding=DELTA,
            write_page_checksum=True,
        ) as file,
    ):
        for group in grouped(chunks, len(instruments)):
            columns = [pa.array(np.ascontiguousarray(group[name])) for name in NAMES]
            file.write_table(pa.table(columns, SCHEMA), row_group_size=GROUP)
            count += len(group)
    return count


def grouped(chunks: Iterable[Events], instruments: int) -> Iterator[Events]:
    """The same events, checked, in arrays of about GROUP."""
    held, n, last = list[Events](), 0, -(2**63)
    for chunk in chunks:
        if len(chunk) == 0:
            continue
        held.append(checked(chunk, instruments).copy())  # the source may use its array again
        if chunk["ts_recv"][0] < last:
            raise InputError(f"events: ts_recv falls from {last} to {chunk['ts_recv'][0]}")
        n, last = n + len(chunk), int(chunk["ts_recv"][-1])
        if n >= GROUP:
            yield np.concatenate(held)
            held, n = [], 0
    if held:
        yield np.concatenate(held)


def described(instruments: tuple[Instrument, ...]) -> bytes:
    body = json.dumps(table.encode(instruments))
    seal = sha256(body.encode()).hexdigest()
    return json.dumps({"format": FORMAT, "instruments": body, "sha256": seal}).encode()


def recording(path: Path) -> bool:
    """Whether this Parquet file is one of ours; False for what is damaged beyond telling."""
    try:
        return KEY in (pq.read_metadata(path).metadata or {})
    except (OSError, pa.ArrowException):
        return False


def read_instruments(path: Path) -> tuple[Instrument, ...]:
    """The instrument table of a recording. Raises InputError on anything else."""
    with readable(path):
        metadata = pq.read_metadata(path)
    said = (metadata.metadata or {}).get(KEY)
    if said is None:
        raise InputError(f"{path}: a Parquet file, but no flowsense recording: read it as ticks")
    try:
        body = json.loads(said)
        found, text = body["format"], body["instruments"]
        if found == FORMAT and sha256(text.encode()).hexdigest() == body["sha256"]:
            return table.decode(json.loads(text))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged instrument table: record it again") from error
    if found != FORMAT:
        raise InputError(f"{path}: format {found}, this version reads {FORMAT}: record it again")
    raise InputError(f"{path}: damaged instrument table: record it again")


def read_events(path: Path, instruments: int) -> Iterator[Events]:
    """The row groups of a recording, bit-equal to what was written. Raises InputError."""
    with readable(path):
        file = pq.ParquetFile(path, page_checksum_verification=True)
    with file:
        if not (file.schema_arrow.equals(SCHEMA) or file.schema_arrow.equals(ALONE)):
            raise InputError(f"{path}: damaged columns, not those of a recording: record it again")
        last = -(2**63)
        for group in range(file.num_row_groups):
            with readable(path):
                events = checked(
                    records(file.read_row_group(group, use_threads=False)), instruments
                )
            if len(events) and events["ts_recv"][0] < last:
                raise InputError(f"{path}: ts_recv falls at row group {group}: record it again")
            last = events["ts_recv"][-1] if len(events) else last
            yield events


def records(columns: Any) -> Events:
    out = zeros(EVENT, len(columns))
    for name in columns.schema.names:
        if name != POSITION.name:
            out[name] = columns[name].to_numpy()
    return out


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Says which file it was and what to do."""
    try:
        yield
    except (OSError, pa.ArrowException, ValueError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:150]
        raise InputError(f"{path}: cannot be read as Parquet: {said}: fetch it again") from error
