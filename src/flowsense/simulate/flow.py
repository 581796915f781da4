"""The loop of the market: news, scripts and Hawkes points in time order, into books that match."""

import math
from typing import Any

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.exchange.matching import (
    ENGINE,
    LEVEL,
    LIMIT,
    MARKET,
    ORDER,
    limit,
    market,
    replace,
    slot_of,
    withdraw,
)
from flowsense.schema import EVENT, LAST, NEVER
from flowsense.simulate.hawkes import (
    ADD_BID,
    BUY,
    CANCEL_BID,
    FLOW,
    KINDS,
    SELL,
    decay,
    excite,
    schedule,
    thinned,
)
from flowsense.simulate.latent import LATENT, STATES

WORLD = np.dtype(
    [
        ("begin", "i8"),
        ("end", "i8"),  # ns, where the simulation stops
        ("heard", "i8"),  # latent changes used
        ("asked", "i8"),  # lines of the script used
        ("floor", "i8"),  # orders a side below which cancels become replaces
        ("mu", "f8", KINDS),
        ("alpha", "f8", (KINDS, KINDS)),
        ("beta", "f8", KINDS),
        ("activity", "f8", STATES),  # factor of mu, by regime
        ("half", "f8", STATES),  # half-spread that makers ask, ticks, by regime
        ("lean", "f8"),  # of market orders towards the efficient price, 0 to 1
        ("width", "f8"),  # ticks from the mid at which they lean by tanh(1) of that
        ("attention", "f8"),  # share of adds and cancels that know the efficient price
        ("deeper", "f8"),  # log P(one tick further behind)
        ("larger", "f8"),  # log P(one lot more)
    ]
)
SCRIPT = np.dtype(  # what somebody does whatever the market does
    [
        ("ts", "i8"),  # ns, when the venue has it
        ("lots", "i8"),  # LIMIT, MARKET
        ("away", "i8"),  # LIMIT: ticks behind the touch of its side
        ("of", "i8"),  # WITHDRAW: which line placed the order that goes, if it still rests
        ("made", "i8"),  # LIMIT: the id, written when it is done
        ("instrument", "i4"),
        ("kind", "i2"),  # LIMIT, MARKET or WITHDRAW
        ("side", "i2"),  # +1 buy, -1 sell; LIMIT, MARKET
    ]
)
Rng = np.random.Generator
Array = np.ndarray[Any, Any]


@kernel
def geometric(rng: Rng, log_more: float) -> int:
    """0, 1, 2, ...: the number of times that one more is drawn."""
    return int(math.log(1.0 - rng.random()) / log_more)


@kernel
def rebase(w: Record, f: Record, m: Record, levels: Record) -> None:
    """Base rates at this book, efficient price and regime; their sum is as in theory."""
    pull = 0.0
    if m.depth[0] > 0 and m.depth[1] > 0:
        mid = (levels[0, m.depth[0] - 1].key - levels[1, m.depth[1] - 1].key) / 2
        pull = w.lean * math.tanh((f.price - mid) / w.width)
    for j in range(KINDS):
        f.exogenous[j] = w.mu[j] * w.activity[f.state]
    f.exogenous[BUY] *= 1.0 + pull
    f.exogenous[SELL] *= 1.0 - pull


@kernel
def fair(w: Record, f: Record, side: int) -> int:
    """Key (side * price) of the best quote that a maker who knows the efficient price gives."""
    key: int = math.floor(side * f.price - w.half[f.state])
    return key


@kernel
def quote(w: Record, f: Record, m: Record, levels: Record, side: int, rng: Rng) -> int:
    """Price of an order to rest: at or behind the fair quote or the touch, never crossing."""
    k = 0 if side > 0 else 1
    own, other = m.depth[k], m.depth[1 - k]
    key = fair(w, f, side)
    if own > 0 and rng.random() >= w.attention:
        key = levels[k, own - 1].key
    if other > 0:
        key = min(key, -levels[1 - k, other - 1].key - 1)
    return side * (key - geometric(rng, w.deeper))


@kernel
def leaver(
    w: Record, f: Record, m: Record, levels: Record, orders: Record, side: int, rng: Rng
) -> int:
    """Slot of the order that goes: the newest at a touch beyond fair, or any of the side; or 0."""
    k = 0 if side > 0 else 1
    if m.live[k] == 0:
        return 0
    best = levels[k, m.depth[k] - 1]
    if best.key > fair(w, f, side) and rng.random() < w.attention:
        return int(best.tail)
    h = 0
    while orders[h].lots == 0 or orders[h].k != k:
        h = 1 + int(rng.random() * m.top)
    return int(h)


@kernel
def go(
    w: Record, f: Record, m: Record, levels: Record, orders: Record, out: Record, h: int, rng: Rng
) -> None:
    """A cancel, or while the side is thin a replace, so that the book never empties."""
    if h == 0:
        return
    k, lots = orders[h].k, orders[h].lots
    if m.live[k] > w.floor:
        withdraw(m, levels, orders, out, h, lots)
        return
    side = 1 - 2 * k
    price = quote(w, f, m, levels, side, rng)
    if side * price == orders[h].key:
        price -= side
    replace(m, levels, orders, out, h, price, lots)


@kernel
def happen(w: Record, f: Record, book: Record, out: Record, kind: int, rng: Rng) -> None:
    """One point of the flow becomes one action at the venue."""
    m, levels, orders = book
    side = 1 - 2 * (kind & 1)
    before, m.ts = m.told, f.at
    if kind < ADD_BID:
        market(m, levels, orders, out, side, 1 + geometric(rng, w.larger))
    elif kind < CANCEL_BID:
        price = quote(w, f, m, levels, side, rng)
        limit(m, levels, orders, out, side, price, 1 + geometric(rng, w.larger))
    else:
        h = leaver(w, f, m, levels, orders, side, rng)
        go(w, f, m, levels, orders, out, h, rng)
    if m.told > before:
        out[m.told - 1].bits = LAST


@kernel
def perform(book: Record, out: Record, script: Record, line: int) -> None:
    """One line of the script; a LIMIT finds nothing to stand behind on an empty side."""
    m, levels, orders = book
    s = script[line]
    k = 0 if s.side > 0 else 1
    before, m.ts = m.told, s.ts
    if s.kind == MARKET:
        market(m, levels, orders, out, s.side, s.lots)
    elif s.kind == LIMIT:
        if m.depth[k] > 0:
            price = s.side * (levels[k, m.depth[k] - 1].key - s.away)
            s.made = limit(m, levels, orders, out, s.side, price, s.lots)
    else:
        h = slot_of(orders, script[s.of].made)
        if h:
            withdraw(m, levels, orders, out, h, orders[h].lots)
    if m.told > before:
        out[m.told - 1].bits = LAST


@kernel
def soonest(flow: Record) -> int:
    i = 0
    for j in range(1, len(flow)):
        if flow[j].next < flow[i].next:
            i = j
    return i


@kernel
def listen(w: Record, f: Record, news: Record) -> None:
    decay(f, w.beta, news.ts)
    f.price, f.state = news.price, news.state


BOOKS = types.Tuple((array(ENGINE), array(LEVEL, 3), array(ORDER, 2)))


@kernel
def due(table: Record, line: int) -> int:
    """ns of this line of a table, NEVER behind its end."""
    if line < len(table):
        return int(table[line].ts)
    return NEVER


HIDDEN = types.Tuple((array(LATENT), array(SCRIPT)))


@compiled(types.int64(array(WORLD), array(FLOW), BOOKS, HIDDEN, array(EVENT), types.npy_rng))
def advance(
    world: Record, flow: Record, books: Record, hidden: Record, out: Record, rng: Rng
) -> int:
    """-> events written; it stops at the end, or before an action that might not fit into `out`."""
    w, told = world[0], 0
    engines, levels, orders = books
    latent, script = hidden
    while True:
        i = soonest(flow)
        if told + 2 * max(engines[i].live[0], engines[i].live[1]) + 2 > len(out):
            return told
        after, heard, asked = flow[i].next, due(latent, w.heard), due(script, w.asked)
        if heard <= min(asked, after):
            i = latent[w.heard].instrument
            listen(w, flow[i], latent[w.heard])
            w.heard += 1
        elif asked <= after:
            i = script[w.asked].instrument
            if told + 2 * max(engines[i].live[0], engines[i].live[1]) + 2 > len(out):
                return told
            decay(flow[i], w.beta, asked)
            engines[i].told = told
            perform((engines[i], levels[i], orders[i]), out, script, w.asked)
            told = engines[i].told
            w.asked += 1
        elif after >= w.end:
            return told
        else:
            f, m = flow[i], engines[i]
            decay(f, w.beta, after)
            kind = thinned(f, rng.random())
            if kind >= 0:
                m.told = told
                happen(w, f, (m, levels[i], orders[i]), out, kind, rng)
                told = m.told
                excite(f, w.alpha, w.beta, kind)
        rebase(w, flow[i], engines[i], levels[i])
        schedule(flow[i], rng.random())
