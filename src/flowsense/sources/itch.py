"""NASDAQ TotalView-ITCH 5.0: all orders and trades of all stocks of a day, by order.

Raw day files (each message after its length of 2 bytes) and pcap captures of MoldUDP64. Offsets and
meanings are those of the NASDAQ TotalView-ITCH 5.0 specification. LAST on the last of a message::

    message                events
    A F   add              ADD
    E     executed         TRADE against the side of the order, then FILL
    C     at a price       the same at that price; not printable: FILL alone, a cross tells of it
    X D   cancel, delete   CANCEL of some or all
    U     replace          CANCEL of all, ADD of another order on its side
    P     hidden trade     TRADE of side 0: since July 2014 the feed does not tell the side
    Q     cross            TRADE of side 0 between STATUS AUCTION and the phase before; none of 0
    H     trading action   STATUS: HALT (H, P), AUCTION (Q, quotation only) or TRADING (T)
    S     system event     O: CLEAR with SNAPSHOT, books are empty; E: STATUS HALT; for all stocks
    R     directory        the stocks
    rest                   counted by the letter of their type

A recording that begins after the day did has no snapshot, and its books are never whole. What it
says of orders from before it is counted as unknown. So it is after a GAP (a hole in the sequence of
MoldUDP64): CLEAR, and no book any more that day. Hidden trades between ticks are told at the next
tick against the aggressor (P, Q: below), a displayed price there is refused.

`ts_event` is the message's time, `ts_recv` that of its packet, in a raw file that of the message;
`sequence` counts messages as MoldUDP64 does. A stock whose name no message tells is `#locate`.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self
from zoneinfo import ZoneInfo

import numpy as np

from flowsense._jit import records
from flowsense.errors import InputError
from flowsense.schema import (
    CLEAR,
    DAY,
    EVENT,
    GAP,
    SECOND,
    Decimal,
    Events,
    Instrument,
    zeros,
)
from flowsense.sources import Source
from flowsense.sources.files import bare_name, head
from flowsense.sources.itch_blocks import Block, blocks, is_capture
from flowsense.sources.itch_decode import decode, directory, move
from flowsense.sources.itch_orders import FINE, FLAG, ODD, ORDER, SIDE, STATE, STOCK, TICK, WHY
from flowsense.sources.units import Units, other, refused

CENT, SHARE = Decimal(1, -2), Decimal(1, 0)
NEW_YORK = ZoneInfo("America/New_York")
DAYS = (  # in names of files
    (re.compile(r"(?<!\d)(\d{4})-?([01]\d)-?([0-3]\d)(?!\d)"), (1, 2, 3)),
    (re.compile(r"(?<!\d)([01]\d)([0-3]\d)(20\d\d)(?!\d)"), (3, 1, 2)),
    (re.compile(r"^S([01]\d)([0-3]\d)(\d\d)-v5"), (3, 1, 2)),
)
VENUE = re.compile(r"(?<![a-z])(bx|psx)(?![a-z])", re.IGNORECASE)
CLAIMED = re.compile(r"ITCH_?(50|v?5\.0)|-v50", re.IGNORECASE)
EVENTS, SLOTS, SMALLEST = 4_096, 1 << 16, 19  # SMALLEST bytes of an order's message


class Survey(NamedTuple):
    """What one look at the file tells before the first event."""

    symbols: tuple[str, ...]
    locates: tuple[int, ...]
    listed: bool  # the directory came first: it names all stocks
    midnight: int  # ns UTC, of the day in New York


def day_of(path: Path, given: str | None) -> date:
    """Of a raw file, which tells only times of day. Raises InputError."""
    if given is not None:
        try:
            return date.fromisoformat(given)
        except ValueError:
            raise InputError(f"date {given!r}: write it like 2019-01-30") from None
    for form, order in DAYS:
        if match := form.search(bare_name(path)):
            year, month, day = (int(match[k]) for k in order)
            try:
                return date(year + 2000 * (year < 100), month, day)
            except ValueError:
                continue
    raise InputError(f"{path}: its name holds no date: give one, such as date=2019-01-30")


def midnight(day: date) -> int:
    """ns UTC, in New York."""
    at = datetime(day.year, day.month, day.day, tzinfo=NEW_YORK)
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * DAY + since.seconds * SECOND


def survey(path: Path, capture: bool, given: str | None) -> Survey:
    """Reads as far as the directory, or everything where there is none. Raises InputError."""
    names, seen = np.full((1 << 16, 8), ord(" "), np.int8), np.zeros(1 << 16, np.int64)
    listed, start = False, 0 if capture and given is None else midnight(day_of(path, given))
    for block in blocks(path, capture, Counter()):
        if not start:
            when = datetime.fromtimestamp(int(block.packets[0, 1]) // SECOND, NEW_YORK)
            start = midnight(when.date())
        if directory(block.data, names, seen) and (seen == 2).any():
            listed = True
            break
    locates = np.flatnonzero(seen)
    if not len(locates):
        raise InputError(f"{path}: no message of a stock in it: is it ITCH 5.0?")
    told = (names[k].tobytes().decode("latin-1").strip() for k in locates)
    symbols = [name or f"#{k}" for name, k in zip(told, locates, strict=True)]
    odd = next((name for name in symbols if not (name.isascii() and name.isprintable())), None)
    if odd is not None:
        raise InputError(
            f"{path}: a stock is named {odd!r}: the file is damaged, download it again"
        )
    return Survey(tuple(symbols), tuple(locates.tolist()), listed, start)


@dataclass(frozen=True)
class Itch:
    """One file: a Source of all its stocks, or of those named.

    A whole market is some thousand stocks; name those that you need. Raises InputError, when it is
    read also for messages that cannot be.
    """

    path: Path
    symbols: tuple[str, ...] = ()
    day: str | None = None  # of a raw file whose name does not tell
    tick: Decimal = CENT

    def __post_init__(self) -> None:
        if self.steps <= 0:
            raise InputError(f"tick {float(self.tick)}: give dollars in steps of 0.0001")

    @property
    def steps(self) -> int:
        """Of the prices in the file, dollars times 10,000, that are one tick; 0 for no number."""
        whole, rest = divmod(
            self.tick.mantissa * 10 ** max(self.tick.exponent + 4, 0),
            10 ** max(-4 - self.tick.exponent, 0),
        )
        return 0 if rest else whole

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    @cached_property
    def capture(self) -> bool:
        return is_capture(head(self.path, 4))

    @cached_property
    def survey(self) -> Survey:
        return survey(self.path, self.capture, self.day)

    @cached_property
    def chosen(self) -> tuple[int, ...]:
        """Where the instruments stand in the survey."""
        known = {name: k for k, name in enumerate(self.survey.symbols)}
        for name in self.symbols:
            if name not in known:
                near = get_close_matches(name, known, 1)
                hint = f", did you mean {near[0]}?" if near else ": leave it out"
                raise InputError(f"{self.path}: holds no stock {name!r}{hint}")
        return tuple(sorted({known[name] for name in self.symbols})) or tuple(range(len(known)))

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        match = VENUE.search(bare_name(self.path))
        venue = match[1].lower() if match else "nasdaq"
        names = [self.survey.symbols[k] for k in self.chosen]
        return tuple(Instrument(name, venue, self.tick, SHARE, by_order=True) for name in names)

    def in_units(self, units: Units) -> Self:
        pair = other(self, units)
        if pair is None:
            return self
        if pair[1] != SHARE:
            raise refused(self)
        return replace(self, tick=pair[0])

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Messages by type, and irregularities by name; reads everything once."""
        reading = Reading(self)
        for _ in reading:
            pass
        s = reading.state[0]
        kinds = {f"message {chr(k)}": int(s["kinds"][k]) for k in np.flatnonzero(s["kinds"])}
        odd = {why: int(s["odd"][k]) for k, why in ODD.items()}
        return +Counter({**kinds, **odd, **reading.counts})

    def __iter__(self) -> Iterator[Events]:
        return iter(Reading(self))


class Reading:
    """One pass over a file: all that the events to come depend on."""

    def __init__(self, source: Itch) -> None:
        self.source, self.counts = source, Counter[str]()
        found = source.survey
        self.stocks = zeros(STOCK, 1 << 16)
        self.stocks["instrument"] = -2 if found.listed else -1
        self.stocks["instrument"][list(found.locates)] = -1
        chosen = [found.locates[k] for k in source.chosen]
        self.stocks["instrument"][chosen] = np.arange(len(chosen))
        self.state = zeros(STATE, 1)
        self.state["midnight"], self.state["tick"] = found.midnight, source.steps
        self.state["instruments"] = len(chosen)
        self.orders = zeros(ORDER, SLOTS)
        self.events = zeros(EVENT, EVENTS + len(chosen))

    def __iter__(self) -> Iterator[Events]:
        for block in blocks(self.source.path, self.source.capture, self.counts):
            yield from self.block(block)

    def block(self, block: Block) -> Iterator[Events]:
        """The events of one more block. Raises InputError."""
        s = self.state
        if block.lost:
            yield self.forget(int(block.packets[0, 1]))
        if block.packets[0, 2]:
            s["sequence"] = block.packets[0, 2] - 1
        self.make_room(len(block.data) // SMALLEST)
        s["at"] = s["packet"] = 0
        tables = (records(a) for a in (self.stocks, self.orders, s, self.events))
        stocks, orders, state, events = tables
        while s["at"][0] < len(block.data):
            n = decode(block.data, block.packets, stocks, orders, state, events)
            if n:
                yield self.events[:n].copy()
            if s["fault"][0] != FINE:
                raise self.refused(chr(block.data[int(s["at"][0]) + 2]))

    def forget(self, ts: int) -> Events:
        """Nothing is known of any book."""
        s, lost = self.state[0], zeros(EVENT, int(self.state["instruments"][0]))
        s["ts_recv"] = max(s["ts_recv"], ts)
        s["resting"], self.orders["lots"] = 0, 0
        lost["ts_event"] = lost["ts_recv"] = s["ts_recv"]
        lost["instrument"], lost["sequence"] = np.arange(len(lost)), s["sequence"]
        lost["action"], lost["bits"] = CLEAR, GAP
        return lost

    def make_room(self, orders: int) -> None:
        """Half of the table stays vacant, so that kernels need not check."""
        slots = len(self.orders)
        while 2 * (int(self.state["resting"][0]) + orders) > slots:
            slots *= 2
        if slots > len(self.orders):
            table = zeros(ORDER, slots)
            move(records(self.orders), records(table))
            self.orders = table

    def refused(self, kind: str) -> InputError:
        s, path = self.state[0], self.source.path
        fault, value, number = int(s["fault"]), int(s["value"]), int(s["sequence"])
        if fault == TICK:
            return InputError(
                f"{path}: message {number}: the price {value / 10_000} lies between ticks: give a "
                "smaller one, such as tick=0.0001, or name the stocks you need"
            )
        text = chr(value) if fault in (SIDE, FLAG) else value
        why = WHY[fault].format(kind=kind, value=text)
        return InputError(f"{path}: message {number}: {why}: download it again")


def claims(path: Path, head: bytes) -> bool:
    """A capture by its first bytes, a day file by its name or its first message."""
    opens = head[:3] == b"\x00\x0cS" and head[13:14] == b"O"
    return is_capture(head) or opens or CLAIMED.search(path.name) is not None


def open(
    paths: list[Path],
    *,
    symbols: str | Sequence[str] = (),
    date: str | None = None,
    tick: Decimal = CENT,
) -> list[Source]:
    """One source a file; `symbols` names the stocks, as a list or with commas between.

    Raises InputError.
    """
    names = symbols.split(",") if isinstance(symbols, str) else symbols
    chosen = tuple(name.strip().upper() for name in names if name.strip())
    return [Itch(path, chosen, date, tick) for path in paths]
