"""Events and bars under a scenario of `backtest.stress`, one record after the other."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from flowsense.schema import (
    ADD,
    BEAT,
    CANCEL,
    CLEAR,
    CLOSE,
    CONTROL,
    FILL,
    GAP,
    HALT,
    LAST,
    MODIFY,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
    Bars,
    Chunk,
    Events,
    Instrument,
)

Key = tuple[int, int]  # (order id, 0), or (side, price) of a level
Level = tuple[int, int, int]  # side, price, lots
Row = tuple[int, ...]  # as in EVENT


class Scripted(Protocol):
    """A `Scenario`."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def fall(self) -> float: ...
    @property
    def widen(self) -> float: ...
    @property
    def keep(self) -> float: ...
    @property
    def stop(self) -> str: ...
    def knots(self) -> tuple[tuple[int, float], ...]: ...


class Warp(NamedTuple):
    """How a level is told."""

    shift: int = 0  # ticks, of both sides
    apart: int = 0  # ticks, by which bids fall and asks rise
    keep: float = 1.0

    def price(self, side: int, price: int) -> int:
        return price + self.shift - side * self.apart

    def lots(self, lots: int) -> int:
        return max(round(lots * self.keep), 1) if lots > 0 else lots

    def __call__(self, level: Level | None) -> Level | None:
        """None where nothing can be there."""
        if level is None or self.price(level[0], level[1]) < 1:
            return None
        side, price, lots = level
        return side, self.price(side, price), self.lots(lots)


PLAIN = Warp()


class Book:
    """One instrument: what its book holds, and what of it was told."""

    def __init__(self, instrument: Instrument, index: int) -> None:
        self.instrument, self.index = instrument, index
        self.held, self.told = dict[Key, Level](), dict[Key, Level]()
        self.warp, self.mid2, self.spread = PLAIN, 0, 0
        self.phase, self.open, self.close = TRADING, False, 0
        self.bar = (-1, 0, 0)  # the last: ts_recv, close and lots as told; lots -1: not told

    def begin(self) -> None:
        """As a scenario does; without a price its shares are of the first there is."""
        self.told = dict(self.held)
        self.price()

    def price(self) -> None:
        """Mid and spread; of bars the last close, or the open of the first."""
        bids = [p for s, p, _ in self.held.values() if s > 0]
        asks = [p for s, p, _ in self.held.values() if s < 0]
        self.mid2 = max(bids) + min(asks) if bids and asks else 2 * self.close
        self.spread = min(asks) - max(bids) if bids and asks else 0

    def follow(self, action: int, key: Key, level: Level) -> None:
        """What the market did."""
        if action == CLEAR:
            self.held.clear()
        elif action in (ADD, MODIFY) or (action == SET and level[2] > 0):
            before = self.held.get(key, level)
            if before[1] != level[1] or before[2] < level[2]:
                del self.held[key]  # to the back of its queue
            self.held[key] = level
        elif action == SET:
            self.held.pop(key, None)
        elif action in (CANCEL, FILL) and key in self.held:
            side, price, lots = self.held[key]
            self.held[key] = side, price, lots - level[2]
            if lots <= level[2]:
                del self.held[key]

    def tell(self, key: Key) -> tuple[int, Level] | None:
        """Action and level by which what was told of a key becomes what it is; None: it is."""
        now, before = self.warp(self.held.get(key)), self.told.get(key)
        if now == before:
            return None
        if now is None:
            del self.told[key]
        else:
            self.told[key] = now
        if not self.instrument.by_order:
            side, price, lots = now or (*before[:2], 0)  # type: ignore[index]
            return SET, (side, price, lots)
        if now is None:
            return CANCEL, before  # type: ignore[return-value]
        return (ADD if before is None else MODIFY), now

    def difference(self) -> Iterator[tuple[int, int, Level]]:
        """(order id, action, level) of all that is told otherwise now; what goes, goes first."""
        keys = sorted({*self.held, *self.told})
        levels = not self.instrument.by_order
        before = [self.told[k] for k in keys if k in self.told] if levels else []
        found = [(key[0], *t) for key in keys if (t := self.tell(key)) is not None]
        if levels:
            now = {level[:2] for level in self.told.values()}
            yield from ((0, SET, (s, p, 0)) for s, p, _ in before if (s, p) not in now)
            found = [(0, action, level) for _, action, level in found if level[2] > 0]
        yield from found


class Warped:
    """The fold: chunks in, chunks out. `touched` are the instruments it happens to."""

    def __init__(
        self, instruments: tuple[Instrument, ...], scenario: Scripted, touched: tuple[bool, ...]
    ) -> None:
        self.scenario, self.touched = scenario, touched
        self.books = [Book(i, k) for k, i in enumerate(instruments)]
        self.steps = [*scenario.knots(), (scenario.end, 0.0)]
        self.done, self.last = 0, 0  # steps taken; ts_recv of the last record
        self.unpriced = list[Book]()  # when it began
        self.rows = list[Row]()

    @property
    def active(self) -> bool:
        return 0 < self.done < len(self.steps)

    def push(self, chunk: Chunk) -> Chunk:
        """The same span of time as it would have been."""
        events, bars = chunk.events, chunk.bars
        after = self.done == len(self.steps) and not (bars["ts_open"] < self.scenario.end).any()
        if after and not any(b.bar[0] >= 0 for b in self.books):
            return chunk
        kept, waiting = list[Row](), bars.tolist()[::-1]
        for e in events.tolist():
            while waiting and waiting[-1][1] <= e[1]:
                kept.extend(self._bar(waiting.pop()))
            self._step(e[1])
            self._event(e)
            self.last = e[1]
        while waiting:
            kept.extend(self._bar(waiting.pop()))
        out, self.rows = self.rows, []
        return Chunk(records(out, events), records(kept, bars), chunk.observations)

    def _step(self, ts: int) -> None:
        """Steps of the scenario that are due, where no message is open."""
        while self.done < len(self.steps) and self.steps[self.done][0] <= ts:
            if any(b.open for b in self.books):
                return
            at, share = self.steps[self.done]
            self.last = max(self.last, at)
            self.done += 1
            for book, touched in zip(self.books, self.touched, strict=True):
                if touched and self.done == 1:
                    book.begin()
                    self.unpriced += [book] if not book.mid2 else []
                if touched:
                    self._turn(book, share)
        if self.unpriced:
            self._price()

    def _price(self) -> None:
        """Books that had no price as it began are struck as soon as they have one."""
        if any(b.open for b in self.books):
            return
        for book in self.unpriced:
            book.price()
            if book.mid2 and self.active and not self.scenario.stop:
                self._turn(book, self.steps[self.done - 1][1])
        self.unpriced = [b for b in self.unpriced if not b.mid2]

    def _turn(self, book: Book, share: float) -> None:
        """One step in one instrument."""
        s, ending = self.scenario, self.done == len(self.steps)
        if s.stop:
            if ending:
                self._resume(book)
            else:
                self._stop(book)
            return
        apart = round((s.widen - 1) * book.spread / 2)
        shift = -round(s.fall * share * book.mid2 / 2)
        book.warp = PLAIN if ending else Warp(shift, apart, s.keep)
        self._message(book, [(oid, a, level, 0) for oid, a, level in book.difference()])

    def _stop(self, book: Book) -> None:
        if self.scenario.stop == "halt":
            self._message(book, [(0, STATUS, (0, 0, HALT), 0)])
        else:
            self._message(book, [(0, CLEAR, (0, 0, 0), GAP)], last=0)

    def _resume(self, book: Book) -> None:
        if self.scenario.stop == "halt":
            self._message(book, [(0, STATUS, (0, 0, book.phase), 0)])
        if book.instrument.depth:
            action = ADD if book.instrument.by_order else SET
            held = [
                (key[0] if action == ADD else 0, action, v, SNAPSHOT)
                for key, v in book.held.items()
            ]
            self._message(book, [(0, CLEAR, (0, 0, 0), SNAPSHOT), *held])

    def _message(
        self, book: Book, parts: list[tuple[int, int, Level, int]], last: int = LAST
    ) -> None:
        for n, (order_id, action, (side, price, lots), bits) in enumerate(parts, 1):
            bits |= last if n == len(parts) else 0
            ts = self.last
            self.rows.append((ts, ts, order_id, price, lots, 0, book.index, action, side, bits, 0))

    def _event(self, e: Row) -> None:
        """One event of the recording."""
        order_id, price, lots, _, who, action, side, bits = e[2:10]
        book = self.books[who]
        if action in (BEAT, CONTROL) or not self.touched[who]:
            self.rows.append(e)
            return
        alone = action in (STATUS, TRADE, CLOSE) or bits & (GAP | SNAPSHOT) == GAP
        book.open = not bits & LAST and (book.open or not alone)
        if action == CLOSE:
            self._close(book, e)
            return
        key = (order_id, 0) if book.instrument.by_order else (side, price)
        book.follow(action, key, (side, price, lots))
        book.phase = lots if action == STATUS else book.phase
        if not self.active:
            self.rows.append(e)
        elif not self.scenario.stop:
            self.rows.append(self._warped(book, e, key))

    def _warped(self, book: Book, e: Row, key: Key) -> Row:
        """What is told of an event in place of it."""
        price, lots, _, _, action, side = e[3:9]
        if action == TRADE:
            return told(
                e, TRADE, (side, max(book.warp.price(-side, price), 1), book.warp.lots(lots))
            )
        if action in (CLEAR, STATUS):
            if action == CLEAR:
                book.told.clear()
            return e
        was, t = book.told.get(key), book.tell(key)
        if t is None:
            return told(e, BEAT, (0, 0, 0))
        now = book.told.get(key)
        if action in (CANCEL, FILL) and was is not None:
            return told(e, action, (was[0], was[1], was[2] - (now[2] if now else 0)))
        return told(e, *t)

    def _close(self, book: Book, e: Row) -> None:
        """With its bar, or alone."""
        ts, close, lots = book.bar
        if ts != e[1]:
            stopped = self.active and self.scenario.stop
            book.close = book.close or e[3]
            self._price()
            warp = self._warp(book, e[1])
            close, lots = max(e[3] + warp, 1), -1 if stopped else self._thin(book, e[4], e[1], e[1])
            book.close = e[3]
        if lots >= 0:
            self.rows.append(told(e, CLOSE, (0, close, lots)))
        book.bar = (-1, 0, 0)

    def _bar(self, b: Row) -> Iterator[Row]:
        """A bar that the scenario overlaps, or any other as it is."""
        opened, closed, who = b[0], b[1], b[8]
        book, s = self.books[who], self.scenario
        book.close = book.close or b[2]
        self._step(closed)
        self.last = max(self.last, closed)
        book.close = b[5]
        if not self.touched[who] or opened >= s.end or closed < s.start:
            book.bar = (closed, b[5], b[6])
            yield b
        elif s.stop:
            book.bar = (closed, b[5], -1)
        else:
            inside = [self._warp(book, t) for t, _ in self.steps if opened < t <= closed]
            first, final = self._warp(book, opened), self._warp(book, closed)
            low, high = min(first, final, *inside), max(first, final, *inside)
            moves = zip(b[2:6], (first, high, low, final), strict=True)
            prices = [max(price + move, 1) for price, move in moves]
            lots = self._thin(book, b[6], opened, closed)
            book.bar = (closed, prices[3], lots)
            yield (opened, closed, *prices, lots, *b[7:])

    def _warp(self, book: Book, ts: int) -> int:
        """Ticks by which prices are moved at a time."""
        shares = [share for at, share in self.steps if at <= ts]
        share = shares[-1] if shares and self.touched[book.index] else 0.0
        return -round(self.scenario.fall * share * book.mid2 / 2)

    def _thin(self, book: Book, lots: int, opened: int, closed: int) -> int:
        s = self.scenario
        inside = self.touched[book.index] and opened < s.end and closed >= s.start
        return round(lots * s.keep) if inside else lots


def told(e: Row, action: int, level: Level) -> Row:
    """The event with another action, side, price and lots."""
    side, price, lots = level
    return (*e[:3], price, lots, *e[5:7], action, side, *e[9:])


def records(rows: Iterable[Row], like: Events | Bars) -> Any:
    """As an array of the same records."""
    return np.array(list(rows), like.dtype).view(like.dtype)
