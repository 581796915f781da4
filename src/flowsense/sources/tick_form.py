"""What a tick table is: found by one pass over its prices, sizes and symbols."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from flowsense.errors import InputError
from flowsense.schema import Decimal
from flowsense.sources.batches import Part, parts
from flowsense.sources.cells import Ints, Place, TimeUnit, exact, plain, time_unit
from flowsense.sources.columns import CONSTANT, FLAG, Mapping
from flowsense.sources.units import common

RESTING = ("bid", "bids", "ask", "asks", "a", "offer")  # sides of levels, not of trades


@dataclass(frozen=True, slots=True)
class Form:
    """How to read the cells of the table."""

    table: str
    mapping: Mapping
    symbol: str  # of a table without a column of symbols
    unit: TimeUnit | None = None  # of the times
    unit_event: TimeUnit | None = None
    levels: bool = False  # all rows are
    symbols: tuple[str, ...] = ()
    scales: tuple[int, int] = (0, 0)  # decimals of prices, of sizes
    divisors: tuple[tuple[int, int], ...] = ()  # of each instrument: tick and lot at that scale
    books: tuple[tuple[str, ...], ...] = ()  # prices and sizes of a table of whole books
    skip: frozenset[int] = frozenset()  # numbers of rows that lie in quarantine

    @property
    def units(self) -> list[tuple[Decimal, Decimal]]:
        """Tick and lot of each instrument."""
        price, size = self.scales
        return [(shortest(tick, price), shortest(lot, size)) for tick, lot in self.divisors]

    @property
    def kinds(self) -> str:
        """The column that says what a row is, or ""."""
        return "" if self.mapping.kind in CONSTANT else str(self.mapping.kind)

    @property
    def trades(self) -> bool:
        """Whether there is nothing else."""
        return not (self.levels or self.mapping.quotes or self.kinds)

    @property
    def numbers(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Columns of prices and of sizes."""
        m = self.mapping
        if self.books:
            return self.books[0], self.books[1]
        if m.quotes:
            return (str(m.bid), str(m.ask)), (str(m.bid_size), str(m.ask_size))
        return (str(m.price),), (str(m.size),)


def parts_of(source: Path | pa.Table, form: Form) -> Iterator[Part[Form]]:
    return parts(source, [*form.mapping.used(), *chain(*form.books)], form)


class Divisor:
    """The greatest common divisor of the prices (or sizes) of every instrument so far."""

    def __init__(self, table: str, name: str, given: str | None) -> None:
        self.name, self.given = name, given
        self.scale, self.fixed, self.found = 0, 0, np.zeros(0, np.int64)
        if given is not None:
            unit = exact(pa.array([str(given)]), 0, Place(table, name, 0))
            self.fixed, self.scale = int(unit.values[0]), unit.scale
            if self.fixed <= 0:
                raise InputError(f"{table}: {name} {given!r}: write a number above 0, like 0.01")

    def add(self, part: Part[Any], column: str, who: Ints, instruments: int) -> None:
        cells, at = part.column(column)
        values, _, scale = exact(cells, self.scale, at)
        power = 10 ** (scale - self.scale)
        if max(self.fixed, int(self.found.max(initial=0))) > (2**63 - 1) // power:
            raise InputError(f"{at.table}: column {column!r} holds both large and fine: round it")
        self.scale, self.fixed = scale, self.fixed * power
        self.found = np.pad(self.found * power, (0, instruments - len(self.found)))
        if self.fixed:
            fix = f"is no multiple of the {self.name} {self.given}: give a finer one"
            part.demand(values % self.fixed == 0, column, fix)
        known = self.found[who]
        changes = np.flatnonzero((known == 0) | (values % np.maximum(known, 1) != 0))
        np.gcd.at(self.found, who[changes], values[changes])

    def of(self, instrument: int) -> int:
        return self.fixed or int(self.found[instrument]) or 10**self.scale


def survey(
    source: Path | pa.Table, form: Form, tick: str | None = None, lot: str | None = None
) -> Form:
    """The form completed. Raises InputError, also on a table without rows."""
    price, size = Divisor(form.table, "tick", tick), Divisor(form.table, "lot", lot)
    symbols = dict[str, int]()
    for part in parts_of(source, form):
        if not symbols:
            form = recognised(part)
        who = entered(part, symbols)
        for divisor, columns in zip((price, size), form.numbers, strict=True):
            for column in columns:
                divisor.add(part, column, who, len(symbols))
    if not symbols:
        raise InputError(f"{form.table}: holds no row: leave it out")
    units = tuple((price.of(k), size.of(k)) for k in range(len(symbols)))
    scales = (price.scale, size.scale)
    return replace(form, symbols=tuple(symbols), scales=scales, divisors=units)


def agreed(forms: list[Form]) -> list[Form]:
    """The same, with one tick and one lot for an instrument that several tables tell of."""
    shared = dict[str, tuple[Decimal, Decimal]]()
    for form in forms:
        for symbol, (tick, lot) in zip(form.symbols, form.units, strict=True):
            known = shared.get(symbol, (tick, lot))
            shared[symbol] = (common(known[0], tick), common(known[1], lot))
    return [measured_in(form, shared) for form in forms]


def measured_in(form: Form, units: dict[str, tuple[Decimal, Decimal]]) -> Form:
    """The same with these ticks and lots, by symbol."""
    pairs = [units[symbol] for symbol in form.symbols]
    price, size = (
        max(least, *(-pair[k].exponent for pair in pairs)) for k, least in enumerate(form.scales)
    )
    divisors = tuple((at_scale(tick, price), at_scale(lot, size)) for tick, lot in pairs)
    return replace(form, scales=(price, size), divisors=divisors)


def at_scale(unit: Decimal, scale: int) -> int:
    return int(unit.mantissa * 10 ** (scale + unit.exponent))


def recognised(part: Part[Form]) -> Form:
    """Units of the times, and whether these are levels, from the first rows."""
    form, m = part.form, part.form.mapping
    unit = form.unit or time_unit(*part.column(m.ts))
    event = form.unit or time_unit(*part.column(m.ts_event or m.ts))
    levels = m.kind == "levels"
    if not m.kind and m.side:
        words = pc.utf8_lower(plain(*part.column(m.side)))
        levels = any(word in RESTING for word in pc.unique(words).to_pylist())
    if (levels or form.kinds) and not m.side:
        raise InputError(f"{form.table}: levels have a side: write {FLAG} side=COLUMN")
    return replace(form, unit=unit, unit_event=event, levels=levels)


def entered(part: Part[Form], symbols: dict[str, int]) -> Ints:
    """(n,) the index of each row's instrument; those not yet known are entered."""
    column = part.form.mapping.symbol
    if not column:
        symbols.setdefault(part.form.symbol, 0)
        return np.zeros(len(part), np.int64)
    return part.codes(column, symbols)


def shortest(mantissa: int, scale: int) -> Decimal:
    while mantissa % 10 == 0 and scale > 0:
        mantissa, scale = mantissa // 10, scale - 1
    return Decimal(mantissa, -scale)
