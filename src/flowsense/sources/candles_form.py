"""What a table of candles is: its columns, and how long a candle is."""

import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from flowsense.errors import InputError
from flowsense.forecast import spell
from flowsense.sources.cells import Ints, TimeUnit
from flowsense.sources.columns import looked_up, missing, pairs, usual

PRICES = ("open", "high", "low", "close")
FIELDS = ("ts", "closed", "symbol", *PRICES, "volume", "trades")
EACH = "*"  # columns that no other field has
TENFOLD = re.compile(r"_e(\d{1,2})$", re.IGNORECASE)  # of a name: the cells are times ten to that


class Columns(NamedTuple):
    """A column for each field, or ""; of `ts` and `closed` exactly one."""

    ts: str  # when a candle opened
    closed: str  # when it closed
    symbol: str
    prices: tuple[str, ...]  # open, high, low, close; of closes alone just that
    volume: str
    trades: str
    wide: tuple[str, ...] = ()  # in place of prices: each the closes of the instrument so called

    @property
    def time(self) -> str:
        return self.ts or self.closed

    def used(self) -> list[str]:
        named = (self.time, self.symbol, *self.prices, *self.wide, self.volume, self.trades)
        return list(dict.fromkeys(filter(None, named)))


@dataclass(frozen=True, slots=True)
class Form:
    """How to read the cells of the table."""

    table: str
    columns: Columns
    symbol: str  # of a table without a column of symbols
    unit: TimeUnit | None  # of the times; None: found from the first
    interval: int = 0  # ns from open to close; 0 while it is not known
    symbols: tuple[str, ...] = ()
    decimals: tuple[int, int] = (0, 0)  # kept of prices, of volumes
    skip: frozenset[int] = frozenset()  # numbers of rows that lie in quarantine


def columns_of(text: str, names: list[str], table: str) -> Columns:
    """Those asked for and the usual ones. Raises InputError naming a field that has no column."""
    given = pairs(text, list(FIELDS))
    wide = given.get("close") == EACH
    if wide:
        given |= dict.fromkeys((*PRICES, "volume", "trades", "symbol"), "")
    found = looked_up(guessed(given, names), names, table)
    if found["closed"]:
        found["ts"] = ""
    elif not found["ts"]:
        raise missing(table, names, "ts", "no column for the time of a candle", "ts")
    rest = tuple(name for name in names if name not in found.values()) if wide else ()
    prices = () if wide else prices_of(found, names, table)
    return Columns(
        found["ts"],
        found["closed"],
        found["symbol"],
        prices,
        found["volume"],
        found["trades"],
        rest,
    )


def guessed(given: dict[str, str], names: list[str]) -> dict[str, str | None]:
    """With columns of usual names. Times of the close count only where no others are found."""
    bare = [TENFOLD.sub("", name) for name in names]
    found: dict[str, str | None] = {}
    for field in FIELDS:
        column = usual(field, bare)
        found[field] = names[bare.index(column)] if column else ""
    if "ts" in given or ("closed" not in given and found["ts"]):
        found["closed"] = ""
    if usual("closed", [given.get("ts", "")]):  # whoever maps close_time means it
        found["closed"], given = given["ts"], given | {"ts": ""}
    return found | given


def prices_of(found: dict[str, str], names: list[str], table: str) -> tuple[str, ...]:
    if not found["close"]:
        raise missing(table, names, "close", "no column for close", "close")
    if not any(found[field] for field in PRICES[:3]):
        return (found["close"],)
    for field in PRICES:
        if not found[field]:
            raise missing(table, names, field, f"no column for {field}", field)
    return tuple(found[field] for field in PRICES)


def tenfold(column: str) -> float:
    """What the cells of a column are to be divided by."""
    match = TENFOLD.search(column)
    return 10.0 ** int(match[1]) if match else 1.0


class Steps:
    """From candle to candle of each instrument, running over all rows in order of time."""

    def __init__(self) -> None:
        self.last, self.common, self.least = np.zeros((3, 0), np.int64)

    def add(self, ts: Ints, who: Ints, symbols: list[str], table: str) -> None:
        """Raises InputError for a second candle of one time."""
        more = (0, len(symbols) - len(self.last))
        self.last = np.pad(self.last, more, constant_values=-1)
        self.common, self.least = np.pad(self.common, more), np.pad(self.least, more)
        order = np.argsort(who, kind="stable")
        who, ts = who[order], ts[order]
        same = np.diff(who, prepend=-1) == 0
        before = np.where(same, np.roll(ts, 1), self.last[who])
        self.last[who] = ts  # of several, numpy keeps the last
        step, who = (ts - before)[before >= 0], who[before >= 0]
        if not step.all():
            i = int(step.argmin())
            when = np.datetime64(int(ts[before >= 0][i]), "ns")
            raise InputError(
                f"{table}: a second candle of {symbols[who[i]]} at {when}: keep one of them"
            )
        np.gcd.at(self.common, who, step)
        self.least[self.least == 0] = np.iinfo(np.int64).max
        np.minimum.at(self.least, who, step)

    def interval(self, symbols: list[str], table: str, *, together: bool) -> int:
        """The step that all others are multiples of, of all instruments `together` or of each.

        No candle is longer than the smallest step, so one that closes after it is never early.
        Raises InputError where there is no such step, or several.
        """
        known = np.flatnonzero(self.common)
        fix = "say how long a candle is, like interval=1h"
        if not len(known):
            raise InputError(f"{table}: one candle tells no interval: {fix}")
        common, least = self.common[known], self.least[known]
        if together:
            common, least = np.gcd.reduce(common, keepdims=True), least.min(keepdims=True)
        if (common != least).any():
            k = int((common != least).argmax())
            raise InputError(
                f"{table}: candles of {symbols[known[k]]} come after {spell(int(least[k]))}, but "
                f"not always after multiples of it: {fix}"
            )
        if (common != common[0]).any():
            pair = (0, int((common != common[0]).argmax()))
            a, b = (f"{symbols[known[k]]} {spell(int(common[k]))}" for k in pair)
            raise InputError(f"{table}: candles are apart by several steps, {a} and {b}: {fix}")
        return int(common[0])
