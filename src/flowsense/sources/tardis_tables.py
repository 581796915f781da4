"""Tardis tables: which of the data types one is, and the EVENTs of those that belong together."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import EVENT, NEVER, Decimal, Events
from flowsense.sources.batches import names, parts
from flowsense.sources.columns import Mapping, listed
from flowsense.sources.tardis_books import Carried, pieces, updates, whole_books
from flowsense.sources.tick_events import gathered, messages, quoted
from flowsense.sources.tick_form import Form, measured_in, survey
from flowsense.sources.tick_rows import rows_of

Kind = Literal["trades", "updates", "books", "quotes", "ticker"]
BOOKS = ("updates", "books", "quotes")  # kinds that carry the book
LEADING = "exchange,symbol,timestamp,local_timestamp"
NO_TABLE = Mapping("local_timestamp", "timestamp", "symbol", *8 * [""])
MARKS: dict[str, Kind] = {  # a column that only this kind has
    "is_snapshot": "updates",
    "asks[0].price": "books",
    "ask_price": "quotes",
    "funding_rate": "ticker",
    "id": "trades",
}
REFUSED = {"strike_price": "an options chain", "liquidations": "liquidations"}


class Table(NamedTuple):
    path: Path
    kind: Kind
    venue: str
    start: int  # ns, of its first row
    symbols: frozenset[str]  # it tells of
    form: Form

    @property
    def levels(self) -> int:
        """Of the whole books in its rows; 0 of other tables."""
        return len(self.form.numbers[0]) // 2 if self.form.books else 0


def kind_of(path: Path) -> Kind:
    """Raises InputError for a data type that is not read."""
    columns = names(path)
    for mark, what in REFUSED.items():
        if mark in columns or f"_{mark}_" in path.name:
            raise InputError(f"{path}: is {what}, which is not read: leave it out")
    if columns[:4] == LEADING.split(","):
        for mark, kind in MARKS.items():
            if mark in columns:
                return kind
    raise InputError(f"{path}: no data type of Tardis has the columns {listed(columns)}")


def form_of(path: Path, kind: Kind) -> Form:
    """As yet without units and symbols."""
    table = replace(NO_TABLE, side="side", price="price", size="amount")
    books: tuple[tuple[str, ...], ...] = ()
    if kind == "updates":
        table = replace(table, kind="is_snapshot")
    elif kind == "trades":
        table = replace(table, kind="trades")
    elif kind == "quotes":
        table = replace(NO_TABLE, bid="bid_price", ask="ask_price")
        table = replace(table, bid_size="bid_amount", ask_size="ask_amount")
    else:
        table, columns, levels = NO_TABLE, names(path), list[str]()
        while f"asks[{len(levels) // 2}].price" in columns:
            levels += [f"asks[{len(levels) // 2}]", f"bids[{len(levels) // 2}]"]
        books = tuple(tuple(f"{level}.{what}" for level in levels) for what in ("price", "amount"))
    return Form(str(path), table, "", books=books)


def described(path: Path, kind: Kind, tick: str | None, lot: str | None) -> Table:
    """Raises InputError, also for a table of several exchanges."""
    form, venue = form_of(path, kind), venue_of(path)
    form = survey(path, form, tick, lot)
    start = next(int(ts[0]) for _, ts in pieces(path, form))
    return Table(path, kind, venue, start, frozenset(form.symbols), form)


def venue_of(path: Path) -> str:
    venues = dict[str, int]()
    for part in parts(path, ["exchange"], Form(str(path), NO_TABLE, "")):
        part.codes("exchange", venues)
    if len(venues) > 1:
        raise InputError(f"{path}: is of several exchanges, {', '.join(venues)}: split it")
    return next(iter(venues), "")


def related(tables: Iterable[Table]) -> list[list[Table]]:
    """Those that tell of the same instruments together, directly or through others."""
    groups = list[list[Table]]()
    for table in tables:
        mine = [
            group
            for group in groups
            if any(t.venue == table.venue and t.symbols & table.symbols for t in group)
        ]
        groups = [group for group in groups if group not in mine]
        groups.append([*chain(*mine), table])
    return groups


class Stream(NamedTuple):
    """Tables of one kind that follow each other in time."""

    tables: tuple[Table, ...]

    @property
    def kind(self) -> Kind:
        return self.tables[0].kind

    def measured(self, units: dict[str, tuple[Decimal, Decimal]]) -> "Stream":
        """With instruments counted, and in ticks and lots, as in `units`."""
        return Stream(
            tuple(
                t._replace(form=measured_in(replace(t.form, symbols=tuple(units)), units))
                for t in self.tables
            )
        )

    def events(self, booked: frozenset[str]) -> Iterator[Events]:
        """Whole messages; trades open an empty book of instruments that are not `booked`.

        Raises InputError for a table that begins before the one before it ends.
        """
        form, last = self.tables[0].form, 0
        carried = Carried.of(len(form.symbols), self.tables[0].levels)
        if self.kind == "trades":
            carried.opening.heard[[k for k, s in enumerate(form.symbols) if s in booked]] = True
        for number, table in enumerate(self.tables):
            for events in told(table, carried):
                if len(events) and int(events["ts_recv"][0]) < last:
                    raise InputError(
                        f"{table.path}: begins before {self.tables[number - 1].path.name} ends: "
                        "leave one of them out"
                    )
                last = int(events["ts_recv"][-1]) if len(events) else last
                yield events


def told(table: Table, carried: Carried) -> Iterator[Events]:
    """The events of one table."""
    form = table.form
    if table.kind == "books":
        return (whole_books(part, carried, ts) for part, ts in pieces(table.path, form))
    rows = rows_of(table.path, form, ordered=True)
    if table.kind == "quotes":
        return (quoted(part, carried.opening) for part in rows)
    if table.kind == "trades":
        return (messages(part, carried.opening) for part in gathered(rows))
    carried.replayed[:] = False  # each begins with a snapshot of its own
    return (updates(part, carried, form) for part in gathered(rows))


def interleaved(streams: list[Iterator[Events]]) -> Iterator[Events]:
    """All in order of `ts_recv`; at equal times those of an earlier stream come first."""
    held = [np.zeros(0, EVENT) for _ in streams]
    ended = [False for _ in streams]
    while True:
        limits = [
            NEVER if done else int(events["ts_recv"][-1]) if len(events) else -1
            for events, done in zip(held, ended, strict=True)
        ]
        limit = min(limits)
        ends = [int(np.searchsorted(events["ts_recv"], limit)) for events in held]
        ready = np.concatenate([events[:end] for events, end in zip(held, ends, strict=True)])
        if len(ready):
            yield ready[np.argsort(ready["ts_recv"], kind="stable")].view(EVENT)
        held = [events[end:] for events, end in zip(held, ends, strict=True)]
        if all(ended):
            return
        for k in [k for k, each in enumerate(limits) if each == limit and not ended[k]]:
            more = next(streams[k], None)
            ended[k] = more is None
            if more is not None:
                held[k] = np.concatenate([held[k], more])
