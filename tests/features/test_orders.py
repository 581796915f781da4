import numpy as np
from markets import L3, LAST, Market, agree, column, stream
from pytest import approx

from flowsense.schema import ADD, CANCEL, CLEAR, SNAPSHOT

OPEN = (CLEAR, 0, 0, 0, SNAPSHOT | LAST)


def order(action, side, price, lots, oid):
    return (action, side, price, lots, LAST, 0, oid)


def test_lots_ahead_of_an_order_that_joins():
    events = stream(
        OPEN, order(ADD, 1, 100, 6, 1), order(ADD, 1, 100, 2, 2), order(ADD, 1, 101, 1, 3)
    )
    assert column("ahead_1m", events, L3)[1:] == approx([0, 3, 2], rel=1e-3)  # mean of 0, 6, 0


def test_an_order_cut_at_once_was_fleeting():
    events = stream(
        OPEN, order(ADD, 1, 100, 6, 1), order(ADD, -1, 105, 2, 2), order(CANCEL, 1, 100, 6, 1)
    )
    assert column("cut_age_10s", events, L3)[-1] == approx(0.002)
    assert column("fleeting_bid", events, L3)[-1] == 1
    assert np.isnan(column("fleeting_ask", events, L3)).all()


def test_a_feed_of_levels_knows_no_orders(market: Market):
    assert np.isnan(market.column("cut_age_10s")).all()


def test_columns_are_the_oracles(orders_market: Market):
    market, born, levels, out = orders_market, {}, {}, []
    resting = {}
    for span in market.spans():
        cuts, ages, joins, ahead, bids, fled = 0, 0.0, 0, 0, 0, 0
        for e in span:
            oid, at = int(e["order_id"]), (int(e["side"]), int(e["price"]))
            if e["action"] == ADD:
                joins, ahead = joins + 1, ahead + levels.get(at, 0)
                born[oid], resting[oid] = int(e["ts_recv"]), at
                levels[at] = levels.get(at, 0) + int(e["lots"])
            elif oid in resting:  # CANCEL, FILL
                levels[at] -= int(e["lots"])
                if e["action"] == CANCEL:
                    age = (int(e["ts_recv"]) - born[oid]) / 1e9
                    cuts, ages = cuts + 1, ages + age
                    bids, fled = bids + (at[0] > 0), fled + (at[0] > 0 and age < 0.1)
        out.append((cuts, ages, joins, ahead, bids, fled))
    of = np.array(out).T
    with np.errstate(invalid="ignore"):
        agree(market.column("cut_age_10s"), market.sums(of[1], "10s") / market.sums(of[0], "10s"))
        agree(market.column("ahead_1m"), market.sums(of[3], "1m") / market.sums(of[2], "1m"))
        agree(market.column("fleeting_bid"), market.sums(of[5], "10s") / market.sums(of[4], "10s"))
