"""Runs and autocorrelation of trade signs and of mid moves. Lillo & Farmer 2004; Roll 1984."""

from math import nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import AGREE, BUYS, SELLS, TAUS
from flowsense.tape import Column

SLOW = 2  # the taus from here on
STATE = np.dtype(
    [
        ("run", "i8"),  # signed length of the run of mid moves
        ("ew", "f8", (2, 4)),  # per tau: trades, sum of sign x sign before; the same of mid moves
    ]
)
COLUMNS = (
    Column("run_trades", "1", "side of the last trade x trades of that side in a row", "-"),
    Column("run_mid", "1", "sign of the last mid move x moves of that sign in a row", "-"),
    *(
        Column(f"{what}_corr_{tau}", "1", f"mean {of} sign x the one before it, decayed over {tau}")
        for tau in TAUS[SLOW:]
        for what, of in (("trade", "trade"), ("mid", "mid move"))
    ),
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        for t in range(2):
            for j in range(4):
                s.ew[t, j] *= c.shift[SLOW + t]
    if c.fresh:
        s.run = 0
    trades = c.count[BUYS] + c.count[SELLS]
    if trades != 0:
        for t in range(2):
            s.ew[t, 0] += c.grow[SLOW + t] * trades
            s.ew[t, 1] += c.grow[SLOW + t] * c.count[AGREE]
    if c.move2 != 0:
        side = 1 if c.move2 > 0 else -1
        same = side * s.run
        for t in range(2):
            s.ew[t, 2] += c.grow[SLOW + t]
            if same != 0:
                s.ew[t, 3] += c.grow[SLOW + t] if same > 0 else -c.grow[SLOW + t]
        s.run = s.run + side if same > 0 else side


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    out[0] = c.latest.side * c.latest.run
    out[1] = s.run
    for t in range(2):
        out[2 + 2 * t] = s.ew[t, 1] / s.ew[t, 0] if s.ew[t, 0] > 0.0 else nan
        out[3 + 2 * t] = s.ew[t, 3] / s.ew[t, 2] if s.ew[t, 2] > 0.0 else nan
