"""What stands before the records of a DBN file: dataset, schema, span, and whose the ids are.

DBN 1 to 3 begin with ``DBN``, their version and the length of what follows; DBZ, which came before,
is one skippable Zstandard frame, whose symbols are compressed once more. A fragment has nothing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple, NoReturn

import pyarrow as pa

from flowsense.errors import InputError
from flowsense.schema import NEVER, SECOND
from flowsense.sources.dbn_records import SCHEMAS

MAGIC, NEWEST = b"DBN", 3
SKIPPABLE, FRAME = b"\x50\x2a\x4d\x18", b"\x28\xb5\x2f\xfd"  # what Zstandard frames begin with
HEAD = Struct("<16sHQQQ")  # dataset, schema, start, end, limit
TYPES = Struct("<BB?")  # of the symbols asked for and answered; whether ts_out follows each record
COUNT, DATE = Struct("<I"), Struct("<II")
FIXED = 100  # bytes before the symbols; 8 of them count records in version 1
SYMBOL = 22  # bytes, before version 2 said it
LARGEST = 1 << 30
ID, NONE = 0, 65_535  # of the kinds of symbols: Databento's number; of schemas: any


class Mapping(NamedTuple):
    """A symbol that an instrument bore from one midnight to another, ns UTC."""

    start: int
    end: int
    symbol: str


@dataclass(frozen=True)
class Metadata:
    """Of one file; `start` and `end` are ns, 0 and NEVER where it says nothing."""

    path: Path
    dataset: str = ""
    schema: str = ""  # "" of several, or not said
    start: int = 0
    end: int = NEVER
    limited: bool = False  # stopped at a number of records
    ts_out: bool = False
    by_id: tuple[bool, bool] = (False, False)  # symbols asked for, answered, are instrument ids
    symbols: bytes = b""
    width: int = SYMBOL

    @cached_property
    def mappings(self) -> dict[int, list[Mapping]]:
        """Of each instrument id, in order of time. Raises InputError."""
        return mapped(self) if self.symbols and any(self.by_id) else {}


def damaged(path: Path) -> NoReturn:
    raise InputError(f"{path}: its DBN metadata are damaged or cut off: copy or download it again")


def read(file: BinaryIO, path: Path) -> tuple[Metadata, bytes]:
    """-> what the stream says before its records, and the bytes of these that were read with it."""
    first = file.read(8)
    if not first.startswith(MAGIC):
        return Metadata(path), first
    if len(first) < 8:
        damaged(path)
    if not 1 <= first[3] <= NEWEST:
        raise InputError(f"{path}: is DBN {first[3]}, and 1 to {NEWEST} are known: convert it")
    (length,) = COUNT.unpack_from(first, 4)
    if not FIXED <= length <= LARGEST:
        damaged(path)
    body = file.read(length)
    if len(body) < length:
        damaged(path)
    types = HEAD.size + (8 if first[3] == 1 else 0)
    width = SYMBOL if first[3] == 1 else int.from_bytes(body[types + 3 : types + 5], "little")
    return described(path, body, types, body[FIXED:], width), b""


def read_dbz(path: Path, start: bytes) -> Metadata:
    """Of a file from before DBN 1; `start` holds its first frame."""
    body = start[12 : 8 + COUNT.unpack_from(start, 4)[0]]
    if len(body) < 92 or start[8:12] != b"DBZ\x01":
        damaged(path)
    try:
        symbols = pa.CompressedInputStream(pa.BufferReader(body[92:]), "zstd").read()
    except (OSError, pa.ArrowException):
        damaged(path)
    return described(path, body, HEAD.size + 9, symbols, SYMBOL)


def described(path: Path, body: bytes, types: int, symbols: bytes, width: int) -> Metadata:
    dataset, schema, start, end, limit = HEAD.unpack_from(body)
    asked, answered, ts_out = TYPES.unpack_from(body, types)
    if not (schema == NONE or schema < len(SCHEMAS)) or not (0 < width <= 1024):
        damaged(path)
    return Metadata(
        path,
        text(dataset, path),
        "" if schema == NONE else SCHEMAS[schema],
        min(start, NEVER),
        min(end, NEVER) or NEVER,
        limit > 0,
        ts_out,
        (asked == ID, answered == ID),
        symbols,
        width,
    )


def text(raw: bytes, path: Path) -> str:
    try:
        return raw.split(b"\0")[0].decode()
    except UnicodeDecodeError:
        damaged(path)


class Cursor:
    """Reads counts and symbols, never past the end."""

    def __init__(self, metadata: Metadata) -> None:
        self.data, self.width, self.path = metadata.symbols, metadata.width, metadata.path
        self.at = 0

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        if len(piece) < size:
            damaged(self.path)
        self.at += size
        return piece

    def count(self) -> int:
        return int(COUNT.unpack(self.take(COUNT.size))[0])

    def symbol(self) -> str:
        return text(self.take(self.width), self.path)


def mapped(metadata: Metadata) -> dict[int, list[Mapping]]:
    cursor, out = Cursor(metadata), dict[int, list[Mapping]]()
    cursor.take(cursor.count())  # of a schema, which is always empty
    for _ in range(3):  # asked for, found in part, not found
        cursor.take(cursor.count() * cursor.width)
    for _ in range(cursor.count()):
        asked = cursor.symbol()
        for _ in range(cursor.count()):
            start, end = DATE.unpack(cursor.take(DATE.size))
            answered = cursor.symbol()
            number, symbol = (answered, asked) if metadata.by_id[1] else (asked, answered)
            if not answered:  # nothing on these days
                continue
            if not (number.isascii() and number.isdigit()):
                damaged(metadata.path)
            span = Mapping(midnight(start, metadata), midnight(end, metadata), symbol)
            out.setdefault(int(number), []).append(span)
    return {number: sorted(spans) for number, spans in out.items()}


def midnight(date: int, metadata: Metadata) -> int:
    """ns of a day like 20231225."""
    try:
        day = datetime(date // 10_000, date // 100 % 100, date % 100, tzinfo=UTC)
    except ValueError:
        damaged(metadata.path)
    return int(day.timestamp()) * SECOND
