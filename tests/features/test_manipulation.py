import numpy as np
from markets import LAST, MS, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import SET, TRADE

BOOK = book((1, 100, 6), (1, 99, 2), (-1, 102, 9))
BETTER, GONE = (SET, 1, 101, 1, LAST), (SET, 1, 101, 0, LAST)


def test_a_better_bid_withdrawn_at_once_flickers():
    events = stream(*BOOK, BETTER, GONE)
    assert column("flicker_bid_10s", events) == [0, 0, 1]
    assert column("flicker_ask_10s", events) == [0, 0, 0]


def test_one_that_was_sold_to_does_not():
    events = stream(*BOOK, BETTER, (TRADE, -1, 101, 1, 0), GONE)
    assert column("flicker_bid_10s", events)[-1] == 0


def test_one_that_stood_does_not():
    assert column("flicker_bid_10s", stream(*BOOK, BETTER, GONE, every=501 * MS))[-1] == 0


def test_a_layer_is_the_largest_level_behind_the_touch():
    events = stream(*book((1, 100, 1), (1, 99, 9), (1, 98, 1), (-1, 102, 1), (-1, 103, 2)))
    assert column("layer_bid", events) == approx([9 / 4])  # mean of 9, 1 and 2
    assert column("layer_ask", events) == approx([2 / 4])


def test_columns_are_the_oracles(market: Market):
    flickers, improved, bid = np.zeros(len(market.ts)), None, market.touch.bid
    for i, trades in enumerate(market.trades()):
        if any(side < 0 for side, _, _ in trades):
            improved = None
        if i and bid[i] > bid[i - 1]:
            improved = market.ts[i]
        elif i and bid[i] < bid[i - 1]:
            flickers[i] = improved is not None and market.ts[i] - improved <= 500 * MS
            improved = None
    assert flickers.sum() > 10
    agree(market.column("flicker_bid_10s"), market.sums(flickers, "10s"))
    agree(market.column("flicker_bid_1m"), market.sums(flickers, "1m"))


def test_layers_are_the_oracles(market: Market):
    out = []
    for b in market.rows.book:
        bids, asks = b["bid_sz"][1:5], b["ask_sz"][1:5]
        there = [x for x in (*bids, *asks) if x > 0]
        out.append(bids.max() / np.mean(there) if there else np.nan)
    agree(market.column("layer_bid"), out)
