"""The queues at the touch: how long for their time, how fast they fill and drain, since when.

Cont & de Larrard 2013; Huang, Lehalle & Rosenbaum 2015. Lots that join and drain make up OFI:
join_bid - drain_bid - join_ask + drain_ask is ofi_l1_1s per second.
"""

from math import nan

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import RATES, lasting
from flowsense.tape import Column

LENGTH, SPEED = 2, 1  # taus: of the mean length, of joining and draining
STATE = np.dtype(
    [
        ("since", "i8", 2),  # when its price became the best, bid and ask
        ("began", "f8", 2),  # weight when it became so long
        ("held", "f8", 2),  # of lengths before it, by how long they held
        ("time", "f8", 2),
        ("joined", "f8", 2),
        ("drained", "f8", 2),
        ("run", "i8"),
    ]
)
SIDES = (("bid", "ask"), ("ask", "bid"))
COLUMNS = (
    *(
        Column(
            f"queue_{a}",
            "1",
            f"lots at the best {a} / their mean over time, decayed over 10s",
            f"queue_{m}",
        )
        for a, m in SIDES
    ),
    *(
        Column(
            f"join_{a}_1s",
            "lots/s",
            f"lots that came to the best {a}, decayed over 1s",
            f"join_{m}_1s",
        )
        for a, m in SIDES
    ),
    *(
        Column(
            f"drain_{a}_1s",
            "lots/s",
            f"lots that left the best {a}, decayed over 1s",
            f"drain_{m}_1s",
        )
        for a, m in SIDES
    ),
    *(Column(f"age_{a}", "s", f"since the best {a} has its price", f"age_{m}") for a, m in SIDES),
    Column("run_ofi", "1", "sign of the last OFI x such books in a row", "-"),
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:
        for k in range(2):
            s.began[k] *= c.shift[LENGTH]
            s.held[k] *= c.shift[LENGTH]
            s.time[k] *= c.shift[LENGTH]
            s.joined[k] *= c.shift[SPEED]
            s.drained[k] *= c.shift[SPEED]
    if c.fresh:
        s.run = 0
        for k in range(2):
            s.since[k], s.began[k] = c.ts, c.grow[LENGTH]
    elif c.depth == 0:
        for k in range(2):
            change(s, k, c)
        if c.ofi != 0:
            side = 1 if c.ofi > 0 else -1
            s.run = s.run + side if side * s.run > 0 else side


@kernel
def change(s: Record, k: int, c: Record) -> None:
    """Side k (0 bid, 1 ask) of a touch that changed."""
    price, lots, before, had = c.touch[2 * k], c.touch[2 * k + 1], c.past[2 * k], c.past[2 * k + 1]
    if price == before and lots == had:
        return
    if had > 0:
        weight = c.grow[LENGTH] - s.began[k]
        s.held[k] += weight * had
        s.time[k] += weight
    s.began[k] = c.grow[LENGTH]
    if price != before:
        s.since[k] = c.ts
        better = price > before if k == 0 else price < before
        had, lots = (0, lots) if better else (had, 0)
    if lots > had:
        s.joined[k] += c.grow[SPEED] * (lots - had)
    else:
        s.drained[k] += c.grow[SPEED] * (had - lots)


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    for k in range(2):
        lots, now = c.touch[2 * k + 1], lasting(c, s.began[k], LENGTH)
        total = s.held[k] * c.fade[LENGTH] + now * lots
        time = s.time[k] * c.fade[LENGTH] + now
        out[k] = lots * time / total if total > 0.0 else 1.0
        out[2 + k] = s.joined[k] * c.fade[SPEED] * RATES[SPEED]
        out[4 + k] = s.drained[k] * c.fade[SPEED] * RATES[SPEED]
        out[6 + k] = (ts - s.since[k]) * 1e-9
        if lots == 0:
            out[k] = out[6 + k] = nan
    out[8] = s.run
