"""What can be wrong with bars and with observations, each counted as it comes."""

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.features.health_events import FOUND, LAGS, bucket, count
from flowsense.schema import BAR, EVERY, OBSERVATION

BAR_NAMES = ("missing bars", "bar without volume", "open or close outside", "jump")
MISSING, IDLE, OUTSIDE, JUMP = range(4)
WIDE = 2**49  # ticks: times 10,000 they are an int64 still
TENTH = 10  # a jump: from close to close by more than this part
TOLD_NAMES = ("revised", "told late")
REVISED, BELATED = range(2)

BARS = np.dtype(
    [
        ("bars", "i8"),
        ("first", "i8"),
        ("last", "i8"),
        ("open", "i8"),  # ts_open of the latest
        ("close", "i8"),
        ("interval", "i8"),
        ("found", FOUND, len(BAR_NAMES)),
    ]
)
TOLD = np.dtype(  # of one kind, of one instrument or of all
    [
        ("values", "i8"),
        ("first", "i8"),
        ("last", "i8"),
        ("ts", "i8"),  # of the latest that happened
        ("found", FOUND, len(TOLD_NAMES)),
        ("lag", "i8", 2 * LAGS + 1),
    ]
)


@kernel
def share(part: int, whole: int) -> int:
    """Basis points, without a number too large on the way."""
    return part * 10_000 // max(whole, 1) if part < WIDE else part // max(whole // 10_000, 1)


@compiled(types.void(array(BARS), array(BAR, readonly=True)))
def examine_bars(state: Record, bars: Record) -> None:
    for i in range(len(bars)):
        b = bars[i]
        s = state[b.instrument]
        long = b.ts_recv - b.ts_open
        if s.bars == 0:
            s.first = b.ts_recv
        elif long > 0:
            lost = (b.ts_open - s.open + long // 2) // long - 1  # one may end just before the next
            if lost > 0:
                count(s.found[MISSING], b.ts_recv, s.bars, lost)
            moved = b.close - s.close if b.close > s.close else s.close - b.close
            if moved > abs(s.close) // TENTH:
                count(s.found[JUMP], b.ts_recv, s.bars, share(moved, abs(s.close)))
        if b.lots == 0:
            count(s.found[IDLE], b.ts_recv, s.bars, 0)
        if min(b.open, b.close) < b.low or max(b.open, b.close) > b.high:
            count(s.found[OUTSIDE], b.ts_recv, s.bars, 0)
        s.bars += 1
        s.last, s.open, s.close, s.interval = b.ts_recv, b.ts_open, b.close, long


@compiled(types.void(array(TOLD, 2), array("i8"), array(OBSERVATION, readonly=True)))
def examine_told(state: Record, kinds: Record, observations: Record) -> None:
    """state (kinds, instruments + 1): the last is of those that are of the whole market."""
    for i in range(len(observations)):
        o = observations[i]
        k = 0
        while k < len(kinds) and kinds[k] != o.kind:
            k += 1
        if k == len(kinds):
            continue
        s = state[k, state.shape[1] - 1 if o.instrument == EVERY else o.instrument]
        if s.values == 0:
            s.first = o.ts_recv
        elif o.ts_event == s.ts:
            count(s.found[REVISED], o.ts_recv, s.values, 0)
        elif o.ts_event < s.ts:
            count(s.found[BELATED], o.ts_recv, s.values, s.ts - o.ts_event)
        s.lag[bucket(o.ts_recv - o.ts_event)] += 1
        s.values += 1
        s.last, s.ts = o.ts_recv, max(s.ts, o.ts_event)
