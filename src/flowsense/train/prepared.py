"""A recording folded into a folder: its rows and labels as memory-mapped columns, as a Reader.

Made once, read by every training: ``manifest.json`` (sealed by ``manifest.sha256``), the rows of
each clock under ``rows/CLOCK/`` and the labels under ``labels/``, one ``.npy`` file per column.
While it is being made it stands aside as ``.NAME.unfinished``; what was reported done is not lost.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.labels import COLUMNS, Labels
from flowsense.schema import BAR, BOOK, EVENT, OBSERVATION, QUOTE, Events, Instrument, Quotes, zeros
from flowsense.store import instruments as table
from flowsense.store.atomic import current
from flowsense.store.room import Room
from flowsense.store.rows import Column, Columns, Stored, decode
from flowsense.tape import FeatureSpec, Rows, Tape
from flowsense.train.dataset import Cost, needs_quotes

FORMAT = 2
MANIFEST, SEAL = "manifest.json", "manifest.sha256"
KIND = "flowsense.rows"
NOTHING = zeros(BAR), zeros(OBSERVATION), zeros(QUOTE)
LABELS = {"y": "f4", "move": "f4", "known_at": "i8", "valid": "?", "weight": "f4"}


def columns_of(spec: FeatureSpec, targets: tuple[Target, ...], *, events: bool) -> Columns:
    """Every file of a folder, by its name without ``.npy``."""
    wide, bits = len(spec.columns), (len(spec.columns) + 7) // 8
    one = {
        "ts": Column(np.dtype("i8"), ()),
        "instrument": Column(np.dtype("i8"), ()),
        "X": Column(np.dtype("f4"), (wide,)),
        "valid": Column(np.dtype("u1"), (bits,)),  # eight columns in a byte
        "event": Column(np.dtype("i8"), ()),
        "book": Column(BOOK, ()),
        "quote": Column(QUOTE, ()),
    }
    rows = {f"rows/{k}/{n}": c for k in range(len(spec.clocks)) for n, c in one.items()}
    labels = {f"labels/{n}": Column(np.dtype(LABELS[n]), (len(targets),)) for n in COLUMNS}
    more = {"quotes": Column(QUOTE, ())} if needs_quotes(targets) else {}
    more |= {"events": Column(EVENT, ())} if events else {}
    return rows | labels | more


@dataclass(frozen=True)
class About:
    """What a folder says of itself."""

    spec: FeatureSpec
    targets: tuple[Target, ...]
    instruments: tuple[Instrument, ...]
    name: str  # of what was read
    files: dict[str, str]  # SHA-256 of each file that was read
    options: dict[str, str]  # how it was read
    start: int
    end: int
    holds_events: bool = False  # for models that read them
    events: int = 0
    quotes: int = 0
    rows: int = 0
    digest: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    cost: dict[str, Cost] = field(default_factory=dict)

    def asked(self) -> dict[str, Any]:
        """What another preparation must have in common to go on with this one; by its name."""
        return {
            "files": self.files,
            "options": self.options,
            "families": [list(v) for v in self.spec.versions],
            "clocks": list(self.spec.clocks),
            "targets": [str(t) for t in self.targets],
            "instruments": table.encode(self.instruments),
            "start": self.start,
            "end": self.end,
            "holds_events": self.holds_events,
        }

    def body(self) -> dict[str, Any]:
        """As JSON holds it."""
        found = {k: getattr(self, k) for k in ("events", "quotes", "rows", "digest", "versions")}
        return {
            "kind": KIND,
            "format": FORMAT,
            "name": self.name,
            "features": self.spec.digest,
            "columns": list(self.spec.columns),
            "depth": self.spec.depth,
            "cost": {stage: list(cost) for stage, cost in self.cost.items()},
            **self.asked(),
            **found,
        }


def about(body: dict[str, Any]) -> About:
    """The inverse of `About.body`. Raises what the constructors raise."""
    versions = tuple((str(name), int(version)) for name, version in body["families"])
    spec = FeatureSpec(
        tuple(map(str, body["columns"])), versions, tuple(body["clocks"]), int(body["depth"])
    )
    if spec.digest != body["features"]:
        raise InputError(f"the features listed have digest {spec.digest}, not {body['features']}")
    whole = {k: int(body[k]) for k in ("start", "end", "events", "quotes", "rows")}
    return About(
        spec,
        tuple(map(Target.parse, body["targets"])),
        table.decode(body["instruments"]),
        str(body["name"]),
        dict(body["files"]),
        dict(body["options"]),
        digest=str(body["digest"]),
        versions=dict(body["versions"]),
        holds_events=bool(body["holds_events"]),
        cost={stage: Cost(*cost) for stage, cost in body["cost"].items()},
        **whole,
    )


def is_prepared(path: Path) -> bool:
    """Whether this is a folder of rows."""
    try:
        return bool(json.loads((current(path) / MANIFEST).read_bytes())["kind"] == KIND)
    except (OSError, ValueError, KeyError, TypeError):
        return False


class Prepared:
    """A Reader over a folder of rows; a tape lies in memory only while it is looked at."""

    def __init__(self, folder: Path) -> None:
        """Raises InputError for a folder that is damaged or of another version."""
        self.folder = current(folder)
        self.about, columns = opened(self.folder)
        self.stored, self.room = Stored(self.folder, columns), Room()
        self.spec, self.instruments = self.about.spec, self.about.instruments
        self.name, self.events, self.cost = self.about.name, self.about.events, self.about.cost
        self.quotes, self.digest = self.about.quotes, self.about.digest
        self.options = self.about.options

    @cached_property
    def labels(self) -> Labels:
        columns = (self.stored.whole(f"labels/{name}", self.room) for name in COLUMNS)
        return Labels(self.about.targets, *columns)

    @cached_property
    def ts(self) -> NDArray[np.int64]:
        return np.concatenate([*self.stored.read("rows/0/ts"), np.zeros(0, np.int64)])

    @cached_property
    def instrument(self) -> NDArray[np.int64]:
        return np.concatenate([*self.stored.read("rows/0/instrument"), np.zeros(0, np.int64)])

    @property
    def mid(self) -> NDArray[np.float64]:
        return np.concatenate([q["mid2"].copy() for q in self.stored.read("rows/0/quote")]) / 2

    @property
    def told(self) -> Quotes:
        if "quotes" not in self.stored.columns:
            return zeros(QUOTE)
        return self.stored.whole("quotes", self.room)

    @property
    def holds_events(self) -> bool:
        return self.about.holds_events

    def __len__(self) -> int:
        return self.about.rows

    def __repr__(self) -> str:
        symbols = ", ".join(i.symbol for i in self.instruments)
        return f"<Prepared rows of {symbols}: {len(self)} x {len(self.spec.columns)}>"

    def __iter__(self) -> Iterator[Tape]:
        """A pass begins without the labels' pages: who reads rows has read these."""
        self.release()
        return (tape for _, tape in self._tapes(lambda first, end: True))

    def between(self, start: int, end: int) -> Iterator[tuple[int, Tape]]:
        """The tapes with a row in [start, end), and which row of all is the first of each."""
        ts = self.ts
        return self._tapes(lambda a, b: a < b and bool(ts[b - 1] >= start and ts[a] < end))

    def _tapes(self, wanted: Callable[[int, int], bool]) -> Iterator[tuple[int, Tape]]:
        clocks = range(len(self.spec.clocks))
        at, passed = [0 for _ in clocks], 0
        for k, piece in enumerate(self.stored.columns["rows/0/ts"].pieces):
            if wanted(at[0], at[0] + piece.rows):
                rows = tuple(self._rows(clock, k, at[clock]) for clock in clocks)
                yield at[0], Tape(self._events(k, passed), *NOTHING, rows, self.instruments)
            if self.holds_events:
                passed += self.stored.columns["events"].pieces[k].rows
            for clock in clocks:
                at[clock] += self.stored.columns[f"rows/{clock}/ts"].pieces[k].rows

    def _events(self, k: int, first: int) -> Events:
        return self.stored.piece("events", k, first) if self.holds_events else zeros(EVENT)

    def _rows(self, clock: int, k: int, first: int) -> Rows:
        found = {n: self.stored.piece(f"rows/{clock}/{n}", k, first) for n in Rows._fields}
        wide = len(self.spec.columns)
        found["valid"] = np.unpackbits(found["valid"], axis=1, count=wide).view(np.bool_)
        return Rows(**found)

    def release(self) -> None:
        """Give back the memory of the labels' pages that were read."""
        self.room.release()


def opened(folder: Path) -> tuple[About, Columns]:
    """What a folder of rows says of itself. Raises InputError."""
    try:
        text, seal = ((folder / name).read_bytes() for name in (MANIFEST, SEAL))
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}: is no folder of rows") from None
    if sha256(text).hexdigest().encode() != seal:
        raise InputError(f"{folder}: {MANIFEST} is damaged: prepare the rows again")
    body = json.loads(text)
    if body.get("kind") != KIND or body.get("format") != FORMAT:
        what = f"{body.get('kind')} of format {body.get('format')}"
        raise InputError(f"{folder}: is {what}, not rows of format {FORMAT}: prepare them again")
    try:
        found = about(body)
        return found, decode(
            body["pieces"], columns_of(found.spec, found.targets, events=found.holds_events)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder}: {MANIFEST} does not read: {error!r:.120}") from None
