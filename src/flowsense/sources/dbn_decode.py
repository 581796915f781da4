"""Messages to EVENTs and BARs: a fold whose state is three arrays, so that cuts change nothing."""

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.errors import InputError
from flowsense.schema import BAR, CLOSE, EVENT, LAST, SNAPSHOT, STATUS, Bars, Events, zeros
from flowsense.sources.dbn_book import (
    HOLE,
    KNOWN,
    LOST,
    NONE,
    SEEN,
    STREAM,
    begin,
    close,
    empty,
    lose,
    trade,
)
from flowsense.sources.dbn_messages import MESSAGE, SAME, Batch
from flowsense.sources.dbn_orders import FILLED, R, T, by_order
from flowsense.sources.dbn_records import (
    BARS,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_SNAPSHOT,
    MARKET,
    MBO,
    OHLCV_1S,
    PHASE,
    TBBO,
    TRADES,
    UNDEFINED,
)
from flowsense.sources.rows import NOWHERE, differ, emit

POOL = 1 << 16  # fills whose removal is still to come; older ones are then taken for cancels
MOST, BOOKS = 6, array("i8", 4)  # events of a message without levels


@kernel
def show(events: Record, n: int, s: Record, now: Record, named: int, k: int) -> int:
    """Side k becomes that of the row."""
    before, bits = s.levels[: s.shown], SNAPSHOT if s.fresh else 0
    n = differ(events, n, before, now, k, named, bits)
    for i in range(s.shown):
        before[i, k, 0], before[i, k, 1] = now[i, k, 0], now[i, k, 1]
    return n


@kernel
def by_level(events: Record, n: int, s: Record, m: Record, price: int, now: Record) -> int:
    """A message with the book row after it; that of a trade is from before it. `now` in ticks."""
    start, sampled, lots = n, m.feed >= TBBO, m.units * s.scale
    bad, traded = m.marks & F_MAYBE_BAD_BOOK != 0, s.flow == m.feed and m.action == T
    if bad or m.action == R or (m.marks & F_SNAPSHOT and not sampled):
        n = start = lose(events, n, s)
    opens = s.known == LOST and not bad
    if opens:
        n = begin(events, n, s, KNOWN)
    elif traded and m.feed != TBBO:
        n, traded = trade(events, n, s, m, m.side, price, lots), False
    for k in range(2):
        mine = not sampled and m.action != T and m.side == (1 if k else -1)
        if not bad:
            n = show(events, n, s, now, m.side * price if mine else NOWHERE, k)
    if opens:
        n = start = close(events, start, n, s)
    if traded:
        n = trade(events, n, s, m, m.side, price, lots)
    if n > start and s.known != LOST:
        s.begun = 1
    if sampled or m.marks & F_LAST:
        n = close(events, start, n, s)
    return n


@kernel
def aside(events: Record, n: int, s: Record, m: Record, price: int) -> int:
    """A trade, a bar or a phase that is told apart from the book."""
    if m.feed == TRADES:
        if s.known == LOST and s.book == NONE:
            n = empty(events, n, s)
        start = n
        n = trade(events, n, s, m, m.side, price, m.units * s.scale)
        if n > start and s.known == KNOWN and not s.begun:
            events[n - 1].bits |= LAST
    elif m.feed == PHASE:
        if m.units != SAME:
            s.phase = m.units
        n = emit(events, n, STATUS, 0, 0, s.phase, 0)
        if s.known == KNOWN and not s.begun:
            events[n - 1].bits |= LAST
    elif s.shown == 0:
        n = emit(events, n, CLOSE, 0, price, m.units * s.scale, LAST)
    return n


@kernel
def stamp(events: Record, start: int, n: int, m: Record) -> None:
    for i in range(start, n):
        e = events[i]
        e.ts_event, e.ts_recv = m.ts_event, m.ts_recv
        e.sequence, e.instrument = m.sequence, m.instrument


@kernel
def skip(events: Record, n: int, s: Record, stream: Record, hole: Record) -> int:
    """Nothing tells of the instrument before this: its book is not known any more."""
    start, s.opens, s.midnight = n, hole.opens, hole.opens
    n = lose(events, n, s)
    for i in range(start, n):
        events[i].ts_event = events[i].ts_recv = stream.latest
        events[i].instrument = hole.instrument
    stream.hole += 1
    return n


@compiled(
    types.int64(
        array(SEEN),
        array(STREAM),
        array(FILLED),
        array(HOLE, readonly=True),
        array(MESSAGE),
        BOOKS,
        array(EVENT),
    )
)
def unroll(
    seen: Record,
    streams: Record,
    pool: Record,
    holes: Record,
    messages: Record,
    books: Record,
    events: Record,
) -> int:
    """-> events written, or -1 for a price between ticks; `messages` and `books` become what is
    told: times that never fall, prices in ticks."""
    n, stream = 0, streams[0]
    for i in range(len(messages)):
        m = messages[i]
        s, start = seen[m.instrument], n
        while stream.hole < len(holes) and m.ts_recv >= holes[stream.hole].ts:
            hole = holes[stream.hole]
            n = start = skip(events, n, seen[hole.instrument], stream, hole)
        stream.latest = m.ts_recv = max(stream.latest, m.ts_recv)
        if m.key != s.key:  # another id now bears its symbol
            if s.key != 0:
                n = lose(events, n, s)
            s.key, s.opens = m.key, s.midnight
        price = m.price // s.tick if m.price != UNDEFINED else 0
        if m.price != UNDEFINED and price * s.tick != m.price:
            return -1
        if m.feed == s.book:
            if m.feed == MBO:
                n = by_order(events, n, s, m, price, pool, stream)
            else:
                now = books[m.row]
                for j in range(s.shown):
                    for k in range(2):
                        exact = now[j, k, 0]
                        now[j, k, 0], now[j, k, 1] = exact // s.tick, now[j, k, 1] * s.scale
                        if now[j, k, 0] * s.tick != exact:
                            return -1
                n = by_level(events, n, s, m, price, now[: s.shown])
        elif m.feed == s.flow or m.feed == s.bar or m.feed == PHASE:
            n = aside(events, n, s, m, price)
        stamp(events, start, n, m)
    return n


class Decoder:
    """The fold of a stream."""

    def __init__(self, seen: NDArray[Any], holes: NDArray[Any]) -> None:
        """(k,) SEEN before the first message, and (h,) HOLE in order of time."""
        self.seen, self.holes = seen.copy().view(SEEN), holes.view(HOLE)
        self.stream, self.pool = np.zeros(1, STREAM), np.zeros(POOL, FILLED)
        self.scratch = zeros(EVENT)  # all zero between calls

    def push(self, batch: Batch) -> tuple[Events, Bars]:
        """What the messages tell; they are changed. Raises InputError for a price between ticks."""
        m, depth = batch.messages, batch.books.shape[1]
        room = MOST * len(m) + 4 * depth * len(batch.books) + len(self.holes)
        if len(self.scratch) < room:
            self.scratch = zeros(EVENT, room)
        books = np.ascontiguousarray(batch.books)
        seen, stream, pool, holes = map(records, (self.seen, self.stream, self.pool, self.holes))
        n = unroll(seen, stream, pool, holes, records(m), books, records(self.scratch))
        if n < 0:
            raise InputError("DBN files changed while they were read: read them when complete")
        events = self.scratch[:n].copy()
        self.scratch[:n] = 0
        return events, self.bars(batch)

    def bars(self, batch: Batch) -> Bars:
        m = batch.messages
        m = m[(m["feed"] >= OHLCV_1S) & (m["feed"] == self.seen["bar"][m["instrument"]])]
        out, of = zeros(BAR, len(m)), self.seen[m["instrument"]]
        prices, scale = batch.bars[m["row"]], of["scale"]
        for k, name in enumerate(("open", "high", "low", "close")):
            out[name] = prices[:, k] // of["tick"]
        out["lots"] = prices[:, 4] * scale
        out["ts_recv"], out["instrument"] = m["ts_recv"], m["instrument"]
        span = np.array([BARS.get(feed, 0) for feed in range(len(MARKET))])[m["feed"]]
        out["ts_open"] = m["ts_event"] + 1 - span
        return out
