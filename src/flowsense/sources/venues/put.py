"""A message's prices and sizes, as text, into EVENTs: one compiled call for each message."""

from typing import Any

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel
from flowsense.schema import BEAT, EVENT, LARGEST, LAST, SET, SNAPSHOT, Decimal
from flowsense.sources.binance_decimals import COMMA, MOST, longer
from flowsense.sources.rows import NOWHERE, differ

TOLD = np.dtype(  # what the events of one message share
    [
        ("ts_event", "i8"),
        ("ts_recv", "i8"),
        ("sequence", "i8"),
        ("instrument", "i8"),
        ("action", "i8"),
        ("bits", "i8"),
        ("bids", "i8"),  # levels
        ("asks", "i8"),
    ]
)
UNIT = np.dtype(  # a tick or lot, as whole * 10**-places
    [("whole", "i8"), ("places", "i8")]
)


def unit(value: Decimal) -> tuple[int, int]:
    """A tick or lot as UNIT has it."""
    return value.mantissa * 10 ** max(value.exponent, 0), max(-value.exponent, 0)


@kernel
def counted(mantissa: int, places: int, u: Record) -> int:
    """mantissa * 10**-places in units; -1 where it is no whole number of them, below 2**53."""
    missing = u.places - places
    if missing < 0 or missing > 18:
        return -1 if mantissa > 0 else 0
    for _ in range(missing):
        if mantissa > MOST:
            return -1
        mantissa *= 10
    if mantissa % u.whole != 0 or mantissa // u.whole > LARGEST:
        return -1
    return int(mantissa // u.whole)


@kernel
def record(e: Record, t: Record, side: int, price: int, lots: int, bits: int) -> None:
    e.ts_event, e.ts_recv, e.sequence = t.ts_event, t.ts_recv, t.sequence
    e.order_id, e.pad, e.instrument, e.action = 0, 0, t.instrument, t.action
    e.side, e.price, e.lots, e.bits = side, price, lots, bits


@compiled(
    types.int64(array("i1", readonly=True), array(TOLD), array(UNIT), array(EVENT), types.int64)
)
def put(text: Any, told: Record, units: Record, out: Record, at: int) -> int:
    """-> where the next event goes, or -1 - index of the first number that cannot be one.

    text: price,size,price,size,... ; plain decimals that are multiples of units[0] and units[1].
    A price is above 0, a size too unless the action is SET. Without levels it is one bare event.
    """
    t = told[0]
    levels = t.bids + t.asks
    if levels == 0:
        record(out[at], t, 0, 0, 0, t.bits)
        return at + 1
    n, price = 0, 0
    value, places, zeros, ends, point = 0, 0, 0, 0, False
    for i in range(len(text) + 1):
        c = int(text[i]) if i < len(text) else COMMA
        if c == COMMA and ends:
            count = counted(value, places, units[n & 1])
            if count < 0 or (count == 0 and (n & 1 == 0 or t.action != SET)):
                return -1 - n
            if n & 1:
                k = n >> 1
                last = t.bits if k == levels - 1 else t.bits & ~LAST
                record(out[at + k], t, 1 if k < t.bids else -1, price, count, last)
            price = count
            n, value, places, zeros, ends, point = n + 1, 0, 0, 0, 0, False
        else:
            value, places, zeros, ends, point = longer(c, value, places, zeros, ends, point)
            if value < 0:
                return -1 - n
    return at + levels if n == 2 * levels else -1 - n


@compiled(types.int64(array("i8", 3), array("i8", 3), array(TOLD), array(EVENT), types.int64))
def turn(before: Any, now: Any, told: Record, out: Record, at: int) -> int:
    """-> where the next event goes, after the SETs that turn one whole book into the next.

    Both (levels, ask or bid, price or lots), best first. Without any it is one bare BEAT, or in a
    snapshot the CLEAR before it is the last.
    """
    t, n = told[0], at
    for k in range(2):
        n = differ(out, n, before, now, k, NOWHERE, t.bits)
    for i in range(at, n):
        e = out[i]
        record(e, t, e.side, e.price, e.lots, e.bits)
        e.action = SET
    if n > at or t.bits & SNAPSHOT:
        out[n - 1].bits = out[n - 1].bits | LAST
    else:
        record(out[n], t, 0, 0, 0, 0)
        out[n].action = BEAT
        n += 1
    return n
