"""Tardis CSV files, as downloaded by exchange, data type, day and symbol.

===================  ====================================================================
incremental_book_L2  SETs; a run of rows with is_snapshot is CLEAR | SNAPSHOT and its
                     levels, with GAP where updates went before: the feed was cut off
book_snapshot_5, 25  the levels that differ from the row before
quotes, book_ticker  a book of one level
trades               TRADE; without a book of the instrument, one is opened empty
derivative_ticker    observations of the instrument: funding_rate, open_interest, ...
options_chain,       refused by name
liquidations
===================  ====================================================================

`ts_recv` is local_timestamp, `ts_event` timestamp. Rows of one local_timestamp are a message.
Files of one instrument become one source: its days follow each other, its trades and its
book are interleaved by local_timestamp, trades first where that is the same, as they are told
apart from the levels that they changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from flowsense.errors import InputError
from flowsense.schema import DEPTH, Events, Instrument
from flowsense.sources import Source
from flowsense.sources.instants import whole
from flowsense.sources.observations import Observations
from flowsense.sources.tardis_tables import (
    BOOKS,
    LEADING,
    Stream,
    Table,
    described,
    interleaved,
    kind_of,
    related,
    venue_of,
)
from flowsense.sources.units import Units, key_of, shared

TICKER = "ts=timestamp,known=local_timestamp,symbol=symbol"


@dataclass(frozen=True, slots=True)
class Tardis:
    """Tables that tell of the same instruments. Raises InputError, as does every pass."""

    streams: tuple[Stream, ...]
    instruments: tuple[Instrument, ...]

    @property
    def name(self) -> str:
        return ", ".join(map(str, self.files))

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(table.path for stream in self.streams for table in stream.tables)

    def in_units(self, units: Units) -> Self:
        pairs = [units[key_of(i)] for i in self.instruments]
        table = tuple(
            i._replace(tick=tick, lot=lot)
            for i, (tick, lot) in zip(self.instruments, pairs, strict=True)
        )
        by_symbol = {i.symbol: (i.tick, i.lot) for i in table}
        streams = tuple(stream.measured(by_symbol) for stream in self.streams)
        return replace(self, streams=streams, instruments=table)

    def __iter__(self) -> Iterator[Events]:
        booked = [t.symbols for s in self.streams if s.kind in BOOKS for t in s.tables]
        return whole(interleaved([s.events(frozenset().union(*booked)) for s in self.streams]))


def source_of(tables: list[Table]) -> Tardis:
    """Of tables that are related. Raises InputError where two tell the book of one instrument."""
    streams, depths = list[Stream](), dict[str, int]()
    alike = dict[tuple[bool, str, int], list[Table]]()
    for table in sorted(tables, key=lambda t: t.start):
        alike.setdefault((table.kind in BOOKS, table.kind, table.levels), []).append(table)
    for key in sorted(alike):  # trades first
        streams += [Stream(tuple(group)) for group in related(alike[key])]
    told = dict[str, Stream]()
    for stream in (s for s in streams if s.kind in BOOKS):
        for symbol in sorted(frozenset().union(*(t.symbols for t in stream.tables))):
            other = told.setdefault(symbol, stream)
            if other != stream:
                raise InputError(
                    f"{stream.tables[0].path}: tells the book of {symbol}, and so does "
                    f"{other.tables[0].path.name}: leave one of them out"
                )
            depths[symbol] = {"quotes": 1, "books": stream.tables[0].levels}.get(stream.kind, DEPTH)
    single = [
        Instrument(symbol, t.venue, *pair, depth=depths.get(symbol, DEPTH))
        for t in tables
        for symbol, pair in zip(t.form.symbols, t.form.units, strict=True)
    ]
    found = Tardis(tuple(streams), tuple({key_of(i): i for i in single}.values()))
    return found.in_units(shared(single))


def claims(path: Path, head: bytes) -> bool:
    """A CSV file whose first line begins as all of Tardis do."""
    return head.startswith(LEADING.encode() + b",")


def open(paths: list[Path], *, tick: str | None = None, lot: str | None = None) -> list[Source]:
    """A source of all the files that tell of the same instruments, and one of each ticker.

    Raises InputError.
    """
    kinds = {path: kind_of(path) for path in paths}
    tables = [described(p, kind, tick, lot) for p, kind in kinds.items() if kind != "ticker"]
    markets = [source_of(group) for group in related(tables)]
    told = [i._replace(depth=0) for market in markets for i in market.instruments]
    tickers = [ticker(p).among(told) for p, kind in kinds.items() if kind == "ticker"]
    return [*markets, *tickers]


def ticker(path: Path) -> Observations:
    return Observations(path, TICKER, venue=venue_of(path), repeats=True)
