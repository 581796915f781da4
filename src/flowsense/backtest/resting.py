"""Our orders at a venue of bars, and the requests that reach it: kernels.

A request is on its way where bars have to pass first. So is a change that was sent within a bar:
what the bar did to the order is told at its close, and was there before the change.
"""

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
        ("delay", "i8"),  # bars that pass before a request is there
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
        ("volume", "f8"),  # of a bar, lots, likewise an exponential mean
        ("halted", "i8"),
        ("down", "i8"),
        ("used", "i8"),  # lots of the bar that were ours
        ("lots", "i8"),  # of the bar
        ("fresh", "i8"),  # lots of the position that were opened in the bar
        ("entry", "i8"),  # worst price of them
        ("holes", "i8"),  # longer than the patience
        ("since", "i8"),  # ns, of the longest of them
        ("until", "i8"),
        ("jumps", "i8"),  # opens so far from the close before that a split is more likely
        ("jumped", "i8"),  # ns, of the last of them
    ]
)
AWAY = -1
RESTING = np.dtype(  # orders, and requests on their way, as they were sent
    [
        ("order_id", "i8"),
        ("price", "i8"),
        ("lots", "i8"),  # left; 0: gone
        ("ts", "i8"),  # ns, when it was sent
        ("wait", "i8"),  # bars to pass first
        ("age", "i8"),  # bars it met; AWAY: not there yet
        ("hit", "i8"),  # a stop that goes on at the next open
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
        if orders[i].order_id == order_id and orders[i].lots > 0 and orders[i].age != AWAY:
            return int(i)
    return -1


@kernel
def changes(q: Record) -> bool:
    return bool(q.kind == WITHDRAW or q.kind == REPLACE)


@kernel
def crosses(v: Record, p: Record, price: int, side: int) -> bool:
    """Whether a limit would take at the last close."""
    return bool(p.ts > 0 and (price - p.close) * side >= v.half_spread * p.close)


@kernel
def refusal(v: Record, p: Record, q: Record) -> int:
    """Why an order cannot rest; -1: it can."""
    priced = q.kind != MARKET
    if p.down:
        return NO_BOOK
    if p.halted:
        return NOT_TRADING
    if q.lots < 1 or q.lots > LARGEST or (priced and (q.price < 1 or q.price > LARGEST)):
        return OFF_GRID
    if q.kind == POST and crosses(v, p, q.price, q.side):
        return WOULD_CROSS
    return -1


@kernel
def note(v: Record, orders: Record, q: Record, instrument: int, age: int) -> None:
    """An order or a request into the table."""
    o = orders[v.live]
    v.live += 1
    o.order_id, o.lots, o.ts = q.order_id, q.lots, q.ts
    o.price = q.price if q.kind != MARKET else 0
    o.instrument, o.kind, o.side = instrument, q.kind, q.side
    o.wait, o.age, o.hit = v.delay, age, 0


@kernel
def refuse(v: Record, orders: Record, q: Record, why: int, out: Record) -> None:
    """The order that it would have changed, if it is there, stays as it is."""
    at = find(v, orders, q.order_id)
    tell(v, out, q, REJECTED, why)
    if at >= 0:
        out[v.told - 1].left = orders[at].lots


@kernel
def replace(v: Record, p: Record, orders: Record, at: int, q: Record, out: Record) -> None:
    o = orders[at]
    if o.kind == MARKET:
        refuse(v, orders, q, UNKNOWN, out)
    elif q.lots > LARGEST or q.price < 1 or q.price > LARGEST:
        refuse(v, orders, q, OFF_GRID, out)
    elif o.kind == POST and crosses(v, p, q.price, o.side):
        refuse(v, orders, q, WOULD_CROSS, out)
    else:
        o.price, o.lots, o.ts, o.age, o.hit = q.price, q.lots, q.ts, 0, 0
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


@kernel
def change(v: Record, p: Record, orders: Record, q: Record, out: Record) -> None:
    """A withdrawal or a replacement that is there."""
    at = find(v, orders, q.order_id)
    if at < 0:
        tell(v, out, q, REJECTED, UNKNOWN)
    elif q.kind == REPLACE:
        replace(v, p, orders, at, q, out)
    else:
        withdraw(v, orders[at], q.lots, out)


@kernel
def land(v: Record, p: Record, orders: Record, i: int, out: Record) -> None:
    """A request at the end of its way."""
    o = orders[i]
    if changes(o):
        change(v, p, orders, o, out)
        o.lots = 0
        return
    why = refusal(v, p, o)
    if why >= 0:
        end(v, out, o, REJECTED, why)
        return
    o.age = 0
    tell(v, out, o, ACCEPTED, ASKED)


@kernel
def lose(v: Record, o: Record, out: Record) -> None:
    """Nobody knows what became of it."""
    if o.age != AWAY:
        end(v, out, o, CANCELLED, NO_BOOK)
    else:
        end(v, out, o, REJECTED, UNKNOWN if changes(o) else NO_BOOK)


@compiled(types.void(*map(array, (VENUE, PLACE, RESTING, REQUEST, REPORT))))
def take(venue: Record, places: Record, orders: Record, requests: Record, out: Record) -> None:
    """Requests as they are sent; `out` holds one report of each that is there at once.

    Half of the table is for changes on their way alone.
    """
    v = venue[0]
    v.told = 0
    for i in range(len(requests)):
        q = requests[i]
        at = find(v, orders, q.order_id) if changes(q) else -1
        instrument = orders[at].instrument if at >= 0 else q.instrument
        p = places[instrument]
        v.ts, v.ts_venue = max(v.ts, q.ts), q.ts
        most = len(orders) if changes(q) else len(orders) // 2
        if v.live >= most:
            sweep(v, orders)
        away = v.delay > 0 or (changes(q) and q.ts > p.ts + 1)
        why = refusal(v, p, q) if not away and not changes(q) else -1
        if q.lots < 1:
            refuse(v, orders, q, OFF_GRID, out)
        elif why >= 0:
            tell(v, out, q, REJECTED, why)
        elif changes(q) and not away:
            change(v, p, orders, q, out)
        elif v.live >= most:
            refuse(v, orders, q, FULL, out)
        else:
            note(v, orders, q, instrument, AWAY if away else 0)
            if not away:
                tell(v, out, orders[v.live - 1], ACCEPTED, ASKED)
