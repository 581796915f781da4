"""Several sources as one stream in order of `ts_recv`; at equal times in order of the sources."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import CLEAR, EVENT, GAP, SNAPSHOT, Events, Instrument
from flowsense.sources import Source
from flowsense.sources.units import Key, Units, key_of

NEVER = 2**63 - 1


class Cursor:
    """How far a source has been read: its chunks that are not merged yet, counted anew."""

    def __init__(self, source: Source, rank: int, table: Sequence[Key], seen: set[Key]) -> None:
        self.name, self.rank, self.keys = source.name, rank, [*map(key_of, source.instruments)]
        self.places = np.array([table.index(key) for key in self.keys], np.int32)
        self.resumed = {i for i, key in enumerate(self.keys) if key in seen}
        self.chunks, self.ended = iter(source), False
        self.held: list[Events] = []
        self.taken = -NEVER  # when the last event that was taken came

    @property
    def last(self) -> int:
        return int(self.held[-1]["ts_recv"][-1]) if self.held else -NEVER

    @property
    def limit(self) -> int:
        """What is still to come is not before this."""
        return NEVER if self.ended else self.last

    def read_past(self, ts: int) -> None:
        """Until an event after ts is held, or there is no more."""
        while not self.ended and self.last <= ts:
            chunk = next(self.chunks, None)
            if chunk is None:
                self.ended = True
            elif len(chunk):
                self.held.append(self.adopt(chunk))

    def adopt(self, chunk: Events) -> Events:
        """In terms of the one table; GAP where a snapshot resumes what another source left."""
        own, out = chunk["instrument"], chunk.copy()
        out["instrument"] = self.places[own]
        for i in [i for i in self.resumed if i in own]:
            self.resumed.remove(i)
            first = out[int(np.argmax(own == i)) :][:1]
            if first["action"][0] == CLEAR and first["bits"][0] & SNAPSHOT:
                first["bits"] |= GAP
        return out

    def take(self, before: int) -> list[Events]:
        """What is held and earlier than that."""
        ends = [int(np.searchsorted(chunk["ts_recv"], before)) for chunk in self.held]
        taken = [chunk[:end] for chunk, end in zip(self.held, ends, strict=True)]
        rest = [chunk[end:] for chunk, end in zip(self.held, ends, strict=True)]
        self.held = [chunk for chunk in rest if len(chunk)]
        self.taken = max([self.taken, *(int(c["ts_recv"][-1]) for c in taken if len(c))])
        return taken

    def farewell(self, going_on: set[Key]) -> Events:
        """What tells that nothing more is known of its instruments but those that go on."""
        left = [p for p, key in zip(self.places, self.keys, strict=True) if key not in going_on]
        out = np.zeros(len(left), EVENT).view(EVENT)
        out["ts_event"] = out["ts_recv"] = self.taken
        out["instrument"], out["action"], out["bits"] = left, CLEAR, GAP
        return out


@dataclass(frozen=True)
class Merged:
    """A Source of the union of the instruments. One instrument may go on from source to source.

    In memory is a chunk or two of each source that is under way; the others are not open. Where a
    source ends while others go on, a GAP says that its instruments are known no more.
    Raises InputError for sources that tell of one instrument at the same time (only found on
    reading) or that describe it differently.
    """

    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        self.table  # noqa: B018  fails now rather than at the first chunk

    @cached_property
    def table(self) -> dict[Key, Instrument]:
        table: dict[Key, Instrument] = {}
        for source in self.sources:
            for instrument in source.instruments:
                if table.setdefault(key_of(instrument), instrument) != instrument:
                    raise InputError(
                        f"{source.name}: {instrument} is {table[key_of(instrument)]} in a source "
                        "before it: read them with the same options, or apart"
                    )
        return table

    @property
    def name(self) -> str:
        return ", ".join(source.name for source in self.sources)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(self.table.values())

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(path for source in self.sources for path in source.files)

    def in_units(self, units: Units) -> Self:
        return replace(self, sources=tuple(source.in_units(units) for source in self.sources))

    def __iter__(self) -> Iterator[Events]:
        starts = [(start_of(source), rank) for rank, source in enumerate(self.sources)]
        waiting = sorted(start for start in starts if start[0] < NEVER)
        reading: list[Cursor] = []
        seen: set[Key] = set()
        while waiting or reading:
            while waiting and waiting[0][0] <= min((c.limit for c in reading), default=NEVER):
                start, rank = waiting.pop(0)
                cursor = Cursor(self.sources[rank], rank, [*self.table], seen)
                refuse_overlap(cursor, start, reading)
                cursor.read_past(start)
                seen.update(cursor.keys)
                reading = sorted([*reading, cursor], key=lambda c: c.rank)
            before = min(c.limit for c in reading)
            parts = [part for c in reading for part in c.take(before)]
            for c in reading:
                c.read_past(before)
            done, reading = [c for c in reading if not c.held], [c for c in reading if c.held]
            if waiting or reading:
                going_on = {key for c in reading for key in c.keys}
                for _, rank in waiting:
                    going_on.update(map(key_of, self.sources[rank].instruments))
                parts += [c.farewell(going_on) for c in done]
            yield from joined(parts)


def start_of(source: Source) -> int:
    return next((int(chunk["ts_recv"][0]) for chunk in source if len(chunk)), NEVER)


def refuse_overlap(cursor: Cursor, start: int, reading: list[Cursor]) -> None:
    """Raises InputError if one under way has events of an instrument after this one's start."""
    for other in reading:
        if shared := set(cursor.keys).intersection(other.keys):
            other.read_past(start)
            if (other.last, other.rank) > (start, cursor.rank):
                symbol, venue = min(shared)
                raise InputError(
                    f"{cursor.name} and {other.name}: both tell of {symbol} at {venue} at the same "
                    "time: leave one out, or name one of them differently"
                )


def joined(parts: list[Events]) -> Iterator[Events]:
    """One chunk in order of time, or none."""
    events = np.concatenate(parts).view(EVENT) if parts else np.zeros(0, EVENT)
    if len(events):
        yield events[np.argsort(events["ts_recv"], kind="stable")]
