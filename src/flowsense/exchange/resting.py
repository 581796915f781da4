"""Orders of ours in a market that does not know of them: where they stand, and what they took.

An order keeps `ahead`, the lots that execute before it. What moves it, by how the market is told:

by order        exact: it is behind the orders that stood at its price when it came; each of them
                that leaves, shrinks or loses its place counts.
risk-averse     executions at the price, and the level when it shrinks below what is ahead.
probabilistic   the same, and a share of lots cancelled: front**n / (front**n + back**n), with what
                is ahead and behind (E. Rigtorp, "Estimating order queue position", 2013).

It takes part in what the market tells of later than it came; feeds tell some of that late.

What was taken from a displayed level stays taken: of its lots, `eaten` are not free, and these
grow fewer only where the market itself shows less. New lots are free, and nothing is sold twice.
"""

from math import ceil

import numpy as np
from numba import from_dtype, types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.book.orders import ORDER
from flowsense.book.sides import ALL, LEVEL, NONE, SIDES, TICKS, TOUCH, best, follow
from flowsense.book.slots import slot_of, vacate, vacate_all
from flowsense.exchange.client import FILLED, REPORT, Why
from flowsense.schema import ADD, CANCEL, EVENT, FILL, MODIFY, SCROLL

RISK_AVERSE, PROBABILISTIC = range(2)
EXECUTED = int(Why.ASKED)  # reason of a report that needs none

OWN = np.dtype(  # an order of ours; in the second row of a table, what was taken of a level
    [
        ("order_id", "i8"),
        ("key", "i8"),  # side * price
        ("lots", "i8"),  # left; eaten
        ("k", "i8"),  # 0 bid, 1 ask
        ("rank", "i8"),  # its number among all orders of the instrument, as they came
        ("came", "i8"),  # ns, venue: when it took its place; executions until then are not its own
        ("kind", "i8"),  # LIMIT, MARKET or POST
        ("ahead", "f8"),
        ("traded", "f8"),  # lots executed at its price since the level last changed
        ("spared", "f8"),  # lots by which a change of the level moved it, up to `stamp`
        ("stamp", "i8"),  # ns, venue; executions until then are in the level already
    ]
)
MARKET = np.dtype(  # one instrument
    [
        ("sides", SIDES),
        ("touch", TOUCH),
        ("clock", "i8"),  # ns of the venue; of the first instrument: of all
        ("now", "i8"),  # ns of what is being reported
        ("feed", "i8"),  # ns from venue to us; below 0: ts_event tells
        ("ready", "i8"),  # since the last gap a snapshot was closed
        ("phase", "i8"),
        ("open", "i8"),  # in the middle of a message
        ("near", "i8"),  # the other side may have come to an order of ours
        ("edge", "i8", 2),  # by side the greatest key of our orders, or NONE
        ("rear", "i8", 2),  # and the least, or ALL
        ("ranks", "i8"),  # orders that came so far
        ("mine", "i8"),  # orders of ours that rest
        ("eaten", "i8"),  # levels that we took from
        ("told", "i8"),  # reports written
        ("instrument", "i8"),
        ("least", "i8"),  # lots of an order
        ("most", "i8"),  # orders that may rest
        ("shows", "i8"),  # levels a side that the feed shows
        ("queue", "i8"),  # RISK_AVERSE or PROBABILISTIC
        ("power", "f8"),
    ]
)


ONE = from_dtype(MARKET)  # what is called by several is compiled once, not inlined
MINE = array(OWN, 2)


@kernel
def tell(m: Record, out: Record, o: Record, what: int, why: int, price: int, lots: int) -> None:
    r = out[m.told]
    m.told += 1
    r.ts, r.ts_venue, r.order_id, r.price, r.lots, r.left = (
        0,
        m.now,
        o.order_id,
        price,
        lots,
        o.lots,
    )
    r.instrument, r.what, r.why, r.side, r.maker, r.pad = m.instrument, what, why, 1 - 2 * o.k, 0, 0


@kernel
def execute(m: Record, out: Record, o: Record, price: int, lots: int, maker: int) -> None:
    o.lots -= lots
    tell(m, out, o, FILLED, EXECUTED, price, lots)
    out[m.told - 1].maker = maker


@kernel
def lots_at(levels: Record, s: Record, k: int, key: int) -> int:
    if s.floor[k] <= key < s.floor[k] + TICKS:
        return int(s.ladder[k, key & (TICKS - 1)])
    return int(levels[slot_of(levels, s.start[k], s.slots[k], key)].lots)


@compiled(types.void(ONE, array(LEVEL)))
def settle(m: Record, levels: Record) -> None:
    """Lay the ladders about the touch, as `show` does; afterwards no level is above its window."""
    s = m.sides
    for k in range(2):
        if s.outside[k] > 0:
            floor, top = s.floor[k], best(s, k, s.floor[k] + TICKS - 1)
            if s.changed[k] >= floor + TICKS or top < floor + TICKS // 2:
                follow(levels, s, k, top)
        s.changed[k] = NONE


@kernel
def below(levels: Record, s: Record, k: int, key: int) -> int:
    """The greatest key below `key` that has lots, or NONE, of sides that are settled: only what is
    not on the ladder is asked of the table, which costs a pass over it."""
    found = NONE
    if s.held[k] > s.outside[k] and key > s.floor[k]:
        found = best(s, k, min(key, s.floor[k] + TICKS) - 1)
    if s.outside[k] > 0 and found == NONE:
        for h in range(s.start[k], s.start[k] + s.slots[k]):
            if levels[h].lots != 0 and levels[h].key < key:
                found = max(found, levels[h].key)
    return int(found)


@compiled(types.boolean(ONE, array(LEVEL), types.int64, types.int64))
def visible(m: Record, levels: Record, k: int, key: int) -> bool:
    """Whether the feed would show lots at this price: it is not behind the last level shown."""
    s = m.sides
    if s.order_slots or s.held[k] < m.shows:
        return True
    return bool(below(levels, s, k, key + 1) != NONE)


@kernel
def eaten_at(m: Record, mine: Record, k: int, key: int) -> int:
    for i in range(m.eaten):
        if mine[1, i].key == key and mine[1, i].k == k:
            return int(mine[1, i].lots)
    return 0


@kernel
def eat(m: Record, mine: Record, k: int, key: int, lots: int) -> None:
    for i in range(m.eaten):
        if mine[1, i].key == key and mine[1, i].k == k:
            mine[1, i].lots += lots
            return
    eaten = mine[1, m.eaten]
    eaten.key, eaten.k, eaten.lots = key, k, lots
    m.eaten += 1


@compiled(types.void(ONE, array(LEVEL), MINE))
def digest(m: Record, levels: Record, mine: Record) -> None:
    """What the market shows no more was not left out of it by us."""
    kept = 0
    for i in range(m.eaten):
        eaten = mine[1, i]
        lots = min(eaten.lots, lots_at(levels, m.sides, eaten.k, eaten.key))
        if lots > 0:
            mine[1, kept] = mine[1, i]
            mine[1, kept].lots = lots
            kept += 1
    m.eaten = kept


@compiled(types.int64(ONE, array(LEVEL), MINE, types.int64, types.int64))
def available(m: Record, levels: Record, mine: Record, k: int, key: int) -> int:
    """The greatest key below `key` with free lots, or NONE."""
    key = below(levels, m.sides, k, key)
    while key != NONE and lots_at(levels, m.sides, k, key) <= eaten_at(m, mine, k, key):
        key = below(levels, m.sides, k, key)
    return int(key)


@kernel
def first(m: Record, mine: Record, k: int, above: int, until: int) -> int:
    """Of our orders of side k with a key above this, that came before `until`, the best, the
    oldest of these; or -1."""
    found = -1
    for i in range(m.mine):
        o = mine[0, i]
        if o.lots > 0 and o.k == k and o.key > above and o.came < until:
            found, above = i, o.key
    return found


@compiled(types.void(ONE, array(ORDER), MINE))
def drop(m: Record, ranks: Record, mine: Record) -> None:
    """Orders with nothing left go; the others stay in the order in which they came."""
    kept = 0
    m.edge[0] = m.edge[1] = NONE
    m.rear[0] = m.rear[1] = ALL
    for i in range(m.mine):
        o = mine[0, i]
        if o.lots > 0:
            m.edge[o.k], m.rear[o.k] = max(m.edge[o.k], o.key), min(m.rear[o.k], o.key)
            if kept < i:
                mine[0, kept] = mine[0, i]
            kept += 1
    if kept == 0 and m.mine > 0 and m.sides.order_slots:
        vacate_all(ranks, m.sides.order_start, m.sides.order_slots)
    m.mine = kept


@kernel
def share(front: float, before: float, cut: float, power: float) -> float:
    """What is ahead after a level of `before` lots lost `cut` to cancels."""
    back = max(before - front, 0.0)
    x, y = front**power, back**power
    behind = min(cut * y / (x + y), back) if x + y > 0 else 0.0
    return max(front - (cut - behind), 0.0)


@compiled(types.void(ONE, MINE, *(types.int64,) * 5))
def shrink(m: Record, mine: Record, k: int, key: int, before: int, now: int, stamp: int) -> None:
    """A level of an instrument by level changed."""
    for i in range(m.mine):
        o = mine[0, i]
        if o.k == k and o.key == key:
            front, cut = o.ahead, before - o.traded - now
            if m.queue == PROBABILISTIC and cut > 0:
                o.ahead = share(front, before - o.traded, cut, m.power)
            o.ahead, o.traded = min(o.ahead, float(now)), 0.0
            if o.ahead < front:
                o.spared, o.stamp = o.spared + front - o.ahead, stamp


@kernel
def told_late(o: Record, stamp: int, lots: int) -> float:
    """Lots of an execution that a change of the level, told before it, was of."""
    if stamp > o.stamp:
        o.spared = 0.0
    late = min(o.spared, float(lots))
    o.spared -= late
    return float(late)


@compiled(types.void(ONE, MINE, array(REPORT), types.int64, from_dtype(EVENT), types.int64))
def trade(m: Record, mine: Record, out: Record, k: int, e: Record, stamp: int) -> None:
    """An execution at the expense of side k, its lots shared once among our orders of then."""
    key, left = e.price * (1 - 2 * k), e.lots
    i = first(m, mine, k, key, stamp)
    while left > 0 and i >= 0:  # it went through their price
        o = mine[0, i]
        lots = min(left, o.lots)
        execute(m, out, o, o.key * (1 - 2 * k), lots, 1)
        left -= lots
        i = first(m, mine, k, key, stamp)
    for i in range(m.mine):
        o = mine[0, i]
        if o.lots > 0 and o.k == k and o.key == key and o.came < stamp:
            moved, front = float(left), o.ahead
            if m.sides.order_slots == 0:  # by order, what is ahead leaves with its own FILL
                late = told_late(o, stamp, e.lots)
                moved, o.traded = max(moved - late, 0.0), o.traded + e.lots - late
                o.ahead = max(front - moved, 0.0)
            lots = min(o.lots, max(int(moved) - ceil(front), 0))
            if lots > 0:
                execute(m, out, o, e.price, lots, 1)
                left -= lots


@kernel
def mark(m: Record, orders: Record, ranks: Record, o: Record) -> None:
    """Remember which orders are ahead of one that comes: those that stand at its price."""
    start, slots = m.sides.order_start, m.sides.order_slots
    for h in range(start, start + slots):
        if orders[h].lots != 0 and orders[h].level == o.key and orders[h].k == o.k:
            r = slot_of(ranks, start, slots, orders[h].key)
            if ranks[r].lots == 0:
                ranks[r] = orders[h]
                ranks[r].born = o.rank


@compiled(types.void(ONE, array(ORDER), array(ORDER), MINE, from_dtype(EVENT)))
def advance(m: Record, orders: Record, ranks: Record, mine: Record, e: Record) -> None:
    """Before an order of the market changes: what of it no longer stands ahead of us."""
    if not (e.action == ADD or e.action == MODIFY or e.action == CANCEL or e.action == FILL):
        return
    start, slots = m.sides.order_start, m.sides.order_slots
    o, r = (
        orders[slot_of(orders, start, slots, e.order_id)],
        slot_of(ranks, start, slots, e.order_id),
    )
    if o.lots == 0 or ranks[r].lots == 0:
        return
    gone, k = o.lots, 0 if e.side > 0 else 1
    if e.action == CANCEL or e.action == FILL:
        gone = min(e.lots, o.lots)
    elif e.lots <= o.lots and k == o.k and e.price * e.side == o.level:
        gone = o.lots - e.lots
    for i in range(m.mine):
        own = mine[0, i]
        if own.k == o.k and own.key == o.level and own.rank >= ranks[r].born:
            own.ahead = max(own.ahead - gone, 0.0)
    if gone == o.lots:
        vacate(ranks, start, slots, r)


@kernel
def forget(m: Record, orders: Record, ranks: Record) -> None:
    """Orders that a snapshot no longer holds at their price are ahead of nobody."""
    start, slots = m.sides.order_start, m.sides.order_slots
    r = start
    while r < start + slots:
        o = orders[slot_of(orders, start, slots, ranks[r].key)]
        if ranks[r].lots != 0 and (o.lots == 0 or o.level != ranks[r].level or o.k != ranks[r].k):
            vacate(ranks, start, slots, r)  # another may have come to r
        else:
            r += 1


@compiled(types.void(ONE, array(LEVEL), array(ORDER), array(ORDER), MINE))
def recount(m: Record, levels: Record, orders: Record, ranks: Record, mine: Record) -> None:
    """What is ahead, from a book that was told anew."""
    start, slots = m.sides.order_start, m.sides.order_slots
    if slots:
        forget(m, orders, ranks)
    for i in range(m.mine):
        o = mine[0, i]
        o.traded = o.spared = 0.0
        if slots == 0:
            if visible(m, levels, o.k, o.key):
                o.ahead = min(o.ahead, float(lots_at(levels, m.sides, o.k, o.key)))
            continue
        o.ahead = 0.0
        for r in range(start, start + slots):
            entry = ranks[r]
            if entry.lots != 0 and entry.level == o.key and entry.k == o.k and entry.born <= o.rank:
                o.ahead += orders[slot_of(orders, start, slots, entry.key)].lots


@kernel
def level_changed(m: Record, mine: Record, e: Record, stamp: int) -> None:
    """After a SET of a level of ours: `m.touch.delta` says by how much."""
    if not (e.bits & SCROLL and e.lots == 0):  # out of view, not out of the market
        k, before = (0 if e.side > 0 else 1), e.lots - m.touch.delta
        shrink(m, mine, k, e.price * e.side, before, e.lots, stamp)
