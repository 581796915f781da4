"""Ticks in tables that nobody has seen before: trades, quotes or level updates, by named columns.

========  ===================================  ==================================================
table of  columns                              becomes
========  ===================================  ==================================================
trades    ts, price, size, perhaps side        TRADE. There is no book: features of the book are
                                               missing in every row, and no mid can be forecast
quotes    ts, bid, ask, bid_size, ask_size     SETs of a book of one level, the old one removed
levels    ts, side, price, size (now resting)  SET; size 0 removes the level
mixed     the same and a column `kind`         TRADE, SET, or a snapshot, as `kind` says
========  ===================================  ==================================================

Trades and levels look alike: they are levels where the first side reads bid or ask, else trades,
unless ``kind=levels`` or ``kind=trades`` says it. Tick and lot are the greatest common divisors
of all prices and sizes of an instrument, exactly, unless they are given.

The book opens empty at an instrument's first record and fills, or by its snapshot: rows that
`kind` calls so, at one time. Levels of one instrument at one time are one message, as no such
table says where a message ends. A quote is a message, and so is a trade in a table of trades.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from flowsense.schema import DEPTH, Events, Instrument
from flowsense.sources import Source
from flowsense.sources.batches import known, names
from flowsense.sources.cells import TimeUnit, check_unit
from flowsense.sources.columns import Mapping, resolve
from flowsense.sources.instants import whole
from flowsense.sources.quarantine import Quarantine, unsound
from flowsense.sources.tabled import Tabled
from flowsense.sources.tick_events import events_of
from flowsense.sources.tick_form import Form, agreed, parts_of, survey
from flowsense.sources.tick_rows import join, judge, rows_of
from flowsense.sources.units import Units, other


@dataclass(frozen=True, slots=True)
class Ticks(Tabled):
    """A table of ticks, surveyed once when made. Raises InputError, as does every pass.

    `columns` is a `Mapping` or its text, like ``ts=time,price=px``; columns not named are looked
    for under their usual names. `tick` and `lot` are decimal text. `unit` of the times is s, ms,
    us, ns or iso, and found from the first one where it is not given. `sort` holds the whole
    table in memory; without it a time that goes back is an error. `symbol` names the instrument
    of a table without a column of symbols.
    """

    columns: Mapping | str = ""
    tick: str | None = None
    lot: str | None = None
    unit: TimeUnit | None = None
    sort: bool = False
    symbol: str = ""
    venue: str = "file"
    quarantine: Quarantine | None = field(default=None, compare=False)
    instruments: tuple[Instrument, ...] = field(init=False)
    form: Form = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_unit(self.unit)
        asked = Mapping.parse(self.columns) if isinstance(self.columns, str) else self.columns
        mapping = resolve(asked, names(self.content), self.name)
        symbol = self.symbol or self.path.name.split(".")[0]
        form = Form(self.name, mapping, symbol, self.unit)
        rows = parts_of(self.content, form)
        skip = unsound(rows, judge(form, sort=self.sort), self.quarantine)
        self.settle(survey(self.content, replace(form, skip=skip), self.tick, self.lot))

    def settle(self, form: Form) -> None:
        """What is derived from the form; only while the source is made."""
        depth = 1 if form.mapping.quotes else DEPTH
        table = tuple(
            Instrument(symbol, self.venue, *units, depth=depth)
            for symbol, units in zip(form.symbols, form.units, strict=True)
        )
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "instruments", table)

    def in_units(self, units: Units) -> Self:
        pair = other(self, units)
        return self if pair is None else replace(self, tick=str(pair[0]), lot=str(pair[1]))

    def __iter__(self) -> Iterator[Events]:
        return whole(self.messages())

    def messages(self) -> Iterator[Events]:
        parts = rows_of(self.content, self.form, ordered=not self.sort)
        if self.sort:
            rows = join(list(parts))
            parts = iter([rows.take(np.argsort(rows.ts, kind="stable"))])
        return events_of(parts, self.form)


def claims(path: Path, head: bytes) -> bool:
    """Any table that no other format claims."""
    return known(path)


def open(  # noqa: PLR0913  the options of a table, all by name
    paths: list[Path],
    *,
    columns: Mapping | str = "",
    tick: str | None = None,
    lot: str | None = None,
    unit: TimeUnit | None = None,
    sort: bool = False,
    symbol: str = "",
    venue: str = "file",
    quarantine: Quarantine | None = None,
) -> list[Source]:
    """One source per file, all with the options of `Ticks`. Raises InputError.

    Files that tell of one instrument, such as its days, agree on its tick and its lot.
    """
    sources = [
        Ticks(path, columns, tick, lot, unit, sort, symbol, venue, quarantine) for path in paths
    ]
    for source, form in zip(sources, agreed([s.form for s in sources]), strict=True):
        source.settle(form)
    return list(sources)
