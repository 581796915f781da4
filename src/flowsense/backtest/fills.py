"""What a bar does to our orders: kernels. `backtest.bars` says what is assumed, and calls them.

Within one bar, of one instrument::

    open     market orders, stops that it gapped through, limits that would take
    lead     limits of the side that opens (or adds to) what the stops protect
    stops    touched ones, at the worse of stop and open; what was opened in this bar no better
             than the worst entry of it
    rest     limits of the other side

so that where an entry and its stop are both reached, the stop is hit; and where a stop and the
target beside it are, the stop is first and takes the target away.
"""

from math import floor, log, sqrt

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.backtest.resting import (
    ASKED,
    AWAY,
    NO_COUNTERPART,
    PLACE,
    RESTING,
    STOP,
    VENUE,
    end,
    land,
    lose,
    sweep,
    tell,
)
from flowsense.exchange.client import CANCELLED, FILLED, POST, REPORT
from flowsense.exchange.matching import LIMIT, MARKET
from flowsense.schema import (
    BAR,
    BROKEN,
    CLOSE,
    DAY,
    EVENT,
    GAP,
    LARGEST,
    QUOTE,
    STATUS,
    TRADING,
    WHOLE,
)

MEMORY = 20  # bars of the exponential mean of squared returns
SPLIT = log(1.4)  # a jump between two bars beyond it; the smallest usual split is three for two
HOUR = 3_600_000_000_000  # ns
MOST = 4  # reports of an order in a bar: it comes, is stopped in two parts, the rest goes
BARS = 5  # a hole shorter than so many bars, or an hour, is a pause of the market


@kernel
def room(v: Record, p: Record, lots: int) -> int:
    """Lots of the bar that may still be ours."""
    if v.share < 0.0:
        return int(lots)
    return int(max(min(lots, floor(v.share * p.lots) - p.used), 0))


@kernel
def taken_at(v: Record, p: Record, side: int, base: int, lots: int) -> int:
    """Price of taking so many lots while the mid is `base`, rounded against us.

    A bar without volume is taken for one of the mean.
    """
    volume = p.lots if p.lots > 0 else p.volume
    part = (p.used + lots) / volume if volume > 0.0 else 0.0
    worse = base * (v.half_spread + v.impact * sqrt(p.variance * part))
    dust = 1e-12 * base  # what floating point adds is no tick
    if side > 0:
        return int(min(np.ceil(base + worse - dust), LARGEST))
    return int(max(np.floor(base - worse + dust), 1.0))


@kernel
def ours(o: Record, instrument: int) -> bool:
    """Whether it is there, in this instrument."""
    return bool(o.lots > 0 and o.instrument == instrument and o.age > 0)


@kernel
def drop(v: Record, orders: Record, out: Record, instrument: int, side: int, stops: bool) -> None:
    """Stops of a side whose position is gone, or the limits beside a stop that was hit."""
    for i in range(v.live):
        o = orders[i]
        if (
            ours(o, instrument)
            and o.side == side
            and o.kind != MARKET
            and (o.kind == STOP) == stops
        ):
            end(v, out, o, CANCELLED, ASKED)


@kernel
def count(p: Record, side: int, price: int, lots: int) -> None:
    """Into the position; what was held longest is closed first."""
    held = -side * p.position
    p.position += side * lots
    p.used += lots
    if held > 0:
        p.fresh = max(min(p.fresh, held - lots), 0)
    opened = lots - max(held, 0)
    if opened > 0:
        better = p.fresh > 0 and (price - p.entry) * side > 0
        p.entry = p.entry if better else price
        p.fresh += opened


@kernel
def execute(
    v: Record, p: Record, orders: Record, i: int, at: tuple[int, int, int], out: Record
) -> None:
    """at: price, lots, maker. Stops go when what they protect is gone."""
    o = orders[i]
    held = -o.side * p.position
    o.lots -= at[1]
    count(p, o.side, at[0], at[1])
    tell(v, out, o, FILLED, ASKED)
    r = out[v.told - 1]
    r.price, r.lots, r.left, r.maker = at[0], at[1], o.lots, at[2]
    if held > 0 and at[1] >= held:
        drop(v, orders, out, o.instrument, o.side, True)


@kernel
def opening(v: Record, p: Record, orders: Record, b: Record, out: Record) -> None:
    """What executes at the open, in the order of arrival."""
    v.ts_venue = b.ts_open
    for i in range(v.live):
        o = orders[i]
        if not ours(o, b.instrument):
            continue
        lots = room(v, p, o.lots)
        price = taken_at(v, p, o.side, b.open, lots)
        if o.kind == MARKET:
            if lots > 0:
                execute(v, p, orders, i, (price, lots, 0), out)
            if o.lots > 0:
                end(v, out, o, CANCELLED, NO_COUNTERPART)
        elif o.kind == STOP:
            if o.hit or (b.open - o.price) * o.side >= 0:
                stop(v, p, orders, i, b.open, out)
        elif o.kind == LIMIT and o.age == 1 and lots > 0 and (o.price - price) * o.side >= 0:
            execute(v, p, orders, i, (price, lots, 0), out)


@kernel
def stop(v: Record, p: Record, orders: Record, i: int, base: int, out: Record) -> None:
    """One that is hit: it closes, never opens; what the bar has no room for goes on at once.

    A stop that is better than an entry of the same bar would be a gain that the path need not hold:
    what was held before the bar goes first, at its own price.
    """
    o = orders[i]
    held = -o.side * p.position
    lots = room(v, p, min(o.lots, held))
    if held <= 0:
        return
    o.hit = 1
    drop(v, orders, out, o.instrument, o.side, False)
    gains = p.fresh > 0 and (base - p.entry) * o.side < 0
    before = min(lots, held - p.fresh) if gains else lots
    if before > 0:
        execute(v, p, orders, i, (taken_at(v, p, o.side, base, before), before, 0), out)
    if lots > before:
        left = lots - before
        execute(v, p, orders, i, (taken_at(v, p, o.side, p.entry, left), left, 0), out)


@kernel
def limits(v: Record, p: Record, orders: Record, b: Record, side: int, out: Record) -> None:
    """Those that the bar trades through: at a price only touched, others may be before us.

    One that arrives within the spread is not passed by the open of its bar.
    """
    for i in range(v.live):
        o = orders[i]
        if ours(o, b.instrument) and o.side == side and (o.kind == LIMIT or o.kind == POST):
            price = o.price
            if o.age == 1:
                price = min(price, b.open) if side > 0 else max(price, b.open)
            through = b.low < price if side > 0 else b.high > price
            lots = room(v, p, o.lots)
            if through and lots > 0:
                execute(v, p, orders, i, (o.price, lots, 1), out)


@kernel
def reached(o: Record, b: Record) -> bool:
    """Whether a bar touches a stop."""
    return bool(b.high >= o.price if o.side > 0 else b.low <= o.price)


@kernel
def alert(v: Record, p: Record, orders: Record, b: Record) -> None:
    """Stops that a bar touches while nothing may be traded go on at the next open."""
    for i in range(v.live):
        o = orders[i]
        if ours(o, b.instrument) and o.kind == STOP and o.side * p.position < 0 and reached(o, b):
            o.hit = 1


@kernel
def stops(v: Record, p: Record, orders: Record, b: Record, side: int, out: Record) -> None:
    for i in range(v.live):
        o = orders[i]
        if ours(o, b.instrument) and o.side == side and o.kind == STOP and reached(o, b):
            worse = max(b.open, o.price) if side > 0 else min(b.open, o.price)
            stop(v, p, orders, i, worse, out)


@kernel
def leading(v: Record, p: Record, orders: Record, instrument: int) -> int:
    """The side whose limits come before the stops that protect what they open."""
    if p.position != 0:
        return 1 if p.position > 0 else -1
    for i in range(v.live):
        if ours(orders[i], instrument) and orders[i].kind == STOP:
            return -int(orders[i].side)
    return 1


@kernel
def arrive(v: Record, p: Record, orders: Record, b: Record, out: Record) -> bool:
    """Requests come, orders that the bar meets grow older; across a hole they go.

    -> whether there was one.
    """
    patience, interval = v.patience, b.ts_recv + 1 - b.ts_open
    if patience < 0:
        patience = max(HOUR, BARS * (interval if interval > 1 else DAY))
    v.ts, v.ts_venue = max(v.ts, b.ts_recv), b.ts_open
    for i in range(v.live):
        o = orders[i]
        if o.lots <= 0 or o.instrument != b.instrument or o.ts > b.ts_open:
            continue
        if b.ts_open - max(o.ts, p.ts + 1) > patience:
            lose(v, o, out)
        elif o.age == AWAY and o.wait > 0:
            o.wait -= 1
        elif o.age == AWAY:
            land(v, p, orders, i, out)
    for i in range(v.live):
        if orders[i].instrument == b.instrument and orders[i].ts <= b.ts_open:
            orders[i].age += int(orders[i].age != AWAY)
    return bool(p.ts > 0 and b.ts_open - p.ts - 1 > patience)


@kernel
def learn(p: Record, b: Record, hole: bool) -> None:
    """What later bars are judged by."""
    if hole:
        p.holes += 1
        if b.ts_open - p.ts > p.until - p.since:
            p.since, p.until = p.ts + 1, b.ts_open
    elif p.ts == 0:
        p.variance = log(b.high / b.low) ** 2
    else:
        p.variance += (log(b.close / p.close) ** 2 - p.variance) / MEMORY
    if p.ts > 0 and abs(log(b.open / p.close)) > SPLIT:
        p.jumps, p.jumped = p.jumps + 1, b.ts_open
    p.volume += (b.lots - p.volume) / MEMORY if p.ts > 0 else b.lots
    p.ts, p.close = b.ts_recv, b.close


@kernel
def meet(v: Record, p: Record, orders: Record, b: Record, out: Record) -> None:
    """One bar, whole."""
    p.used, p.lots, p.down, p.fresh = 0, b.lots, 0, 0
    hole = arrive(v, p, orders, b, out)
    if p.halted:
        alert(v, p, orders, b)
        sweep(v, orders)
    elif v.live > 0:
        opening(v, p, orders, b, out)
        side = leading(v, p, orders, b.instrument)
        v.ts_venue = b.ts_recv
        for s in (side, -side):
            limits(v, p, orders, b, s, out)
            stops(v, p, orders, b, -s, out)
        sweep(v, orders)
    learn(p, b, hole)


@kernel
def hear(v: Record, p: Record, orders: Record, e: Record, out: Record) -> None:
    """A halt or its end; a gap, of which nobody knows what orders met in it."""
    v.ts = v.ts_venue = max(v.ts, e.ts_recv)
    if e.action == STATUS:
        p.halted = int(e.lots != TRADING)
    if e.bits & GAP:
        p.down = int(e.action != CLOSE)
        for i in range(v.live):
            if orders[i].lots > 0 and orders[i].instrument == e.instrument:
                lose(v, orders[i], out)
        sweep(v, orders)


@compiled(
    types.boolean(
        array(VENUE),
        array(PLACE),
        array(RESTING),
        array(BAR),
        array(EVENT, readonly=True),
        array(REPORT),
    )
)
def advance(
    venue: Record, places: Record, orders: Record, bars: Record, events: Record, out: Record
) -> bool:
    """Bars and events in order of time; False where `out` is full, to be called again."""
    v = venue[0]
    v.told = 0
    while v.done < len(bars) or v.read < len(events):
        if v.told + MOST * v.live > len(out):
            return False
        i, j = v.done, v.read
        if j == len(events) or (i < len(bars) and bars[i].ts_recv <= events[j].ts_recv):
            meet(v, places[bars[i].instrument], orders, bars[i], out)
            v.done += 1
            continue
        e = events[j]
        hear(v, places[e.instrument], orders, e, out)
        v.read += 1
    return True


@compiled(types.int64(array(QUOTE), array(np.int64), array(BAR), array(EVENT, readonly=True)))
def look(quotes: Record, volume: Record, bars: Record, events: Record) -> int:
    """The touch after bars and events of one time, and all lots so far; -> how many closed."""
    for i in range(len(bars)):
        b = bars[i]
        q = quotes[b.instrument]
        q.ts, q.mid2, q.state = b.ts_recv, 2 * b.close, WHOLE
        volume[b.instrument] += b.lots
    for i in range(len(events)):
        e = events[i]
        q = quotes[e.instrument]
        if e.action != CLOSE and (e.bits & GAP or (e.action == STATUS and e.lots != TRADING)):
            q.breaks += int(q.state == WHOLE)
            q.ts, q.state = e.ts_recv, BROKEN
    return len(bars)
