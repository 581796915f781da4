"""Databento's messages of single orders to EVENTs, each removal told once and by its cause."""

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.schema import ADD, CANCEL, DAY, FILL, MODIFY
from flowsense.sources.dbn_book import (
    KNOWN,
    LOST,
    NONE,
    REPLAYED,
    begin,
    close,
    empty,
    lose,
    put,
    trade,
)
from flowsense.sources.dbn_records import F_LAST, F_MAYBE_BAD_BOOK, F_SNAPSHOT, F_TOB, UNDEFINED

A, C, M, R, T, F = (ord(c) for c in "ACMRTF")
FILLED = np.dtype([("order_id", "u8"), ("price", "i8"), ("lots", "i8"), ("after", "i8")])


@kernel
def forget(s: Record, stream: Record) -> None:
    """The venue's message is over: no removal belongs to its fills any more."""
    s.traded = 0
    if s.fills != NONE and s.turn == stream.turn:
        stream.waiting -= 1
        if stream.waiting == 0:
            stream.used = 0
    s.fills = s.likely = NONE


@kernel
def remember(pool: Record, s: Record, m: Record, price: int, lots: int, stream: Record) -> None:
    if stream.used == len(pool):
        stream.used, stream.waiting, stream.turn = 0, 0, stream.turn + 1
    if s.turn != stream.turn:
        s.fills, s.likely, s.turn = NONE, NONE, stream.turn
    i = stream.used
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
    events: Record,
    n: int,
    s: Record,
    m: Record,
    price: int,
    lots: int,
    pool: Record,
    stream: Record,
) -> int:
    """What the order loses: FILL as far as it was executed, CANCEL the rest. A modification tells
    what is left instead, so that all its fills are told before."""
    if s.fills != NONE and s.turn == stream.turn:
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
def another(s: Record, m: Record) -> bool:
    """A snapshot's record begins one: none is under way, or that is of the midnight before."""
    return bool(
        m.ts_recv != s.replay and (s.known != REPLAYED or m.ts_recv // DAY != s.replay // DAY)
    )


@kernel
def by_order(
    events: Record, n: int, s: Record, m: Record, price: int, pool: Record, stream: Record
) -> int:
    """A message of an order."""
    start, replayed, lots = n, m.marks & F_SNAPSHOT != 0, m.units * s.scale
    if m.marks & F_MAYBE_BAD_BOOK and not replayed:
        n, s.opens = lose(events, n, s), 0
        start = n
    if m.action == R or (replayed and another(s, m)):
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
            n = remove(events, n, s, m, price, lots, pool, stream)
        if (m.action == A or m.action == M) and m.side != 0:
            n = rest(events, n, s, m, price, lots)
        if n > start:
            s.begun = 1
    if m.marks & F_LAST:
        n = close(events, start, n, s)
        forget(s, stream)
    return n
