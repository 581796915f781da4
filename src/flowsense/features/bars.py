"""The last bar and the run of bars before it: return, range, volume, strength, trend.

Wilder 1978 (relative strength); Parkinson 1980 (variance of a range). Missing until as many bars
have closed as a column looks back.
"""

from math import log, nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.tape import Column

PERIOD = 14  # bars of Wilder's means
SLOW = 2.0 / (PERIOD + 1)  # weight of the latest bar in an exponential mean of as many
LONG = 20  # bars of mean volume and of variance
STATE = np.dtype(
    [
        ("bars", "i8"),
        ("close", "i8"),  # ticks, of the last
        ("ts", "i8"),
        ("ret", "f8"),
        ("up", "f8"),
        ("down", "f8"),
        ("ema", "f8"),
        ("width", "f8"),  # log(high / low)
        ("place", "f8"),
        ("lots", "f8"),
        ("volume", "f8"),
        ("variance", "f8"),
    ]
)
COLUMNS = (
    Column("bar_ret", "1", "log(close / close before)", "-"),
    Column("bar_range", "1", "log(high / low)"),
    Column("bar_place", "1", "(close - low) / (high - low)"),
    Column("bar_volume", "1", f"lots / mean lots of about {LONG} bars before"),
    Column("bar_rsi14", "1", "mean rise / (mean rise + mean fall), Wilder's over 14 bars"),
    Column("bar_ema14_gap", "1", "log(close / exponential mean of 14 closes)", "-"),
    Column("bar_parkinson", "1", f"root of mean log(high / low)^2 / (4 log 2), about {LONG} bars"),
    Column("bar_age", "s", "since the last bar closed"),
)
VERSION = 1


@kernel
def bar(s: Record, e: Record) -> None:
    rise = e.close - s.close if s.bars else 0
    s.ret = log(e.close / s.close) if s.bars and s.close > 0 and e.close > 0 else nan
    s.up += (max(rise, 0) - s.up) / PERIOD
    s.down += (max(-rise, 0) - s.down) / PERIOD
    s.ema += (e.close - s.ema) * (SLOW if s.bars else 1.0)
    s.width = log(e.high / e.low) if e.low > 0 else nan
    s.place = (e.close - e.low) / (e.high - e.low) if e.high > e.low else nan
    s.volume = e.lots / s.lots if s.bars >= LONG and s.lots > 0.0 else nan
    s.lots += (e.lots - s.lots) / (LONG if s.bars >= LONG else s.bars + 1)
    if s.width == s.width:
        square = s.width * s.width / (4.0 * log(2.0))
        s.variance += (square - s.variance) / (LONG if s.bars >= LONG else s.bars + 1)
    s.close, s.ts = e.close, e.ts_recv
    s.bars += 1


@kernel
def row(s: Record, ts: int, out: Record) -> None:
    if s.bars == 0:
        return
    out[0], out[1], out[2], out[3] = s.ret, s.width, s.place, s.volume
    if s.bars > PERIOD:
        total = s.up + s.down
        out[4] = s.up / total if total > 0.0 else nan
        out[5] = log(s.close / s.ema) if s.close > 0 and s.ema > 0.0 else nan
    if s.bars >= LONG:
        out[6] = s.variance**0.5
    out[7] = (ts - s.ts) * 1e-9
