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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Self

from flowsense.errors import InputError
from flowsense.schema import Decimal, Events, Instrument
from flowsense.sources import Source
from flowsense.sources.files import bare_name, head
from flowsense.sources.itch_blocks import is_capture
from flowsense.sources.itch_reading import Plan, Reading
from flowsense.sources.itch_survey import Survey, survey
from flowsense.sources.units import Units, other, refused

CENT, SHARE = Decimal(1, -2), Decimal(1, 0)
VENUE = re.compile(r"(?<![a-z])(bx|psx)(?![a-z])", re.IGNORECASE)
CLAIMED = re.compile(r"ITCH_?(50|v?5\.0)|-v50", re.IGNORECASE)


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

    @property
    def plan(self) -> Plan:
        return Plan(self.path, self.capture, self.survey, self.chosen, self.steps)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Messages by type, and irregularities by name; reads everything once."""
        reading = Reading(self.plan)
        for _ in reading:
            pass
        return reading.met()

    def __iter__(self) -> Iterator[Events]:
        return iter(Reading(self.plan))


def claims(path: Path, head: bytes) -> bool:
    """A capture by its first bytes, a day file by its name or its first message."""
    opens = head[:3] == b"\x00\x0cS" and head[13:14] == b"O"
    return is_capture(head) or opens or CLAIMED.search(path.name) is not None


def open(
    paths: list[Path],
    *,
    symbols: str | Sequence[str] = (),
    symbol: str = "",
    date: str | None = None,
    tick: Decimal = CENT,
) -> list[Source]:
    """One source a file, of the stocks named, as a list or with commas between; else of all.

    `symbol` is the same from the command line. Raises InputError.
    """
    named = symbol or symbols
    names = named.split(",") if isinstance(named, str) else named
    chosen = tuple(name.strip().upper() for name in names if name.strip())
    return [Itch(path, chosen, date, tick) for path in paths]
