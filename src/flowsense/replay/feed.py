"""A recording as a venue lives through it: message by message, with the time of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from operator import attrgetter
from typing import NamedTuple, Protocol

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import BEAT, CLOSE, GAP, LAST, MILLISECOND, SNAPSHOT, Events, Instrument
from flowsense.sources import Told as Readable
from flowsense.sources.binance import BinanceRaw
from flowsense.sources.files import blocks
from flowsense.sources.merge import Merged

SNAPSHOT_OF = b'{"lastUpdateId"'
LINES = 500  # of a block
EARLIEST = 10**12 * MILLISECOND  # of a time that venues write with 13 digits: the year 2001


class Moment(NamedTuple):
    """Something that the venue does at this time."""

    ts: int  # ns, never falling
    instrument: int
    what: Events | bytes  # one message; bytes: as the venue itself has said it


class Line(NamedTuple):
    """A Moment of which is known that the venue itself has said it."""

    ts: int
    instrument: int
    what: bytes


class Feed(Protocol):
    @property
    def instruments(self) -> tuple[Instrument, ...]: ...
    def __iter__(self) -> Iterator[Moment]: ...


@dataclass(frozen=True)
class Messages:
    """EVENTs of any source. Times before the year 2001, which no venue writes, are moved behind it.

    Raises InputError for a source of bars alone.
    """

    source: Readable

    def __post_init__(self) -> None:
        if not any(i.depth for i in self.source.instruments):
            raise InputError(f"{self.source.name}: holds bars alone: a venue is made of a book")

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self.source.instruments

    def __iter__(self) -> Iterator[Moment]:
        shift: int | None = None
        for chunk in self.source:
            events = chunk[chunk["action"] != CLOSE]
            if not len(events):
                continue
            if shift is None:
                first = min(int(events["ts_recv"][0]), int(events["ts_event"].min()))
                shift = 0 if first >= EARLIEST else EARLIEST
            events["ts_recv"] += shift
            events["ts_event"] += shift
            yield from apart(events)


def apart(events: Events) -> Iterator[Moment]:
    """One message each: up to its LAST, or as long as time and instrument are the same."""
    bits, ts, who = events["bits"], events["ts_recv"], events["instrument"]
    last = (bits & LAST > 0) | (events["action"] == BEAT) | (bits & (GAP | SNAPSHOT) == GAP)
    last[:-1] |= (ts[1:] != ts[:-1]) | (who[1:] != who[:-1])
    last[-1] = True
    start = 0
    for end in (np.flatnonzero(last) + 1).tolist():
        yield Moment(int(ts[start]), int(who[start]), events[start:end])
        start = end


@dataclass(frozen=True)
class Lines:
    """What Binance itself has said, merged by the recorder's time."""

    sources: tuple[BinanceRaw, ...]

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(i for source in self.sources for i in source.instruments)

    def __iter__(self) -> Iterator[Moment]:
        each = (self._lines(k, source) for k, source in enumerate(self.sources))
        return (Moment(*line) for line in merge(*each, key=attrgetter("ts")))

    def snapshots(self) -> Iterator[bytes]:
        """The first of each instrument."""
        for k, source in enumerate(self.sources):
            yield next(m.what for m in self._lines(k, source) if m.what.startswith(SNAPSHOT_OF))

    @staticmethod
    def _lines(instrument: int, source: BinanceRaw) -> Iterator["Line"]:
        now = 0
        for path in source.paths:
            for block in blocks(path, LINES):
                for line in block.data.splitlines():
                    now = max(now, int(line[:19]))
                    yield Line(now, instrument, line[20:])


def feed(source: Readable, venue: str, *, verbatim: bool = True) -> Feed:
    """The venue's own words, where the recording holds them and they are wanted; else EVENTs."""
    own = raw(source)
    if verbatim and own and all(i.venue == venue for one in own for i in one.instruments):
        return Lines(own)
    return Messages(source)


def raw(source: object) -> tuple[BinanceRaw, ...]:
    """Binance's own recordings that a source is made of; none, if it is of others too."""
    if isinstance(source, BinanceRaw):
        return (source,)
    parts = [raw(one) for one in source.sources] if isinstance(source, Merged) else []
    return tuple(one for part in parts for one in part) if parts and all(parts) else ()
