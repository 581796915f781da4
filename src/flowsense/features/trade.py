"""The last execution: side, age, size, price. Hasbrouck 1991, the information of a trade."""

from math import exp, nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import BUYS, LOTS, SELLS, TAUS, TRADES, T, powers
from flowsense.tape import Column

FAST = 3  # taus of its age
STATE = np.dtype([("bought", "i8"), ("sold", "i8"), ("lots", "f8"), ("trades", "f8")])
COLUMNS = (
    *(
        Column(f"last_trade_{tau}", "1", f"side of the last trade x exp(-age / {tau})", "-")
        for tau in TAUS[:FAST]
    ),
    Column("last_price", "ticks", "price of the last trade - mid", "-"),
    Column("last_through", "ticks", "side x ticks by which it went beyond the touch", "-"),
    Column("last_size", "1", "its lots / mean lots of a trade, decayed over 1m"),
    Column("since_buy", "s", "since the last buy", "since_sell"),
    Column("since_sell", "s", "since the last sell", "since_buy"),
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        s.lots *= c.shift[3]
        s.trades *= c.shift[3]
    if c.fresh:
        s.bought = s.sold = 0
    if c.count[TRADES] != 0:
        s.lots += c.grow[3] * c.count[LOTS]
        s.trades += c.grow[3] * c.count[TRADES]
        if c.count[BUYS] != 0:
            s.bought = c.ts
        if c.count[SELLS] != 0:
            s.sold = c.ts


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    last = c.latest
    out[0:8] = nan
    if last.side != 0:
        powers(out[0:T], exp((last.ts - ts) / 6e10))
        for t in range(FAST):
            out[t] *= last.side
        out[3] = last.price - 0.5 * c.mid2 if c.priced else nan
        out[4] = last.side * last.through
        out[5] = last.lots * s.trades / s.lots if s.lots > 0.0 else nan
    if s.bought != 0:
        out[6] = (ts - s.bought) * 1e-9
    if s.sold != 0:
        out[7] = (ts - s.sold) * 1e-9
