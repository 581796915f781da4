"""Bitstamp's channels of live orders, trades and books as recorded lines: one market by order.

A line is `ms kind {json}`: the recorder's time, and a message of `live_orders` (order_created,
order_changed, order_deleted), `live_trades` (trade) or `order_book` (20 levels a side). What the
lines do, LAST on the last event of each::

    order_created     ADD; an order that meets the other side is held: about to trade, not resting
    order_changed     FILL of the lots it lost. A held order takes its new size
    order_deleted     FILL of what was left where it says 0 lots, else CANCEL
    trade             TRADE. Its orders are the two that just lost these lots; the aggressor is the
                      later one, side 0 where neither was heard of
    order_book        nothing where it agrees. The first, and the first after a hole, is the
                      snapshot: CLEAR, and ADDs of what is then known

The recording tells neither of orders from before it, nor of all deletions. No price of the book is
ever crossed, because what stands against newer knowledge is taken out (CANCEL with SCROLL: the
market did nothing just then)::

    a trade at a worse price                   its older orders at better ones are gone
    a held order, not traded for one second    the older orders that it meets are gone
    a book without a level                     the orders of that level are gone
    a book with fewer lots on a level          the oldest orders there lose the difference
    a book with more lots on a level           one stand-in (id above 2**62) has the difference;
                                               deletions of unknown orders take from it

A book says nothing of levels named by a line up to 0.2 s before: it may be older. Lines of an order
after its deletion are left out, as messages come out of order. More than 60 s without a line is a
GAP. The log has no exchange time of an event, so `ts_event` is `ts_recv`; `sequence` is the number
of the line. What was met is counted by name.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self

from flowsense.errors import InputError
from flowsense.schema import Decimal, Events, Instrument
from flowsense.sources import Source
from flowsense.sources.bitstamp_fold import Fold
from flowsense.sources.bitstamp_lines import Line, Unit, parse
from flowsense.sources.files import Block, blocks, head
from flowsense.sources.quarantine import Quarantine, sound
from flowsense.sources.units import Units, other

LINES = 1_000  # of a block
SHOWN = 20  # levels a side of an order_book
CLAIMED = re.compile(rb"\d{13} (order_created|order_changed|order_deleted|order_book|trade) \{")
CENT, SATOSHI = Decimal(1, -2), Decimal(1, -8)


@dataclass(frozen=True)
class Bitstamp:
    """One market's recording: files that continue each other, in order of time.

    The log does not say which market it is of. Raises InputError that names file, line and value;
    with a `quarantine` a bad line is put aside.
    """

    paths: tuple[Path, ...]
    symbol: str = "BTCUSD"
    tick: Decimal = CENT
    lot: Decimal = SATOSHI
    quarantine: Quarantine | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, given in (("tick", self.tick), ("lot", self.lot)):
            if given.mantissa <= 0:
                raise InputError(f"{name} {float(given)}: give one above 0, such as 0.01")

    @property
    def name(self) -> str:
        return " + ".join(map(str, self.paths))

    @property
    def files(self) -> tuple[Path, ...]:
        return self.paths

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        one = Instrument(self.symbol, "bitstamp", self.tick, self.lot, by_order=True, depth=SHOWN)
        return (one,)

    def in_units(self, units: Units) -> Self:
        pair = other(self, units)
        return self if pair is None else replace(self, tick=pair[0], lot=pair[1])

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Lines and irregularities by name; reads everything once."""
        fold = Fold()
        for _ in self._told(fold):
            pass
        return +fold.counts

    def __iter__(self) -> Iterator[Events]:
        fold = Fold()
        yield from self._told(fold)
        if not fold.counts["order_book"]:
            raise InputError(f"{self.name}: no order_book line in it: record that channel as well")

    def _read(self, path: Path, block: Block) -> list[Line]:
        return list(parse(path, block, Unit(self.tick, self.lot)))

    def _told(self, fold: Fold) -> Iterator[Events]:
        for path in self.paths:
            for block in sound(
                path, blocks(path, LINES), partial(self._read, path), self.quarantine
            ):
                for line in self._read(path, block):
                    fold.line(line)
                if len(events := fold.book.take()):
                    yield events


def claims(path: Path, head: bytes) -> bool:
    """By content: the first line is one of these recordings, whatever the file is called."""
    return CLAIMED.match(head) is not None


def open(
    paths: list[Path],
    *,
    symbol: str = "BTCUSD",
    tick: Decimal = CENT,
    lot: Decimal = SATOSHI,
    quarantine: Quarantine | None = None,
) -> list[Source]:
    """One source of all files, in order of their first lines. Raises InputError."""
    files = tuple(sorted(paths, key=lambda p: head(p, 13)))
    return [Bitstamp(files, symbol, tick, lot, quarantine)]
