"""Databento's history: DBN records of a span, day by day, into one file.

Each UTC day is a request of its own, `timeseries.get_range` over HTTP with the key as a user, and a
file among the parts; what the whole span is called, and whose its ids are, is told by one more
request for a single record. Every day is charged for once.

Databento, Historical API: Authentication, timeseries.get_range, Errors (docs).
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from struct import pack_into

import pyarrow as pa

from flowsense.errors import InputError
from flowsense.fetch import Wanted, parts
from flowsense.fetch.client import Client
from flowsense.schema import DAY, SECOND
from flowsense.sources.databento import REST, SECRET
from flowsense.sources.dbn_files import opened, pieces
from flowsense.sources.dbn_metadata import COUNT
from flowsense.sources.dbn_records import SCHEMAS
from flowsense.sources.secret import secret
from flowsense.store.atomic import replacing

PATH = "/v0/timeseries.get_range"
RATE = 300  # requests a minute
LIMIT = 8 + 34  # where the metadata hold how many records were asked for
BLOCK = 1 << 20  # bytes


async def records(wanted: Wanted, out: Path, base: str = "") -> int:
    """Bytes of `out`. Raises InputError; days that have come until then are kept."""
    if wanted.schema not in SCHEMAS:
        raise InputError(f"schema {wanted.schema!r}: Databento has {', '.join(SCHEMAS)}")
    key, folder = secret(SECRET), parts(wanted, out)
    head, days = folder / "head.dbn", list[Path]()
    async with Client(base or REST, rate=RATE, key=key, basic=True) as client:
        if not head.exists():
            await client.save(PATH, form(wanted, wanted.start, wanted.end) | {"limit": "1"}, head)
            sound(head)
        for start, end in spans(wanted):
            days.append(folder / f"{start}.dbn")
            if not days[-1].exists():
                await client.save(PATH, form(wanted, start, end), days[-1])
                sound(days[-1])
    return joined(head, days, out)


def spans(wanted: Wanted) -> Iterator[tuple[int, int]]:
    """Of each UTC day."""
    start = wanted.start
    while start < wanted.end:
        end = min(start - start % DAY + DAY, wanted.end)
        yield start, end
        start = end


def form(wanted: Wanted, start: int, end: int) -> dict[str, str]:
    return {
        "dataset": wanted.venue,
        "schema": wanted.schema,
        "symbols": wanted.symbol,
        "stype_in": "raw_symbol",
        "stype_out": "instrument_id",
        "start": written(start),
        "end": written(end),
        "encoding": "dbn",
        "compression": "none",
    }


def written(ts: int) -> str:
    """ISO 8601, UTC, to the nanosecond."""
    return f"{datetime.fromtimestamp(ts // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{ts % SECOND:09}Z"


def sound(file: Path) -> None:
    """Raises InputError, and the file is gone, where it is no DBN or is cut off."""
    try:
        with opened(file) as (metadata, _, _):
            if not metadata.dataset:
                raise InputError(f"{file}: is no DBN: try again")
        for _ in pieces(file):
            pass
    except InputError:
        file.unlink()
        raise


def joined(head: Path, days: list[Path], out: Path) -> int:
    """The metadata of the whole span, then the records of each day; the parts are gone then."""
    raw = bytearray(head.read_bytes())
    (length,) = COUNT.unpack_from(raw, 4)
    pack_into("<Q", raw, LIMIT, 0)  # all records are here
    with replacing(out) as draft:
        with stream(draft) as file:
            file.write(bytes(raw[: 8 + length]))
            for day in days:
                with opened(day) as (_, rest, body):
                    file.write(rest)
                    while piece := body.read(BLOCK):
                        file.write(piece)
        size = draft.stat().st_size
    shutil.rmtree(head.parent)
    return size


def stream(path: Path) -> pa.NativeFile:
    """Compressed where the name ends in .zst."""
    return pa.output_stream(str(path), compression="zstd" if path.suffix == ".zst" else None)
