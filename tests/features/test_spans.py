import numpy as np
from markets import LAST, MS, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import SECOND, SET, TRADE

BOOK = book((1, 100, 6), (-1, 102, 9))


def test_a_second_is_told_when_it_is_over():
    """One event every 300 ms from 300 ms on; the mid rises by half a tick, then falls by one."""
    rise, fall = (SET, 1, 101, 1, LAST), (SET, 1, 101, 0, LAST)
    events = stream(*BOOK, (TRADE, 1, 102, 5, LAST), rise, fall, *[(TRADE, -1, 100, 2, LAST)] * 4)
    events["ts_recv"] = np.array([1000, 1000, 1000, 1300, 1600, 1900, 2000, 2300, 2999, 3000]) * MS
    assert column("span_ret_1s", events) == approx([np.nan] * 4 + [0] * 4, nan_ok=True)
    assert column("span_range_1s", events)[4:] == approx([0.5] * 3 + [0])
    assert column("span_lots_1s", events)[4:] == approx([5] * 3 + [6])
    assert column("span_flow_1s", events)[4:] == approx([5] * 3 + [-6])


def test_a_second_without_a_record_had_nothing():
    events = stream(*BOOK, *[(TRADE, -1, 100, 2, LAST)] * 2)
    events["ts_recv"] = np.array([1000, 1000, 1000, 2500, 5500]) * MS
    assert column("span_lots_1s", events) == approx([np.nan, 0, 0], nan_ok=True)


def test_columns_are_the_oracles(market: Market):
    lots = [sum(n for *_, n in trades) for trades in market.trades()]
    path = np.array([np.nan, *market.mid])
    for i in range(1, len(path)):
        path[i] = path[i] if path[i] == path[i] else path[i - 1]
    want = []
    for ts in market.rows.ts:
        start = (ts // SECOND - 1) * SECOND
        a, b = np.searchsorted(market.ts, (start, start + SECOND))
        if market.ts[~np.isnan(market.mid)][0] > start:
            want.append((np.nan, np.nan, np.nan))
            continue
        inside = path[a : b + 1]
        move = inside[-1] - inside[0]
        want.append((move, inside.max() - inside.min(), sum(lots[a:b])))
    names = ("span_ret_1s", "span_range_1s", "span_lots_1s")
    for name, values in zip(names, np.array(want).T, strict=True):
        agree(market.column(name), values)
