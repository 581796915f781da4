"""What a request may say."""

from io import BytesIO
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
from msgspec import Meta

from flowsense.schema import CLOSE, EVENT, LARGEST, zeros
from flowsense.serve.bodies import MOST, SYMBOL, VENUE
from flowsense.serve.problems import Refused
from flowsense.serve.wire import read
from flowsense.store import events as recorded

WIDEST = 4_096  # columns of a row
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
    venue: Name | None = None


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
