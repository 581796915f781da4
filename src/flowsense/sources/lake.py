"""A lake, or some of it, as a source: its recordings merged by `ts_recv`, as they were ingested.

An address is the folder of a lake, then if wanted a venue, an instrument and days::

    DIR                                     all of it
    DIR/nasdaq                              one venue
    DIR/nasdaq/GOOG                         one instrument; DIR/*/GOO* by patterns
    DIR@2012-06-21                          one day, UTC, of all
    DIR/nasdaq/GOOG@2012-06-21..2012-06-25  days, the last included; either end may be left out
    DIR/events/venue=nasdaq/instrument=GOOG/day=2012-06-21    the same, as the folders are named

Names are written as the folders have them, a slash as ``%2F``. From the first day of a recording
on it reads bit for bit what its source told. From a later day it begins with a snapshot of each
book as it stood. Observations of the whole market belong to every address.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import EVENT, EVERY, Bars, Chunk, Events, Instrument, Observations, zeros
from flowsense.sources import NO_BARS, NO_OBSERVATIONS, Source, chunks, kinds_of
from flowsense.sources.instants import whole
from flowsense.sources.merge import Merged
from flowsense.sources.units import Units, unchanged
from flowsense.store.lake import (
    EPOCH,
    KINDS,
    Part,
    Recording,
    escaped,
    is_lake,
    place,
    recordings,
    spelled,
    union,
)
from flowsense.store.lake_parts import in_order, stored

EARLIEST, LATEST = -(2**62), 2**62  # days, where an address names none
LEVELS = ("venue", "instrument", "day")  # of the folders
DAYS = re.compile(r"(\d{4}-\d\d-\d\d)?(\.\.)?(\d{4}-\d\d-\d\d)?")
SOME = 8  # names that a sentence holds


class Address(NamedTuple):
    """Which part of which lake."""

    folder: Path
    venue: str = "*"  # patterns
    symbol: str = "*"
    first: int = EARLIEST  # day since 1970
    last: int = LATEST  # included

    def holds(self, instrument: Instrument) -> bool:
        names = (instrument.venue, self.venue), (instrument.symbol, self.symbol)
        return all(fnmatchcase(name, pattern) for name, pattern in names)


def parse(path: Path) -> Address | None:
    """None for what lies in no lake. Raises InputError for an address that cannot be."""
    before, _, days = str(path).rpartition("@")
    dated = bool(before and days) and DAYS.fullmatch(days) is not None and not path.exists()
    place = Path(before) if dated else path
    folder = next((f for f in (place, *place.parents) if is_lake(f)), None)
    if folder is None:
        return None
    names = place.relative_to(folder).parts
    names = names[1:] if names and names[0] in KINDS else names
    if len(names) > len(LEVELS) or (len(names) == len(LEVELS) and dated):
        raise InputError(f"{path}: write DIR/VENUE/INSTRUMENT@DAY..DAY, or less of it")
    said = [pattern(n.removeprefix(f"{k}=")) for k, n in zip(LEVELS, names, strict=False)]
    venue, symbol, day = (*said, *("*", "*", "")[len(said) :])
    return Address(folder, venue, symbol, *bounds(path, days if dated else day))


def pattern(name: str) -> str:
    """What a name is matched with: `*`, `?` and `[` that are escaped in it stand for themselves."""
    return unquote(re.sub("%(2a|3f|5b)", r"[%\1]", name, flags=re.IGNORECASE))


def bounds(path: Path, days: str) -> tuple[int, int]:
    """First and last day since 1970, of ``2012-06-21..2012-06-25`` and the like."""
    if not days:
        return EARLIEST, LATEST
    try:
        first, to, last = days.partition("..")
        start = (date.fromisoformat(first) - EPOCH).days if first else EARLIEST
        end = (date.fromisoformat(last) - EPOCH).days if last else LATEST
    except ValueError as error:
        raise InputError(f"{path}: {error}: write days like 2012-06-21..2012-06-25") from None
    end = end if to else start
    if start > end:
        raise InputError(f"{path}: its first day is after its last: swap them")
    return start, end


@dataclass(frozen=True, slots=True)
class Stream:
    """What the lake holds of one recording, for these instruments and days."""

    folder: Path
    recording: Recording
    chosen: tuple[int, ...]  # of its instruments
    first: int  # day since 1970
    last: int
    begin: int = 0  # number of the first span

    @property
    def name(self) -> str:
        return self.recording.name

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(self.recording.instruments[who] for who in self.chosen)

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.recording.kinds

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(
            place(self.folder, self.recording, number, part) for number, part, _ in self.parts()
        )

    def in_units(self, units: Units) -> Self:
        return unchanged(self, units)

    def parts(self) -> Iterator[tuple[int, Part, int]]:
        """(number of the span, a part of it, what its instrument is here)."""
        here = {EVERY: EVERY} | {who: k for k, who in enumerate(self.chosen)}
        for number, span in enumerate(self.recording.spans):
            if number >= self.begin and self.first <= span.day <= self.last:
                for part in span.parts:
                    if part.instrument in here:
                        yield number, part, here[part.instrument]

    def told(self, kind: str) -> Iterator[NDArray[Any]]:
        """The records of a kind, in order. Raises InputError for files that are damaged."""
        spans = self.recording.spans
        midway = bool(spans) and spans[0].day < self.first
        unopened = set(range(len(self.chosen))) if midway else set()
        of_kind = (found for found in self.parts() if found[1].kind == kind)
        for _, found in groupby(of_kind, key=itemgetter(0)):
            files = [stored(self.folder, self.recording, *one) for one in found]
            for file in files:
                if file.index in unopened:
                    unopened.remove(file.index)
                    yield file.opening()
            yield from in_order(files, kind)

    def __iter__(self) -> Iterator[Events]:
        return whole(self.told("events"))

    def chunks(self) -> Iterator[Chunk]:
        return aligned(iter(self), self.told("bars"), self.told("observations"))


def aligned(
    events: Iterator[Events], bars: Iterator[Bars], observations: Iterator[Observations]
) -> Iterator[Chunk]:
    """The three as one: with each chunk of events what came before its end or with it."""
    waiting = Waiting(bars, NO_BARS), Waiting(observations, NO_OBSERVATIONS)
    for chunk in events:
        end = int(chunk["ts_recv"][-1])
        yield Chunk(chunk, waiting[0].until(end), waiting[1].until(end))
    while any(len(w.held) for w in waiting):
        end = min(int(w.held["ts_recv"][-1]) for w in waiting if len(w.held))
        yield Chunk(zeros(EVENT), waiting[0].until(end), waiting[1].until(end))


class Waiting:
    """Records that are not told yet."""

    def __init__(self, told: Iterator[NDArray[Any]], none: NDArray[Any]) -> None:
        self.told, self.none = (some for some in told if len(some)), none
        self.held = next(self.told, none)

    def until(self, end: int) -> NDArray[Any]:
        """Those up to `end`, ts_recv, included."""
        taken = list[NDArray[Any]]()
        while len(self.held) and self.held["ts_recv"][0] <= end:
            cut = int(np.searchsorted(self.held["ts_recv"], end, "right"))
            taken.append(self.held[:cut])
            self.held = self.held[cut:] if cut < len(self.held) else next(self.told, self.none)
        return np.concatenate(taken).view(self.none.dtype) if taken else self.none


@dataclass(frozen=True)
class Lake:
    """Everything at an address. Raises InputError where that is nothing."""

    path: Path

    def __post_init__(self) -> None:
        self.source  # noqa: B018  fails now rather than at the first chunk

    @cached_property
    def source(self) -> Source:
        address = parse(self.path)
        if address is None:
            raise InputError(f"{self.path}: lies in no lake: check the name")
        streams = tuple(streams_at(address))
        if not streams:
            raise InputError(f"{self.path}: the lake holds none of that: {held(address.folder)}")
        return streams[0] if len(streams) == 1 else Merged(streams)

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self.source.instruments

    @property
    def kinds(self) -> tuple[str, ...]:
        return kinds_of(self.source)

    @property
    def files(self) -> tuple[Path, ...]:
        return self.source.files

    def in_units(self, units: Units) -> Self:
        return unchanged(self, units)

    def __iter__(self) -> Iterator[Events]:
        return iter(self.source)

    def chunks(self) -> Iterator[Chunk]:
        return chunks(self.source)


def streams_at(address: Address) -> Iterator[Stream]:
    """What each recording has of it; of none that has nothing of it."""
    everything = address == Address(address.folder)
    for recording in recordings(address.folder):
        chosen = tuple(k for k, i in enumerate(recording.instruments) if address.holds(i))
        stream = Stream(address.folder, recording, chosen, address.first, address.last)
        own = (part for _, part, _ in stream.parts() if chosen or not recording.instruments)
        if everything or any(own):
            yield stream


def held(folder: Path) -> str:
    """What there is, for those who asked for something else."""
    found = recordings(folder)
    days = sorted(span.day for recording in found for span in recording.spans)
    names = [f"{escaped(i.venue)}/{escaped(i.symbol)}" for i in union(found)]
    if not days:
        return "it is empty"
    more = f" and {len(names) - SOME} more" if len(names) > SOME else ""
    return f"it has {', '.join(names[:SOME])}{more} from {spelled(days[0])} to {spelled(days[-1])}"


def claims(path: Path, head: bytes) -> bool:
    """Whether the path is an address of a lake."""
    return not path.is_file() and parse(path) is not None


def open(paths: list[Path]) -> list[Source]:
    """One source per address. Raises InputError."""
    return [Lake(path) for path in paths]
