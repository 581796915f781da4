import numpy as np
from markets import LAST, MS, Market, agree, book, column, stream
from pytest import approx

from flowsense.schema import SECOND, SET

BOOK = book((1, 100, 6), (1, 99, 2), (-1, 102, 9))


def test_lots_join_and_drain_at_a_price_and_by_the_price():
    events = stream(*BOOK, (SET, 1, 100, 8, LAST), (SET, 1, 101, 3, LAST), (SET, 1, 101, 0, LAST))
    assert column("join_bid_1s", events) == approx([0, 2, 5, 5], rel=0.01)
    assert column("drain_bid_1s", events) == approx([0, 0, 0, 3], rel=0.01)
    assert column("run_ofi", events) == [0, 1, 2, -1]


def test_age_is_of_the_price_not_of_the_lots():
    events = stream(*BOOK, (SET, 1, 100, 8, LAST), (SET, 1, 101, 3, LAST), every=100 * MS)
    assert column("age_bid", events) == approx([0, 0.1, 0])
    assert column("age_ask", events) == approx([0, 0.1, 0.2])


def test_a_queue_is_told_against_its_mean_over_time():
    events = stream(*BOOK, (SET, 1, 100, 12, LAST), (SET, 1, 99, 1, LAST), every=10 * SECOND)
    old, new = np.exp(-1) - np.exp(-2), 1 - np.exp(-1)  # 6 lots for 10 s, then 12
    assert column("queue_bid", events)[2] == approx(12 / ((6 * old + 12 * new) / (old + new)))


def test_an_empty_side_has_no_queue():
    events = stream(*BOOK, (SET, -1, 102, 0, LAST))
    assert np.isnan([column(name, events)[1] for name in ("queue_ask", "age_ask")]).all()
    assert column("drain_ask_1s", events)[1] == approx(9)


def test_what_joins_less_what_drains_is_order_flow_imbalance(market: Market):
    of = {k: market.column(f"{k}_1s") for k in ("join_bid", "drain_bid", "join_ask", "drain_ask")}
    net = of["join_bid"] - of["drain_bid"] - of["join_ask"] + of["drain_ask"]
    np.testing.assert_allclose(net, market.column("ofi_l1_1s"), atol=1e-4)


def since(price, ts):
    return np.array(
        [ts[max(np.flatnonzero(np.diff(price[: i + 1], prepend=np.inf)))] for i in range(len(ts))]
    )


def test_columns_are_the_oracles(market: Market):
    touch = market.touch
    for name, price, lots in (
        ("bid", touch.bid, touch.bid_lots),
        ("ask", touch.ask, touch.ask_lots),
    ):
        length = np.where(lots > 0, lots, np.nan)
        agree(market.column(f"queue_{name}"), market.now(length) / market.held(length, "10s"))
        agree(
            market.column(f"age_{name}"),
            (market.rows.ts - market.now(since(price, market.ts))) / SECOND,
        )
