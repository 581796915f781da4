"""Databento's files (DBN 1 to 3, DBZ before them, fragments), of any schema, to EVENTs and BARs.

====================  ======================================================================
record                becomes
====================  ======================================================================
mbo  A, M             ADD, MODIFY: the order as it now is
     C                CANCEL of its size; FILL, as far as the order was filled in this message
     F                nothing: the C or M after it takes the lots; before an M, FILL. It is the
                      TRADE, of the other side, where its message tells no T
     T                TRADE of the aggressor
     R                CLEAR, and the book is empty or a snapshot follows
     N                nothing
mbp-10, mbp-1,        a trade first, as the row is that before it; then SETs of the levels that
cmbp-1                differ from the row before
tbbo, tcbbo           SETs that lead to the quote before the trade, then the TRADE
bbo, cbbo             SETs; their trade is only the last of several, and not told
trades                TRADE
ohlcv                 BAR, at its last nanosecond; CLOSE too where nothing else is told of it
status                STATUS
all others            counted by name
====================  ======================================================================

F_LAST is LAST; samples and trades alone are messages of their own. A snapshot (F_SNAPSHOT) begins
with CLEAR where R does not say so, and ends with F_LAST or, where that is missing, as is usual in
historical files, before the first record that is not of it. Without any, a book of orders is empty
at first if the file begins at midnight UTC, where Databento tells the orders that rest; else
nothing of it is told before R. F_MAYBE_BAD_BOOK, or a time that no file covers, is a CLEAR with GAP
until the next snapshot, R or row. What F_TOB or F_MBP marks is an order of its own. `ts_recv` is
the latest yet, so F_BAD_TS_RECV does no harm. Of several schemas of one instrument the fullest
tells its book and its trades, so that each execution is told once, and the shortest bars count.

An instrument is a symbol: an id may bear another one tomorrow. Its tick is that of the definitions
among the files, or finer where prices are; without any, the largest that divides every price.

Databento, Databento Binary Encoding; MBO snapshots; State management of resting orders (docs).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from flowsense.schema import BAR, EVENT, LAST, Bars, Chunk, Decimal, Events, Instrument, zeros
from flowsense.sources import NO_OBSERVATIONS, Source
from flowsense.sources.dbn_decode import Decoder
from flowsense.sources.dbn_files import READ, metadata_of
from flowsense.sources.dbn_merge import merged
from flowsense.sources.dbn_survey import File, survey
from flowsense.sources.dbn_table import Given, Table, table
from flowsense.sources.files import bare_name
from flowsense.sources.units import Units, key_of

SUFFIXES = (".dbn", ".dbn.frag", ".dbz")
CHUNK = 4096  # events: what fits the second-level cache


class Found(NamedTuple):
    """What one pass over the files tells before the first event."""

    files: list[File]
    table: Table
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Dbn:
    """One dataset's files, merged by time: a Source, and a Broad one.

    The first use reads the files once, for instruments and ticks. Sizes are lots of 1 unless `lot`
    is a part of it. Raises InputError that names file, record and value.
    """

    paths: tuple[Path, ...]
    tick: Decimal | None = None
    lot: Decimal | None = None
    units: Units | None = None  # of each symbol and venue, instead of both
    size: int = READ  # bytes of a file decoded at a time; changes nothing that is told

    @property
    def name(self) -> str:
        return " + ".join(map(str, self.paths))

    @property
    def files(self) -> tuple[Path, ...]:
        return self.paths

    @property
    def kinds(self) -> tuple[str, ...]:
        """It observes nothing beside events and bars."""
        return ()

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self.found.table.instruments

    @property
    def counts(self) -> Mapping[str, int]:
        """Records in the files by name, those that are no market data too."""
        return self.found.counts

    @cached_property
    def found(self) -> Found:
        held, files = survey(self.paths)
        dataset = next((f.metadata.dataset for f in files if f.metadata.dataset), "")
        units = Given(self.tick, self.lot, self.units)
        counts = dict(sorted(held.counts.items()))
        return Found(files, table(held, files, dataset, units), counts)

    def in_units(self, units: Units) -> Self:
        mine = {key_of(i): units[key_of(i)] for i in self.instruments}
        if all(mine[key_of(i)] == (i.tick, i.lot) for i in self.instruments):
            return self
        return replace(self, units=mine)

    def __iter__(self) -> Iterator[Events]:
        return (chunk.events for chunk in self.chunks())

    def chunks(self) -> Iterator[Chunk]:
        return whole(self.decoded())

    def decoded(self) -> Iterator[tuple[Events, Bars]]:
        """Of each batch of messages."""
        held = self.found
        decoder = Decoder(held.table.seen, held.table.holes)
        for batch in merged(held.files, self.size):
            m = batch.messages
            m["instrument"] = held.table.find(m["key"], m["ts_recv"])
            yield decoder.push(batch)


def whole(parts: Iterator[tuple[Events, Bars]]) -> Iterator[Chunk]:
    """Chunks of about CHUNK events that end with a message, and the bars that closed until then,
    all of them: what may still come at the latest time is waited for."""
    events, bars = zeros(EVENT), zeros(BAR)
    for more, closed in parts:
        events = np.concatenate([events, more]).view(EVENT) if len(events) else more
        bars = np.concatenate([bars, closed]).view(BAR) if len(bars) else closed
        latest = max((int(part["ts_recv"][-1]) for part in (events, bars) if len(part)), default=0)
        ends = np.flatnonzero((events["bits"] & LAST > 0) & (events["ts_recv"] < latest)) + 1
        start = done = 0
        while len(ends) and ends[-1] - start >= CHUNK:
            stop = int(ends[np.searchsorted(ends, start + CHUNK)])
            until = int(np.searchsorted(bars["ts_recv"], events["ts_recv"][stop - 1], "right"))
            yield Chunk(events[start:stop], bars[done:until], NO_OBSERVATIONS)
            start, done = stop, until
        events, bars = events[start:].copy(), bars[done:].copy()
    if len(events) or len(bars):
        yield Chunk(events, bars, NO_OBSERVATIONS)


def claims(path: Path, head: bytes) -> bool:
    """By content, or by name where a fragment has nothing that tells."""
    return head.startswith(b"DBN") or head[8:11] == b"DBZ" or bare_name(path).endswith(SUFFIXES)


def open(
    paths: list[Path], *, tick: Decimal | None = None, lot: Decimal | None = None
) -> list[Source]:
    """One source a dataset, of all its files. Raises InputError."""
    sets = dict[str, list[Path]]()
    for path in paths:
        sets.setdefault(metadata_of(path).dataset, []).append(path)
    return [Dbn(tuple(group), tick, lot) for group in sets.values()]
