from math import floor, log2

import numpy as np
from markets import EACH, L2, LAST, MS, Market, agree, book, column, stream
from pytest import approx

from flowsense.features.context import TAUS_NS
from flowsense.schema import ONE_SIDED, SET, WHOLE
from flowsense.testing import tape_of

BOOK = book((1, 100, 6), (1, 98, 3), (-1, 102, 2), (-1, 105, 4))


def test_the_microprice_leans_to_the_short_queue():
    assert column("micro", stream(*BOOK)) == [0.5]  # (100 x 2 + 102 x 6) / 8 - 101


def test_gaps_to_the_next_levels():
    events = stream(*BOOK, (SET, 1, 98, 0, LAST))
    assert column("gap_bid", events) == approx([2, np.nan], nan_ok=True)
    assert column("gap_ask", events) == [3, 3]


def test_a_spread_new_to_the_market_ranks_above_or_below_all_others():
    wide, narrow = (SET, 1, 100, 0, LAST), (SET, -1, 101, 1, LAST)
    rank = column("spread_rank", stream(*BOOK, narrow))
    assert rank == approx([0.5, 0.0], abs=1e-6)
    assert column("spread_rank", stream(*BOOK, wide)) == approx([0.5, 1.0], abs=1e-6)


def test_the_mean_is_over_time_not_over_updates():
    events = stream(*BOOK, (SET, -1, 101, 1, LAST), (SET, -1, 101, 2, LAST), every=1_000 * MS)
    old, new = np.exp(-1) - np.exp(-2), 1 - np.exp(-1)  # 2 ticks for a second, then 1 tick
    assert column("spread_mean_1s", events)[2] == approx((2 * old + new) / (old + new))


def test_no_spread_while_a_side_is_empty():
    events = stream(*BOOK, (SET, -1, 102, 0, 0), (SET, -1, 105, 0, LAST), (SET, -1, 103, 1, LAST))
    assert column("spread", events) == approx([2, np.nan, 3], nan_ok=True)
    assert column("spread_rank", events)[2] == approx(1.0, abs=1e-6)


def coarse(ticks):
    """Three leading binary digits."""
    step = 2 ** max(floor(log2(ticks)) - 2, 0)
    return ticks // step * step


def test_columns_are_the_oracles(market: Market):
    spread = np.where(np.isnan(market.mid), np.nan, market.touch.ask - market.touch.bid)
    for tau in ("1s", "10s", "1m"):
        agree(market.column(f"spread_mean_{tau}"), market.held(spread, tau))
    wide, ranks = np.array([coarse(x) if x == x else np.nan for x in spread]), []
    for ts in market.rows.ts:
        n = int(np.searchsorted(market.ts, ts))
        age = np.append(ts - market.ts[:n], 0) / TAUS_NS[3]
        weight = np.where(np.isnan(wide[:n]), 0, np.exp(-age[1:]) - np.exp(-age[:-1]))
        below, equal = weight[wide[:n] < wide[n - 1]].sum(), weight[wide[:n] == wide[n - 1]].sum()
        ranks.append((below + equal / 2) / weight.sum())
    agree(market.column("spread_rank"), ranks)


def test_a_crossed_or_locked_book_has_no_mid():
    near = book((1, 100, 5), (-1, 102, 5))
    for price in (102, 103):
        events = stream(*near, (SET, 1, price, 1, LAST), (SET, 1, price, 0, LAST), every=60 * MS)
        for name in ("spread", "micro"):
            seen = column(name, events)
            assert np.isnan(seen[1]) and seen[2] == seen[0]
        rows = tape_of(EACH, (L2,), events).rows[0]
        assert rows.quote["state"].tolist() == [WHOLE, ONE_SIDED, WHOLE]
        assert rows.quote["mid2"].tolist() == [202] * 3
        assert column("rv_1m", events)[-1] == 0.0
