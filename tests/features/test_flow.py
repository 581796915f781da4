import numpy as np
from markets import LAST, MS, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import SET, TRADE

BOOK = book((1, 100, 6), (-1, 102, 9))


def test_signed_lots_decay_and_sides_cancel():
    events = stream(*BOOK, (TRADE, 1, 102, 3, LAST), (TRADE, -1, 100, 2, LAST), every=1_000 * MS)
    assert column("flow_1s", events) == approx([0, 3, 3 * np.exp(-1) - 2])
    assert column("flow_share_1s", events)[1:] == approx([1, (3 - 2 * np.e) / (3 + 2 * np.e)])


def test_a_trade_without_a_side_is_volume_but_no_flow():
    events = stream(*BOOK, (TRADE, 0, 101, 4, LAST))
    assert (column("flow_1s", events)[1], column("traded", events)[1]) == (0, 4)


def test_the_volume_weighted_price_is_told_against_the_present_mid():
    events = stream(
        *BOOK, (TRADE, 1, 102, 3, LAST), (SET, 1, 101, 5, LAST), (TRADE, -1, 101, 1, LAST)
    )
    gap = column("vwap_gap_1m", events)
    assert gap == approx([np.nan, 1, 0.5, (3 * 0.5 - 1 * 0.5) / 4], rel=1e-3, nan_ok=True)


def test_columns_are_the_oracles(market: Market):
    lots = np.array([sum(n for _, _, n in trades) for trades in market.trades()])
    signed = np.array([sum(side * n for side, _, n in trades) for trades in market.trades()])
    value = np.array([sum(price * n for _, price, n in trades) for trades in market.trades()])
    known = market.column("flow_share_1m") == market.column("flow_share_1m")
    assert known.mean() > 0.9
    for tau in ("100ms", "1s", "10s", "1m"):
        agree(market.column(f"flow_{tau}"), market.sums(signed, tau))
    for tau in ("1s", "10s", "1m"):
        share = market.sums(signed, tau)[known] / market.sums(lots, tau)[known]
        agree(market.column(f"flow_share_{tau}")[known], share)
    for tau in ("10s", "1m"):
        mean = market.sums(value, tau)[known] / market.sums(lots, tau)[known]
        agree(market.column(f"vwap_gap_{tau}")[known], mean - market.rows.quote["mid2"][known] / 2)
    ratio = market.sums(lots, "1s")[known] / (market.sums(lots, "1m")[known] / 60)
    agree(market.column("volume_ratio")[known], ratio)
