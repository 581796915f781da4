"""Where a dialect puts what it has understood: exact EVENTs, requests, and what was missed."""

from collections import Counter, deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.errors import DecodeError
from flowsense.schema import (
    BAR,
    BEAT,
    CLEAR,
    CLOSE,
    EVENT,
    GAP,
    LAST,
    LATE,
    SCROLL,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    Bars,
    Events,
    Instrument,
    zeros,
)
from flowsense.sources import NO_BARS
from flowsense.sources.levels import Levels
from flowsense.sources.venues import Anew, Ask, Get, Renew, Send, Stop
from flowsense.sources.venues.put import TOLD, UNIT, put, turn, unit

NONE = Levels(0, 0, "")
ROOM = 4_096  # events, to begin with
REMEMBERED = 4_096  # ids of trades of an instrument, where a venue does not number them


class Span(NamedTuple):
    """Of a bar, ns of the venue's clock."""

    opened: int
    over: int  # when the next begins
    trades: int = 0  # in it, where the venue says so


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
        self.shown = dict[str, NDArray[np.int64]]()  # (depth, ask or bid, price or lots)
        self.bars, self.barred = list[tuple[int, ...]](), dict.fromkeys(mine, -1)
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

    def whole(self, symbol: str, levels: Levels, when: int, sequence: int) -> None:
        """All that the venue shows of a book, best first: told as the levels that differ.

        What lies beyond the instrument's depth is left out. Raises ValueError.
        """
        now = np.zeros((self.instruments[symbol].depth, 2, 2), np.int64)
        found = self._counted(symbol, levels)
        for k, prices in ((1, found[: levels.bids]), (0, found[levels.bids :])):
            if (np.diff(prices["price"]) * (1 - 2 * k) <= 0).any():
                raise ValueError("the levels of a book are not in order")
            now[: len(prices), k, 0] = prices["price"][: len(now)]
            now[: len(prices), k, 1] = prices["lots"][: len(now)]
        before = self.shown.get(symbol)
        if not self.ready[symbol] or before is None:
            before = np.zeros_like(now)
            self.count("book")
            self._put(symbol, NONE, CLEAR, SNAPSHOT, when, sequence)
            self._note(symbol, 0, SNAPSHOT, when, sequence)
        else:
            self._note(symbol, 0, 0, when, sequence)
        self._room(4 * len(now))
        self.n = turn(before, now, self.told, self.room, self.n)
        self.ready[symbol], self.last[symbol], self.shown[symbol] = True, sequence, now

    def bar(self, symbol: str, span: Span, ohlc: Sequence[str], volume: str) -> None:
        """What was traded in an interval, now that it is over. Told again it is left out.

        Raises ValueError for prices that do not hold each other.
        """
        if span.opened <= self.barred[symbol]:
            self.count("repeated bar")
            return
        text = ",".join(f"{price},{volume}" for price in ohlc)
        found = self._counted(symbol, Levels(4, 0, text), SET)
        opened, high, low, close = (int(price) for price in found["price"])
        if not low <= min(opened, close) <= max(opened, close) <= high:
            raise ValueError("open and close of a bar are not between its low and high")
        lots, index = int(found["lots"][0]), self.index[symbol]
        prices = opened, high, low, close
        self.bars.append((span.opened, self.ts_recv, *prices, lots, span.trades, index))
        self.barred[symbol] = span.opened
        if not self.instruments[symbol].depth:
            self._put(symbol, NONE, CLOSE, LAST, span.over - 1, 0)
            self.room[self.n - 1]["price"], self.room[self.n - 1]["lots"] = close, lots
            self.ready[symbol] = True

    def trade(
        self, symbol: str, levels: Levels, when: int, number: int | str, *, signed: bool = True
    ) -> None:
        """An execution, of one level: as bid where a buyer took. Told again it is left out.

        number: rises with time, or an id without an order.
        signed: the venue says who took.
        """
        if self._heard(symbol, number, when):
            self.count("repeated trade")
            return
        sequence = number if isinstance(number, int) else 0
        self._put(symbol, levels, TRADE, LAST if self.ready[symbol] else 0, when, sequence)
        if not signed:
            self.room[self.n - 1]["side"] = 0

    def late(self, symbol: str, levels: Levels, when: int, number: int) -> None:
        """An execution that was missed, and that the venue tells now that it was asked."""
        self.count("late trade")
        self._put(symbol, levels, TRADE, LATE | (LAST if self.ready[symbol] else 0), when, number)

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

    def again(self, trades: Events) -> None:
        """Executions of records that were missed."""
        self.counts["late trade"] += len(trades)
        whole = [k for symbol, k in self.index.items() if self.ready[symbol]]
        told = trades.copy()
        told["bits"] = LATE | np.where(np.isin(told["instrument"], whole), LAST, 0)
        self._add(told)

    def _add(self, events: Events) -> None:
        self._room(len(events))
        told = np.asarray(self.room)[self.n : self.n + len(events)]
        told[:] = events
        told["ts_recv"] = self.ts_recv
        self.n += len(events)

    def add(self, events: Events, bars: Bars) -> None:
        """Of a venue whose messages are records: as decoded, heard now."""
        self._add(events)
        self.bars += [(*b[:1], self.ts_recv, *b[2:]) for b in bars.tolist()]
        symbols = {k: symbol for symbol, k in self.index.items()}
        ends = events[events["bits"] & (LAST | GAP) > 0]
        for k, bits in zip(ends["instrument"].tolist(), ends["bits"].tolist(), strict=True):
            self.ready[symbols[k]] = not bits & GAP
            if bits & GAP:
                self.gaps.append(Gap(k, self.ts_recv, -1, -1, "the venue says so"))

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

    def get(self, key: str, path: str, cost: float = 1.0) -> None:
        """Ask beside the stream, unless that is being asked already."""
        self.asks.append(Get(key, path, cost))

    def anew(self, why: str) -> None:
        self.asks.append(Anew(why))

    def renew(self) -> None:
        self.asks.append(Renew())

    def stop(self, why: str) -> None:
        self.asks.append(Stop(why))

    def count(self, name: str) -> None:
        """A message or an irregularity, by name: one word, or several."""
        self.counts[name] += 1

    def _put(
        self, symbol: str, levels: Levels, action: int, bits: int, when: int, sequence: int
    ) -> None:
        self._note(symbol, action, bits, when, sequence, levels)
        self._room(levels.total)
        self.n = self._written(symbol, levels)

    def _note(
        self,
        symbol: str,
        action: int,
        bits: int,
        when: int,
        sequence: int,
        levels: Levels = NONE,
    ) -> None:
        """What the events of a message share."""
        if symbol not in self.index:
            raise DecodeError(f"symbol {symbol[:40]!r} was not asked for")
        self.told[0] = (
            *(when, self.ts_recv, sequence, self.index[symbol], action, bits),
            *(levels.bids, levels.asks),
        )

    def _room(self, events: int) -> None:
        if self.n + events >= len(self.room):
            more = zeros(EVENT, 2 * len(self.room) + events)
            more[: self.n] = self.room[: self.n]
            self.room = records(more)

    def _written(self, symbol: str, levels: Levels) -> int:
        """-> where the next event goes."""
        text = np.frombuffer(levels.text.encode(), np.int8)
        n = put(text, self.told, self.units[symbol], self.room, self.n)
        if n < 0:
            raise DecodeError(_wrong(self.instruments[symbol], levels, -1 - n))
        return n

    def _counted(self, symbol: str, levels: Levels, action: int = TRADE) -> Events:
        """Prices and sizes in ticks and lots; sizes of 0 only where the action is SET."""
        self._note(symbol, action, 0, 0, 0, levels)
        if not levels.total:
            return zeros(EVENT)
        self._room(levels.total)
        return np.asarray(self.room[self.n : self._written(symbol, levels)]).copy()

    def mark(self) -> tuple[int, int, int, int]:
        """Where things stand, to come `back` to."""
        return self.n, len(self.asks), len(self.gaps), len(self.bars)

    def back(self, mark: tuple[int, int, int, int]) -> None:
        """Nothing of what was put since then."""
        self.n = mark[0]
        del self.asks[mark[1] :], self.gaps[mark[2] :], self.bars[mark[3] :]

    def taken(self) -> tuple[Events, tuple[Ask, ...], tuple[Gap, ...], Bars]:
        """All that was put, as a copy, and once only."""
        events = np.frombuffer(bytearray(self.room[: self.n]), EVENT)  # fields copied are slow
        bars = np.array(self.bars, BAR) if self.bars else NO_BARS
        found = events, tuple(self.asks), tuple(self.gaps), bars
        self.back((0, 0, 0, 0))
        return found


def _units(i: Instrument) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    return records(np.array([unit(i.tick), unit(i.lot)], UNIT))


def _wrong(i: Instrument, levels: Levels, number: int) -> str:
    numbers = levels.text.split(",")
    name, of = (("price", i.tick), ("size", i.lot))[number % 2]
    value = numbers[number][:40] if number < len(numbers) else "nothing"
    size = f"{of.mantissa}e{of.exponent}"
    return f"{i.symbol}: {name} {value!r} is no multiple above 0, below 2**53, of {size}"
