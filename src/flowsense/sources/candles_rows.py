"""Rows of a table of candles as numbers, every one of them checked."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from flowsense.sources.batches import Part, parts
from flowsense.sources.candles_form import Form, tenfold
from flowsense.sources.cells import Ints, TimeUnit, reals, time_unit, times
from flowsense.sources.columns import FLAG

Floats = NDArray[np.float64]
FIX = "correct or remove the row"
DIGITS = 15  # that every decimal keeps as float64
MOST = 10.0**DIGITS


class Rows(NamedTuple):
    ts: Ints  # (n,) ns, as the table tells it
    who: Ints  # (n,) index of the instrument
    price: Floats  # (n, 4) open, high, low, close
    volume: Floats  # (n,)
    trades: Ints  # (n,)

    def take(self, which: slice | Ints | NDArray[np.bool_]) -> Self:
        return type(self)._make(column[which] for column in self)


def judge(form: Form, *, sort: bool) -> Callable[[Part[Form]], Ints | None]:
    """Raises InputError for a part with a row that cannot be used; else the times of its rows."""
    known = list[TimeUnit]()

    def check(part: Part[Form]) -> Ints | None:
        ts, unit = stamped(part, form.unit or (known[0] if known else None))
        wide(part, ts, {}) if form.columns.wide else long(part, ts, {})
        known[:] = [unit]
        return None if sort else ts

    return check


def stamped(part: Part[Form], unit: TimeUnit | None) -> tuple[Ints, TimeUnit]:
    """(n,) ns, and the unit that they are in."""
    cells, at = part.column(part.form.columns.time)
    unit = unit or time_unit(cells, at)
    ts = times(cells, unit, at)
    part.demand(ts >= 0, part.form.columns.time, f"is before 1970: {FIX}")
    return ts, unit


def rows_of(
    source: Path | pa.Table, form: Form, symbols: dict[str, int], *, sort: bool
) -> Iterator[Rows]:
    """Batches in order of time; instruments not yet known are entered into `symbols`.

    Raises InputError naming the first row that cannot be used.
    """
    unit, last, held = form.unit, 0, list[Rows]()
    for part in parts(source, form.columns.used(), form):
        ts, unit = stamped(part, unit)
        if not sort:
            before = np.concatenate([[last], ts[:-1]])
            fix = "goes back in time: sort the table, or add --sort"
            part.demand(ts >= before, form.columns.time, fix)
        last = int(ts[-1])
        rows = wide(part, ts, symbols) if form.columns.wide else long(part, ts, symbols)
        held.append(rows)
        if not sort:
            yield held.pop()
    if held:
        rows = Rows._make(np.concatenate(columns) for columns in zip(*held, strict=True))
        yield rows.take(np.argsort(rows.ts, kind="stable"))


def long(part: Part[Form], ts: Ints, symbols: dict[str, int]) -> Rows:
    columns = part.form.columns
    if columns.symbol:
        who = part.codes(columns.symbol, symbols)
    else:
        who = np.full(len(ts), symbols.setdefault(part.form.symbol, 0))
    prices = [price(part, name)[0] for name in columns.prices]
    if len(prices) == 1:
        prices *= 4
    else:
        check(part, prices)
    volume = amount(part, columns.volume)
    trades = amount(part, columns.trades)
    if columns.trades:
        good = (trades == np.rint(trades)) & (trades < 2**31)
        part.demand(good, columns.trades, f"is no number of trades: {FIX}")
    return Rows(ts, who, np.stack(prices, 1), volume, trades.astype(np.int64))


def wide(part: Part[Form], ts: Ints, symbols: dict[str, int]) -> Rows:
    """Each cell that is not blank is a candle."""
    columns = part.form.columns.wide
    who = [symbols.setdefault(name, len(symbols)) for name in columns]
    cells = [price(part, name, blank=True) for name in columns]
    close, missing = (np.stack(each, 1).ravel() for each in zip(*cells, strict=True))
    nothing = np.zeros(len(close))
    rows = Rows(
        np.repeat(ts, len(columns)),
        np.tile(who, len(ts)),
        np.repeat(close[:, None], 4, axis=1),
        nothing,
        nothing.astype(np.int64),
    )
    return rows.take(~missing)


def price(
    part: Part[Form], column: str, *, blank: bool = False
) -> tuple[Floats, NDArray[np.bool_]]:
    """(n,) values and where there is none."""
    cells, at = part.column(column)
    values, missing = reals(cells, at)
    if not blank:
        part.demand(~missing, column, "is blank: fill it in or remove the row")
    values = values / tenfold(column)
    part.demand((values > 0) | missing, column, f"should be above 0: {FIX}")
    part.demand(values < MOST, column, f"should be below 10**{DIGITS}: {FIX}")
    return values, missing


def amount(part: Part[Form], column: str) -> Floats:
    """(n,) of a column that may be none."""
    if not column:
        return np.zeros(len(part))
    cells, at = part.column(column)
    values, missing = reals(cells, at)
    part.demand(~missing, column, "is blank: fill it in or remove the row")
    values = values / tenfold(column)
    part.demand(values >= 0, column, f"should not be below 0: {FIX}")
    part.demand(values < MOST, column, f"should be below 10**{DIGITS}: {FIX}")
    return values


def check(part: Part[Form], prices: list[Floats]) -> None:
    """High and low hold open and close; by a rounding error they may miss."""
    opened, high, low, closed = prices
    bound = np.maximum(opened, closed) * (1 - 10.0**-DIGITS)
    columns = part.form.columns.prices
    fix = f"{FIX}, or read closes alone: {FLAG} open=,high=,low="
    part.demand(high >= bound, columns[1], f"is a high below open or close: {fix}")
    bound = np.minimum(opened, closed) * (1 + 10.0**-DIGITS)
    part.demand(low <= bound, columns[2], f"is a low above open or close: {fix}")
