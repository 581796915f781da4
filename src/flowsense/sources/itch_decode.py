"""Blocks of ITCH 5.0 messages to EVENTs, compiled. Where bytes come from is not here.

Lengths and offsets are those of the NASDAQ TotalView-ITCH 5.0 specification, section 1.
"""

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.schema import (
    AUCTION,
    CLEAR,
    DAY,
    EVENT,
    HALT,
    LARGEST,
    LAST,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
)
from flowsense.sources.itch_orders import (
    BACK,
    BLANK,
    EMPTY,
    FINE,
    FLAG,
    LENGTH,
    ORDER,
    OTHER,
    PRICE,
    SIZE,
    STATE,
    STOCK,
    TIME,
    UNKNOWN,
    UNLISTED,
    added,
    cancelled,
    emit,
    executed,
    fail,
    number,
    place,
    whole,
)

LENGTHS = np.zeros(128, np.int64)
for _types, _length in {
    "SW": 12, "R": 39, "H": 25, "YN": 20, "L": 26, "VJU": 35, "K": 28, "h": 21, "AC": 36, "F": 40,
    "E": 31, "X": 23, "DB": 19, "P": 44, "Q": 40, "I": 50, "O": 48,
}.items():  # fmt: skip
    LENGTHS[[ord(c) for c in _types]] = _length
NAMED = np.zeros(128, np.int64)  # where a message names its stock
for _types, _at in {"RHYKJhNO": 11, "L": 15, "Q": 19, "AFP": 24, "I": 28}.items():
    NAMED[[ord(c) for c in _types]] = _at
ORDERS = np.zeros(128, np.int64)  # of an order or a trade of one stock
ORDERS[[ord(c) for c in "AFECXDUPQH"]] = 1

S, R, H, A, F, E, C, P, Q = (ord(c) for c in "SRHAFECPQ")
PAUSED, QUOTING, RUNNING = (ord(c) for c in "PQT")
OPENS, STARTS, ENDS = (ord(c) for c in "OSE")  # of system events
ROOM = 8  # events of one message at most, but for those of a system event
NAMES = array("i1", 2)
BYTES = array("i1", readonly=True)


@kernel
def printed(d: Record, i: int, n: int, who: int, kind: int, s: Record, events: Record) -> int:
    """P against a hidden order, Q of a cross: neither has an aggressor that is told."""
    lots = whole(d, i + 20, 4) if kind == P else number(d, i + 11)
    price = whole(d, i + 32, 4) if kind == P else whole(d, i + 27, 4)
    if lots < 0 or lots > LARGEST or (lots == 0 and kind == P):
        return fail(s, n, SIZE, lots)
    if lots == 0:
        s.odd[EMPTY] += 1
        return n
    if price <= 0:
        return fail(s, n, PRICE, price)
    n = emit(events, n, s, who, TRADE, 0)
    e = events[n - 1]
    e.order_id = max(number(d, i + (36 if kind == P else 31)), 0)
    e.lots, e.price = lots, max(price // s.tick, 1)
    return n


@kernel
def phase(n: int, who: int, now: int, s: Record, events: Record) -> int:
    n = emit(events, n, s, who, STATUS, 0)
    events[n - 1].lots = now
    return n


@kernel
def halted(d: Record, i: int, n: int, stock: Record, s: Record, events: Record) -> int:
    state = d[i + 19]
    if state in (H, PAUSED):
        stock.phase = HALT
    elif state == QUOTING:
        stock.phase = AUCTION
    elif state == RUNNING:
        stock.phase = TRADING
    else:
        return fail(s, n, FLAG, int(state) & 0xFF)
    return phase(n, stock.instrument, stock.phase, s, events)


@kernel
def everywhere(code: int, n: int, s: Record, events: Record) -> int:
    """System events: the day opens with empty books, and ends in a halt."""
    if code != OPENS and code != ENDS:
        return n
    for who in range(s.instruments):
        if code == OPENS:
            n = emit(events, n, s, who, CLEAR, 0)
            events[n - 1].bits = SNAPSHOT | LAST
        else:
            n = phase(n, who, HALT, s, events)
            events[n - 1].bits = LAST
    return n


@kernel
def crossed(d: Record, i: int, n: int, stock: Record, s: Record, events: Record) -> int:
    was, who = stock.phase, stock.instrument
    calls = was != AUCTION and number(d, i + 11) > 0
    if calls:
        n = phase(n, who, AUCTION, s, events)
    n = printed(d, i, n, who, Q, s, events)
    return phase(n, who, was, s, events) if calls else n


@kernel
def one(
    d: Record, i: int, n: int, stocks: Record, orders: Record, s: Record, events: Record
) -> int:
    """The events of one message."""
    kind, stock = int(d[i]), stocks[whole(d, i + 1, 2)]
    if kind == S:
        return everywhere(int(d[i + 11]), n, s, events)
    if ORDERS[kind] == 0 or stock.instrument < 0:
        s.odd[UNLISTED] += ORDERS[kind] != 0 and stock.instrument < -1
        return n
    if kind in (A, F):
        return added(d, i, n, stock.instrument, orders, s, events)
    if kind == P:
        return printed(d, i, n, stock.instrument, kind, s, events)
    if kind == Q:
        return crossed(d, i, n, stock, s, events)
    if kind == H:
        return halted(d, i, n, stock, s, events)
    return of_known(d, i, n, stock.instrument, orders, s, events)


@kernel
def of_known(d: Record, i: int, n: int, who: int, orders: Record, s: Record, events: Record) -> int:
    """What happens to an order in the book."""
    kind, o = int(d[i]), orders[place(orders, number(d, i + 11))]
    if o.lots == 0 or o.stock != who:
        s.odd[UNKNOWN] += 1
        return n
    if kind in (E, C):
        return executed(d, i, n, kind, orders, s, events)
    return cancelled(d, i, n, kind, orders, s, events)


@kernel
def told(d: Record, i: int, length: int, stamp: int, s: Record) -> bool:
    """Whether it is a message that is known; its times become those of the state."""
    if length == 0:
        s.odd[BLANK] += 1
        return False
    if d[i] < 0 or LENGTHS[int(d[i])] == 0:
        s.odd[OTHER] += 1
        return False
    if LENGTHS[int(d[i])] != length:
        fail(s, 0, LENGTH, length)
        return False
    since = whole(d, i + 5, 6)
    if since >= DAY:
        fail(s, 0, TIME, since)
        return False
    s.odd[BACK] += s.midnight + since < s.ts_event
    s.ts_event = s.midnight + since
    s.ts_recv = max(s.ts_recv, stamp if stamp else s.ts_event)
    s.kinds[int(d[i])] += 1
    return True


@compiled(
    types.int64(
        BYTES,
        array("i8", 2, readonly=True),
        array(STOCK),
        array(ORDER),
        array(STATE),
        array(EVENT),
    )
)
def decode(
    d: Record, packets: Record, stocks: Record, orders: Record, state: Record, events: Record
) -> int:
    """-> events written, from the place in the block that the state tells.

    packets (p, 3): where each ends, when it came (0: messages tell), its first sequence. It stops
    at the end, at a fault, or where events may lack room.
    """
    s, n = state[0], 0
    most = max(ROOM, s.instruments)
    while s.at < len(d) and n + most <= len(events):
        while s.at >= packets[s.packet, 0]:
            s.packet += 1
            s.sequence = packets[s.packet, 2] - 1
        i, length, start = s.at + 2, whole(d, s.at, 2), n
        s.sequence += 1
        if told(d, i, length, packets[s.packet, 1], s):
            n = one(d, i, n, stocks, orders, s, events)
        if s.fault != FINE:
            return start
        if n > start:
            events[n - 1].bits = events[n - 1].bits | LAST
        s.at = i + length
    return n


@compiled(types.int64(BYTES))
def fitting(d: Record) -> int:
    """Bytes of the whole messages, each after its length."""
    at = 0
    while at + 2 <= len(d):
        end = at + 2 + whole(d, at, 2)
        if end > len(d):
            break
        at = end
    return at


@compiled(types.boolean(BYTES, NAMES, array("i8")))
def directory(d: Record, names: Record, seen: Record) -> bool:
    """Names of stocks by locate; True where system hours begin, after the directory.

    names (65536, 8), seen (65536,): 1 met, 2 named by the directory.
    """
    at = 0
    while at < len(d):
        i, length = at + 2, whole(d, at, 2)
        at = i + length
        kind = int(d[i]) if length else 0
        if kind <= 0 or LENGTHS[kind] != length:
            continue
        if kind == S and d[i + 11] == STARTS:
            return True
        locate, name = whole(d, i + 1, 2), NAMED[kind]
        if locate > 0:
            seen[locate] = max(seen[locate], 2 if kind == R else 1)
        if name > 0:
            for k in range(8):
                names[locate, k] = d[i + name + k]
    return False


@compiled(types.void(array(ORDER), array(ORDER)))
def move(old: Record, table: Record) -> None:
    """Orders into a larger table."""
    for h in range(len(old)):
        if old[h].lots != 0:
            table[place(table, old[h].key)] = old[h]
