"""A limit order book that matches by price, then time, and tells it as an order-by-order feed does.

One action of a client gives::

    limit    TRADE, FILL for each execution, at the resting price; ADD for what then rests
    market   TRADE, FILL for each execution; what finds no counterpart is dropped
    cancel   CANCEL of some or all lots
    replace  MODIFY: fewer lots at the same price keep their place, anything else goes to the back;
             at a price that crosses: CANCEL, then as limit, under the same id

The last event of an action carries LAST. An action on an unknown order, and what a full table
cannot hold, is refused: it gives no event and is counted. Kernels check nothing else.
"""

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.schema import ADD, CANCEL, EVENT, FILL, LAST, MODIFY, NO_BID, TRADE

LIMIT, MARKET, WITHDRAW, REPLACE = range(1, 5)
SLOT_BITS = 24  # an id is serial << SLOT_BITS | slot: found without a search, never used twice
SLOT_MASK = 2**SLOT_BITS - 1

REQUEST = np.dtype(
    [
        ("ts", "i8"),  # ns, when the venue has it
        ("order_id", "i8"),  # WITHDRAW, REPLACE: which; LIMIT: written by the venue
        ("price", "i8"),  # ticks; LIMIT, REPLACE
        ("lots", "i8"),  # > 0; WITHDRAW: to take away, more than there are takes all
        ("instrument", "i4"),
        ("kind", "i2"),
        ("side", "i2"),  # +1 buy, -1 sell; LIMIT, MARKET
    ]
)
ORDER = np.dtype(  # of a pool; slot 0 is nobody
    [
        ("id", "i8"),
        ("key", "i8"),  # side * price
        ("lots", "i8"),  # 0: free
        ("k", "i8"),  # 0 bid, 1 ask
        ("older", "i8"),  # slot of the neighbours in the queue of its level
        ("newer", "i8"),  # and, of a free slot, of the next free one
    ]
)
LEVEL = np.dtype([("key", "i8"), ("lots", "i8"), ("head", "i8"), ("tail", "i8")])
ENGINE = np.dtype(
    [
        ("ts", "i8"),  # ns, of the action
        ("wire", "i8"),  # ns, until the feed has told it
        ("instrument", "i8"),
        ("sequence", "i8"),
        ("serial", "i8"),  # orders entered so far
        ("free", "i8"),  # first free slot below `top`
        ("top", "i8"),  # highest slot ever used
        ("refused", "i8"),
        ("told", "i8"),  # events written into `out`
        ("depth", "i8", 2),  # levels a side
        ("live", "i8", 2),  # orders a side
    ]
)


@kernel
def emit(
    m: Record, out: Record, action: int, order_id: int, side: int, price: int, lots: int
) -> None:
    e = out[m.told]
    m.told += 1
    m.sequence += 1
    e.ts_event, e.ts_recv, e.sequence = m.ts, m.ts + m.wire, m.sequence
    e.order_id, e.price, e.lots = order_id, price, lots
    e.instrument, e.action, e.side, e.bits, e.pad = m.instrument, action, side, 0, 0


@kernel
def acquire(m: Record, orders: Record) -> int:
    """A free slot, or 0."""
    h = m.free
    if h:
        m.free = orders[h].newer
    elif m.top + 1 < len(orders):
        m.top += 1
        h = m.top
    return int(h)


@kernel
def release(m: Record, orders: Record, h: int) -> None:
    orders[h].id = orders[h].lots = 0
    orders[h].newer = m.free
    m.free = h


@kernel
def slot_of(orders: Record, order_id: int) -> int:
    h = order_id & SLOT_MASK
    return h if h < len(orders) and order_id > 0 and orders[h].id == order_id else 0


@kernel
def place_of(side: Record, n: int, key: int) -> int:
    """First level with this key or a better one: as many steps as a new level moves others."""
    i = n
    while i > 0 and side[i - 1].key >= key:
        i -= 1
    return int(i)


@kernel
def join(m: Record, levels: Record, orders: Record, h: int) -> bool:
    """To the back of the queue at its price; False where the table of levels is full."""
    k, key = orders[h].k, orders[h].key
    side, n = levels[k], m.depth[k]
    i = place_of(side, n, key)
    if i == n or side[i].key != key:
        if n == len(side):
            return False
        for j in range(n, i, -1):
            side[j] = side[j - 1]
        side[i].key, side[i].lots, side[i].head, side[i].tail = key, 0, h, 0
        m.depth[k] = n + 1
    else:
        orders[side[i].tail].newer = h
    orders[h].older, orders[h].newer = side[i].tail, 0
    side[i].tail = h
    side[i].lots += orders[h].lots
    m.live[k] += 1
    return True


@kernel
def leave(m: Record, levels: Record, orders: Record, h: int) -> None:
    """Out of its queue; an empty level goes."""
    k, older, newer = orders[h].k, orders[h].older, orders[h].newer
    side, n = levels[k], m.depth[k]
    i = place_of(side, n, orders[h].key)
    side[i].lots -= orders[h].lots
    if older:
        orders[older].newer = newer
    else:
        side[i].head = newer
    if newer:
        orders[newer].older = older
    else:
        side[i].tail = older
    m.live[k] -= 1
    if side[i].head == 0:
        for j in range(i, n - 1):
            side[j] = side[j + 1]
        m.depth[k] = n - 1


@kernel
def shrink(m: Record, levels: Record, orders: Record, h: int, lots: int) -> None:
    """Take lots away in place; with the last the order goes."""
    if lots == orders[h].lots:
        leave(m, levels, orders, h)
        release(m, orders, h)
    else:
        k = orders[h].k
        levels[k, place_of(levels[k], m.depth[k], orders[h].key)].lots -= lots
        orders[h].lots -= lots


@kernel
def sweep(
    m: Record, levels: Record, orders: Record, out: Record, side: int, worst: int, lots: int
) -> int:
    """Execute against the other side down to key `worst` of that side; -> lots left."""
    k = 1 if side > 0 else 0
    while lots > 0 and m.depth[k] > 0 and levels[k, m.depth[k] - 1].key >= worst:
        best = levels[k, m.depth[k] - 1]
        h, price = best.head, -side * best.key
        taken = min(lots, orders[h].lots)
        emit(m, out, TRADE, orders[h].id, side, price, taken)
        emit(m, out, FILL, orders[h].id, -side, price, taken)
        shrink(m, levels, orders, h, taken)
        lots -= taken
    return int(lots)


@kernel
def enter(m: Record, levels: Record, orders: Record, out: Record, h: int) -> None:
    """An order with id, side, key and lots: match it, then let the rest of it rest."""
    o = orders[h]
    side = 1 - 2 * o.k
    o.lots = sweep(m, levels, orders, out, side, -o.key, o.lots)
    if o.lots > 0 and join(m, levels, orders, h):
        emit(m, out, ADD, o.id, side, side * o.key, o.lots)
        return
    m.refused += int(o.lots > 0)
    release(m, orders, h)


@kernel
def limit(
    m: Record, levels: Record, orders: Record, out: Record, side: int, price: int, lots: int
) -> int:
    """-> the id of the order; 0 where it was refused."""
    h = acquire(m, orders)
    if h == 0:
        m.refused += 1
        return 0
    m.serial += 1
    order_id = (m.serial << SLOT_BITS) | h
    orders[h].id, orders[h].lots = order_id, lots
    orders[h].k, orders[h].key = (0 if side > 0 else 1), side * price
    enter(m, levels, orders, out, h)
    return int(order_id)


@kernel
def market(m: Record, levels: Record, orders: Record, out: Record, side: int, lots: int) -> None:
    sweep(m, levels, orders, out, side, NO_BID, lots)


@kernel
def withdraw(m: Record, levels: Record, orders: Record, out: Record, h: int, lots: int) -> None:
    if h == 0:
        m.refused += 1
        return
    o = orders[h]
    side, lots = 1 - 2 * o.k, min(lots, o.lots)
    emit(m, out, CANCEL, o.id, side, side * o.key, lots)
    shrink(m, levels, orders, h, lots)


@kernel
def replace(
    m: Record, levels: Record, orders: Record, out: Record, h: int, price: int, lots: int
) -> None:
    if h == 0:
        m.refused += 1
        return
    o = orders[h]
    side, other = 1 - 2 * o.k, 1 - o.k
    old, before, key = side * o.key, o.lots, side * price
    if price == old and lots <= before:
        levels[o.k, place_of(levels[o.k], m.depth[o.k], key)].lots += lots - before
        o.lots = lots
        emit(m, out, MODIFY, o.id, side, price, lots)
        return
    leave(m, levels, orders, h)
    o.key, o.lots = key, lots
    if m.depth[other] > 0 and levels[other, m.depth[other] - 1].key >= -key:
        emit(m, out, CANCEL, o.id, side, old, before)
        enter(m, levels, orders, out, h)
    elif join(m, levels, orders, h):
        emit(m, out, MODIFY, o.id, side, price, lots)
    else:
        emit(m, out, CANCEL, o.id, side, old, before)
        m.refused += 1
        release(m, orders, h)


@kernel
def act(m: Record, levels: Record, orders: Record, out: Record, q: Record) -> None:
    """One request, whole: its last event carries LAST."""
    before, m.ts = m.told, q.ts
    if q.kind == LIMIT:
        q.order_id = limit(m, levels, orders, out, q.side, q.price, q.lots)
    elif q.kind == MARKET:
        market(m, levels, orders, out, q.side, q.lots)
    elif q.kind == WITHDRAW:
        withdraw(m, levels, orders, out, slot_of(orders, q.order_id), q.lots)
    else:
        replace(m, levels, orders, out, slot_of(orders, q.order_id), q.price, q.lots)
    if m.told > before:
        out[m.told - 1].bits = LAST


@compiled(
    types.UniTuple(types.int64, 2)(
        array(ENGINE), array(LEVEL, 3), array(ORDER, 2), array(REQUEST), array(EVENT)
    )
)
def match(
    engines: Record, levels: Record, orders: Record, requests: Record, out: Record
) -> tuple[int, int]:
    """-> requests done, events written; it stops before one whose events might not fit.

    engines (n,), levels (n, 2, levels a side), orders (n, slots), by instrument.
    """
    told = 0
    for i in range(len(requests)):
        q = requests[i]
        m = engines[q.instrument]
        if told + 2 * min(q.lots, m.live[0] + m.live[1]) + 2 > len(out):
            return i, told
        m.told = told
        act(m, levels[q.instrument], orders[q.instrument], out, q)
        told = m.told
    return len(requests), told
