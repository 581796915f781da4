"""The lake: recordings as Parquet by venue, instrument and day, and what is known of each.

::

    DIR/lake.json                                             that it is one
    DIR/recordings/ID.json                                    a manifest: what is in, and of what
    DIR/events/venue=nasdaq/instrument=GOOG/day=2012-06-21/ID-000000-0.parquet
    DIR/bars/...  DIR/observations/...                        likewise

A recording is what one source told. It is cut into spans of one day at most, a span into one file
for each instrument. A file is there for a reader once the manifest lists it with its SHA-256, so a
span appears whole or not at all; what no manifest lists is removed by the next writer. Every file
of events opens with a snapshot of the book as it stood, at positions below 0: read by itself it is
a recording, read on from the one before these records are left out.

Observations of the whole market have no venue and no instrument. Names are percent-encoded.
"""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from flowsense.errors import InputError
from flowsense.schema import BAR, EVENT, EVERY, OBSERVATION, Instrument
from flowsense.store import instruments as table
from flowsense.store.atomic import ensure_replaceable, publish, replacing

if TYPE_CHECKING:
    import duckdb

FORMAT = 1
MARK, MANIFESTS, DRAFTS = "lake.json", "recordings", ".drafts"
KINDS = {"events": EVENT, "bars": BAR, "observations": OBSERVATION}
NOBODY = "__HIVE_DEFAULT_PARTITION__"  # what Hive calls a null
EPOCH = date(1970, 1, 1)
PIECE = 1 << 20  # bytes read at a time


class Part(NamedTuple):
    """One file, as its manifest knows it."""

    kind: str  # of KINDS
    instrument: int  # in the table of its recording, or EVERY
    rows: int  # without those of the opening
    size: int  # bytes
    sha256: str


class Span(NamedTuple):
    """What became visible at once: consecutive chunks of one day."""

    day: int  # since 1970, UTC, of every ts_recv in it
    first: int  # ts_recv
    last: int
    parts: tuple[Part, ...]


class File(NamedTuple):
    """What was read."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Recording:
    """What the lake holds of one source."""

    files: tuple[File, ...]
    options: str  # that it was read with, as text
    name: str
    instruments: tuple[Instrument, ...]
    kinds: tuple[str, ...]  # names of what it observes
    order: int = 0  # among the recordings of the lake, which decides at equal ts_recv
    spans: tuple[Span, ...] = ()
    done: bool = False  # nothing more is to come

    @property
    def id(self) -> str:
        """By content, the same under another name; of the first file, so that a chain may grow."""
        said = json.dumps([[file.sha256 for file in self.files[:1]], self.options])
        return sha256(said.encode()).hexdigest()[:16]

    def begins(self, files: tuple[File, ...]) -> bool:
        """Whether these files are those that were read, and perhaps more after them."""
        return [f.sha256 for f in self.files] == [f.sha256 for f in files[: len(self.files)]]

    def rows(self, kind: str) -> int:
        return sum(p.rows for span in self.spans for p in span.parts if p.kind == kind)


def is_lake(folder: Path) -> bool:
    return os.path.isfile(folder / MARK)  # False where one may not look


def create(folder: Path) -> None:
    """A lake without recordings, unless there is a lake. Raises InputError for other folders."""
    if not is_lake(folder):
        if not (folder.is_dir() and all(map(begun, folder.iterdir()))):
            ensure_replaceable(folder, MARK, "a lake")
        with replacing(folder / MARK) as draft:
            draft.write_text(json.dumps({"flowsense": "lake", "format": FORMAT}) + "\n")
    check(folder)


def begun(path: Path) -> bool:
    """Whether this is a draft of the mark, which one who was killed left."""
    return path.name.startswith(f".{MARK}.") and path.suffix == ".draft"


def check(folder: Path) -> None:
    """Raises InputError for what is not a lake of this format."""
    if not is_lake(folder):
        raise InputError(f"{folder}: is not a lake: make one with flowsense ingest SRC --lake DIR")
    try:
        found = json.loads((folder / MARK).read_text())["format"]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / MARK}: damaged ({error!r:.80}): ingest again") from error
    if found != FORMAT:
        raise InputError(f"{folder}: a lake of format {found!r}, this version reads {FORMAT}")


def place(folder: Path, recording: Recording, number: int, part: Part) -> Path:
    """Where a part of the span of that number lies."""
    who = None if part.instrument == EVERY else recording.instruments[part.instrument]
    venue, symbol = (escaped(who.venue), escaped(who.symbol)) if who else (NOBODY, NOBODY)
    day = spelled(recording.spans[number].day)
    inside = Path(part.kind, f"venue={venue}", f"instrument={symbol}", f"day={day}")
    return folder / inside / f"{recording.id}-{number:06}-{max(part.instrument, 0)}.parquet"


def escaped(name: str) -> str:
    """As a part of the name of a folder: letters, digits and ``-_.~`` stand for themselves."""
    return "%5F" + quote(name[1:], safe="") if name.startswith("_") else quote(name, safe="")


def spelled(day: int) -> str:
    return str(EPOCH + timedelta(days=day))


def recordings(folder: Path) -> tuple[Recording, ...]:
    """All that the lake holds, in order. Raises InputError where a manifest is damaged."""
    check(folder)
    found = (load(path) for path in (folder / MANIFESTS).glob("[!.]*.json"))
    return tuple(sorted(found, key=lambda r: r.order))


def manifest(folder: Path, recording: Recording) -> Path:
    return folder / MANIFESTS / f"{recording.id}.json"


def save(folder: Path, recording: Recording) -> None:
    """What the manifest lists becomes visible. Raises OSError."""
    body = encode(recording)
    sealed = body | {"sha256": seal(body)}
    path = manifest(folder, recording)
    draft = drafts(folder) / path.name
    draft.write_text(json.dumps(sealed, indent=1) + "\n")
    path.parent.mkdir(exist_ok=True)
    publish(draft, path)


def drafts(folder: Path) -> Path:
    """Where files are before they have their names."""
    place = folder / DRAFTS
    place.mkdir(exist_ok=True)
    return place


def load(path: Path) -> Recording:
    """Raises InputError for damage, for another format and for the manifest of other files."""
    try:
        body = json.loads(path.read_text())
        stamp, found = body.pop("sha256"), body["format"]
        if stamp == seal(body) and found == FORMAT:
            recording = decode(body)
            if recording.id == path.stem:
                return recording
    except (AttributeError, LookupError, OSError, TypeError, ValueError, RecursionError) as error:
        raise damaged(path, f"{error!r:.120}") from error
    if found != FORMAT:
        raise InputError(f"{path}: format {found!r}, this version reads {FORMAT}: ingest again")
    raise damaged(path, "it is not what its SHA-256 says")


def damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path}: a damaged manifest ({why}): delete it and ingest its source again")


def seal(body: dict[str, Any]) -> str:
    return sha256(json.dumps(body).encode()).hexdigest()


def encode(recording: Recording) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "name": recording.name,
        "order": recording.order,
        "done": recording.done,
        "files": [list(file) for file in recording.files],
        "options": recording.options,
        "instruments": table.encode(recording.instruments),
        "kinds": list(recording.kinds),
        "spans": [[*span[:3], [list(part) for part in span.parts]] for span in recording.spans],
    }


def decode(body: dict[str, Any]) -> Recording:
    """The inverse of `encode`. Raises what the constructors raise."""
    instruments = table.decode(body["instruments"])
    spans = tuple(
        Span(int(day), int(first), int(last), tuple(Part(*part) for part in parts))
        for day, first, last, parts in body["spans"]
    )
    for part in (part for span in spans for part in span.parts):
        if part.kind not in KINDS or not EVERY <= part.instrument < len(instruments):
            raise InputError(f"it lists {part!r:.80}")
    return Recording(
        files=tuple(File(*file) for file in body["files"]),
        options=str(body["options"]),
        name=str(body["name"]),
        instruments=instruments,
        kinds=tuple(map(str, body["kinds"])),
        order=int(body["order"]),
        spans=spans,
        done=bool(body["done"]),
    )


def places(folder: Path, found: Iterable[Recording]) -> Iterator[tuple[Path, Recording, int, Part]]:
    """Every part that the manifests list: its file, its recording, the number of its span."""
    for recording in found:
        for number, span in enumerate(recording.spans):
            for part in span.parts:
                yield place(folder, recording, number, part), recording, number, part


def union(found: Iterable[Recording]) -> tuple[Instrument, ...]:
    """The instruments of all recordings, each once, in order; one of bars alone may have a book."""
    table: dict[tuple[str, str], Instrument] = {}
    for one in (i for recording in found for i in recording.instruments):
        known = table.get((one.symbol, one.venue), one)
        table[one.symbol, one.venue] = max(known, one, key=lambda i: i.depth)
    return tuple(table.values())


def digest(path: Path) -> File:
    """What `path` holds. Raises OSError."""
    of, size = sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            of.update(piece)
            size += len(piece)
    return File(str(path), size, of.hexdigest())


def connect(folder: Path) -> "duckdb.DuckDBPyConnection":
    """`lake_sql.connect`: the lake as tables of DuckDB."""
    from flowsense.store import lake_sql

    return lake_sql.connect(folder)
