"""Messages to EVENTs: a fold whose state is three arrays, so that cuts anywhere change nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.schema import (
    ADD,
    BAR,
    CANCEL,
    CLEAR,
    CLOSE,
    DEPTH,
    EVENT,
    FILL,
    GAP,
    LAST,
    MODIFY,
    SNAPSHOT,
    STATUS,
    TRADE,
    Bars,
    Events,
    zeros,
)
from flowsense.sources.dbn_messages import MESSAGE, SAME, Batch
from flowsense.sources.dbn_records import (
    BARS,
    F_LAST,
    F_MAYBE_BAD_BOOK,
    F_MBP,
    F_SNAPSHOT,
    F_TOB,
    MARKET,
    MBO,
    OHLCV_1S,
    PHASE,
    TBBO,
    TRADES,
    UNDEFINED,
)
from flowsense.sources.rows import NOWHERE, differ, emit

NONE = -1
LOST, REPLAYED, KNOWN = range(3)  # what is told of a book
A, C, M, R, T, F = (ord(c) for c in "ACMRTF")
POOL = 1 << 16  # fills whose removal is still to come; older ones are then taken for cancels
MOST, BOOKS = 6, array("i8", 4)  # events of a message without levels
SEEN = np.dtype(
    [
        ("book", "i8"),  # the feed that tells of the book, of executions, of bars; or NONE
        ("flow", "i8"),
        ("bar", "i8"),
        ("tick", "i8"),  # 1e-9
        ("scale", "i8"),  # lots of one unit
        ("shown", "i8"),  # levels a side; 0: bars alone
        ("key", "i8"),  # publisher and instrument id of its last message
        ("phase", "i8"),
        ("known", "i8"),  # LOST, REPLAYED or KNOWN
        ("opens", "i8"),  # a book without a snapshot is empty
        ("fresh", "i8"),  # a snapshot is under way
        ("begun", "i8"),  # events since LAST
        ("replay", "i8"),  # ts_recv of the snapshot whose records came last; or NONE
        ("group", "i8"),  # ts_event of the venue's message under way
        ("traded", "i8"),  # in it an aggressor was told
        ("fills", "i8"),  # in it, first and last among the pool; or NONE
        ("final", "i8"),
        ("likely", "i8"),  # where the next removal is looked for first
        ("levels", "i8", (DEPTH, 2, 2)),  # the last book row, ticks and lots
    ]
)
FILLED = np.dtype([("order_id", "u8"), ("price", "i8"), ("lots", "i8"), ("after", "i8")])
STREAM = np.dtype(
    [
        ("latest", "i8"),  # ns
        ("used", "i8"),  # of the pool
        ("waiting", "i8"),  # instruments that have fills there
        ("hole", "i8"),  # the next one
        ("opens", "i8"),  # of the span under way, see SEEN
    ]
)
HOLE = np.dtype([("ts", "i8"), ("opens", "i8")])  # no file tells what was before; see SEEN


@kernel
def put(
    events: Record, n: int, s: Record, m: Record, action: int, side: int, price: int, lots: int
) -> int:
    """An event with the id of its order; a level, or the touch, is an order of its own."""
    n = emit(events, n, action, side, price, lots, SNAPSHOT if s.fresh and action != TRADE else 0)
    k = 1 if side > 0 else 0
    if m.marks & F_TOB:
        events[n - 1].order_id = 1 + k
    elif m.marks & F_MBP:
        events[n - 1].order_id = abs(price) * 4 + k * 2 + (price < 0)
    else:
        events[n - 1].order_id = m.order_id
    return n


@kernel
def forget(s: Record, stream: Record) -> None:
    """The venue's message is over: no removal belongs to its fills any more."""
    s.traded = 0
    if s.fills != NONE:
        s.fills = s.likely = NONE
        stream.waiting -= 1
        if stream.waiting == 0:
            stream.used = 0


@kernel
def lose(events: Record, n: int, s: Record) -> int:
    if s.known != LOST:
        n = emit(events, n, CLEAR, 0, 0, 0, GAP)
    s.known, s.fresh, s.begun, s.replay = LOST, 0, 0, NONE
    return n


@kernel
def begin(events: Record, n: int, s: Record, known: int) -> int:
    s.known, s.fresh = known, 1
    for i in range(DEPTH):
        for k in range(2):
            s.levels[i, k, 0] = s.levels[i, k, 1] = 0
    return emit(events, n, CLEAR, 0, 0, 0, SNAPSHOT)


@kernel
def close(events: Record, start: int, n: int, s: Record) -> int:
    """LAST on the last event since `start`; where it cannot bear that, or there is none, on one
    that says that the phase is as it was."""
    if s.known == LOST or (n == start and not s.begun):
        return n
    if n == start or (s.fresh and events[n - 1].action == TRADE):
        n = emit(events, n, STATUS, 0, 0, s.phase, 0)
    events[n - 1].bits |= LAST | (SNAPSHOT if s.fresh else 0)
    s.known, s.fresh, s.begun = KNOWN, 0, 0
    return n


@kernel
def empty(events: Record, n: int, s: Record) -> int:
    """The book is known to hold nothing."""
    return close(events, n, begin(events, n, s, KNOWN), s)


@kernel
def remember(pool: Record, s: Record, m: Record, price: int, lots: int, stream: Record) -> None:
    i = stream.used
    if i == len(pool):
        return
    pool[i].order_id, pool[i].price, pool[i].lots, pool[i].after = m.order_id, price, lots, NONE
    stream.used += 1
    if s.fills == NONE:
        s.fills = s.likely = i
        stream.waiting += 1
    else:
        pool[s.final].after = i
        if s.likely == NONE:
            s.likely = i
    s.final = i


@kernel
def filled(pool: Record, s: Record, order_id: int) -> int:
    """-> the next fill of the order whose removal was not told yet; or NONE."""
    i = s.likely
    for _ in range(2):
        while i != NONE:
            if pool[i].order_id == order_id and pool[i].lots > 0:
                s.likely = pool[i].after
                return int(i)
            i = pool[i].after
        i = s.fills
    return NONE


@kernel
def remove(
    events: Record, n: int, s: Record, m: Record, price: int, lots: int, pool: Record
) -> int:
    """What the order loses: FILL as far as it was executed, CANCEL the rest. A modification tells
    what is left instead, so that all its fills are told before."""
    if s.fills != NONE:
        i = filled(pool, s, m.order_id)
        while i != NONE and (lots > 0 or m.action == M):
            part = pool[i].lots if m.action == M else min(pool[i].lots, lots)
            n = put(events, n, s, m, FILL, m.side, pool[i].price, part)
            pool[i].lots = 0
            lots -= part
            i = filled(pool, s, m.order_id)
    if m.action == C and lots > 0:
        n = put(events, n, s, m, CANCEL, m.side, price, lots)
    return n


@kernel
def trade(events: Record, n: int, s: Record, m: Record, side: int, price: int, lots: int) -> int:
    if m.price == UNDEFINED or lots == 0:
        return n
    return put(events, n, s, m, TRADE, side, price, lots)


@kernel
def rest(events: Record, n: int, s: Record, m: Record, price: int, lots: int) -> int:
    """An order as it now is. One of the touch has no price where the side is empty."""
    nothing = m.price == UNDEFINED or lots == 0
    if m.marks & F_TOB:
        k = 1 if m.side > 0 else 0
        before, had = s.levels[0, k, 0], s.levels[0, k, 1]
        s.levels[0, k, 0], s.levels[0, k, 1] = price, 0 if nothing else lots
        if nothing:
            return put(events, n, s, m, CANCEL, m.side, before, had) if had else n
        return put(events, n, s, m, MODIFY, m.side, price, lots)
    if nothing:
        return n
    return put(events, n, s, m, ADD if m.action == A else MODIFY, m.side, price, lots)


@kernel
def by_order(
    events: Record, n: int, s: Record, m: Record, price: int, pool: Record, stream: Record
) -> int:
    """A message of an order."""
    start, replayed, lots = n, m.marks & F_SNAPSHOT != 0, m.units * s.scale
    if m.marks & F_MAYBE_BAD_BOOK and not replayed:
        n, s.opens = lose(events, n, s), 0
        start = n
    if m.action == R or (replayed and s.replay != m.ts_recv):
        n = begin(events, n, s, REPLAYED if replayed else KNOWN)
    elif s.known == REPLAYED and not replayed:
        n = start = close(events, n, n, s)
    elif s.known == LOST and s.opens:
        n = start = empty(events, n, s)
    s.replay = m.ts_recv if replayed else NONE
    if m.ts_event != s.group:
        forget(s, stream)
        s.group = m.ts_event
    n = executed(events, n, s, m, price, lots, pool, stream)
    if s.known != LOST:
        if m.action == C or (m.action == M and m.side != 0):
            n = remove(events, n, s, m, price, lots, pool)
        if (m.action == A or m.action == M) and m.side != 0:
            n = rest(events, n, s, m, price, lots)
        if n > start:
            s.begun = 1
    if m.marks & F_LAST:
        n = close(events, start, n, s)
        forget(s, stream)
    return n


@kernel
def executed(
    events: Record,
    n: int,
    s: Record,
    m: Record,
    price: int,
    lots: int,
    pool: Record,
    stream: Record,
) -> int:
    """A resting order's fill is a trade only where no aggressor is told."""
    if m.action == T:
        n = trade(events, n, s, m, m.side, price, lots)
        s.traded = 1
    elif m.action == F:
        if not s.traded:
            n = trade(events, n, s, m, -m.side, price, lots)
        if s.known != LOST and m.price != UNDEFINED:
            remember(pool, s, m, price, lots, stream)
    return n


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
def skip(events: Record, n: int, seen: Record, stream: Record, hole: Record) -> int:
    """Nothing is told of the time before the next message: no book is known any more."""
    for j in range(len(seen)):
        start, seen[j].opens = n, hole.opens
        n = lose(events, n, seen[j])
        for i in range(start, n):
            events[i].ts_event = events[i].ts_recv = stream.latest
            events[i].instrument = j
    stream.hole, stream.opens = stream.hole + 1, hole.opens
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
    """-> events written; `messages` and `books` become what is told: times that never fall, ticks.
    Their prices are multiples of the tick."""
    n, stream = 0, streams[0]
    for i in range(len(messages)):
        m = messages[i]
        s, start = seen[m.instrument], n
        while stream.hole < len(holes) and m.ts_recv >= holes[stream.hole].ts:
            n = skip(events, n, seen, stream, holes[stream.hole])
            start = n
        stream.latest = m.ts_recv = max(stream.latest, m.ts_recv)
        if m.key != s.key:  # another id now bears its symbol
            if s.key != 0:
                n = lose(events, n, s)
            s.key, s.opens = m.key, stream.opens
        price = m.price // s.tick if m.price != UNDEFINED else 0
        if m.feed == s.book:
            if m.feed == MBO:
                n = by_order(events, n, s, m, price, pool, stream)
            else:
                now = books[m.row]
                for j in range(s.shown):
                    for k in range(2):
                        now[j, k, 0], now[j, k, 1] = now[j, k, 0] // s.tick, now[j, k, 1] * s.scale
                n = by_level(events, n, s, m, price, now[: s.shown])
        elif m.feed == s.flow or m.feed == s.bar or m.feed == PHASE:
            n = aside(events, n, s, m, price)
        stamp(events, start, n, m)
    return n


class Decoder:
    """The fold of a stream."""

    def __init__(self, seen: NDArray[Any], spans: Sequence[tuple[int, bool]]) -> None:
        """(k,) SEEN before the first message, and the spans that are told without a hole: when
        each begins, ns, and whether a book without a snapshot is empty then."""
        self.seen = seen.copy().view(SEEN)
        self.stream, self.pool = np.zeros(1, STREAM), np.zeros(POOL, FILLED)
        self.holes = np.array(spans, HOLE).view(HOLE)

    def push(self, batch: Batch) -> tuple[Events, Bars]:
        """What the messages tell; they are changed."""
        m, depth = batch.messages, batch.books.shape[1]
        room = MOST * len(m) + 4 * depth * len(batch.books) + len(self.seen) * len(self.holes)
        events, arrays = zeros(EVENT, room), (self.seen, self.stream, self.pool, self.holes, m)
        n = unroll(*map(records, arrays), np.ascontiguousarray(batch.books), records(events))
        return events[:n].copy(), self.bars(batch)

    def bars(self, batch: Batch) -> Bars:
        m = batch.messages
        m = m[(m["feed"] >= OHLCV_1S) & (m["feed"] == self.seen["bar"][m["instrument"]])]
        out, of = zeros(BAR, len(m)), self.seen[m["instrument"]]
        prices, scale = batch.bars[m["row"]], of["scale"]
        for k, name in enumerate(("open", "high", "low", "close")):
            out[name] = prices[:, k] // of["tick"]
        out["lots"], out["ts_recv"], out["instrument"] = (
            prices[:, 4] * scale,
            m["ts_recv"],
            m["instrument"],
        )
        span = np.array([BARS.get(feed, 0) for feed in range(len(MARKET))])[m["feed"]]
        out["ts_open"] = m["ts_event"] - span
        return out
