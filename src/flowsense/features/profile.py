"""Where volume traded, price by price, against the present mid: the volume profile.

Steidlmayer & Koy 1986 (market profile). Lots traded at each price within 32 ticks of the mid,
decayed over 1m. Trades of one message are taken at their mean price, shared between the two
ticks next to it.
"""

from math import floor, nan, sqrt

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import ABOVE, LOTS, TRADES
from flowsense.tape import Column

RING = 64  # prices that are held; one that comes takes the place of another 64 ticks away
REACH = RING // 2
TAU = 3  # 1m
STATE = np.dtype([("price", "i8", RING), ("lots", "f8", RING)])
COLUMNS = (
    Column("profile_side", "1", "(lots above the mid - lots below) / lots, decayed over 1m", "-"),
    Column("profile_width", "ticks", "root of mean squared (price - mid) of lots so decayed"),
    Column("profile_peak", "ticks", "price with most lots so decayed - mid", "-"),
    Column("profile_peak_share", "1", "share of these lots at that price"),
)
VERSION = 1


@kernel
def put(s: Record, price: int, weight: float) -> None:
    k = price & (RING - 1)
    if s.price[k] != price:
        s.price[k], s.lots[k] = price, 0.0
    s.lots[k] += weight


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        for k in range(RING):
            s.lots[k] *= c.shift[TAU]
    if c.fresh:
        for k in range(RING):
            s.lots[k] = 0.0
    if c.count[TRADES] != 0 and c.count[LOTS] > 0 and c.priced:
        before = c.mid2 - c.move2
        twice = c.count[ABOVE] / c.count[LOTS]  # mean of 2 x price - the mid before, doubled
        lower = floor(0.5 * (before + twice))
        part = 0.5 * (before + twice) - lower
        weight = c.grow[TAU] * c.count[LOTS]
        put(s, int(lower), weight * (1.0 - part))
        if part > 0.0:
            put(s, int(lower) + 1, weight * part)


@kernel
def lots_at(s: Record, price: int) -> float:
    k = price & (RING - 1)
    return float(s.lots[k]) if s.price[k] == price else 0.0


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    """Outwards from the mid, so that bids and asks swapped give the same sums."""
    out[0:4] = nan
    if not c.whole:
        return
    half = c.mid2 & 1
    middle = 0.0 if half else lots_at(s, c.mid2 >> 1)
    up, down, square, most, peak2 = 0.0, 0.0, 0.0, middle, 0
    for k in range(REACH):
        x = lots_at(s, (c.mid2 >> 1) + 1 + k)
        y = lots_at(s, ((c.mid2 + 1) >> 1) - 1 - k)
        away2 = 2 * k + 2 - half
        up, down = up + x, down + y
        square += (x + y) * (0.25 * away2 * away2)
        if max(x, y) > most:
            most, peak2 = max(x, y), 0 if x == y else away2 if x > y else -away2
    total = up + down + middle
    if total > 0.0:
        out[0], out[1] = (up - down) / total, sqrt(square / total)
        out[2], out[3] = 0.5 * peak2, most / total
