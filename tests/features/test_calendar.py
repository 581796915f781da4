import numpy as np
from markets import GRID, L2, Market, agree, book, stream, told
from pytest import approx

from flowsense.testing import tape_of

DAY = 86_400 * 10**9


def test_six_in_the_morning_is_a_quarter_turn():
    events = stream(*book((1, 100, 6), (-1, 102, 9)))
    events["ts_recv"] += 19_000 * DAY + DAY // 4 - 4_000_000
    last = events[-1:].copy()
    last["ts_recv"], last["bits"] = 19_000 * DAY + DAY // 4 + 1, 0
    rows = tape_of(GRID, (L2,), np.concatenate([events, last]).view(events.dtype)).rows[0]
    assert told("day_sin", GRID, rows)[-1] == approx(1)
    assert told("day_cos", GRID, rows)[-1] == approx(0, abs=1e-6)


def test_columns_are_the_oracles(market: Market):
    angle = 2 * np.pi * ((market.rows.ts % DAY) / DAY)
    agree(market.column("day_sin"), np.sin(angle))
    agree(market.column("day_cos"), np.cos(angle))
    agree(market.column("session"), (market.rows.ts - market.ts[0]) / 3.6e12)
