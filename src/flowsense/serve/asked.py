"""What a request may say, and events in a body as what `Service.of_events` takes."""

from io import BytesIO
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from flowsense.errors import InputError
from flowsense.schema import CLOSE, EVENT, LARGEST, Events, Instrument, checked, zeros
from flowsense.serve.problems import Refused
from flowsense.serve.wire import read
from flowsense.store import events as recorded
from flowsense.store import instruments as table

MOST = 10_000  # events of one request
WIDEST = 4_096  # columns of a row
SYMBOL, VENUE = b"flowsense.symbol", b"flowsense.venue"
ARROW = ("application/vnd.apache.arrow.file", "application/vnd.apache.arrow.stream")
PARQUET = "application/vnd.apache.parquet"
LARGE = 3.4e38  # of a feature: rows are float32

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Size = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
Lots = Annotated[int, Meta(ge=0, le=LARGEST)]
Time = Annotated[int, Meta(ge=0, le=2**62 - 1)]
Number = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Feature = Annotated[float, Meta(ge=-LARGE, le=LARGE)]


class Latest(msgspec.Struct, forbid_unknown_fields=True):
    """The newest prediction of an instrument."""

    instrument: Name
    venue: Name | None = None


class Row(msgspec.Struct, forbid_unknown_fields=True):
    """A ready row of features; what is left out or null is missing."""

    instrument: Name
    features: Annotated[dict[str, Feature | None], Meta(min_length=1, max_length=WIDEST)]


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """One EVENT; flowsense.schema says what each action means."""

    ts_recv: Time
    action: Annotated[int, Meta(ge=1, le=CLOSE)]
    ts_event: Time = 0
    order_id: Number = 0
    price: Size = 0
    lots: Lots = 0
    sequence: Number = 0
    instrument: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    side: Annotated[int, Meta(ge=-1, le=1)] = 0
    bits: Annotated[int, Meta(ge=0, le=15)] = 0
    pad: Annotated[int, Meta(ge=0, le=0)] = 0


class Recording(msgspec.Struct, forbid_unknown_fields=True):
    """Events of one instrument, or of several by their place in the pipeline's table."""

    events: Annotated[list[Event], Meta(min_length=1, max_length=MOST)]
    instrument: Name | None = None
    venue: Name | None = None


class Reload(msgspec.Struct, forbid_unknown_fields=True):
    """Which model; none: the same path again."""

    path: Annotated[str, Meta(min_length=1, max_length=512)] | None = None


Asked = Latest | Row | Recording


class Keyed(NamedTuple):
    """Which kind a body is, by a key that it has."""

    key: str
    kind: type[Row] | type[Recording]


KINDS = (Keyed("events", Recording), Keyed("features", Row))


def asked(body: bytes) -> Asked:
    """Raises Refused."""
    keys = read(body, dict[str, msgspec.Raw])
    both = [k for k in KINDS if k.key in keys]
    if len(both) > 1:
        raise Refused(
            422,
            "invalid",
            "Events and features are two requests.",
            field="features",
            hint="send one of them",
        )
    try:
        return read(body, both[0].kind) if both else read(body, Latest)
    except Refused as refused:
        raise named(refused, keys) from None


def named(refused: Refused, keys: dict[str, msgspec.Raw]) -> Refused:
    """The same, with the name of the feature that is to blame."""
    if refused.problem.field != "features[...]":
        return refused
    for name, value in msgspec.json.decode(keys["features"], type=dict[str, msgspec.Raw]).items():
        try:
            msgspec.json.decode(value, type=Feature | None)
        except msgspec.DecodeError as error:
            message = str(error).partition(" - at")[0]
            field = f"features.{name[:60]}"
            said = f"{field}: {message}."
            return Refused(refused.status, "invalid", said, field=field, hint=refused.problem.hint)
    return refused


def arrow(asked: Recording) -> bytes:
    """The same events as an Arrow file, and whose they are in its schema."""
    events = zeros(EVENT, len(asked.events))
    for n, event in enumerate(asked.events):
        events[n] = tuple(getattr(event, name) for name in recorded.NAMES)
    told = {SYMBOL: asked.instrument, VENUE: asked.venue}
    said = {key: text.encode() for key, text in told.items() if text is not None}
    schema = recorded.SCHEMA.with_metadata(said)
    columns = [pa.array(np.ascontiguousarray(events[name])) for name in recorded.NAMES]
    out = BytesIO()
    with pa.ipc.new_file(out, schema) as file:
        file.write_table(pa.table(columns, schema))
    return out.getvalue()


def events_of(body: bytes, instruments: tuple[Instrument, ...]) -> Events:
    """Events of an Arrow file or stream or of Parquet, for a pipeline of these instruments.

    Their instrument is a place in that table; where the body brings a table of its own or names
    one symbol, it is found by symbol and venue. Raises InputError.
    """
    try:
        found = columns_of(body)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("events: the body is neither Arrow nor Parquet, or is damaged") from None
    if found.schema.names != list(recorded.NAMES) or not recorded.SCHEMA.equals(found.schema):
        raise InputError(f"events: columns are not {', '.join(recorded.NAMES)} of an EVENT")
    if any(column.null_count for column in found.columns):
        raise InputError("events: a column holds nulls: leave such events out")
    events = zeros(EVENT, len(found))
    for name in recorded.NAMES:
        events[name] = found[name].to_numpy()
    events["instrument"] = places(found.schema.metadata or {}, events, instruments)
    return sound(checked(events, len(instruments)))


def columns_of(body: bytes) -> Any:
    """A table of at most MOST rows; what says that it holds more is not read."""
    if body[:4] == b"PAR1":
        file = pq.ParquetFile(pa.BufferReader(body), page_checksum_verification=True)
        few(file.metadata.num_rows)
        return file.read(use_threads=False)
    source = pa.BufferReader(body)
    if body[:6] == b"ARROW1":
        reader = pa.ipc.open_file(source)
        batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
    else:
        reader = pa.ipc.open_stream(source)
        batches = iter(reader)
    held, n = list[Any](), 0
    for batch in batches:
        n += len(batch)
        few(n)
        held.append(batch)
    return pa.Table.from_batches(held, reader.schema)


def few(rows: int) -> None:
    if rows > MOST:
        raise InputError(f"events: {rows} are too many for one request: send {MOST} at most")


def places(said: dict[bytes, bytes], events: Events, instruments: tuple[Instrument, ...]) -> Any:
    """(n,) of each event, the place of its instrument in the table."""
    if recorded.KEY in said:
        theirs = table.decode(
            msgspec.json.decode(msgspec.json.decode(said[recorded.KEY])["instruments"])
        )
        known = np.array([place(i.symbol, i.venue, instruments) for i in theirs], np.int64)
        who = events["instrument"]
        if len(who) and not 0 <= who.min() <= who.max() < len(known):
            raise InputError(f"events: instrument {who.max()}, their table holds {len(known)}")
        return known[who]
    if SYMBOL in said:
        return place(said[SYMBOL].decode(), said.get(VENUE, b"").decode(), instruments)
    return events["instrument"]


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
