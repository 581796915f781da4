"""Our orders at a venue of bars, and the requests that reach it: kernels."""

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.exchange.client import (
    ACCEPTED,
    CANCELLED,
    POST,
    REJECTED,
    REPLACED,
    REPORT,
    Why,
)
from flowsense.exchange.matching import MARKET, REPLACE, REQUEST, WITHDRAW
from flowsense.schema import LARGEST

STOP = 6  # kind of a request: at `price` or worse, gives up what is held; see `backtest.bars`
ASKED, UNKNOWN, WOULD_CROSS, OFF_GRID, NO_COUNTERPART, NOT_TRADING, NO_BOOK, FULL = map(int, Why)

VENUE = np.dtype(
    [
        ("half_spread", "f8"),  # share of the price
        ("impact", "f8"),  # of volatility, at all of a bar's volume
        ("share", "f8"),  # of a bar's volume that may be ours; below 0: no matter
        ("delay", "i8"),  # bars that pass before an order is there
        ("patience", "i8"),  # ns; below 0: of the bars
        ("live", "i8"),  # orders
        ("told", "i8"),  # reports written into `out`
        ("done", "i8"),  # requests, or bars
        ("read", "i8"),  # events
        ("ts", "i8"),  # of the reports being written
        ("ts_venue", "i8"),
    ]
)
PLACE = np.dtype(  # one instrument
    [
        ("position", "i8"),  # lots, by what was filled here
        ("ts", "i8"),  # ts_recv of the last bar; 0: none yet
        ("close", "i8"),
        ("variance", "f8"),  # of a bar's log return
        ("halted", "i8"),
        ("down", "i8"),
        ("used", "i8"),  # lots of the bar that were ours
        ("lots", "i8"),  # of the bar
        ("bought", "i8"),  # lowest price of ours in the bar; LARGEST: none
        ("sold", "i8"),  # highest; 0: none
        ("holes", "i8"),  # longer than the patience
        ("since", "i8"),  # ns, of the longest of them
        ("until", "i8"),
        ("jumps", "i8"),  # opens so far from the close before that a split is more likely
        ("jumped", "i8"),  # ns, of the last of them
    ]
)
RESTING = np.dtype(
    [
        ("order_id", "i8"),
        ("price", "i8"),
        ("lots", "i8"),  # left; 0: gone
        ("sent", "i8"),
        ("wait", "i8"),  # bars to pass first
        ("age", "i8"),  # bars it met
        ("instrument", "i4"),
        ("kind", "i2"),
        ("side", "i2"),
    ]
)


@kernel
def tell(v: Record, out: Record, o: Record, what: int, why: int) -> None:
    """A report of an order (or of a request for one), which still has all its lots."""
    r = out[v.told]
    v.told += 1
    r.ts, r.ts_venue = v.ts, v.ts_venue
    r.order_id, r.price, r.lots, r.instrument, r.side = (
        o.order_id,
        o.price,
        o.lots,
        o.instrument,
        o.side,
    )
    r.left = o.lots if what in (ACCEPTED, REPLACED) else 0
    r.what, r.why, r.maker, r.pad = what, why, 0, 0


@kernel
def end(v: Record, out: Record, o: Record, what: int, why: int) -> None:
    tell(v, out, o, what, why)
    o.lots = 0


@kernel
def sweep(v: Record, orders: Record) -> None:
    """Forget what is gone; the others keep their order."""
    n = 0
    for i in range(v.live):
        if orders[i].lots > 0:
            if n < i:
                orders[n] = orders[i]
            n += 1
    v.live = n


@kernel
def find(v: Record, orders: Record, order_id: int) -> int:
    for i in range(v.live):
        if orders[i].order_id == order_id and orders[i].lots > 0:
            return int(i)
    return -1


@kernel
def crosses(v: Record, p: Record, price: int, side: int) -> bool:
    """Whether a limit would take at the last close."""
    return bool(p.ts > 0 and (price - p.close) * side >= v.half_spread * p.close)


@kernel
def enter(v: Record, p: Record, orders: Record, q: Record, out: Record) -> None:
    """An order that reaches the venue."""
    priced = q.kind != MARKET
    why = -1
    if p.down:
        why = NO_BOOK
    elif p.halted:
        why = NOT_TRADING
    elif q.lots < 1 or q.lots > LARGEST or (priced and (q.price < 1 or q.price > LARGEST)):
        why = OFF_GRID
    elif q.kind == POST and crosses(v, p, q.price, q.side):
        why = WOULD_CROSS
    elif v.live == len(orders):
        why = FULL
    if why >= 0:
        tell(v, out, q, REJECTED, why)
        return
    o = orders[v.live]
    v.live += 1
    o.order_id, o.lots, o.sent = q.order_id, q.lots, q.ts
    o.price = q.price if priced else 0
    o.instrument, o.kind, o.side = q.instrument, q.kind, q.side
    o.wait, o.age = v.delay, 0
    tell(v, out, o, ACCEPTED, ASKED)


@kernel
def refuse(v: Record, o: Record, q: Record, why: int, out: Record) -> None:
    """A change that cannot be: the order stays as it is."""
    tell(v, out, q, REJECTED, why)
    out[v.told - 1].left = o.lots


@kernel
def replace(v: Record, p: Record, o: Record, q: Record, out: Record) -> None:
    if o.kind == MARKET:
        refuse(v, o, q, UNKNOWN, out)
    elif q.lots < 1 or q.lots > LARGEST or q.price < 1 or q.price > LARGEST:
        refuse(v, o, q, OFF_GRID, out)
    elif o.kind == POST and crosses(v, p, q.price, o.side):
        refuse(v, o, q, WOULD_CROSS, out)
    else:
        o.price, o.lots, o.sent = q.price, q.lots, q.ts
        o.wait, o.age = v.delay, 0
        tell(v, out, o, REPLACED, ASKED)


@kernel
def withdraw(v: Record, o: Record, lots: int, out: Record) -> None:
    if lots >= o.lots:
        end(v, out, o, CANCELLED, ASKED)
        return
    o.lots -= lots
    tell(v, out, o, CANCELLED, ASKED)
    r = out[v.told - 1]
    r.lots, r.left = lots, o.lots


@compiled(types.void(*map(array, (VENUE, PLACE, RESTING, REQUEST, REPORT))))
def take(venue: Record, places: Record, orders: Record, requests: Record, out: Record) -> None:
    """Requests as they arrive; `out` holds one report of each."""
    v = venue[0]
    v.told = 0
    for i in range(len(requests)):
        q = requests[i]
        v.ts, v.ts_venue = max(v.ts, q.ts), q.ts
        at = find(v, orders, q.order_id)
        if q.kind != WITHDRAW and q.kind != REPLACE:
            if v.live == len(orders):
                sweep(v, orders)
            enter(v, places[q.instrument], orders, q, out)
        elif at < 0:
            tell(v, out, q, REJECTED, UNKNOWN)
        elif q.kind == REPLACE:
            replace(v, places[orders[at].instrument], orders[at], q, out)
        else:
            withdraw(v, orders[at], q.lots, out)
