"""Several sources as one stream in order of `ts_recv`; at equal times in order of the sources."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import (
    BAR,
    CLEAR,
    EVENT,
    EVERY,
    GAP,
    OBSERVATION,
    SNAPSHOT,
    Chunk,
    Events,
    Instrument,
)
from flowsense.sources import NO_BARS, NO_EVENTS, NO_OBSERVATIONS, Source, chunks, kinds_of
from flowsense.sources.units import Key, Units, key_of

AFTER_ALL = 2**63 - 1  # ns: after NEVER too, as who reads the merged stream refuses such times
NOTHING = NO_EVENTS, NO_BARS, NO_OBSERVATIONS


class Cursor:
    """How far a source has been read: its chunks that are not merged yet, counted anew."""

    def __init__(
        self, source: Source, rank: int, table: dict[Key, Instrument], seen: set[Key]
    ) -> None:
        self.name, self.rank = source.name, rank
        own = [place_of(i, table, source.name) for i in source.instruments]
        self.places = np.array([[*table].index(key) for key in own], np.int32)
        # Whose book it tells; bars and observations of a book told elsewhere ride along.
        leads = [table[key] == i for key, i in zip(own, source.instruments, strict=True)]
        self.keys = {key: i for i, key in enumerate(own) if leads[i]}
        # Of what kinds it tells of the whole market, where that is all that it tells.
        self.kinds = set(() if own else kinds_of(source))
        self.resumed = {i for key, i in self.keys.items() if key in seen}
        self.chunks, self.ended = chunks(source), False
        self.held: list[Chunk] = []
        self.taken = -AFTER_ALL  # when the last record that was taken came

    @property
    def last(self) -> int:
        return latest(self.held[-1]) if self.held else -AFTER_ALL

    @property
    def limit(self) -> int:
        """What is still to come is not before this."""
        return AFTER_ALL if self.ended else self.last

    def read_past(self, ts: int) -> None:
        """Until a record after ts is held, or there is no more."""
        while not self.ended and self.last <= ts:
            chunk = next(self.chunks, None)
            if chunk is None:
                self.ended = True
            elif any(map(len, chunk)):
                self.held.append(self.adopt(chunk))

    def adopt(self, chunk: Chunk) -> Chunk:
        """In terms of the one table; GAP where a snapshot resumes what another source left."""
        out = Chunk(*(part.copy() for part in chunk))
        own = chunk.events["instrument"]
        for part in out[:2]:
            part["instrument"] = self.places[part["instrument"]] if len(part) else 0
        named = out.observations["instrument"] != EVERY
        if named.any():
            whom = out.observations["instrument"][named]
            out.observations["instrument"][named] = self.places[whom]
        for i in [i for i in self.resumed if i in own]:
            self.resumed.remove(i)
            first = out.events[int(np.argmax(own == i)) :][:1]
            if first["action"][0] == CLEAR and first["bits"][0] & SNAPSHOT:
                first["bits"] |= GAP
        return out

    def take(self, before: int) -> list[Chunk]:
        """What is held and earlier than that."""
        ends = [[int(np.searchsorted(part["ts_recv"], before)) for part in c] for c in self.held]
        cuts = list(zip(self.held, ends, strict=True))
        taken = [Chunk(*(p[:e] for p, e in zip(c, end, strict=True))) for c, end in cuts]
        rest = [Chunk(*(p[e:] for p, e in zip(c, end, strict=True))) for c, end in cuts]
        self.held = [chunk for chunk in rest if any(map(len, chunk))]
        self.taken = max([self.taken, *(latest(c) for c in taken if any(map(len, c)))])
        return taken

    def farewell(self, going_on: set[Key]) -> Chunk:
        """What tells that nothing more is known of its instruments but those that go on."""
        left = [self.places[i] for key, i in self.keys.items() if key not in going_on]
        out = np.zeros(len(left), EVENT).view(EVENT)
        out["ts_event"] = out["ts_recv"] = self.taken
        out["instrument"], out["action"], out["bits"] = left, CLEAR, GAP
        return Chunk(out, *NOTHING[1:])


@dataclass(frozen=True)
class Merged:
    """A Source of the union of the instruments. One instrument may go on from source to source.

    In memory is a chunk or two of each source that is under way; the others are not open. Where a
    source ends while others go on, a GAP says that its instruments are known no more.
    Raises InputError for sources that tell of one instrument, or of one kind of observation of the
    whole market, at the same time (only found on reading) or that describe it differently.
    """

    sources: tuple[Source, ...]

    def __post_init__(self) -> None:
        self.table  # noqa: B018  fails now rather than at the first chunk

    @cached_property
    def table(self) -> dict[Key, Instrument]:
        """Those that have a price, then those that are only observed."""
        table: dict[Key, Instrument] = {}
        for source, instrument in self._told(priced=True):
            known = table.setdefault(key_of(instrument), instrument)
            if bare(known) != bare(instrument) or told_twice(known, instrument):
                raise InputError(
                    f"{source.name}: {instrument} is {known} in a source before it: read them "
                    "with the same options, or apart"
                )
            table[key_of(instrument)] = max(known, instrument, key=lambda i: i.depth)
        for source, instrument in self._told(priced=False):
            table.setdefault(place_of(instrument, table, source.name), instrument)
        return table

    def _told(self, *, priced: bool) -> Iterator[tuple[Source, Instrument]]:
        for source in self.sources:
            for instrument in source.instruments:
                if has_price(instrument) == priced:
                    yield source, instrument

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

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(chain.from_iterable(map(kinds_of, self.sources))))

    def __iter__(self) -> Iterator[Events]:
        return (chunk.events for chunk in self.chunks() if len(chunk.events))

    def chunks(self) -> Iterator[Chunk]:
        starts = [(start_of(source), rank) for rank, source in enumerate(self.sources)]
        waiting = sorted(start for start in starts if start[0] < AFTER_ALL)
        reading: list[Cursor] = []
        seen: set[Key] = set()
        while waiting or reading:
            while waiting and waiting[0][0] <= min((c.limit for c in reading), default=AFTER_ALL):
                start, rank = waiting.pop(0)
                cursor = Cursor(self.sources[rank], rank, self.table, seen)
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


def has_price(instrument: Instrument) -> bool:
    return instrument.tick.mantissa != 0


def place_of(instrument: Instrument, table: Collection[Key], source: str) -> Key:
    """Of one that is only observed: the one of its symbol where no venue has both.

    Raises InputError where several venues have it.
    """
    same = [key for key in table if key[0] == instrument.symbol]
    if has_price(instrument) or key_of(instrument) in same or not same:
        return key_of(instrument)
    if len(same) > 1:
        venues = [venue for _, venue in same]
        raise InputError(
            f"{source}: {instrument.symbol} is at {', '.join(venues)}: say which, like "
            f"?venue={venues[0]}"
        )
    return same[0]


def bare(instrument: Instrument) -> Instrument:
    """What all that is told of an instrument must agree in."""
    return instrument._replace(depth=0, by_order=False)


def told_twice(a: Instrument, b: Instrument) -> bool:
    """Whether both show a book, each another one."""
    return a.depth > 0 and b.depth > 0 and a != b


def latest(chunk: Chunk) -> int:
    """When the last of its records came."""
    return max(int(part["ts_recv"][-1]) for part in chunk if len(part))


def start_of(source: Source) -> int:
    first = next((chunk for chunk in chunks(source) if any(map(len, chunk))), None)
    if first is None:
        return AFTER_ALL
    return min(int(part["ts_recv"][0]) for part in first if len(part))


def refuse_overlap(cursor: Cursor, start: int, reading: Sequence[Cursor]) -> None:
    """Raises InputError if one under way has records of the same after this one's start."""
    for other in reading:
        twice = [f"{symbol} at {venue}" for symbol, venue in set(cursor.keys) & set(other.keys)]
        kinds = cursor.kinds & other.kinds
        if twice or kinds:
            other.read_past(start)
            if (other.last, other.rank) > (start, cursor.rank):
                how = "differently" if twice else "differently, like ?prefix=b_"
                raise InputError(
                    f"{cursor.name} and {other.name}: both tell of {min(twice or kinds)} at the "
                    f"same time: leave one out, or name one of them {how}"
                )


def joined(parts: list[Chunk]) -> Iterator[Chunk]:
    """One chunk in order of time, or none."""
    columns = [np.concatenate(column) for column in zip(NOTHING, *parts, strict=True)]
    if any(map(len, columns)):
        order = (np.argsort(column["ts_recv"], kind="stable") for column in columns)
        sort = [column[places] for column, places in zip(columns, order, strict=True)]
        views = zip(sort, (EVENT, BAR, OBSERVATION), strict=True)
        yield Chunk(*(column.view(dtype) for column, dtype in views))
