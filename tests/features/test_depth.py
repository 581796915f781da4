import numpy as np
from markets import LAST, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import SET

BOOK = book((1, 100, 6), (1, 98, 3), (-1, 101, 2), (-1, 105, 4))


def test_imbalance_of_two_levels_by_hand():
    events = stream(*BOOK)
    assert column("imb_l1", events) == [0.5]  # (6 - 2) / 8
    assert column("imb_l2", events) == approx([-1 / 7])  # (3 - 4) / 7
    assert column("imb_cum2", events) == approx([0.2])  # (9 - 6) / 15


def test_lots_count_for_less_the_further_they_lie():
    bids, asks = 6 + 3 / 3, 2 + 4 / 5
    assert column("imb_near", stream(*BOOK)) == approx([(bids - asks) / (bids + asks)])


def test_slope_is_lots_per_tick_reached():
    events = stream(*BOOK, (SET, 1, 98, 0, LAST))
    assert column("slope_bid", events) == [3, 6]  # 9 lots on 100, 99, 98; then 6 on 100
    assert column("slope_ask", events) == approx([1.2, 1.2])


def test_an_empty_side_leaves_the_slope_of_the_other():
    events = stream(*BOOK, (SET, 1, 100, 0, 0), (SET, 1, 98, 0, LAST))
    assert np.isnan(column("slope_bid", events)[1])
    assert column("slope_ask", events)[1] == approx(1.2)
    assert column("imb_l1", events)[1] == -1


def slow(book, k):
    bids, asks = book["bid_sz"][:k].sum(), book["ask_sz"][:k].sum()
    return (bids - asks) / (bids + asks)


def test_columns_are_the_oracles(market: Market):
    books = market.rows.book
    for k in (2, 3, 5, 10):
        agree(market.column(f"imb_cum{k}"), [slow(b, k) for b in books])
    near = []
    for b in books:
        bids = sum(
            n / (1 + b["bid_px"][0] - p) for p, n in zip(b["bid_px"], b["bid_sz"], strict=True) if n
        )
        asks = sum(
            n / (1 + p - b["ask_px"][0]) for p, n in zip(b["ask_px"], b["ask_sz"], strict=True) if n
        )
        near.append((bids - asks) / (bids + asks))
    agree(market.column("imb_near"), near)
