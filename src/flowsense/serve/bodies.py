"""Events in the body of a request: what `Service.of_events` is given, and how it reads that."""

import json
from struct import error as StructError
from struct import unpack_from
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from flowsense.errors import InputError
from flowsense.schema import CLOSE, EVENT, LARGEST, Events, Instrument, checked, zeros
from flowsense.serve.pages import decompressed
from flowsense.store import instruments as table
from flowsense.store.events import KEY, NAMES, SCHEMA

MOST = 10_000  # events of one request
LARGE = 1 << 24  # bytes of them in memory
FOOTER = 10_000  # columns, or parts of them, that a Parquet file may have
SYMBOL, VENUE = b"flowsense.symbol", b"flowsense.venue"  # in a schema: whose all events are


class TooMuch(InputError):
    """More than one request may bring."""


def events_of(body: bytes, instruments: tuple[Instrument, ...]) -> Events:
    """Events of an Arrow file or stream or of Parquet, for a pipeline of these instruments.

    Their instrument is a place in that table; where the body brings a table of its own or names
    one symbol, it is found by symbol and venue. Raises InputError.
    """
    try:
        found = columns_of(body)
    except (pa.ArrowException, OSError, ValueError, StructError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("events: the body is neither Arrow nor Parquet, or is damaged") from None
    if found.schema.names != list(NAMES) or not SCHEMA.equals(found.schema):
        raise InputError(f"events: columns are not {', '.join(NAMES)} of an EVENT")
    if any(column.null_count for column in found.columns):
        raise InputError("events: a column holds nulls: leave such events out")
    events = zeros(EVENT, len(found))
    for name in NAMES:
        events[name] = found[name].to_numpy()
    events["instrument"] = places(found.schema.metadata or {}, events, instruments)
    return sound(checked(events, len(instruments)))


def columns_of(body: bytes) -> Any:
    """A table of at most MOST rows; what says that it holds more is not read."""
    if body[:4] == b"PAR1":
        file = pq.ParquetFile(
            pa.BufferReader(body),
            page_checksum_verification=True,
            thrift_container_size_limit=FOOTER,
        )
        few(file.metadata.num_rows)
        if decompressed(body, file.metadata) > LARGE:
            raise TooMuch(f"events: more than {LARGE} bytes once they are decompressed")
        return file.read(use_threads=False)
    stream = body[8:] if body[:6] == b"ARROW1" else body  # a file is a stream inside of two marks
    rows = 0
    for message in pa.ipc.MessageReader.open_stream(pa.BufferReader(stream)):
        if message.type == "record batch":
            rows += plain_rows(message.metadata.to_pybytes())
            few(rows)
    return pa.ipc.open_stream(pa.BufferReader(stream)).read_all()


def plain_rows(metadata: bytes) -> int:
    """Rows of an Arrow message, from its flatbuffer (format/Message.fbs). Raises InputError.

    What is compressed may become as large as it likes before Arrow says how many rows it has.
    """
    header = place_of(metadata, unpack_from("<I", metadata)[0], 2)
    batch = header + unpack_from("<I", metadata, header)[0]
    if place_of(metadata, batch, 3) != 0:
        raise InputError("events: compressed Arrow is not read: write it without compression")
    length = place_of(metadata, batch, 0)
    return int(unpack_from("<q", metadata, length)[0]) if length else 0


def place_of(buffer: bytes, table: int, field: int) -> int:
    """Of a field of a flatbuffer's table; 0: it has none."""
    vtable = table - unpack_from("<i", buffer, table)[0]
    size = unpack_from("<H", buffer, vtable)[0]
    slot = 4 + 2 * field
    offset = unpack_from("<H", buffer, vtable + slot)[0] if slot < size else 0
    return table + offset if offset else 0


def few(rows: int) -> None:
    if rows > MOST:
        raise TooMuch(f"events: {rows} are too many for one request: send {MOST} at most")


def places(said: dict[bytes, bytes], events: Events, instruments: tuple[Instrument, ...]) -> Any:
    """(n,) of each event, the place of its instrument in the table."""
    if KEY in said:
        theirs = told(said[KEY])
        known = np.array([place(i.symbol, i.venue, instruments) for i in theirs], np.int64)
        who = events["instrument"]
        if len(who) and not 0 <= who.min() <= who.max() < len(known):
            raise InputError(f"events: instrument {who.max()}, their table holds {len(known)}")
        return known[who]
    if SYMBOL in said:
        symbol, venue = (said.get(key, b"").decode(errors="replace") for key in (SYMBOL, VENUE))
        return place(symbol, venue, instruments)
    return events["instrument"]


def told(said: bytes) -> tuple[Instrument, ...]:
    """The table of a recording, as `store.events` writes it. Raises InputError."""
    try:
        return table.decode(json.loads(json.loads(said)["instruments"]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError("events: damaged instrument table: record them again") from error


def place(symbol: str, venue: str, instruments: tuple[Instrument, ...]) -> int:
    for k, one in enumerate(instruments):
        if one.symbol == symbol and venue in ("", one.venue):
            return k
    names = ", ".join(i.symbol for i in instruments)
    raise InputError(f"events: instrument {symbol!r} is not of this pipeline: it has {names}")


def sound(events: Events) -> Events:
    """What kernels do not check. Raises InputError."""
    for name, low, high in (
        ("price", -LARGEST, LARGEST),
        ("lots", 0, LARGEST),
        ("action", 1, CLOSE),
        ("side", -1, 1),
    ):
        wrong = np.flatnonzero((events[name] < low) | (events[name] > high))
        if len(wrong):
            value = events[name][wrong[0]]
            raise InputError(f"events[{wrong[0]}].{name}: {value}: give {low} to {high}")
    return events
