"""Where a dialect puts what it has understood: exact EVENTs, requests, and what was missed."""

from collections import Counter, deque
from typing import NamedTuple

import numpy as np

from flowsense._jit import records
from flowsense.errors import DecodeError
from flowsense.schema import (
    BEAT,
    CLEAR,
    EVENT,
    GAP,
    LAST,
    SCROLL,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    Events,
    Instrument,
    zeros,
)
from flowsense.sources.levels import Levels
from flowsense.sources.venues import Anew, Ask, Get, Send
from flowsense.sources.venues.put import TOLD, UNIT, put, unit

NONE = Levels(0, 0, "")
ROOM = 4_096  # events, to begin with
REMEMBERED = 4_096  # ids of trades of an instrument, where a venue does not number them


class Gap(NamedTuple):
    """What was missed, and what is not known therefore."""

    instrument: int
    ts: int  # ns, when it was seen
    since: int  # last id that was heard, in the venue's count; -1 where there is none
    until: int  # first that was heard after it, likewise
    why: str


class Sink:
    """Of one connection. `ts_recv` is the time of what is being heard.

    Args:
        table: of all instruments; those of `venue` are heard here.
    """

    def __init__(self, table: tuple[Instrument, ...], venue: str) -> None:
        mine = {i.symbol: k for k, i in enumerate(table) if i.venue == venue}
        self.instruments = {symbol: table[k] for symbol, k in mine.items()}
        self.index, self.ts_recv = mine, 0
        self.units = {s: _units(i) for s, i in self.instruments.items()}
        self.ready = dict.fromkeys(mine, False)  # the book is in step with the venue's
        self.last = dict.fromkeys(mine, -1)  # id of what the book holds
        self.traded = dict[str, tuple[int, int]]()  # number and time of the last trade
        self.ids = {symbol: deque[str](maxlen=REMEMBERED) for symbol in mine}
        self.known = {symbol: set[str]() for symbol in mine}
        self.told = records(np.zeros(1, TOLD))
        self.room, self.n = records(zeros(EVENT, ROOM)), 0
        self.asks, self.gaps, self.counts = list[Ask](), list[Gap](), Counter[str]()

    def snapshot(self, symbol: str, levels: Levels, when: int, sequence: int) -> None:
        """All that rests now; the book is whole from here on. `when`: ns of the venue's clock."""
        self.count("book")
        bits = SNAPSHOT if levels.total else SNAPSHOT | LAST
        self._put(symbol, NONE, CLEAR, bits, when, sequence)
        if levels.total:
            self._put(symbol, levels, SET, SNAPSHOT | LAST, when, sequence)
        self.ready[symbol], self.last[symbol] = True, sequence

    def update(
        self, symbol: str, levels: Levels, when: int, sequence: int, scrolled: Levels = NONE
    ) -> None:
        """What levels are now; of size 0: gone. Without levels it says that time has passed.

        scrolled: those that only enter or leave the depth that the venue shows.
        """
        if scrolled.total:
            bits = SCROLL if levels.total else SCROLL | LAST
            self._put(symbol, scrolled, SET, bits, when, sequence)
        if levels.total:
            self._put(symbol, levels, SET, LAST, when, sequence)
        elif not scrolled.total:
            self._put(symbol, NONE, BEAT, 0, when, sequence)
        self.last[symbol] = sequence

    def trade(self, symbol: str, levels: Levels, when: int, number: int | str) -> None:
        """An execution, of one level: as bid where a buyer took. Told again it is left out.

        number: rises with time, or an id without an order.
        """
        if self._heard(symbol, number, when):
            self.count("repeated trade")
            return
        sequence = number if isinstance(number, int) else 0
        self._put(symbol, levels, TRADE, LAST if self.ready[symbol] else 0, when, sequence)

    def _heard(self, symbol: str, number: int | str, when: int) -> bool:
        if isinstance(number, int):
            last, latest = self.traded.get(symbol, (-1, 0))
            if number <= last and when <= latest:  # else the venue counts anew
                return True
            self.traded[symbol] = number, when
            return False
        ids, known = self.ids[symbol], self.known[symbol]
        if number in known:
            return True
        if len(ids) == REMEMBERED:
            known.discard(ids[0])
        ids.append(number)
        known.add(number)
        return False

    def status(self, symbol: str, phase: int, when: int) -> None:
        """TRADING, AUCTION or HALT."""
        at = self.n
        self._put(symbol, NONE, STATUS, LAST if self.ready[symbol] else 0, when, 0)
        self.room[at]["lots"] = phase

    def lost(self, symbol: str, why: str, until: int = -1) -> None:
        """Messages are missing: the book is unknown until the next snapshot."""
        self.count("gap")
        since = self.last[symbol]
        self.gaps.append(Gap(self.index[symbol], self.ts_recv, since, until, why))
        if self.ready[symbol]:
            self._put(symbol, NONE, CLEAR, GAP, 0, max(until, 0))
        self.ready[symbol], self.last[symbol] = False, -1

    def lost_all(self, why: str) -> None:
        for symbol in self.instruments:
            if self.ready[symbol]:
                self.lost(symbol, why)

    def send(self, text: str) -> None:
        self.asks.append(Send(text))

    def get(self, key: str, path: str) -> None:
        """Ask beside the stream, unless that is being asked already."""
        self.asks.append(Get(key, path))

    def anew(self, why: str) -> None:
        self.asks.append(Anew(why))

    def count(self, name: str) -> None:
        """A message or an irregularity, by name: one word, or several."""
        self.counts[name] += 1

    def _put(
        self, symbol: str, levels: Levels, action: int, bits: int, when: int, sequence: int
    ) -> None:
        if symbol not in self.index:
            raise DecodeError(f"symbol {symbol[:40]!r} was not asked for")
        if self.n + levels.total >= len(self.room):
            more = zeros(EVENT, 2 * len(self.room) + levels.total)
            more[: self.n] = self.room[: self.n]
            self.room = records(more)
        self.told[0] = (
            *(when, self.ts_recv, sequence, self.index[symbol], action, bits),
            *(levels.bids, levels.asks),
        )
        text = np.frombuffer(levels.text.encode(), np.int8)
        n = put(text, self.told, self.units[symbol], self.room, self.n)
        if n < 0:
            raise DecodeError(_wrong(self.instruments[symbol], levels, -1 - n))
        self.n = n

    def mark(self) -> tuple[int, int, int]:
        """Where things stand, to come `back` to."""
        return self.n, len(self.asks), len(self.gaps)

    def back(self, mark: tuple[int, int, int]) -> None:
        """Nothing of what was put since then."""
        self.n = mark[0]
        del self.asks[mark[1] :], self.gaps[mark[2] :]

    def taken(self) -> tuple[Events, tuple[Ask, ...], tuple[Gap, ...]]:
        """All that was put, as a copy, and once only."""
        events = np.asarray(self.room[: self.n]).copy().view(EVENT)
        found = events, tuple(self.asks), tuple(self.gaps)
        self.back((0, 0, 0))
        return found


def _units(i: Instrument) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    return records(np.array([unit(i.tick), unit(i.lot)], UNIT))


def _wrong(i: Instrument, levels: Levels, number: int) -> str:
    numbers = levels.text.split(",")
    name, of = (("price", i.tick), ("size", i.lot))[number % 2]
    value = numbers[number][:40] if number < len(numbers) else "nothing"
    size = f"{of.mantissa}e{of.exponent}"
    return f"{i.symbol}: {name} {value!r} is no multiple above 0, below 2**53, of {size}"
