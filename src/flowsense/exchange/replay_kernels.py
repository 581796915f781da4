"""One loop over recorded events and the requests that reach the venue among them.

A request arrives before the first event whose venue time is later, never inside a message of its
instrument; those of other instruments do not wait for it. Nor does it wait for the end of a
snapshot that anything else interrupts: it may never come, and there is no book.
"""

import numpy as np
from numba import from_dtype, types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.book.orders import ORDER, l3
from flowsense.book.sides import ALL, LEVEL, NONE, l2
from flowsense.exchange.client import (
    ACCEPTED,
    CANCELLED,
    POST,
    REJECTED,
    REPLACED,
    REPORT,
    Why,
)
from flowsense.exchange.matching import MARKET as AT_MARKET
from flowsense.exchange.matching import REPLACE, REQUEST, WITHDRAW
from flowsense.exchange.resting import (
    MARKET,
    MINE,
    ONE,
    OWN,
    advance,
    available,
    below,
    digest,
    drop,
    eat,
    eaten_at,
    execute,
    first,
    level_changed,
    lots_at,
    mark,
    recount,
    settle,
    tell,
    trade,
    visible,
)
from flowsense.schema import (
    ADD,
    BEAT,
    CLEAR,
    CLOSE,
    CONTROL,
    EVENT,
    GAP,
    LARGEST,
    LAST,
    LATE,
    MODIFY,
    NEVER,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
)

INBOX = np.dtype([("arrival", "i8"), *((n, REQUEST[n].str) for n in REQUEST.names or ())])
FINE = -1
ASKED, UNKNOWN, WOULD_CROSS, OFF_GRID, NO_COUNTERPART, NOT_TRADING, NO_BOOK, FULL = map(int, Why)


@compiled(types.void(ONE, array(LEVEL), MINE, array(REPORT), types.int64, types.int64))
def take(m: Record, levels: Record, mine: Record, out: Record, i: int, worst: int) -> None:
    """Execute against displayed lots down to key `worst` of the other side.

    An order that rests is met by them at its own price, one that comes meets them at theirs.
    """
    o, k, maker = mine[0, i], 1 - mine[0, i].k, int(mine[0, i].rank > 0)
    key = available(m, levels, mine, k, ALL)
    while o.lots > 0 and key != NONE and key >= worst and m.eaten < mine.shape[1]:
        lots = min(o.lots, lots_at(levels, m.sides, k, key) - eaten_at(m, mine, k, key))
        eat(m, mine, k, key, lots)
        execute(m, out, o, o.key * (1 - 2 * o.k) if maker else key * (1 - 2 * k), lots, maker)
        key = available(m, levels, mine, k, key)


@kernel
def rest(m: Record, levels: Record, orders: Record, ranks: Record, o: Record) -> None:
    """To the back of the queue at its price."""
    m.ranks += 1
    o.rank, o.came, o.traded, o.spared, o.stamp = m.ranks, m.now, 0.0, 0.0, 0
    o.ahead = float(lots_at(levels, m.sides, o.k, o.key))
    if m.sides.order_slots:
        mark(m, orders, ranks, o)


@kernel
def refusal(m: Record, levels: Record, mine: Record, o: Record, price: int, lots: int) -> int:
    """Why an order cannot be at this price with these lots, or FINE."""
    k, key, priced = o.k, price * (1 - 2 * o.k), o.kind != AT_MARKET
    if not m.least <= lots <= LARGEST or (priced and not -LARGEST <= price <= LARGEST):
        return OFF_GRID
    if m.phase != TRADING:
        return NOT_TRADING
    if m.ready == 0 or (priced and not visible(m, levels, k, key)):
        return NO_BOOK
    if o.kind == POST and available(m, levels, mine, 1 - k, ALL) >= -key:
        return WOULD_CROSS
    return FINE


@kernel
def submit(
    m: Record, levels: Record, orders: Record, ranks: Record, mine: Record, out: Record, q: Record
) -> None:
    o, market = mine[0, m.mine], q.kind == AT_MARKET
    o.order_id, o.k, o.lots, o.rank = q.order_id, (0 if q.side > 0 else 1), q.lots, 0
    o.kind, o.key = q.kind, q.price * q.side
    why = refusal(m, levels, mine, o, q.price, q.lots)
    if why == FINE and m.mine == m.most:
        why = FULL
    if why != FINE:
        o.lots = 0
        tell(m, out, o, REJECTED, why, q.price, q.lots)
        return
    m.mine += 1
    tell(m, out, o, ACCEPTED, ASKED, q.price, q.lots)
    take(m, levels, mine, out, m.mine - 1, NONE if market else -o.key)
    if market and o.lots > 0:
        lots, o.lots = o.lots, 0
        tell(m, out, o, CANCELLED, NO_COUNTERPART, q.price, lots)
    elif o.lots > 0:
        rest(m, levels, orders, ranks, o)


@kernel
def find(m: Record, mine: Record, order_id: int) -> int:
    for i in range(m.mine):
        if mine[0, i].order_id == order_id:
            return i
    return -1


@kernel
def withdraw(m: Record, mine: Record, out: Record, i: int, lots: int) -> None:
    o = mine[0, i]
    if lots < 1:
        tell(m, out, o, REJECTED, OFF_GRID, o.key * (1 - 2 * o.k), 0)
        return
    lots = min(lots, o.lots)
    o.lots -= lots
    tell(m, out, o, CANCELLED, ASKED, o.key * (1 - 2 * o.k), lots)


@kernel
def replace(
    m: Record, levels: Record, orders: Record, ranks: Record, mine: Record, out: Record, q: Record
) -> None:
    i = find(m, mine, q.order_id)
    o = mine[0, i]
    price, why = o.key * (1 - 2 * o.k), refusal(m, levels, mine, o, q.price, q.lots)
    if why != FINE:
        tell(m, out, o, REJECTED, why, price, 0)
        return
    if q.price == price and q.lots <= o.lots:
        o.lots = q.lots
        tell(m, out, o, REPLACED, ASKED, price, q.lots)
        return
    last = m.mine
    mine[0, last] = mine[0, i]
    o.lots = 0  # its old place is dropped when the request is done
    m.mine += 1
    o = mine[0, last]
    o.key, o.lots, o.rank = q.price * (1 - 2 * o.k), q.lots, 0
    tell(m, out, o, REPLACED, ASKED, q.price, q.lots)
    take(m, levels, mine, out, last, -o.key)
    if o.lots > 0:
        rest(m, levels, orders, ranks, o)


@compiled(
    types.void(ONE, array(LEVEL), *(array(ORDER),) * 2, MINE, array(REPORT), from_dtype(INBOX))
)
def act(
    m: Record, levels: Record, orders: Record, ranks: Record, mine: Record, out: Record, q: Record
) -> None:
    """One request."""
    settle(m, levels)
    old = q.kind == WITHDRAW or q.kind == REPLACE
    i = find(m, mine, q.order_id) if old else 0
    if i < 0:
        o = mine[0, m.mine]
        o.order_id, o.k, o.lots = q.order_id, (0 if q.side >= 0 else 1), 0
        tell(m, out, o, REJECTED, UNKNOWN, q.price, q.lots)
    elif q.kind == WITHDRAW:
        withdraw(m, mine, out, i, q.lots)
    elif q.kind == REPLACE:
        replace(m, levels, orders, ranks, mine, out, q)
    else:
        submit(m, levels, orders, ranks, mine, out, q)
    drop(m, ranks, mine)


@kernel
def hit(m: Record, levels: Record, e: Record) -> int:
    """The side at whose expense an execution was, or -1: by the touch where the feed is silent."""
    if e.side != 0:
        return 1 if e.side > 0 else 0
    settle(m, levels)
    if -e.price <= below(levels, m.sides, 1, ALL):
        return 1
    return 0 if e.price <= below(levels, m.sides, 0, ALL) else -1


@compiled(types.void(ONE, array(LEVEL), MINE, array(REPORT)))
def meet(m: Record, levels: Record, mine: Record, out: Record) -> None:
    """Displayed lots of the other side that have come to our orders or through them."""
    settle(m, levels)
    if below(levels, m.sides, 0, ALL) >= -below(levels, m.sides, 1, ALL):
        return
    m.near = 0
    for k in range(2):
        touch = available(m, levels, mine, 1 - k, ALL) if m.edge[k] != NONE else NONE
        i = first(m, mine, k, -touch - 1, NEVER) if touch != NONE else -1
        while i >= 0:
            take(m, levels, mine, out, i, -mine[0, i].key)
            i = first(m, mine, k, -touch - 1, NEVER) if mine[0, i].lots == 0 else -1


@kernel
def hear(m: Record, e: Record) -> None:
    if e.action == STATUS:
        m.phase = e.lots
    if e.bits & GAP or (e.action == CLEAR and e.bits & SNAPSHOT):
        m.ready = 0
    m.open = int((e.bits & LAST) == 0 and (m.ready or (e.bits & SNAPSHOT) != 0))


@kernel
def reaches(m: Record, e: Record) -> bool:
    """Whether it is, or brings to the book, lots that orders of ours on the other side execute
    against."""
    other = 1 if e.side > 0 else 0
    return bool(m.edge[other] != NONE and -e.price * e.side <= m.edge[other])


@kernel
def ours(m: Record, e: Record) -> bool:
    """Whether it is of a level among which our orders of its side stand."""
    k = 0 if e.side > 0 else 1
    return bool(m.rear[k] <= e.price * e.side <= m.edge[k])


@kernel
def concerns(m: Record, e: Record) -> bool:
    """Whether an event may do more than change the book; of most this is known here."""
    if e.bits & LAST and (m.eaten or e.bits & SNAPSHOT or (m.near and m.mine > 0)):
        return True
    if m.mine == 0 or m.ready == 0 or e.bits & SNAPSHOT:
        return False
    return e.side == 0 or e.action == CLEAR or reaches(m, e) or (e.action == SET and ours(m, e))


@kernel
def venue_time(e: Record, feed: int) -> int:
    """When it happened, by our clock: never after it was received; 0 where nobody says."""
    if feed >= 0:
        return int(e.ts_recv - feed)
    if e.ts_event > 0:
        return int(min(e.ts_event, e.ts_recv))
    return 0 if e.action == BEAT or e.action == CONTROL else int(e.ts_recv)


@kernel
def move(
    m: Record, levels: Record, orders: Record, ranks: Record, mine: Record, out: Record, e: Record
) -> None:
    """Our orders, by one event after the book was whole."""
    stamp = venue_time(e, m.feed)
    if m.feed < 0 and e.ts_event > 0:
        stamp = e.ts_event  # by the clock of the venue alone, also where that runs ahead of ours
    if e.action == TRADE:
        k = hit(m, levels, e) if m.phase == TRADING and e.bits & LATE == 0 else -1
        if k >= 0 and e.price * (1 - 2 * k) <= m.edge[k]:
            trade(m, mine, out, k, e, stamp)
    elif e.action == CLEAR:
        recount(m, levels, orders, ranks, mine)
    elif e.side != 0:
        if e.action == SET and m.sides.order_slots == 0 and ours(m, e):
            level_changed(m, mine, e, stamp)
        changes = e.action == SET or e.action == ADD or e.action == MODIFY
        if changes and e.lots > 0 and reaches(m, e):
            m.near = 1


@compiled(
    types.void(
        ONE, array(LEVEL), array(ORDER), array(ORDER), MINE, array(REPORT), from_dtype(EVENT)
    )
)
def respond(
    m: Record, levels: Record, orders: Record, ranks: Record, mine: Record, out: Record, e: Record
) -> None:
    """What an event of the market that is in the book already is to our orders."""
    told = m.told
    if m.mine > 0 and m.ready and not e.bits & SNAPSHOT:
        move(m, levels, orders, ranks, mine, out, e)
    if e.bits & LAST:
        if m.eaten:
            digest(m, levels, mine)
        if e.bits & SNAPSHOT:
            m.ready = m.near = 1
            settle(m, levels)
            recount(m, levels, orders, ranks, mine)
        if m.near and m.mine > 0 and m.ready and m.phase == TRADING:
            meet(m, levels, mine, out)
    if m.told > told:
        drop(m, ranks, mine)


@kernel
def waits(m: Record, q: Record, e: Record) -> bool:
    """Whether a request that is due must let a message end, with which this event may go on."""
    goes_on = e.instrument == q.instrument and e.bits & SNAPSHOT and e.action != CLEAR
    return bool(m.open and (m.ready or goes_on))


TABLES = types.Tuple(
    (array(MARKET), array(LEVEL), array(ORDER), array(ORDER), array(OWN, 3))  # as in `replay`
)


@compiled(
    types.UniTuple(types.int64, 3)(TABLES, array(INBOX), array(EVENT, readonly=True), array(REPORT))
)
def replay(tables: Record, inbox: Record, events: Record, out: Record) -> tuple[int, int, int]:
    """-> events and requests done, reports written; it stops before `out` could be too small.

    What was done of the inbox lies in front when it returns, what waits behind it, as it came.
    """
    state, levels, orders, ranks, own = tables
    g, done, told, most = state[0], 0, 0, 2 * own.shape[2] + 4
    for i in range(len(events)):
        e = events[i]
        now, j = max(g.clock, venue_time(e, g.feed)), done
        while j < len(inbox) and inbox[j].arrival < now:
            q = inbox[j]
            m = state[q.instrument]
            if not waits(m, q, e):
                if told + most > len(out):
                    return i, done, told
                m.now, m.told = max(g.clock, q.arrival), told
                act(m, levels, orders, ranks, own[q.instrument], out, q)
                told = m.told
                for h in range(j, done, -1):
                    inbox[h] = inbox[h - 1]
                done += 1
            j += 1
        if told + most > len(out):
            return i, done, told
        g.clock = now
        if e.action == BEAT or e.action == CONTROL or e.action == CLOSE:
            continue
        m = state[e.instrument]
        hear(m, e)
        if m.sides.order_slots:
            if m.mine > 0 and m.ready and not e.bits & SNAPSHOT:
                advance(m, orders, ranks, own[e.instrument], e)
            l3(m.touch, levels, m.sides, orders, e)
        else:
            l2(m.touch, levels, m.sides, e)
        if concerns(m, e):
            m.now, m.told = now, told
            respond(m, levels, orders, ranks, own[e.instrument], out, e)
            told = m.told
    return len(events), done, told
