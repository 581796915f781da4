import numpy as np
from markets import LAST, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import ADD, CANCEL, LATE, SCROLL, SET, TRADE

BOOK = book((1, 100, 6), (-1, 102, 9))


def test_one_arrival_is_one_over_tau_per_second():
    events = stream(*BOOK, (SET, 1, 99, 5, LAST))
    assert column("rate_add_bid_100ms", events) == approx([0, 10])
    assert column("rate_add_bid_10s", events) == approx([0, 0.1])


def test_a_level_cut_by_a_trade_is_no_cancel():
    events = stream(*BOOK, (TRADE, 1, 102, 4, 0), (SET, -1, 102, 5, LAST))
    assert column("rate_buys_1s", events) == approx([0, 1])
    assert column("rate_cut_ask_1s", events) == [0, 0]


def test_a_level_cut_by_more_than_the_trade_is_a_cancel():
    events = stream(*BOOK, (TRADE, 1, 102, 4, 0), (SET, -1, 102, 4, LAST))
    assert column("rate_cut_ask_1s", events) == approx([0, 1])


def test_a_trade_told_late_is_no_flow_of_now():
    events = stream(*BOOK, (TRADE, 1, 102, 4, LATE | LAST))
    for name in ("rate_buys_1s", "arrivals_1m"):
        assert column(name, events) == [0, 0]


def test_what_the_view_scrolls_by_did_not_arrive():
    assert column("arrivals_1m", stream(*BOOK, (SET, 1, 90, 5, SCROLL | LAST))) == [0, 0]


def test_pressure_is_buying_less_selling():
    events = stream(*BOOK, (TRADE, 1, 102, 4, 0), (SET, -1, 102, 5, 0), (SET, 1, 100, 1, LAST))
    assert column("pressure_1s", events) == approx([np.nan, 0], nan_ok=True)
    assert column("cancel_to_trade_10s", events)[1] == approx(1, rel=1e-3)


def kinds(market):
    """(n, 6) events of each kind per whole book; every event of an order is one of them."""
    out = []
    for span in market.spans():
        side, action = span["side"], span["action"]
        of = [(a, s) for a in (ADD, CANCEL, TRADE) for s in (1, -1)]
        out.append([((action == a) & (side == s)).sum() for a, s in of])
    return np.array(out)


def test_columns_are_the_oracles(orders_market: Market):
    n, market = kinds(orders_market), orders_market
    names = ("add_bid", "add_ask", "cut_bid", "cut_ask", "buys", "sells")
    for tau, seconds in (("100ms", 0.1), ("1s", 1), ("10s", 10)):
        for k, name in enumerate(names):
            agree(market.column(f"rate_{name}_{tau}"), market.sums(n[:, k], tau) / seconds)
        up, all_ = market.sums(n[:, [0, 3, 4]].sum(1), tau), market.sums(n.sum(1), tau)
        agree(market.column(f"pressure_{tau}"), 2 * up / all_ - 1)
    agree(market.column("arrivals_1m"), market.sums(n.sum(1), "1m") / 60)
    traded = market.column("cancel_to_trade_1m") == market.column("cancel_to_trade_1m")
    ratio = (
        market.sums(n[:, 2] + n[:, 3], "1m")[traded] / market.sums(n[:, 4] + n[:, 5], "1m")[traded]
    )
    agree(market.column("cancel_to_trade_1m")[traded], ratio)
