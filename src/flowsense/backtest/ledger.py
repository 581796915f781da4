"""Positions, orders and money as compiled folds over requests, reports and the touch.

Of each instrument it keeps what was paid for the position, one lot at its `contracts.worth`. The
gain of a position is then lots * worth(mid) less what was paid, whatever was traded on the way, and
what was paid at prices less the same at the mids when it was decided is the slippage.
"""

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.backtest import FILL, MARK, OPEN
from flowsense.backtest.resting import STOP
from flowsense.exchange.client import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    POST,
    REJECTED,
    REPLACED,
    REPORT,
    Why,
)
from flowsense.exchange.contracts import fee, value, worth
from flowsense.exchange.matching import LIMIT, MARKET, REPLACE, REQUEST, WITHDRAW
from flowsense.risk.desk import HELD
from flowsense.schema import QUOTE, WHOLE

NOWHERE = -(2**62)  # a mid that nobody knows yet
HEARD, RESTS, LEAVES = range(3)  # `told` of OPEN
RING = 512  # changes of a mid that are remembered, to know it when an execution is told

HOLDING = np.dtype(  # one instrument
    [
        ("lots", "i8"),  # > 0 long
        ("mid2", "i8"),  # the last known; until a touch is, of the last execution
        ("seen", "i8"),  # whether a touch is known
        ("noted", "i8"),  # changes of the mid so far
        ("paid", "f8"),  # for all lots, at prices; sales count against it
        ("fair", "f8"),  # the same at the mids when they were decided
        ("fees", "f8"),
        ("funding", "f8"),
        ("turnover", "f8"),
        ("funded", "i8"),  # funding times that have passed; -1: none seen yet
        ("unit", "f8"),  # from here a `Contract`
        ("inverse", "i8"),
        ("maker", "f8"),
        ("taker", "f8"),
        ("each", "f8"),  # to here
        ("least", "i8"),  # lots of an order
        ("rate", "f8"),  # of funding
        ("period", "i8"),  # ns of funding
    ]
)
LEDGER = np.dtype(
    [
        ("capital", "f8"),
        ("latest", "i8"),  # highest order id sent
        ("open", "i8"),  # orders in the table
        ("sent", "i8"),
        ("filled", "i8"),  # whole
        ("partly", "i8"),  # gone with some of it executed
        ("cancelled", "i8"),
        ("rejected", "i8"),
        ("why", "i8", len(Why)),  # reasons of the last two
    ]
)
MID = np.dtype([("ts", "i8"), ("mid2", "i8")])  # from when the touch was so
ORDER = np.dtype([("decided2", "i8"), ("filled", "i8")])  # beside OPEN: mid2 when sent, lots done


@kernel
def place(orders: Record, n: int, order_id: int) -> int:
    """Where this id is, or would be: ids rise."""
    low, high = 0, n
    while low < high:
        middle = (low + high) >> 1
        if orders[middle].order_id < order_id:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def wrong(q: Record, a: Record, instruments: int, ts: int) -> bool:
    """Whether a strategy must not send this."""
    fresh = q.kind == LIMIT or q.kind == MARKET or q.kind == POST or q.kind == STOP
    if q.ts != ts or q.lots <= 0 or not 0 <= q.instrument < instruments:
        return True
    if not fresh:
        return bool(q.kind != WITHDRAW and q.kind != REPLACE)
    return bool(q.order_id <= max(a.latest, 0) or (q.side != 1 and q.side != -1))


@kernel
def enter(a: Record, o: Record, k: Record, q: Record, mid2: int) -> None:
    a.open += 1
    a.sent += 1
    a.latest = q.order_id
    o.order_id, o.price, o.lots, o.sent = q.order_id, q.price, q.lots, q.ts
    o.instrument, o.side, o.told = q.instrument, q.side, HEARD
    k.decided2, k.filled = mid2, 0


@compiled(
    types.int64(
        array(LEDGER),
        array(HOLDING),
        types.Tuple((array(OPEN), array(ORDER))),
        array(REQUEST),
        types.int64,
    )
)
def send(ledger: Record, holdings: Record, table: Record, requests: Record, ts: int) -> int:
    """Note what goes out at ts; -> the first request that cannot be sent, or -1: all noted."""
    a = ledger[0]
    orders, kept = table
    for i in range(len(requests)):
        q = requests[i]
        if wrong(q, a, len(holdings), ts):
            return i
        if q.kind == WITHDRAW or q.kind == REPLACE:
            at = place(orders, a.open, q.order_id)
            if at < a.open and orders[at].order_id == q.order_id and q.kind == WITHDRAW:
                orders[at].told = LEAVES
        else:
            n = a.open
            enter(a, orders[n], kept[n], q, holdings[q.instrument].mid2)
    return -1


@kernel
def fund(h: Record, ts: int) -> None:
    """Pay for the funding times up to ts, at the last known mid."""
    if h.period <= 0:
        return
    passed = ts // h.period
    if h.funded < 0:
        h.funded = passed
    due = passed - h.funded
    if due > 0:
        h.funded = passed
        if h.lots != 0:
            h.funding += due * h.rate * h.lots * abs(worth(h, h.mid2 / 2.0))


@kernel
def owe(h: Record, ts: int, lots: int) -> None:
    """Pay for the funding times between an execution and what is told of it."""
    late = h.funded - ts // h.period if h.period > 0 else 0
    if late > 0:
        h.funding += late * h.rate * lots * abs(worth(h, h.mid2 / 2.0))


@kernel
def remember(h: Record, mids: Record, q: Record) -> None:
    """A touch as it was told, into the ring of its instrument, unless a later one is there."""
    last = mids[(h.noted - 1) % RING]
    if q.state == WHOLE and (h.noted == 0 or (last.mid2 != q.mid2 and last.ts <= q.ts)):
        mids[h.noted % RING].ts, mids[h.noted % RING].mid2 = q.ts, q.mid2
        h.noted += 1


@kernel
def mid_at(h: Record, mids: Record, ts: int, otherwise: int) -> int:
    """mid2 as of ts; of the oldest that is remembered where that is later."""
    mid2 = otherwise
    for back in range(1, min(h.noted, RING) + 1):
        m = mids[(h.noted - back) % RING]
        mid2 = m.mid2
        if m.ts <= ts:
            break
    return int(mid2)


@compiled(types.void(array(HOLDING), array(MID, 2), array(QUOTE)))
def note(holdings: Record, mids: Record, quotes: Record) -> None:
    """Every change of a touch, so that executions between two instants find their mid."""
    for i in range(len(quotes)):
        k = quotes[i].instrument
        remember(holdings[k], mids[k], quotes[i])


@kernel
def execute(h: Record, mids: Record, f: Record, r: Record, decided2: int) -> None:
    """One execution into a holding, and its FILL."""
    if decided2 == NOWHERE:
        decided2 = 2 * r.price
    if not h.seen:
        h.mid2 = 2 * r.price
    signed, price, paid = r.side * r.lots, r.price * 1.0, fee(h, r.price * 1.0, r.lots, r.maker)
    owe(h, r.ts_venue, signed)
    h.lots += signed
    h.paid += signed * worth(h, price)
    h.fair += signed * worth(h, decided2 / 2.0)
    h.fees += paid
    h.turnover += value(h, price, r.lots)
    f.ts, f.order_id, f.price, f.lots = r.ts_venue, r.order_id, r.price, r.lots
    f.decided2, f.mid2, f.fee = decided2, mid_at(h, mids, r.ts_venue, 2 * r.price), paid
    f.instrument, f.side, f.maker = r.instrument, r.side, r.maker


@kernel
def close(a: Record, orders: Record, kept: Record, at: int) -> None:
    """Out of the table."""
    a.open -= 1
    for i in range(at, a.open):
        orders[i] = orders[i + 1]
        kept[i] = kept[i + 1]


@kernel
def settle(a: Record, orders: Record, kept: Record, at: int, r: Record) -> None:
    """What a report says of an order in the table."""
    o, k = orders[at], kept[at]
    if r.what == ACCEPTED:
        o.told = max(o.told, RESTS)
    elif r.what == REPLACED:
        o.price, o.told = r.price, RESTS
    elif r.what == CANCELLED or r.what == REJECTED:
        o.told = RESTS
    o.lots = r.left
    if r.left > 0:
        return
    if r.what == FILLED:
        a.filled += 1
    elif r.what == CANCELLED:
        a.cancelled += 1
        a.partly += int(k.filled > 0)
    close(a, orders, kept, at)


@compiled(
    types.int64(
        array(LEDGER),
        array(HOLDING),
        types.Tuple((array(OPEN), array(ORDER))),
        array(MID, 2),
        array(REPORT),
        array(FILL),
    )
)
def tell(
    ledger: Record, holdings: Record, table: Record, mids: Record, reports: Record, fills: Record
) -> int:
    """-> executions written. Reports of orders that are gone change nothing but money."""
    a, n = ledger[0], 0
    orders, kept = table
    for i in range(len(reports)):
        r = reports[i]
        h = holdings[r.instrument]
        fund(h, r.ts_venue)
        at = place(orders, a.open, r.order_id)
        known = at < a.open and orders[at].order_id == r.order_id
        if r.what == FILLED:
            execute(h, mids[r.instrument], fills[n], r, kept[at].decided2 if known else NOWHERE)
            n += 1
            if known:
                kept[at].filled += r.lots
        if r.what == REJECTED:
            a.rejected += 1
        if r.what == REJECTED or r.what == CANCELLED:
            a.why[r.why] += 1
        if known:
            settle(a, orders, kept, at, r)
    return n


@compiled(
    types.float64(
        array(LEDGER),
        array(HOLDING),
        array(MID, 2),
        array(QUOTE),
        types.Tuple((array(MARK), array(HELD))),
        types.int64,
    )
)
def mark(
    ledger: Record, holdings: Record, mids: Record, quotes: Record, told: Record, ts: int
) -> float:
    """-> equity at ts, all of it into marks[0]; funding first, then mids as of ts (K,)."""
    marks, held = told
    m = marks[0]
    m.ts, m.equity, m.fees, m.slippage, m.funding = ts, ledger[0].capital, 0.0, 0.0, 0.0
    m.exposure, m.net, m.turnover = 0.0, 0.0, 0.0
    for i in range(len(holdings)):
        h = holdings[i]
        fund(h, ts)
        remember(h, mids[i], quotes[i])
        if quotes[i].state == WHOLE:
            h.mid2, h.seen = quotes[i].mid2, 1
        if h.mid2 == NOWHERE:
            continue
        each = worth(h, h.mid2 / 2.0)
        held[i].exposure, held[i].least = h.lots * abs(each), h.least * abs(each)
        m.equity += h.lots * each - h.paid - h.fees - h.funding
        m.fees += h.fees
        m.funding += h.funding
        m.slippage += h.paid - h.fair
        m.exposure += abs(held[i].exposure)
        m.net += held[i].exposure
        m.turnover += h.turnover
    m.gross = m.equity + m.fees + m.funding + m.slippage
    return float(m.equity)
