"""The last whole second and the last whole minute: return, range, volume, flow.

Ticks gathered into bars of time, as Garman & Klass 1980 read them, but of the mid. A span without
a record had no move and no volume; its row is the same whenever within the next span it is asked.
"""

from math import nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import LOTS, SIGNED
from flowsense.schema import SECOND
from flowsense.tape import Column

SPANS = (SECOND, 60 * SECOND)
NAMES = ("1s", "1m")
K = len(SPANS)
OPEN2, HIGH2, LOW2, CLOSE2, VOLUME, FLOW = range(6)
STATE = np.dtype(
    [
        ("span", "i8", K),  # number of the one under way
        ("now", "i8", (K, 6)),
        ("before", "i8", K),  # number of the last that is over
        ("past", "i8", (K, 6)),
        ("priced", "i8"),  # there has been a mid since the loss
        ("since", "i8"),  # ts of the first mid after a loss
    ]
)
COLUMNS = tuple(
    column
    for name in NAMES
    for column in (
        Column(f"span_ret_{name}", "ticks", f"change of the mid in the last whole {name}", "-"),
        Column(f"span_range_{name}", "ticks", f"highest - lowest mid in the last whole {name}"),
        Column(f"span_lots_{name}", "lots", f"traded in the last whole {name}"),
        Column(f"span_flow_{name}", "lots", f"bought - sold in the last whole {name}", "-"),
    )
)
VERSION = 1


@kernel
def begin(s: Record, j: int, mid2: int) -> None:
    """A span begins at the mid that the one before has left."""
    for k in range(4):
        s.now[j, k] = mid2
    s.now[j, VOLUME] = s.now[j, FLOW] = 0


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.fresh:
        s.priced = 0
    if not c.priced:
        return
    for j in range(K):
        number = c.ts // SPANS[j]
        if s.priced == 0:
            s.span[j], s.before[j] = number, 0
            begin(s, j, c.mid2)
            s.since = c.ts
        elif number != s.span[j]:
            s.before[j] = s.span[j]
            for k in range(6):
                s.past[j, k] = s.now[j, k]
            s.span[j] = number
            begin(s, j, s.now[j, CLOSE2])
        s.now[j, HIGH2] = max(s.now[j, HIGH2], c.mid2)
        s.now[j, LOW2] = min(s.now[j, LOW2], c.mid2)
        s.now[j, CLOSE2] = c.mid2
        s.now[j, VOLUME] += c.count[LOTS]
        s.now[j, FLOW] += c.count[SIGNED]
    s.priced = 1


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    for j in range(K):
        at = 4 * j
        last = ts // SPANS[j] - 1
        if s.priced == 0 or s.since > last * SPANS[j]:  # not known from its beginning
            out[at : at + 4] = nan
            continue
        out[at : at + 4] = 0.0
        if s.span[j] == last:
            told = s.now[j]
        elif s.before[j] == last:
            told = s.past[j]
        else:
            continue
        out[at] = 0.5 * (told[CLOSE2] - told[OPEN2])
        out[at + 1] = 0.5 * (told[HIGH2] - told[LOW2])
        out[at + 2], out[at + 3] = told[VOLUME], told[FLOW]
