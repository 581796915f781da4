"""LOBSTER message and order-book files, as `lobsterdata.com` sells them, to EVENTs by level.

A line of the message file says what happened, the same line of the order-book file what the book
is then. Huang & Polak 2011; LOBSTER_SampleFiles_ReadMe.txt. Each line becomes, LAST on its last::

    line    events
    first   CLEAR and the SETs of a snapshot, and what it would become if it were another
    1 2 3   SETs of the levels that differ from the line before
    4 5     TRADE, then the same; the direction is that of the resting order, so turned round
    6       TRADE of side 0 (a cross has none) between STATUS AUCTION and the phase before
    7       STATUS: HALT (price -1), AUCTION (0: quoting resumes) or TRADING (1)
    other   STATUS of the phase as it is: nothing shown has changed, but the venue was heard

A level that comes into view or leaves it at the deep end, not named by the message, has SCROLL.
A hidden order (5) may trade between ticks; its price is then the next tick against the aggressor,
off by less than a tick. A smaller `tick` keeps it exact, and counts every price in that unit.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.errors import InputError
from flowsense.schema import (
    AUCTION,
    CLEAR,
    DAY,
    EVENT,
    HALT,
    LARGEST,
    LAST,
    SECOND,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
    Decimal,
    Events,
    Instrument,
    zeros,
)
from flowsense.sources import Source
from flowsense.sources.files import COMPRESSED, Block, bare_name, blocks
from flowsense.sources.quarantine import Quarantine
from flowsense.sources.rows import NOWHERE, differ, emit
from flowsense.sources.table import parse
from flowsense.sources.units import Units, unchanged

NAME = re.compile(r"(.+)_(\d{4}-\d\d-\d\d)_\d+_\d+_(message|orderbook)_([1-9]\d*)\.csv")
CENT = Decimal(1, -2)
DOLLAR = 10_000  # prices in the files are dollars times this
EMPTY = 9_999_999_999  # plus or minus: the price where a side has no such level
EXECUTION, HIDDEN, CROSS, HALTED = 4, 5, 6, 7  # types

MESSAGE = np.dtype([(name, "i8") for name in ("ts", "kind", "order", "lots", "price", "direction")])
DECIMALS = (9, 0, 0, 0, 0, 0)
BOOKS = array("i8", 4, readonly=True)  # (n, levels, ask or bid, price or lots)

AMEND = "it cannot be; correct or remove the row"
OFF_TICK = "price {} lies between ticks: give a smaller one, such as tick=0.0001"
ORDER = "it is no worse than that of the level above; correct or remove the row"


class Pair(NamedTuple):
    """Two files of one recording, and what their names say of them."""

    message: Path
    orderbook: Path
    instrument: Instrument
    midnight: int  # ns UTC, of the day in New York
    tick: int  # of dollars times DOLLAR


class State(NamedTuple):
    """Of the fold over lines."""

    lines: int
    ts: int  # of the last line, ns after midnight
    phase: int
    book: NDArray[np.int64]  # (levels, ask or bid, price in ticks or lots), as of the last line


def start(pair: Pair) -> State:
    return State(0, 0, TRADING, np.zeros((pair.instrument.depth, 2, 2), np.int64))


@kernel
def tell(events: Record, n: int, m: Record, phase: int) -> tuple[int, int]:
    """What the message itself is, apart from what it does to the book."""
    if m.kind == HALTED:
        phase = HALT if m.price < 0 else AUCTION if m.price == 0 else TRADING
        return emit(events, n, STATUS, 0, 0, phase, 0), phase
    if m.kind == CROSS:
        if phase != AUCTION:
            n = emit(events, n, STATUS, 0, 0, AUCTION, 0)
        n = emit(events, n, TRADE, 0, m.price, m.lots, 0)
        events[n - 1].order_id = max(m.order, 0)
        if phase == TRADING:
            return emit(events, n, STATUS, 0, 0, TRADING, 0), TRADING
        return n, AUCTION
    if m.kind == EXECUTION or m.kind == HIDDEN:
        n = emit(events, n, TRADE, -m.direction, m.price, m.lots, 0)
        events[n - 1].order_id = max(m.order, 0)
    return n, phase


@kernel
def close(events: Record, start: int, n: int, m: Record, line: int) -> int:
    """Stamp the events of a line."""
    for i in range(start, n):
        events[i].ts_event = events[i].ts_recv = m.ts
        events[i].sequence = line
    if n > start:
        events[n - 1].bits = events[n - 1].bits | LAST
    return n


@compiled(
    types.UniTuple(types.int64, 2)(
        array("i8", 3, readonly=True),
        BOOKS,
        array(MESSAGE, readonly=True),
        types.int64,
        types.int64,
        array(EVENT),
    )
)
def unroll(
    before: Record, books: Record, messages: Record, lines: int, phase: int, events: Record
) -> tuple[int, int]:
    """-> (events written, phase now); `lines` went before."""
    n = 0
    for r in range(len(messages)):
        m, now, start, line = messages[r], books[r], n, lines + r + 1
        was = before if r == 0 else books[r - 1]
        if line == 1:
            n = emit(events, n, CLEAR, 0, 0, 0, SNAPSHOT)
            for k in range(2):
                n = differ(events, n, was, now, k, 0, SNAPSHOT)
            start = close(events, start, n, m, line)
            n, phase = tell(events, n, m, phase)
        else:
            n, phase = tell(events, n, m, phase)
            for k in range(2):
                mine = m.kind <= EXECUTION and (m.direction > 0) == (k == 1)
                named = m.direction * m.price if mine else NOWHERE
                n = differ(events, n, was, now, k, named, 0)
            if n == start:
                n = emit(events, n, STATUS, 0, 0, phase, 0)
        close(events, start, n, m, line)
    return n, phase


def refuse(path: Path, lines: int, bad: NDArray[np.bool_], value: NDArray[Any], why: str) -> None:
    """Raises for the first row that is bad anywhere; `why` has {} for the value there."""
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), bad.shape)
        raise InputError(f"{path}: row {lines + int(at[0]) + 1}: {why.format(value[at])}")


def check_messages(m: NDArray[Any], state: State, pair: Pair) -> None:
    """(n,) MESSAGE as in the file, ts in ns after midnight."""
    ts, kind, price, lots, side = m["ts"], m["kind"], m["price"], m["lots"], m["direction"]
    order = kind != HALTED
    above = np.r_[state.ts, ts[:-1]]
    faults = (
        (kind, (kind < 1) | (kind > HALTED), f"type {{}}: {AMEND}"),
        (ts, (ts < 0) | (ts >= DAY), f"{{}} ns after midnight: {AMEND}"),
        (ts, ts < above, "{} ns after midnight is before the row above: download it again"),
        (lots, order & ((lots <= 0) | (lots > LARGEST)), f"size {{}}: {AMEND}"),
        (price, order & ((price <= 0) | (price >= EMPTY)), f"price {{}}: {AMEND}"),
        (price, ~order & (abs(price) > 1), f"a halt of price {{}}: {AMEND}"),
        (side, (kind <= HIDDEN) & (abs(side) != 1), f"direction {{}}: {AMEND}"),
        (price, order & (kind != HIDDEN) & (price % pair.tick != 0), OFF_TICK),
    )
    for value, bad, why in faults:
        refuse(pair.message, state.lines, bad, value, why)


def check_books(books: NDArray[np.int64], state: State, pair: Pair) -> None:
    """(n, levels, ask or bid, price or lots) as in the file."""
    price, lots = books[..., 0], books[..., 1]
    there = lots > 0
    key = np.where(there, price * np.array([-1, 1]), NOWHERE)
    out_of_order = np.zeros_like(there)
    out_of_order[:, 1:] = there[:, 1:] & (key[:, 1:] >= key[:, :-1])
    faults = (
        (lots, (lots < 0) | (lots > LARGEST), f"size {{}}: {AMEND}"),
        (price, there & ((price <= 0) | (price >= EMPTY)), f"price {{}}: {AMEND}"),
        (price, ~there & (abs(price) != EMPTY), f"price {{}} of a level without size: {AMEND}"),
        (price, out_of_order, f"price {{}}: {ORDER}"),
        (price, there & (price % pair.tick != 0), OFF_TICK),
    )
    for value, bad, why in faults:
        refuse(pair.orderbook, state.lines, bad, value, why)


def decode(state: State, messages: bytes, books: bytes, pair: Pair) -> tuple[State, Events]:
    """A pure fold over whole lines, the same ones of both files, however they are cut.

    Raises InputError naming the file, the row and the value that cannot be.
    """
    first, levels = state.lines + 1, pair.instrument.depth
    m = parse(messages, DECIMALS, pair.message, first).view(MESSAGE)[:, 0]
    b = parse(books, (0,) * 4 * levels, pair.orderbook, first).reshape(-1, levels, 2, 2)
    if len(m) != len(b):
        (n, short), (_, long) = sorted([(len(m), pair.message), (len(b), pair.orderbook)])
        raise InputError(
            f"{short}: ends after row {state.lines + n} and {long.name} goes on: "
            "they need as many rows, download both again"
        )
    if not len(m):
        return state, zeros(EVENT)
    check_messages(m, state, pair)
    check_books(b, state, pair)
    last = int(m["ts"][-1])
    passive = np.where(m["kind"] == HIDDEN, m["direction"], 1)
    ticks = passive * (passive * m["price"] // pair.tick)
    m["price"] = np.where(m["kind"] == HALTED, m["price"], ticks)
    m["ts"] += pair.midnight
    b[..., 0] = np.where(b[..., 1] > 0, b[..., 0] // pair.tick, 0)
    events = zeros(EVENT, len(m) * 4 * (levels + 1))
    n, phase = unroll(state.book, b, records(m), state.lines, state.phase, records(events))
    return State(state.lines + len(m), last, phase, b[-1].copy()), events[:n].copy()


def sifted(
    state: State, messages: bytes, books: bytes, pair: Pair, q: Quarantine | None
) -> tuple[State, list[Events]]:
    """What `decode` gives; with a quarantine piece by piece, without rows that it refuses.

    The row after a bad one has the book of both. Raises InputError where the first row is bad,
    since the book begins there, and where one file is shorter.
    """
    try:
        state, events = decode(state, messages, books, pair)
        return state, [events]
    except InputError as error:
        m, b = messages.splitlines(keepends=True), books.splitlines(keepends=True)
        row = state.lines + 1
        if q is None or len(m) != len(b) or len(m) == row == 1:
            raise
        if len(m) == 1:
            told = str(error).startswith(f"{pair.message}: ")
            path, text = (pair.message, m[0]) if told else (pair.orderbook, b[0])
            q.aside(path, row, error, text.decode(errors="replace").strip(), row)
            return state._replace(lines=row), []
    half, out = len(m) // 2, list[Events]()
    for part in (slice(half), slice(half, None)):
        state, more = sifted(state, b"".join(m[part]), b"".join(b[part]), pair, q)
        out += more
    return state, out


def name_of(path: Path) -> re.Match[str]:
    if match := NAME.fullmatch(bare_name(path)):
        return match
    raise InputError(
        f"{path}: name it as LOBSTER does, such as GOOG_2012-06-21_34200000_57600000_message_10.csv"
    )


def partner(path: Path) -> Path:
    """The order-book file of a message file beside it, or the other way round."""
    match = name_of(path)
    other = "orderbook" if match[3] == "message" else "message"
    bare = match.string[: match.start(3)] + other + match.string[match.end(3) :]
    for suffix in ("", *COMPRESSED):
        if (found := path.with_name(bare + suffix)).is_file():
            return found
    raise InputError(f"{path}: {bare} is not beside it: put it there, or leave this one out")


def units(tick: Decimal) -> int:
    """How many steps of the prices in the files are one tick."""
    scaled = Fraction(tick.mantissa) * Fraction(10) ** tick.exponent * DOLLAR
    if scaled <= 0 or scaled.denominator != 1:
        raise InputError(f"tick {float(tick)}: give dollars in steps of 0.0001, such as 0.01")
    return int(scaled)


def pair_of(path: Path, orderbook: Path | None, tick: Decimal) -> Pair:
    """Raises InputError where the two files or their names do not fit."""
    if not path.is_file():
        raise InputError(f"{path}: no such file: check the name")
    files = (path, orderbook or partner(path))
    message, book = sorted(files, key=lambda file: name_of(file)[3])
    name, other = name_of(message), name_of(book)
    if name.string != other.string.replace("_orderbook_", "_message_"):
        raise InputError(f"{message}: {book.name} is not its order book: give the one of that name")
    try:
        midnight = datetime.fromisoformat(name[2]).replace(tzinfo=ZoneInfo("America/New_York"))
    except ValueError:
        raise InputError(f"{message}: {name[2]} is no date: correct the name") from None
    since = midnight - datetime(1970, 1, 1, tzinfo=UTC)
    ns = since.days * DAY + since.seconds * SECOND
    instrument = Instrument(name[1], "nasdaq", tick, Decimal(1, 0), depth=int(name[4]))
    return Pair(message, book, instrument, ns, units(tick))


@dataclass(frozen=True)
class Lobster:
    """One day of one symbol: a Source. Either file finds the other beside it.

    Raises InputError where there is none; reading raises it for what `decode` refuses.
    """

    path: Path
    orderbook: Path | None = None
    tick: Decimal = CENT  # 0.0001 below a price of one dollar, or for exact hidden trades
    quarantine: Quarantine | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        self.pair  # noqa: B018  fails now rather than at the first chunk

    @cached_property
    def pair(self) -> Pair:
        return pair_of(self.path, self.orderbook, self.tick)

    @property
    def name(self) -> str:
        return str(self.pair.message)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return (self.pair.instrument,)

    @property
    def files(self) -> tuple[Path, ...]:
        return self.pair.message, self.pair.orderbook

    def in_units(self, units: Units) -> Self:
        return unchanged(self, units)

    def __iter__(self) -> Iterator[Events]:
        state, none = start(self.pair), Block(0, b"")
        files = blocks(self.pair.message), blocks(self.pair.orderbook)
        for message, book in zip_longest(*files, fillvalue=none):
            state, parts = sifted(state, message.data, book.data, self.pair, self.quarantine)
            yield from parts
        if self.quarantine:
            for path in self.files:
                self.quarantine.passed(path, state.lines)


def claims(path: Path, head: bytes) -> bool:
    return NAME.fullmatch(bare_name(path)) is not None


def open(
    paths: list[Path], *, tick: Decimal = CENT, quarantine: Quarantine | None = None
) -> list[Source]:
    """Each recording once, whether its message file, its order-book file or both are named."""
    pairs = dict.fromkeys(pair_of(path, None, tick) for path in paths)
    return [Lobster(pair.message, pair.orderbook, tick, quarantine) for pair in pairs]
