"""What can be wrong with the events of one instrument: counted record by record, no row kept.

At any time an instrument is in one condition; each lasts until the next begins. Time is that of
`ts_recv`. Where a feed tells trades and the book in streams of their own, their sequences and
times at the exchange are followed apart.
"""

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.book.orders import ORDER, l3
from flowsense.book.sides import LEVEL, SIDES, TOUCH, l2, show
from flowsense.features.clock import parts
from flowsense.schema import (
    ADD,
    AUCTION,
    BEAT,
    BOOK,
    CANCEL,
    CLOSE,
    CONTROL,
    EVENT,
    FILL,
    GAP,
    HALT,
    LARGEST,
    LAST,
    LATE,
    MODIFY,
    SECOND,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
)

CONDITIONS = (
    *("unknown", "whole", "crossed", "locked", "one-sided", "empty", "lost"),
    *("auction", "halted"),
)
UNKNOWN, WHOLE, CROSSED, LOCKED, ONE_SIDED, EMPTY, LOST, AUCTIONED, HALTED = range(9)
COUNTED = (
    *("gap", "time goes back", "repeat", "alike", "receive clock stands", "silent"),
    *("off market", "beyond the touch", "inside the spread", "impossible size"),
)
GAPS, BACK, REPEAT, ALIKE, STANDS, SILENT, OFF, BEYOND, INSIDE, SIZE = range(9, 19)
NAMES = CONDITIONS + COUNTED

SILENCE = 60 * SECOND
STAND = SECOND  # at the exchange, while the receive clock does not move
FAR_SPREADS, FAR_SHARE = 10, 200  # off market: beyond the touch by so many, and by 1/200 of it
BINS, FINEST = 256, 1_000_000  # of the timeline; ns of one at first
FINE = 32  # of every octave of a lag
LAGS = 60 * FINE  # on either side of 0
OCTAVES = 64

FOUND = np.dtype(
    [
        ("count", "i8"),
        ("ts", "i8"),  # ts_recv of the first
        ("sequence", "i8"),  # of the first
        ("total", "i8"),  # ns, ticks or missing numbers, whatever it is measured in
        ("worst", "i8"),
    ]
)
BOOKED, TRADED, BOTH, TRACKS = 0, 1, 2, 3  # whose sequence
TRACK = np.dtype(
    [
        ("ts", "i8"),  # the latest at the exchange
        ("sequence", "i8"),
        ("rises", "i8"),
        ("ones", "i8"),  # of these, by one
        ("hole", FOUND),  # the others
        ("falls", FOUND),
    ]
)
BIN = np.dtype(
    [
        ("events", "i8"),
        ("spread", "i8"),  # ticks, summed over whole books
        ("books", "i8"),
        ("lag", "i8"),  # microseconds, summed
        ("lags", "i8"),
        ("conditions", "i8"),  # bit k: it was in condition k; bit 9 and up: that was found
    ]
)
STATE = np.dtype(
    [
        ("ready", "i8"),
        ("phase", "i8"),
        ("booked", "i8"),  # a level or an order was told: there is a book
        ("gone", "i8"),  # lost since the last snapshot
        ("condition", "i8"),
        ("since", "i8"),
        ("events", "i8"),
        ("trades", "i8"),
        ("lots", "f8"),
        ("unknown_side", "i8"),
        ("first", "i8"),
        ("last", "i8"),
        ("paused", "i8"),  # of the stream until then
        ("moved", "i8"),  # ts_recv when it last moved, and
        ("stood", "i8"),  # ts_event then
        ("standing", "i8"),
        ("spread", "i8"),
        ("books", "i8"),  # with both sides, the ask above the bid
        ("latest", "i8", 4),  # trade: ts_event, price, lots, side
        ("track", TRACK, TRACKS),
        ("found", FOUND, len(NAMES)),
        ("lag", "i8", 2 * LAGS + 1),
        ("sizes", "i8", OCTAVES),  # of trades
        ("bins", BIN, BINS),
        ("sides", SIDES),
        ("changed", TOUCH),
        ("book", BOOK),
    ]
)
WORLD = np.dtype(  # of the stream
    [("first", "i8"), ("latest", "i8"), ("paused", "i8"), ("width", "i8"), ("pause", FOUND)]
)


@kernel
def octave(x: int) -> int:
    """Of a number above 0: how often it can be halved until it is 1."""
    k = 0
    while x > 1:
        x >>= 1
        k += 1
    return k


@kernel
def bucket(x: int) -> int:
    """Of a lag: exact below FINE ns, FINE to every octave above."""
    a = abs(x)
    shift = max(octave(a) - 5, 0) if a > 0 else 0
    k = shift * FINE + (a >> shift)
    return LAGS + (k if x >= 0 else -k)


@kernel
def count(f: Record, ts: int, number: int, amount: int) -> None:
    """Found once more, received at `ts`; `number` says which record it was."""
    if f.count == 0:
        f.ts, f.sequence = ts, number
    f.count += 1
    f.total += amount
    f.worst = max(f.worst, amount)


@kernel
def find(f: Record, e: Record, amount: int) -> None:
    count(f, e.ts_recv, e.sequence, amount)


@kernel
def paint(s: Record, w: Record, start: int, end: int, k: int) -> None:
    """The timeline shows k from start to end."""
    a, b = max(start - w.first, 0) // w.width, (end - w.first) // w.width
    for i in range(a, b + 1):
        s.bins[i].conditions |= 1 << k


@kernel
def turn(s: Record, w: Record, e: Record, condition: int) -> None:
    """Into another condition; what the one before lasted is added to it."""
    if condition == s.condition:
        return
    f, lasted = s.found[s.condition], e.ts_recv - s.since
    f.total += lasted
    f.worst = max(f.worst, lasted)
    paint(s, w, s.since, e.ts_recv, s.condition)
    s.condition, s.since = condition, e.ts_recv
    find(s.found[condition], e, 0)


@kernel
def judge(s: Record) -> int:
    """The condition, now that a message has ended."""
    if s.phase == HALT or s.phase == AUCTION:
        return HALTED if s.phase == HALT else AUCTIONED
    if s.ready == 0 or s.booked == 0:
        return LOST if s.gone else UNKNOWN
    b = s.book
    if b.bid_sz[0] == 0 or b.ask_sz[0] == 0:
        return EMPTY if b.bid_sz[0] == b.ask_sz[0] else ONE_SIDED
    if b.bid_px[0] < b.ask_px[0]:
        return WHOLE
    return LOCKED if b.bid_px[0] == b.ask_px[0] else CROSSED


@kernel
def halve(state: Record, w: Record) -> None:
    """Bins twice as wide."""
    w.width *= 2
    for j in range(len(state)):
        bins = state[j].bins
        for i in range(BINS):
            a, b = bins[i], bins[i // 2]
            if i % 2 == 0:
                b.events, b.spread, b.books = a.events, a.spread, a.books
                b.lag, b.lags, b.conditions = a.lag, a.lags, a.conditions
            else:
                b.events, b.spread, b.books = (
                    b.events + a.events,
                    b.spread + a.spread,
                    b.books + a.books,
                )
                b.lag, b.lags = b.lag + a.lag, b.lags + a.lags
                b.conditions |= a.conditions
            if i > 0:
                a.events, a.spread, a.books, a.lag, a.lags, a.conditions = 0, 0, 0, 0, 0, 0


@kernel
def order(t: Record, e: Record) -> None:
    """How the sequence goes on."""
    step = e.sequence - t.sequence
    if t.sequence != 0 and step > 0:
        t.rises += 1
        t.ones += step == 1
        if step > 1:
            find(t.hole, e, step - 1)
    elif t.sequence != 0 and step < 0:
        find(t.falls, e, -step)
    t.sequence = e.sequence


@kernel
def follow(s: Record, w: Record, e: Record) -> None:
    """The sequence and the exchange's clock."""
    own = s.track[TRADED if e.action == TRADE else BOOKED]
    if e.sequence != 0:
        order(own, e)
        order(s.track[BOTH], e)
    if e.ts_event <= 0:
        return
    if e.ts_event < own.ts:
        find(s.found[BACK], e, own.ts - e.ts_event)
    own.ts = max(own.ts, e.ts_event)
    lag, at = e.ts_recv - e.ts_event, s.bins[(e.ts_recv - w.first) // w.width]
    s.lag[bucket(lag)] += 1
    at.lag += lag // 1000
    at.lags += 1
    if e.ts_recv != s.moved:
        s.moved, s.stood, s.standing = e.ts_recv, e.ts_event, 0
    elif e.ts_event - s.stood >= STAND:
        if s.standing == 0:
            find(s.found[STANDS], e, 0)
            paint(s, w, e.ts_recv, e.ts_recv, STANDS)
        s.standing = 1
        s.found[STANDS].worst = max(s.found[STANDS].worst, e.ts_event - s.stood)


@kernel
def listen(s: Record, w: Record, e: Record) -> None:
    """Silence, of this instrument while others go on."""
    if s.events:
        silent = e.ts_recv - s.last - (w.paused - s.paused)
        if silent > SILENCE:
            find(s.found[SILENT], e, silent)
            paint(s, w, s.last, e.ts_recv, SILENT)
    else:
        s.first = s.since = e.ts_recv


@kernel
def trade(s: Record, w: Record, e: Record) -> bool:
    """-> whether it is off market."""
    s.trades += 1
    s.lots += e.lots
    s.unknown_side += e.side == 0
    if e.lots <= 0 or e.lots > LARGEST:
        find(s.found[SIZE], e, 0)
        return False
    s.sizes[octave(e.lots)] += 1
    last, off = s.latest, False
    if e.sequence == 0 and e.order_id == 0 and s.trades > 1:
        same = last[0] == e.ts_event and last[1] == e.price
        if same and last[2] == e.lots and last[3] == e.side:
            find(s.found[ALIKE], e, 0)
    last[0], last[1], last[2], last[3] = e.ts_event, e.price, e.lots, e.side
    if s.condition != WHOLE or e.bits & LATE:  # the book is another by now
        return False
    bid, ask = s.book.bid_px[0], s.book.ask_px[0]
    beyond = max(e.price - ask, bid - e.price)
    if beyond > 0:
        find(s.found[BEYOND], e, beyond)
        if beyond > FAR_SPREADS * (ask - bid) and beyond > abs(ask) // FAR_SHARE:
            find(s.found[OFF], e, beyond)
            paint(s, w, e.ts_recv, e.ts_recv, OFF)
            off = True
    elif bid < e.price < ask:
        find(s.found[INSIDE], e, 0)
    return off


@kernel
def change(s: Record, w: Record, e: Record, levels: Record, orders: Record) -> None:
    """The book, and what it is now."""
    if s.sides.order_slots:
        l3(s.changed, levels, s.sides, orders, e)
    else:
        l2(s.changed, levels, s.sides, e)
    if e.action == STATUS:
        s.phase = e.lots
    if e.action == ADD or e.action == SET or e.action == MODIFY:
        s.booked = 1
    if e.lots < 0 or ((e.action == ADD or e.action == CANCEL or e.action == FILL) and e.lots == 0):
        find(s.found[SIZE], e, 0)
    if parts(e):
        s.ready = 0
    if e.bits & GAP:
        s.gone = 1
        find(s.found[GAPS], e, 0)
        turn(s, w, e, LOST)
        paint(s, w, e.ts_recv, e.ts_recv, GAPS)
    if e.bits & LAST:
        if e.bits & SNAPSHOT:
            s.ready, s.gone = 1, 0
        show(s.book, levels, s.sides, s.changed)
        turn(s, w, e, judge(s))
        if s.condition == WHOLE:
            spread = s.book.ask_px[0] - s.book.bid_px[0]
            at = s.bins[(e.ts_recv - w.first) // w.width]
            s.spread += spread
            s.books += 1
            at.spread += spread
            at.books += 1


@kernel
def advance(state: Record, w: Record, ts: int, e: Record) -> None:
    """The stream's own time, and pauses of it all."""
    if w.first == 0:
        w.first, w.latest, w.width = ts, ts, FINEST
    if ts - w.latest > SILENCE:
        find(w.pause, e, ts - w.latest)
        w.paused += ts - w.latest
    w.latest = ts
    while (ts - w.first) // w.width >= BINS:
        halve(state, w)


@compiled(
    types.void(
        array(WORLD),
        array(STATE),
        array(LEVEL),
        array(ORDER),
        array(EVENT, readonly=True),
        array("b1", readonly=True),
        array("b1"),
    )
)
def examine(
    world: Record,
    state: Record,
    levels: Record,
    orders: Record,
    events: Record,
    repeats: Record,
    off: Record,
) -> None:
    """off (n,): which trades are off market."""
    w = world[0]
    for i in range(len(events)):
        e = events[i]
        off[i] = False
        if e.action == BEAT or e.action == CONTROL or e.action == CLOSE:
            continue
        s = state[e.instrument]
        if s.events == 0 and e.bits & GAP and e.bits & SNAPSHOT == 0:
            continue  # nothing was heard that could be lost
        advance(state, w, e.ts_recv, e)
        listen(s, w, e)
        s.bins[(e.ts_recv - w.first) // w.width].events += 1
        if e.bits & (SNAPSHOT | GAP | LATE) == 0:  # these have times of another message
            follow(s, w, e)
        s.events += 1
        s.last, s.paused = e.ts_recv, w.paused
        if repeats[i]:
            find(s.found[REPEAT], e, 0)
        if e.action == TRADE:
            off[i] = trade(s, w, e)
        change(s, w, e, levels, orders)
