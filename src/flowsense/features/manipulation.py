"""Signs of quotes not meant to trade: improved and withdrawn at once, or stacked behind the touch.

Hasbrouck & Saar 2009 (fleeting quotes); Lee, Eom & Park 2013 (layers behind the touch). Signs
only: an honest market maker who steps back gives them too.
"""

from math import nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import BUYS, SELLS, TAUS
from flowsense.schema import MILLISECOND
from flowsense.tape import Column

SOON = 500 * MILLISECOND
LAYERS = 5  # levels looked at behind the touch: 2 to 5
SLOW = 2
STATE = np.dtype(
    [
        ("improved", "i8", 2),  # when bid, ask last became better; 0: traded or withdrawn since
        ("ew", "f8", (2, 2)),  # per tau: bids, asks withdrawn
    ]
)
COLUMNS = (
    *(
        Column(
            f"flicker_{a}_{tau}",
            "1",
            f"better {a}s gone untraded in 500 ms, decayed over {tau}",
            f"flicker_{m}_{tau}",
        )
        for tau in TAUS[SLOW:]
        for a, m in (("bid", "ask"), ("ask", "bid"))
    ),
    Column(
        "layer_bid",
        "1",
        "largest of bid levels 2 to 5 / mean lots of both sides there",
        "layer_ask",
    ),
    Column(
        "layer_ask",
        "1",
        "largest of ask levels 2 to 5 / mean lots of both sides there",
        "layer_bid",
    ),
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        for t in range(2):
            for k in range(2):
                s.ew[t, k] *= c.shift[SLOW + t]
    if c.fresh or c.count[SELLS] != 0:
        s.improved[0] = 0
    if c.fresh or c.count[BUYS] != 0:
        s.improved[1] = 0
    if c.depth == 0 and not c.fresh:
        for k in range(2):
            rise = c.touch[2 * k] - c.past[2 * k]
            better = rise if k == 0 else -rise
            if better > 0:
                s.improved[k] = c.ts
            elif better < 0:
                if s.improved[k] != 0 and c.ts - s.improved[k] <= SOON:
                    for t in range(2):
                        s.ew[t, k] += c.grow[SLOW + t]
                s.improved[k] = 0


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    for t in range(2):
        for k in range(2):
            out[2 * t + k] = s.ew[t, k] * c.fade[SLOW + t]
    total, levels, bid, ask = 0, 0, 0, 0
    for k in range(1, min(LAYERS, b.known)):
        x, y = b.bid_sz[k], b.ask_sz[k]
        total, levels = total + x + y, levels + (x > 0) + (y > 0)
        bid, ask = max(bid, x), max(ask, y)
    out[4] = bid * levels / total if total > 0 else nan
    out[5] = ask * levels / total if total > 0 else nan
