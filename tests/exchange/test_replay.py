"""The rules of the replayed venue, each as an example that a person can check."""

import numpy as np
import pytest
from exchange.replays import Client, event, instrument, level, snapshot, traded, written

from flowsense.exchange.client import Terms, Why
from flowsense.exchange.latency import Constant
from flowsense.exchange.matching import LIMIT, MARKET, REQUEST
from flowsense.exchange.replay import Replay, Rules
from flowsense.schema import (
    AUCTION,
    CLEAR,
    GAP,
    HALT,
    LAST,
    LATE,
    SCROLL,
    STATUS,
    TRADING,
    zeros,
)


def test_an_order_waits_behind_the_lots_displayed_when_it_came():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(traded(-1, 99, 8), level(1, 99, 2))
    assert client.fills() == []
    client.market(traded(-1, 99, 4), level(1, 99, 0))
    assert client.fills() == [(mine, 99, 2, 3)]


def test_cancels_do_not_move_a_risk_averse_order_until_they_must():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(level(1, 99, 30), level(1, 99, 12))
    client.market(traded(-1, 99, 9), level(1, 99, 3))
    assert client.fills() == []
    client.market(level(1, 99, 0), traded(-1, 99, 2))
    assert client.fills() == [(mine, 99, 2, 3)]


def test_an_execution_told_after_the_level_that_it_changed_counts_once():
    client = Client()
    mine = client.limit(1, 99, 5)
    late = written([traded(-1, 99, 4)], client.ts + 1)
    late["ts_event"] = client.ts  # of the same nanosecond as the level that had lost it
    client.market(level(1, 99, 6))
    client.hear(client.venue.push(late))
    client.ts += 5
    client.market(traded(-1, 99, 7))
    assert client.fills() == [(mine, 99, 1, 4)]  # 10 ahead, less 4, less 6


def test_an_execution_of_before_that_is_told_late_takes_nothing_from_the_queue():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(traded(-1, 99, 50, LATE | LAST))
    assert client.fills() == []
    client.market(traded(-1, 99, 14))
    assert client.fills() == [(mine, 99, 4, 1)]


def test_of_lots_cancelled_a_share_was_ahead():
    client = Client(queue="probabilistic", power=1.0)
    mine = client.limit(1, 99, 5)
    client.market(level(1, 99, 40))  # 10 ahead, 30 behind
    client.market(level(1, 99, 20))  # a quarter of 20 was ahead
    client.market(traded(-1, 99, 6), level(1, 99, 14))
    assert client.fills() == [(mine, 99, 1, 4)]


def test_executions_are_no_cancels():
    client = Client(queue="probabilistic", power=1.0)
    client.limit(1, 99, 5)
    client.market(level(1, 99, 40), traded(-1, 99, 4), level(1, 99, 36))
    assert client.venue.arrays["own"]["ahead"][0, 0, 0] == 6


def test_no_more_of_those_behind_can_cancel_than_there_are():
    client = Client(queue="probabilistic", power=0.01)
    client.limit(1, 99, 5)
    client.market(level(1, 99, 12), level(1, 99, 4))
    assert client.venue.arrays["own"]["ahead"][0, 0, 0] == 4


def test_lots_that_trade_through_our_prices_are_shared_once_best_price_first():
    client = Client(bids=((90, 10),), asks=((101, 10),))
    low, high = client.limit(1, 98, 4), client.limit(1, 99, 3)
    client.market(traded(-1, 97, 5))
    assert client.fills() == [(high, 99, 3, 0), (low, 98, 2, 2)]


def test_our_own_orders_at_one_price_fill_in_the_order_in_which_they_came():
    client = Client(bids=((90, 10),))
    one, two = client.limit(1, 99, 3), client.limit(1, 99, 3)
    client.market(traded(-1, 99, 4))
    assert client.fills() == [(one, 99, 3, 0), (two, 99, 1, 2)]


def test_the_other_touch_at_our_price_fills_what_it_displays():
    client = Client(bids=((90, 10),))
    mine = client.limit(1, 99, 9)
    client.market(level(-1, 99, 4))
    client.market(level(-1, 98, 2))
    client.market(level(-1, 98, 3))
    assert client.fills() == [(mine, 99, 4, 5), (mine, 99, 2, 3), (mine, 99, 1, 2)]


def test_a_crossed_book_fills_nobody():
    client = Client()
    client.limit(1, 100, 9)
    client.market(level(-1, 99, 4))
    assert client.fills() == []


def test_a_side_that_the_feed_does_not_tell_is_read_from_the_touch():
    client = Client(bids=((99, 10),), asks=((102, 10),))
    bid, ask = client.limit(1, 100, 5), client.limit(-1, 101, 5)
    client.market(traded(0, 100, 2))
    assert client.fills() == []
    client.market(traded(0, 102, 2), traded(0, 99, 2))
    assert client.fills() == [(ask, 101, 2, 3), (bid, 100, 2, 3)]


def test_an_order_that_crosses_walks_the_displayed_book_and_the_rest_rests():
    client = Client()
    mine = client.limit(1, 102, 35)
    assert client.heard == [
        ("accepted", mine, 102, 35, 35),
        ("filled", mine, 101, 10, 25),
        ("filled", mine, 102, 20, 5),
    ]
    assert client.venue.arrays["state"]["mine"][0] == 1


def test_what_was_taken_is_not_there_again_until_the_market_adds_lots():
    client = Client(asks=((101, 10),))
    client.at_market(1, 6)
    client.at_market(1, 6)
    client.market(level(-1, 101, 3), level(-1, 101, 8))
    client.at_market(1, 9)
    assert [lots for _, _, lots, _ in client.fills()] == [6, 4, 5]


def test_a_market_order_beyond_the_book_is_cancelled():
    client = Client()
    mine = client.at_market(-1, 33)
    assert client.heard[-1] == ("cancelled", mine, 0, 3, 0)
    assert client.why == Why.NO_COUNTERPART


def test_levels_deeper_than_features_see_are_reached():
    client = Client(asks=tuple((101 + 700 * i, 1) for i in range(30)))
    mine = client.at_market(1, 30)
    assert client.fills() == [(mine, 101 + 700 * i, 1, 29 - i) for i in range(30)]


def test_a_post_that_would_cross_is_refused():
    client = Client()
    client.post(1, 101, 1)
    assert client.heard[-1][0] == "rejected" and client.why == Why.WOULD_CROSS
    client.post(1, 100, 1)
    assert client.heard[-1][0] == "accepted"


def test_a_fill_can_come_before_the_cancel_arrives():
    client = Client(order=Constant(10), bids=((90, 5),))
    mine = client.limit(1, 99, 2)
    client.ts += 20
    client.beat()
    client.withdraw(mine)
    client.market(traded(-1, 99, 2))
    client.ts += 20
    client.beat()
    assert [told[0] for told in client.heard] == ["accepted", "filled", "rejected"]
    assert client.why == Why.UNKNOWN


def test_some_lots_withdrawn_keep_the_place():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.withdraw(mine, 2)
    assert client.heard[-1] == ("cancelled", mine, 99, 2, 3)
    client.market(traded(-1, 99, 11), level(1, 99, 0))
    client.withdraw(mine, 9)
    assert client.heard[-2:] == [("filled", mine, 99, 1, 2), ("cancelled", mine, 99, 2, 0)]


def test_fewer_lots_keep_the_place_and_more_go_to_the_back():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(level(1, 99, 30))
    client.replace(mine, 99, 3)
    client.market(traded(-1, 99, 10), level(1, 99, 20))
    assert client.venue.arrays["own"]["ahead"][0, 0, 0] == 0
    client.replace(mine, 99, 4)
    assert client.venue.arrays["own"]["ahead"][0, 0, 0] == 20
    assert client.heard[-1] == ("replaced", mine, 99, 4, 4)


def test_a_replaced_order_may_take_unless_it_was_a_post():
    client = Client()
    mine, posted = client.limit(1, 99, 5), client.post(1, 99, 5)
    client.replace(mine, 101, 4)
    assert client.fills() == [(mine, 101, 4, 0)]
    client.replace(posted, 101, 4)
    assert client.heard[-1] == ("rejected", posted, 99, 0, 5) and client.why == Why.WOULD_CROSS


@pytest.mark.parametrize("phase", (HALT, AUCTION))
def test_a_halt_refuses_orders_and_keeps_those_that_rest(phase):
    client = Client(bids=((90, 5),))
    mine = client.limit(1, 99, 5)
    client.market(event(STATUS, lots=phase))
    client.limit(1, 99, 5)
    assert client.why == Why.NOT_TRADING
    client.market(traded(-1, 98, 5))
    assert client.fills() == []
    client.withdraw(mine, 1)
    client.market(event(STATUS, lots=TRADING), traded(-1, 99, 1))
    assert client.heard[-2:] == [("cancelled", mine, 99, 1, 4), ("filled", mine, 99, 1, 3)]


def test_across_a_gap_orders_stay_and_nothing_fills_until_the_book_is_whole():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(event(CLEAR, bits=GAP), traded(-1, 97, 9, bits=0))
    client.limit(1, 99, 5)
    assert client.why == Why.NO_BOOK and client.fills() == []
    client.market(*snapshot(((99, 4), (98, 4)), ((101, 5),)))
    client.market(traded(-1, 99, 5), level(1, 99, 0))
    assert client.fills() == [(mine, 99, 1, 4)]


def test_while_nothing_is_known_orders_are_refused_and_withdrawn_not_kept_for_later():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(event(CLEAR, bits=GAP))
    late = client.at_market(1, 5)
    assert client.heard[-1] == ("rejected", late, 0, 5, 0) and client.why == Why.NO_BOOK
    client.withdraw(mine)
    assert client.heard[-1] == ("cancelled", mine, 99, 5, 0)
    client.market(*snapshot(((119, 4),), ((120, 9),)), level(1, 118, 1))
    assert client.fills() == []


def test_an_execution_before_an_order_came_is_not_its_own():
    client = Client(bids=((90, 5),))
    client.ts += 10
    came, mine = client.ts, client.limit(1, 99, 5)
    late = written([traded(-1, 98, 2), traded(-1, 99, 3)], client.ts)
    late["ts_event"] = came - 5, came
    client.hear(client.venue.push(late))
    assert client.fills() == []
    late["ts_event"], late["ts_recv"] = came + 1, late["ts_recv"] + 2
    client.hear(client.venue.push(late))
    assert client.fills() == [(mine, 99, 2, 3), (mine, 99, 3, 0)]


def test_when_an_execution_was_is_not_asked_of_a_feed_that_does_not_tell():
    venue, q = Replay((instrument(),), rules=Rules(feed_ns=5)), zeros(REQUEST, 1)
    events = written([*snapshot(((90, 5),), ((101, 5),)), traded(-1, 98, 2), event(8)], 100)
    events["ts_event"], q[0] = 1, (150, 1, 99, 2, 0, LIMIT, 1)
    events["ts_recv"][-2:] = 200, 300
    told = venue.push(events, q)
    assert told["ts_venue"].tolist() == [150, 195] and told["maker"].tolist() == [0, 1]


def test_a_price_that_went_through_us_in_a_gap_fills_what_is_displayed():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(*snapshot(((96, 4),), ((97, 3), (98, 1), (101, 5))))
    assert client.fills() == [(mine, 99, 3, 2), (mine, 99, 1, 1)]


def test_a_book_that_empties_leaves_nobody_ahead():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.market(event(CLEAR), traded(-1, 99, 1))
    assert client.fills() == [(mine, 99, 1, 4)]


def test_a_price_behind_the_levels_that_a_feed_shows_is_refused():
    bids = tuple((99 - i, 1) for i in range(10))
    client = Client(bids=bids)
    client.limit(1, 89, 1)
    assert client.why == Why.NO_BOOK
    client.limit(1, 90, 1)
    assert client.heard[-1][0] == "accepted"


def test_a_level_that_leaves_the_view_keeps_our_place():
    client = Client()
    client.limit(1, 98, 5)
    client.market(level(1, 98, 0, LAST | SCROLL))
    assert client.venue.arrays["own"]["ahead"][0, 0, 0] == 20
    client.market(level(1, 98, 8, LAST | SCROLL))
    assert client.venue.arrays["own"]["ahead"][0, 0, 0] == 8


@pytest.mark.parametrize(("price", "lots"), ((99, 0), (99, -3), (99, 2**60), (2**60, 1)))
def test_what_is_outside_tick_and_lot_is_refused(price, lots):
    client = Client()
    client.limit(1, price, lots)
    assert client.heard[-1][0] == "rejected" and client.why == Why.OFF_GRID


def test_fewer_lots_than_the_least_and_more_orders_than_the_most_are_refused():
    venue = Replay((instrument(),), Terms(least=5), Rules(orders=1))
    q = zeros(REQUEST, 3)
    for i, lots in enumerate((4, 5, 5)):
        q[i] = (7, i + 1, 98, lots, 0, LIMIT, 1)
    told = venue.push(written([*snapshot(((99, 1),), ((101, 1),)), event(8)], 5), q)
    assert told["why"].tolist() == [Why.OFF_GRID, 0, Why.FULL]


def test_no_lots_can_be_withdrawn_of_nothing():
    client = Client()
    mine = client.limit(1, 99, 5)
    client.withdraw(mine, 0)
    assert client.heard[-1] == ("rejected", mine, 99, 0, 5)
    client.replace(mine + 7, 99, 1)
    assert client.why == Why.UNKNOWN


def test_a_request_arrives_before_the_first_event_that_happened_later():
    venue = Replay((instrument(),), rules=Rules(order=Constant(5), response=Constant(7)))
    venue.push(written(snapshot(((99, 1),), ((101, 1),)), 90))
    q = zeros(REQUEST, 1)
    q[0] = (100, 1, 0, 1, 0, MARKET, 1)
    lines = [level(-1, 101, 0), level(-1, 102, 1), level(-1, 100, 1)]
    events = written(lines, 104)
    assert len(venue.push(events, q)) == 0
    more = written([event(8), event(8)], 111)
    told = np.concatenate([venue.push(more[:1]), venue.push(more[1:])])
    assert told["price"].tolist() == [0, 102] and told["ts_venue"].tolist() == [105, 105]
    assert told["ts"].tolist() == [112, 112]


def test_the_clock_of_the_venue_is_what_the_feed_makes_of_it():
    for feed, arrives in ((-1, [100, 50]), (20, [80, 30])):
        venue = Replay((instrument(),), rules=Rules(feed_ns=feed))
        events = written([event(STATUS), event(STATUS)], 50)
        events["ts_recv"], events["ts_event"] = [50, 100], [0, 900]
        venue.push(events[:1])
        assert venue.arrays["state"]["clock"][0] == arrives[1]
        venue.push(events[1:])
        assert venue.arrays["state"]["clock"][0] == arrives[0]


def test_time_that_passes_moves_a_clock_that_the_feed_does_not_tell():
    beat = written([event(8)], 70)
    beat["ts_event"] = 0
    told, kept = Replay((instrument(),), rules=Rules(feed_ns=20)), Replay((instrument(),))
    for venue, clock in ((told, 50), (kept, 0)):
        venue.push(beat)
        assert venue.arrays["state"]["clock"][0] == clock
