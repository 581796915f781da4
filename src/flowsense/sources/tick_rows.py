"""Rows of a tick table as exact integers, every one of them checked."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import CLEAR, LARGEST, SET, TRADE
from flowsense.sources.batches import Part
from flowsense.sources.cells import Ints, TimeUnit, exact, times, words
from flowsense.sources.columns import FLAG, squeezed
from flowsense.sources.tick_form import Form, entered, parts_of, recognised, shortest

SIDES = (
    dict.fromkeys(("buy", "b", "bid", "bids", "buyer", "1", "+1"), 1)
    | dict.fromkeys(("sell", "s", "ask", "asks", "a", "offer", "seller", "-1"), -1)
    | dict.fromkeys(("", "0", "n", "none", "unknown"), 0)
)
MAKER = {"true": -1, "t": -1, "1": -1, "false": 1, "f": 1, "0": 1}  # is the buyer the maker?
PRINT, LEVEL, REMOVAL, REPLAYED, RESET = range(5)
KINDS = (
    dict.fromkeys(("trade", "trades", "t", "fill", "match", "execution"), PRINT)
    | dict.fromkeys(("level", "levels", "l", "book", "depth", "set", "l2update"), LEVEL)
    | dict.fromkeys(("add", "new", "insert", "update", "change", "modify", "delta"), LEVEL)
    | dict.fromkeys(("delete", "remove", "cancel"), REMOVAL)
    | dict.fromkeys(("snapshot", "snap", "partial"), REPLAYED)
    | dict.fromkeys(("clear", "reset"), RESET)
)
REPLAY = {"true": REPLAYED, "t": REPLAYED, "1": REPLAYED, "false": LEVEL, "f": LEVEL, "0": LEVEL}
BLANK = "is blank: fill it in or remove the row"


class Rows(NamedTuple):
    """Consecutive rows; a quote has two prices and sizes, bid and ask, any other row one."""

    ts: Ints  # (n,) ns
    ts_event: Ints  # (n,) ns
    who: Ints  # (n,) index of the instrument
    action: Ints  # (n,) TRADE, SET or CLEAR
    side: Ints  # (n,) 1, -1 or 0
    replayed: NDArray[np.bool_]  # (n,) part of a snapshot
    price: Ints  # (n, 1 or 2) ticks; 0: a quote without that side
    lots: Ints  # (n, 1 or 2)

    def take(self, which: slice | Ints) -> Self:
        return type(self)._make(column[which] for column in self)


def join(parts: list[Rows]) -> Rows:
    """Consecutive rows as one."""
    return Rows._make(np.concatenate(columns) for columns in zip(*parts, strict=True))


def rows_of(source: Path | pa.Table, form: Form, *, ordered: bool) -> Iterator[Rows]:
    """Batches of rows. Raises InputError naming the first row that cannot be used."""
    symbols, last = {s: k for k, s in enumerate(form.symbols)}, -(2**63)
    for part in parts_of(source, form):
        rows = read(part, symbols)
        if ordered:
            before = np.concatenate([[last], rows.ts[:-1]])
            fix = "goes back in time: sort the table, or add --sort"
            part.demand(rows.ts >= before, form.mapping.ts, fix)
        last = int(rows.ts[-1])
        yield rows


def judge(form: Form, *, sort: bool) -> Callable[[Part[Form]], Ints | None]:
    """Raises InputError for a part with a row that cannot be used, whatever ticks and lots are;
    else the times of its rows.
    """
    known = list[Form]()

    def check(part: Part[Form]) -> Ints | None:
        mine = Part(part.cells, known[0] if known else recognised(part), part.first)
        m, raw = mine.form.mapping, [unscaled(mine, columns) for columns in mine.form.numbers]
        ts = clock(mine, m.ts, mine.form.unit)
        if m.ts_event:
            clock(mine, m.ts_event, mine.form.unit_event)
        entered(mine, {})
        if m.quotes:
            check_quotes(mine, *raw)
        else:
            check_prints(mine, kinds(mine), sides(mine), *raw)
        known[:] = [mine.form]
        return None if sort else ts

    return check


def read(part: Part[Form], symbols: dict[str, int]) -> Rows:
    form, m = part.form, part.form.mapping
    ts = clock(part, m.ts, form.unit)
    ts_event = clock(part, m.ts_event, form.unit_event) if m.ts_event else ts
    who = entered(part, symbols)
    if len(symbols) > len(form.symbols):
        raise changed(form)
    price, size = amounts(part, who, 0), amounts(part, who, 1)
    if m.quotes:
        check_quotes(part, price, size)
        action, side = np.full(len(part), SET), np.zeros(len(part), np.int64)
        replayed = np.zeros(len(part), np.bool_)
    else:
        kind, side = kinds(part), sides(part)
        check_prints(part, kind, side, price, size)
        size.units[kind == REMOVAL] = 0
        action = np.where(kind == PRINT, TRADE, np.where(kind == RESET, CLEAR, SET))
        replayed = kind == REPLAYED
    return Rows(ts, ts_event, who, action, side, replayed, price.units, size.units)


def clock(part: Part[Form], column: str | None, unit: TimeUnit | None) -> Ints:
    assert unit is not None, "of a form that was surveyed"
    cells, at = part.column(column)
    return times(cells, unit, at)


class Amounts(NamedTuple):
    units: Ints  # (n, 1 or 2) ticks or lots
    missing: NDArray[np.bool_]  # (n, 1 or 2)


def amounts(part: Part[Form], who: Ints, k: int) -> Amounts:
    """Prices in ticks (k = 0) or sizes in lots (k = 1)."""
    form, columns = part.form, list[Amounts]()
    unit = np.array([divisors[k] for divisors in form.divisors])[who]
    for column in form.numbers[k]:
        cells, at = part.column(column)
        values, missing, scale = exact(cells, form.scales[k], at)
        count, rest = np.divmod(values, unit)
        if scale != form.scales[k] or rest.any():
            raise changed(form)
        small = np.abs(count) <= LARGEST
        finest = float(shortest(int(unit[small.argmin()]), scale))
        part.demand(small, column, f"is more than 2**53 times {finest}, the finest step: round")
        columns.append(Amounts(count, missing))
    return Amounts._make(np.stack(c, 1) for c in zip(*columns, strict=True))


def unscaled(part: Part[Form], columns: Iterable[str]) -> Amounts:
    """Numbers that stand for prices or sizes in their signs alone."""
    found = [exact(cells, 0, at) for cells, at in map(part.column, columns)]
    return Amounts(np.stack([f.values for f in found], 1), np.stack([f.missing for f in found], 1))


def kinds(part: Part[Form]) -> Ints:
    if not part.form.kinds:
        return np.full(len(part), LEVEL if part.form.levels else PRINT)
    cells, at = part.column(part.form.kinds)
    return words(cells, REPLAY if squeezed(at.column) == "issnapshot" else KINDS, at)


def sides(part: Part[Form]) -> Ints:
    column = part.form.mapping.side
    if not column:
        return np.zeros(len(part), np.int64)
    cells, at = part.column(column)
    return words(cells, MAKER if "maker" in column.lower() else SIDES, at)


def check_quotes(part: Part[Form], price: Amounts, size: Amounts) -> None:
    """Each side has a price and a size, both above 0, or neither."""
    for side in range(2):
        p, s = price.units[:, side], size.units[:, side]
        none = (p == 0) & (s == 0)
        for amount, columns in zip((p, s), part.form.numbers, strict=True):
            fix = "should be above 0, or both price and size blank: correct or remove the row"
            part.demand((amount > 0) | none, columns[side], fix)


def check_prints(part: Part[Form], kind: Ints, side: Ints, price: Amounts, size: Amounts) -> None:
    m, reset, trade = part.form.mapping, kind == RESET, kind == PRINT
    no_price, no_size = price.missing[:, 0], size.missing[:, 0]
    p, s = price.units[:, 0], size.units[:, 0]
    part.demand(reset | ~no_price, m.price, BLANK)
    part.demand(reset | (p > 0), m.price, "should be above 0: correct or remove the row")
    part.demand(reset | (kind == REMOVAL) | ~no_size, m.size, BLANK)
    part.demand(s >= 0, m.size, "should not be below 0: correct or remove the row")
    fix = f"should be above 0 in a trade: remove the row, or write {FLAG} kind=levels"
    part.demand(~trade | (s > 0), m.size, fix)
    part.demand(reset | trade | (side != 0), m.side, "should say bid or ask: correct the row")


def changed(form: Form) -> InputError:
    return InputError(f"{form.table}: changed while it was read: read it when it is complete")
