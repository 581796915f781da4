"""The loop of the market: latent news and Hawkes points in time order, into books that match."""

import math
from typing import Any

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.exchange.matching import (
    ENGINE,
    LEVEL,
    ORDER,
    limit,
    market,
    replace,
    withdraw,
)
from flowsense.schema import EVENT, LAST
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
from flowsense.simulate.latent import LATENT

WORLD = np.dtype(
    [
        ("begin", "i8"),
        ("end", "i8"),  # ns, where the simulation stops
        ("heard", "i8"),  # latent changes used
        ("floor", "i8"),  # orders a side below which cancels become replaces
        ("mu", "f8", KINDS),
        ("alpha", "f8", (KINDS, KINDS)),
        ("beta", "f8", KINDS),
        ("activity", "f8", 3),  # factor of mu, by regime
        ("half", "f8", 3),  # half-spread that makers ask, ticks, by regime
        ("lean", "f8"),  # of market orders towards the efficient price, 0 to 1
        ("width", "f8"),  # ticks from the mid at which they lean by tanh(1) of that
        ("attention", "f8"),  # share of adds and cancels that know the efficient price
        ("deeper", "f8"),  # log P(one tick further behind)
        ("larger", "f8"),  # log P(one lot more)
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


@compiled(types.int64(array(WORLD), array(FLOW), BOOKS, array(LATENT), array(EVENT), types.npy_rng))
def advance(
    world: Record, flow: Record, books: Record, latent: Record, out: Record, rng: Rng
) -> int:
    """-> events written; it stops at the end, or before an action that might not fit into `out`."""
    w, told = world[0], 0
    engines, levels, orders = books
    while True:
        i = soonest(flow)
        f, m = flow[i], engines[i]
        if told + 2 * max(m.live[0], m.live[1]) + 2 > len(out):
            return told
        if w.heard < len(latent) and latent[w.heard].ts <= f.next:
            i = latent[w.heard].instrument
            f, m = flow[i], engines[i]
            listen(w, f, latent[w.heard])
            w.heard += 1
        elif f.next >= w.end:
            return told
        else:
            decay(f, w.beta, f.next)
            kind = thinned(f, rng.random())
            if kind >= 0:
                m.told = told
                happen(w, f, (m, levels[i], orders[i]), out, kind, rng)
                told = m.told
                excite(f, w.alpha, w.beta, kind)
        rebase(w, f, m, levels[i])
        schedule(f, rng.random())
