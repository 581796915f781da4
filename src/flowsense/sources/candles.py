"""Candles in tables that nobody has seen before: open, high, low, close and volume by columns.

Each candle becomes a BAR and, with it, a CLOSE | LAST of an instrument of depth 0.

**When it was known.** A table mostly says when a candle opened, and nobody knew its close by then.
A BAR is stamped with its last nanosecond, so that a row due when it closes reads it and no earlier
one does: the time of its column `ts` plus the interval, less one. Where the column
holds times of the close, map it as `closed` (``closed=time``); a column called like close_time is
taken so where no other time stands. The interval is the smallest step between candles of an
instrument, of which every other step has to be a multiple, or it is given.

**Numbers.** Vendors keep candles as float64 and sum volumes up in it, so what lies behind the 15th
digit of the largest price (or volume) of a table is noise, and is rounded away; so is what lies
behind the 18th of the sum of all volumes, which int64 has to hold. Tick and lot are the greatest
common divisors of what is left, unless they are given. Cells of a column whose name ends in
``_e8`` are times 10**8.

**Closes alone.** Without open, high and low these are the close: whatever reads ranges sees
none. ``close=*`` reads a wide table, in which every other column holds the closes of the instrument
it is called after; a blank cell there is no candle.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from flowsense.errors import InputError
from flowsense.schema import Chunk, Events, Instrument
from flowsense.sources import NO_OBSERVATIONS, Source
from flowsense.sources.batches import known, names, parts
from flowsense.sources.candles_form import PRICES, Form, Steps, columns_of, guessed
from flowsense.sources.candles_rows import Rows, judge, rows_of
from flowsense.sources.candles_units import bars_of, closes, kept, measured
from flowsense.sources.cells import FINEST, TimeUnit, check_unit
from flowsense.sources.columns import usual
from flowsense.sources.instants import instants
from flowsense.sources.periods import period
from flowsense.sources.quarantine import Quarantine, unsound
from flowsense.sources.tabled import Tabled
from flowsense.sources.units import Unit, Units, key_of, shared


@dataclass(frozen=True, slots=True)
class Candles(Tabled):
    """A table of candles, surveyed when made. Raises InputError, as does every pass.

    `columns` is text like ``ts=time,open=o``; columns not named are looked for under their usual
    names. `interval` is how long a candle is, like ``1h``. `tick` and `lot` are decimal text.
    `unit` of the times is s, ms, us, ns or iso. `sort` holds the whole table in memory; without it
    a time that goes back is an error. `symbol` names the instrument of a table without symbols.
    """

    columns: str = ""
    interval: str | None = None
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
        columns = columns_of(self.columns, names(self.content), self.name)
        symbol = self.symbol or self.path.name.split(".")[0]
        form = Form(self.name, columns, symbol, self.unit)
        rows = parts(self.content, columns.used(), form)
        skip = unsound(rows, judge(form, sort=self.sort), self.quarantine)
        form = self.surveyed(replace(form, skip=skip))
        tick, lot = (
            None if text is None else Unit.parse(name, str(text))
            for name, text in (("tick", self.tick), ("lot", self.lot))
        )
        table = tuple(
            Instrument(symbol, self.venue, tick or units[0], lot or units[1], depth=0)
            for symbol, units in zip(form.symbols, measured(self.rows(form), form), strict=True)
        )
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "instruments", table)

    @property
    def kinds(self) -> tuple[str, ...]:
        """A table of candles observes nothing else."""
        return ()

    def in_units(self, units: Units) -> Self:
        """What they do not divide is found on reading."""
        table = tuple(
            i._replace(tick=units[key_of(i)][0], lot=units[key_of(i)][1]) for i in self.instruments
        )
        out = copy(self)
        object.__setattr__(out, "instruments", table)
        return out

    def __iter__(self) -> Iterator[Events]:
        return (chunk.events for chunk in self.chunks())

    def chunks(self) -> Iterator[Chunk]:
        """Each holds all that closed at its times."""
        units = [(i.tick, i.lot) for i in self.instruments]
        bars = bars_of(self.rows(self.form), self.form, units)
        return (Chunk(closes(part), part, NO_OBSERVATIONS) for part in instants(bars))

    def rows(self, form: Form) -> Iterator[Rows]:
        symbols = {symbol: k for k, symbol in enumerate(form.symbols)}
        return rows_of(self.content, form, symbols, sort=self.sort)

    def surveyed(self, form: Form) -> Form:
        """The form completed. Raises InputError, also on a table without rows."""
        symbols, steps = dict[str, int](), Steps()
        price = volume = total = 0.0
        for rows in rows_of(self.content, form, symbols, sort=self.sort):
            steps.add(rows.ts, rows.who, [*symbols], self.name)
            price = max(price, float(rows.price.max(initial=0.0)))
            volume = max(volume, float(rows.volume.max(initial=0.0)))
            total += float(rows.volume.sum())
        if not price:
            raise InputError(f"{self.name}: holds no row: leave it out")
        if self.interval is None:
            together = bool(form.columns.wide)  # a row has one time
            interval = steps.interval([*symbols], self.name, together=together)
        elif not (interval := period(self.interval)):
            raise InputError(f"interval {self.interval!r}: a candle takes time: like 1m, 1h or 1d")
        decimals = kept(price), min(kept(volume), kept(total, FINEST))
        return replace(form, interval=interval, symbols=tuple(symbols), decimals=decimals)


def claims(path: Path, head: bytes) -> bool:
    """A table with columns of open, high, low, close and a time, by their usual names."""
    if not known(path):
        return False
    try:
        columns = names(path)
    except InputError:
        return False  # a damaged one is told of by whoever reads it
    found = guessed({}, columns)
    quoted = usual("bid", columns) and usual("ask", columns)
    return bool(all(found[f] for f in PRICES) and (found["ts"] or found["closed"]) and not quoted)


def open(  # noqa: PLR0913  the options of a table, all by name
    paths: list[Path],
    *,
    columns: str = "",
    interval: str | None = None,
    tick: str | None = None,
    lot: str | None = None,
    unit: TimeUnit | None = None,
    sort: bool = False,
    symbol: str = "",
    venue: str = "file",
    quarantine: Quarantine | None = None,
) -> list[Source]:
    """One source per file, all with the options of `Candles`. Raises InputError.

    Files that tell of one instrument, such as its years, agree on its tick and its lot.
    """
    sources = [
        Candles(path, columns, interval, tick, lot, unit, sort, symbol, venue, quarantine)
        for path in paths
    ]
    units = shared([i for source in sources for i in source.instruments])
    return [source.in_units(units) for source in sources]
