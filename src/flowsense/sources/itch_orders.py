"""Resting orders of ITCH 5.0 in a hash table, and the EVENTs of what becomes of them.

Offsets are those of the NASDAQ TotalView-ITCH 5.0 specification, sections 1.3 and 1.4.
"""

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.schema import ADD, CANCEL, FILL, TRADE

C, U, X = (ord(c) for c in "CUX")
BUY, SELL, PRINTS, SILENT = (ord(c) for c in "BSYN")
FINE, LENGTH, TIME, SIDE, SIZE, PRICE, REFERENCE, MORE, FLAG, TICK = range(10)  # faults
UNKNOWN, UNLISTED, TWICE, EMPTY, BACK, OTHER, BLANK = range(7)  # irregularities
WHY = {
    LENGTH: "{kind} has {value} bytes",
    TIME: "{kind} at {value} ns after midnight",
    SIDE: "{kind} of side {value!r}, neither B nor S",
    SIZE: "{kind} of {value} shares",
    PRICE: "{kind} at the price {value}",
    REFERENCE: "{kind} with an order reference that cannot be",
    MORE: "{kind} takes {value} shares from an order of fewer",
    FLAG: "{kind} with the flag {value!r}",
}
ODD = {
    UNKNOWN: "message of an unknown order",
    UNLISTED: "message of a stock that is not in the directory",
    TWICE: "order added twice",
    EMPTY: "cross without shares",
    BACK: "time of the exchange fell",
    OTHER: "message of another type",
    BLANK: "empty message",
}

ORDER = np.dtype([("key", "i8"), ("price", "i8"), ("lots", "i8"), ("stock", "i4"), ("side", "i4")])
STOCK = np.dtype([("instrument", "i4"), ("phase", "i4")])  # by locate; -1 where not asked for
STATE = np.dtype(
    [
        ("midnight", "i8"),  # ns UTC, of the day
        ("tick", "i8"),  # of dollars times 10,000
        ("instruments", "i8"),
        ("ts_recv", "i8"),  # the latest
        ("ts_event", "i8"),  # likewise
        ("sequence", "i8"),  # of the last message
        ("resting", "i8"),  # orders in the table
        ("at", "i8"),  # bytes of the block that are done
        ("packet", "i8"),  # of the block, that the next message is in
        ("came", ORDER),  # the order of the message under way
        ("fault", "i8"),
        ("value", "i8"),  # that is at fault
        ("kinds", "i8", 128),  # messages, by type
        ("odd", "i8", 8),  # irregularities
    ]
)


@kernel
def whole(d: Record, i: int, n: int) -> int:
    """The big-endian integer of n bytes at i."""
    value = 0
    for k in range(i, i + n):
        value = (value << 8) | (int(d[k]) & 0xFF)
    return value


@kernel
def number(d: Record, i: int) -> int:
    """The 8-byte integer at i; -1 where it is so large that it must be damaged."""
    return whole(d, i + 1, 7) if d[i] == 0 else -1


@kernel
def home(key: int, mask: int) -> int:
    """Where an order is looked for first: Fibonacci hashing (Knuth 6.4) that never overflows."""
    return ((((key ^ (key >> 31)) & 0x7FFFFFFF) * 0x61C88647) >> 15) & mask


@kernel
def place(table: Record, key: int) -> int:
    """Where the order is, or the vacant slot where it would go (Knuth 6.4, linear probing)."""
    mask = len(table) - 1
    h = home(key, mask)
    while table[h].lots != 0 and table[h].key != key:
        h = (h + 1) & mask
    return h


@kernel
def vacate(table: Record, h: int) -> None:
    """Nothing dead is left behind (Knuth 6.4, algorithm R)."""
    mask = len(table) - 1
    table[h].lots = 0
    j = (h + 1) & mask
    while table[j].lots != 0:
        if (j - home(table[j].key, mask)) & mask >= (j - h) & mask:
            table[h] = table[j]
            table[j].lots = 0
            h = j
        j = (j + 1) & mask


@kernel
def emit(events: Record, n: int, s: Record, who: int, action: int, side: int) -> int:
    e = events[n]
    e.ts_event, e.ts_recv, e.sequence = s.ts_event, s.ts_recv, s.sequence
    e.instrument, e.action, e.side = who, action, side
    e.order_id = e.price = e.lots = e.bits = 0
    return n + 1


@kernel
def of_order(
    events: Record, n: int, s: Record, o: Record, action: int, side: int, lots: int
) -> int:
    n = emit(events, n, s, o.stock, action, side)
    e = events[n - 1]
    e.order_id, e.price, e.lots = o.key, o.price, lots
    return n


@kernel
def fail(s: Record, n: int, fault: int, value: int) -> int:
    s.fault, s.value = fault, value
    return n


@kernel
def added(d: Record, i: int, n: int, who: int, orders: Record, s: Record, events: Record) -> int:
    o = s.came
    o.key, o.lots, o.price = number(d, i + 11), whole(d, i + 20, 4), whole(d, i + 32, 4)
    o.stock, o.side = who, 1 if d[i + 19] == BUY else -1
    if d[i + 19] != BUY and d[i + 19] != SELL:
        return fail(s, n, SIDE, int(d[i + 19]) & 0xFF)
    return rest(n, orders, s, events)


@kernel
def rest(n: int, orders: Record, s: Record, events: Record) -> int:
    """The order that came enters the book."""
    new = s.came
    if new.key <= 0:
        return fail(s, n, REFERENCE, 0)
    if new.lots == 0:
        return fail(s, n, SIZE, 0)
    if new.price == 0:
        return fail(s, n, PRICE, 0)
    if new.price % s.tick != 0:
        return fail(s, n, TICK, new.price)
    new.price //= s.tick
    o = orders[place(orders, new.key)]
    if o.lots != 0:
        s.odd[TWICE] += 1
        n = of_order(events, n, s, o, CANCEL, o.side, o.lots)
        s.resting -= 1
    o.key, o.price, o.lots, o.stock, o.side = new.key, new.price, new.lots, new.stock, new.side
    s.resting += 1
    return of_order(events, n, s, o, ADD, o.side, o.lots)


@kernel
def executed(
    d: Record, i: int, n: int, kind: int, orders: Record, s: Record, events: Record
) -> int:
    """E at the order's price, C at its own; where C does not print, a cross will tell of it."""
    h, lots = place(orders, number(d, i + 11)), whole(d, i + 19, 4)
    o = orders[h]
    if lots == 0:
        return fail(s, n, SIZE, lots)
    if lots > o.lots:
        return fail(s, n, MORE, lots)
    prints = True
    if kind == C:
        if d[i + 31] != PRINTS and d[i + 31] != SILENT:
            return fail(s, n, FLAG, int(d[i + 31]) & 0xFF)
        prints = d[i + 31] == PRINTS
    if prints:
        n = of_order(events, n, s, o, TRADE, -o.side, lots)
        if kind == C:
            price = whole(d, i + 32, 4)
            if price <= 0:
                return fail(s, n - 1, PRICE, price)
            # between ticks: the next against the aggressor, as of a hidden order
            events[n - 1].price = max(o.side * (o.side * price // s.tick), 1)
    n = of_order(events, n, s, o, FILL, o.side, lots)
    return reduce(n, h, lots, orders, s)


@kernel
def reduce(n: int, h: int, lots: int, orders: Record, s: Record) -> int:
    orders[h].lots -= lots
    if orders[h].lots == 0:
        s.resting -= 1
        vacate(orders, h)
    return n


@kernel
def cancelled(
    d: Record, i: int, n: int, kind: int, orders: Record, s: Record, events: Record
) -> int:
    """X some of it, D all, U all for another order of its side."""
    h = place(orders, number(d, i + 11))
    o = orders[h]
    lots = whole(d, i + 19, 4) if kind == X else o.lots
    if lots == 0:
        return fail(s, n, SIZE, lots)
    if lots > o.lots:
        return fail(s, n, MORE, lots)
    who, side = o.stock, o.side
    n = of_order(events, n, s, o, CANCEL, side, lots)
    n = reduce(n, h, lots, orders, s)
    if kind != U:
        return n
    o = s.came
    o.key, o.lots, o.price = number(d, i + 19), whole(d, i + 27, 4), whole(d, i + 31, 4)
    o.stock, o.side = who, side
    return rest(n, orders, s, events)
