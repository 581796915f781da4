"""A recording as a venue lives through it: message by message, with the time of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import merge
from operator import attrgetter
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np

from flowsense.errors import InputError
from flowsense.registry import unknown
from flowsense.replay.orders import Orders
from flowsense.schema import (
    BEAT,
    CLEAR,
    CLOSE,
    GAP,
    LAST,
    MILLISECOND,
    SECOND,
    SNAPSHOT,
    Events,
    Instrument,
)
from flowsense.sources import Told as Readable
from flowsense.sources.binance import VENUES, BinanceRaw
from flowsense.sources.files import blocks
from flowsense.sources.merge import Merged

W = TypeVar("W", covariant=True)
SNAPSHOT_OF = b'{"lastUpdateId"'
LINES = 500  # of a block
EARLIEST = 10**12 * MILLISECOND  # of a time that venues write with 13 digits: the year 2001


class Moment(NamedTuple, Generic[W]):
    """Something that the venue does at this time."""

    ts: int  # ns, never falling
    instrument: int
    what: W  # one message as EVENTs; bytes: as the venue itself has said it


Told: TypeAlias = Moment[Events | bytes]


class Feed(Protocol):
    @property
    def instruments(self) -> tuple[Instrument, ...]: ...
    def __iter__(self) -> Iterator[Told]: ...


@dataclass(frozen=True)
class Messages:
    """EVENTs of any source, by level. Times before the year 2001, which no venue writes, are later.

    Args:
        symbols: of these alone.
        loop: after the end it begins again a second later, for ever.

    Raises InputError for a source of bars alone.
    """

    source: Readable
    symbols: tuple[str, ...] = ()
    loop: bool = False

    def __post_init__(self) -> None:
        if not self.held:
            raise InputError(f"{self.source.name}: holds bars alone: a venue is made of a book")

    @cached_property
    def held(self) -> list[int]:
        """Places of those that have a book and are wanted."""
        wanted = self.symbols or {i.symbol for i in self.source.instruments}
        told = enumerate(self.source.instruments)
        return [k for k, i in told if i.depth and i.symbol in wanted]

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return tuple(self.source.instruments[k]._replace(by_order=False) for k in self.held)

    def __iter__(self) -> Iterator[Moment[Events]]:
        end = -1
        while end < 0 or self.loop:
            shift, known = -1, set[int]()
            for moment in self._round():
                if shift < 0:
                    shift = end + SECOND - moment.ts if end >= 0 else moved(moment.ts)
                if end >= 0 and moment.instrument not in known:
                    yield from cleared(later(moment, shift))
                known.add(moment.instrument)
                last = moment.ts + shift
                yield later(moment, shift)
            if shift < 0:
                return
            end = last

    def _round(self) -> Iterator[Moment[Events]]:
        table, places = self.source.instruments, np.full(len(self.source.instruments), -1, np.int32)
        places[self.held] = np.arange(len(self.held))
        orders = {k: Orders() for k, of in enumerate(self.held) if table[of].by_order}
        for chunk in self.source:
            events = chunk[(chunk["action"] != CLOSE) & (places[chunk["instrument"]] >= 0)]
            events["instrument"] = places[events["instrument"]]
            for moment in apart(events) if len(events) else ():
                k, what = moment.instrument, moment.what
                sets = orders[k].sets(what) if k in orders else what
                if len(sets):
                    yield moment._replace(what=sets)


def moved(ts: int) -> int:
    return 0 if ts >= EARLIEST else EARLIEST


def later(moment: Moment[Events], shift: int) -> Moment[Events]:
    if not shift:
        return moment
    events = moment.what.copy()
    events["ts_recv"] += shift
    events["ts_event"][events["ts_event"] > 0] += shift
    return Moment(moment.ts + shift, moment.instrument, events)


def cleared(moment: Moment[Events]) -> Iterator[Moment[Events]]:
    """What the book held is gone, where its first message does not say so."""
    if moment.what["action"][0] != CLEAR:
        clear = moment.what[:1].copy()
        clear["action"], clear["bits"], clear["side"] = CLEAR, 0, 0
        yield moment._replace(what=clear)


def apart(events: Events) -> Iterator[Moment[Events]]:
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

    def __iter__(self) -> Iterator[Told]:
        each = (self._lines(k, source) for k, source in enumerate(self.sources))
        return merge(*each, key=attrgetter("ts"))

    def snapshots(self) -> Iterator[bytes]:
        """The first of each instrument."""
        for k, source in enumerate(self.sources):
            yield next(m.what for m in self._lines(k, source) if m.what.startswith(SNAPSHOT_OF))

    @staticmethod
    def _lines(instrument: int, source: BinanceRaw) -> Iterator[Moment[bytes]]:
        now = 0
        for path in source.paths:
            for block in blocks(path, LINES):
                for line in block.data.splitlines():
                    now = max(now, int(line[:19]))
                    yield Moment(now, instrument, line[20:])


def feed(
    source: Readable,
    venue: str,
    *,
    symbols: tuple[str, ...] = (),
    verbatim: bool = True,
    loop: bool = False,
) -> Feed:
    """The venue's own words, where the recording holds them and they are wanted; else EVENTs.

    Of these symbols, or of all. What begins again is told as EVENTs, because times and ids of words
    do not rise. Raises InputError for a symbol that the recording does not hold.
    """
    known = tuple(i.symbol for i in source.instruments)
    for symbol in symbols:
        if symbol not in known:
            raise InputError(f"{source.name}: {unknown('symbol', symbol, known)}")
    own = raw(source)
    if verbatim and not loop and own and all(VENUES[one.market] == venue for one in own):
        return Lines(tuple(one for one in own if not symbols or one.symbol in symbols))
    return Messages(source, symbols, loop)


def raw(source: object) -> tuple[BinanceRaw, ...]:
    """Binance's own recordings that a source is made of; none, if it is of others too."""
    if isinstance(source, BinanceRaw):
        return (source,)
    parts = [raw(one) for one in source.sources] if isinstance(source, Merged) else []
    return tuple(one for part in parts for one in part) if parts and all(parts) else ()
