"""Ticks and lots of candles: whole numbers out of float64, and BARs of them."""

from collections.abc import Iterable, Iterator
from math import floor, gcd, log10

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import BAR, CLOSE, EVENT, LARGEST, LAST, NEVER, Bars, Decimal, Events, zeros
from flowsense.sources.candles_form import PRICES, Form
from flowsense.sources.candles_rows import DIGITS, Floats, Rows
from flowsense.sources.cells import FINEST, Ints

Units = tuple[Decimal, Decimal]  # tick and lot


def kept(largest: float, digits: int = DIGITS) -> int:
    """Decimals of numbers, so that the largest has that many digits."""
    # Digits before the point; below 0, zeros after it.
    before = floor(log10(largest)) + 1 if largest > 0 else 0
    return min(max(digits - before, 0), FINEST)


def measured(rows: Iterable[Rows], form: Form) -> list[Units]:
    """Tick and lot of each instrument: what all its prices and all its volumes are multiples of."""
    price, volume = form.decimals
    found = np.zeros((2, len(form.symbols)), np.int64)
    for part in rows:
        divide(found[0], np.repeat(part.who, len(PRICES)), rounded(part.price, price).ravel())
        divide(found[1], part.who, rounded(part.volume, volume))
    return [(lowest(int(tick), price), lowest(int(lot), volume)) for tick, lot in found.T]


def rounded(x: Floats, scale: int) -> Ints:
    """Times 10**scale."""
    out: Ints = np.rint(x * 10.0**scale).astype(np.int64)
    return out


def divide(found: Ints, who: Ints, values: Ints) -> None:
    """`found` (instruments,) becomes what all values of each are multiples of."""
    known = found[who]
    changes = np.flatnonzero((known == 0) | (values % np.maximum(known, 1) != 0))
    np.gcd.at(found, who[changes], values[changes])


def lowest(divisor: int, scale: int) -> Decimal:
    """divisor * 10**-scale in lowest terms; 1 where there is none, as every value is 0."""
    while divisor and divisor % 10 == 0 and scale > 0:
        divisor, scale = divisor // 10, scale - 1
    return Decimal(divisor, -scale) if divisor else Decimal(1, 0)


class Counter:
    """Of the ticks (or lots) in the prices (or volumes) of each instrument."""

    def __init__(self, table: str, name: str, units: Iterable[Decimal], scale: int) -> None:
        self.table, self.name, self.units, self.scale = table, name, [*units], scale
        pairs = [fraction(unit, scale) for unit in self.units]
        for unit, pair in zip(self.units, pairs, strict=True):
            if max(pair) > LARGEST:
                raise InputError(f"{table}: the {name} {float(unit)} suits no number: give another")
        self.up, self.down = np.array(pairs, np.int64).reshape(-1, 2).T

    def count(self, x: Floats, who: Ints) -> Ints:
        """Raises InputError for what is no whole number of them, or too many."""
        up, down, whole = self.up[who], self.down[who], rounded(x, self.scale)
        most = np.minimum(LARGEST * (down / up), NEVER / up)
        self.demand(x, who, whole < most, "is too fine for", "give a coarser one")
        count, rest = np.divmod(whole * up, down)
        self.demand(x, who, rest == 0, "does not divide", "give a finer one")
        return count

    def demand(self, x: Floats, who: Ints, good: NDArray[np.bool_], why: str, fix: str) -> None:
        if not good.all():
            i = int(good.argmin())
            unit = f"{self.name} {float(self.units[who[i]]):.15g}"
            raise InputError(f"{self.table}: the {unit} {why} {x[i]:.15g}: {fix}")


def fraction(unit: Decimal, scale: int) -> tuple[int, int]:
    """How many units 10**-scale is, as two whole numbers."""
    shift = -unit.exponent - scale
    up, down = 10 ** max(shift, 0), unit.mantissa * 10 ** max(-shift, 0)
    return up // gcd(up, down), down // gcd(up, down)


def bars_of(rows: Iterable[Rows], form: Form, units: Iterable[Units]) -> Iterator[Bars]:
    """A BAR of each row. Raises InputError where the units do not suit it."""
    ticks, lots = zip(*units, strict=True)
    tick = Counter(form.table, "tick", ticks, form.decimals[0])
    lot = Counter(form.table, "lot", lots, form.decimals[1])
    for part in rows:
        if int(part.who.max(initial=0)) >= len(ticks):
            raise InputError(f"{form.table}: changed while it was read: read it when complete")
        out = zeros(BAR, len(part.ts))
        for k, name in enumerate(PRICES):
            out[name] = tick.count(part.price[:, k], part.who)
        fix = "keep prices so different in several tables"
        tick.demand(part.price[:, 2], part.who, out["low"] > 0, "is too coarse for", fix)
        out["lots"], out["trades"] = lot.count(part.volume, part.who), part.trades
        out["ts_open"] = part.ts - (form.interval if form.columns.closed else 0)
        out["ts_recv"] = out["ts_open"] + form.interval - 1
        out["instrument"] = part.who
        yield out


def closes(bars: Bars) -> Events:
    """The event that comes with each bar."""
    out = zeros(EVENT, len(bars))
    out["ts_event"] = out["ts_recv"] = bars["ts_recv"]
    out["price"], out["lots"], out["instrument"] = bars["close"], bars["lots"], bars["instrument"]
    out["action"], out["bits"] = CLOSE, LAST
    return out
