"""A venue of bars where it is unclear what would have been: every doubt is against the order."""

import numpy as np
import pytest
from backtest.candles import MINUTE, X, Y, bars, closes, flat, requests, said

from flowsense.backtest.account import Account
from flowsense.backtest.bars import STOP, BarVenue, Frictions
from flowsense.exchange.client import ACCEPTED, POST
from flowsense.exchange.matching import LIMIT, MARKET, REPLACE, WITHDRAW
from flowsense.schema import (
    CLEAR,
    EVENT,
    GAP,
    HALT,
    LARGEST,
    LAST,
    QUOTE,
    STATUS,
    TRADING,
    zeros,
)
from flowsense.sources import NO_EVENTS

FREE, LATE = Frictions(0, 0, None), Frictions(0, 0, None, delay=1)
NONE, T = requests(), MINUTE
QUIET = (100, 100, 100, 100, 1000)


def venue(frictions=FREE, table=(X,), **more):
    """One that has seen a minute at 100."""
    out = BarVenue(table, frictions, **more)
    out.push(NO_EVENTS, NONE, flat(100))
    return out


def lived(v, *minutes):
    """What is said in each of these minutes: the rows sent before it, and its bar."""
    out = []
    for k, (rows, bar) in enumerate(minutes, 1):
        asked = requests(*((k * T, *row) for row in rows))
        out.append(said(v.push(NO_EVENTS, asked, bars(bar, start=k * T))))
    return out


def test_a_late_withdrawal_leaves_the_order_to_the_bars_before_it():
    buy, back = (1, LIMIT, 1, 5, 95), (1, WITHDRAW, 0, 5, 0)
    low = (100, 100, 90, 100, 1000)
    told = lived(venue(LATE), ([buy], QUIET), ([], QUIET), ([back], low), ([], low))
    assert told == [[], [], [(1, "filled", 95, 5)], [(1, "no", "UNKNOWN", 5)]]
    told = lived(venue(LATE), ([buy], QUIET), ([], QUIET), ([back], QUIET), ([], low))
    assert told == [[], [], [], [(1, "gone", "ASKED", 5)]]


def test_a_late_replacement_leaves_the_order_at_its_price_until_then():
    buy, lower = (1, LIMIT, 1, 5, 95), (1, REPLACE, 0, 5, 80)
    low = (100, 100, 90, 100, 1000)
    told = lived(venue(LATE), ([buy], QUIET), ([], QUIET), ([lower], low))
    assert told[-1] == [(1, "filled", 95, 5)]
    told = lived(venue(LATE), ([buy], QUIET), ([], QUIET), ([lower], QUIET), ([], low))
    assert told[-1] == [(1, "now", 80, 5)]


def test_what_is_withdrawn_on_its_way_never_rests():
    both = [(1, MARKET, 1, 5, 0), (1, WITHDRAW, 0, 5, 0)]
    assert lived(venue(LATE), (both, QUIET), ([], QUIET)) == [[], [(1, "gone", "ASKED", 5)]]


def test_an_order_on_its_way_is_told_when_it_is_there():
    v = venue(LATE)
    assert not len(v.push(NO_EVENTS, requests((T, 1, POST, 1, 5, 100)), flat(101, start=T)))
    (told,) = v.push(NO_EVENTS, NONE, flat(102, start=2 * T))
    assert (told["what"], told["ts"], told["ts_venue"]) == (ACCEPTED, 3 * T - 1, 2 * T)


def test_post_only_is_judged_by_the_close_before_it_arrives():
    v = venue(LATE)
    assert lived(v, ([(1, POST, 1, 5, 99)], (100, 100, 90, 90, 9)), ([], QUIET)) == [
        [],
        [(1, "no", "WOULD_CROSS", 5)],
    ]


def test_after_a_gap_nothing_is_on_its_way():
    v, lost = venue(LATE), zeros(EVENT, 1)
    lost["ts_recv"], lost["action"], lost["bits"] = 2 * T, CLEAR, GAP
    v.push(NO_EVENTS, requests((T, 1, MARKET, 1, 5, 0), (T, 1, WITHDRAW, 0, 5, 0)))
    assert said(v.push(lost, NONE)) == [(1, "no", "NO_BOOK", 5), (1, "no", "UNKNOWN", 5)]


def test_nothing_arrives_across_a_hole():
    v = venue(LATE)
    v.push(NO_EVENTS, requests((T, 1, MARKET, 1, 5, 0)), flat(100, start=T))
    told = v.push(NO_EVENTS, NONE, flat(80, start=T + 90 * MINUTE))
    assert said(told) == [(1, "no", "NO_BOOK", 5)] and v.venue["live"] == 0


def test_an_account_knows_of_the_order_all_the_way():
    v, account = venue(LATE), Account((X,), 1e6, ())
    for k in (1, 2, 3):
        asked = requests((k * T, 1, MARKET, 1, 5, 0)) if k == 1 else NONE
        account.send(asked, k * T)
        account.tell(v.push(NO_EVENTS, asked, flat(100, start=k * T)))
        assert (len(account.open), int(account.position[0])) == ((1, 0) if k == 1 else (0, 5))


def test_a_change_within_a_bar_does_not_undo_what_it_did():
    """Y has bars of five minutes: its order of 05:00 is withdrawn at 06:00, told of at 10:00."""
    v = BarVenue((X, Y), FREE)
    every = flat(100, 100, 90, step=5 * T)
    every["instrument"] = 1
    v.push(NO_EVENTS, NONE, every[:1])
    v.push(NO_EVENTS, requests((5 * T, 1, MARKET, 1, 5, 0, 1)), flat(100, start=5 * T))
    told = v.push(NO_EVENTS, requests((6 * T, 1, WITHDRAW, 0, 5, 0, 1)), every[1:2])
    assert said(told) == [(1, "filled", 100, 5)]
    assert said(v.push(NO_EVENTS, NONE, every[2:])) == [(1, "no", "UNKNOWN", 5)]


def test_a_stop_pays_its_own_price_for_what_was_held_and_the_entry_for_what_was_not():
    """10 held; the bar buys 10 more at 98 on its way from 106 to 85, past the stop at 105."""
    v = venue()
    orders = [(2, STOP, -1, 20, 105), (3, LIMIT, 1, 10, 98)]
    told = lived(
        v, ([(1, MARKET, 1, 10, 0)], QUIET), ([], QUIET), (orders, (106, 106, 85, 100, 99))
    )
    assert told[-1] == [(3, "filled", 98, 10), (2, "filled", 105, 10), (2, "filled", 98, 10)]


def test_a_stop_of_part_takes_what_was_held_longest():
    v, orders = venue(), [(2, STOP, -1, 10, 105), (3, LIMIT, 1, 10, 98)]
    told = lived(v, ([(1, MARKET, 1, 10, 0)], QUIET), (orders, (106, 106, 85, 100, 99)))
    assert told[-1] == [(3, "filled", 98, 10), (2, "filled", 105, 10)]
    assert (v.places["position"][0], v.places["fresh"][0]) == (10, 10)


def test_a_short_that_turns_long_in_a_bar_is_new_in_all_that_is_long():
    """Short 4; buys 10 at 98, so that 6 are long, and their stop at 105 gains nothing."""
    v, orders = venue(), [(2, LIMIT, 1, 10, 98), (3, STOP, -1, 9, 105)]
    told = lived(v, ([(1, MARKET, -1, 4, 0)], QUIET), (orders, (106, 106, 85, 100, 99)))
    assert told[-1] == [(2, "filled", 98, 10), (3, "filled", 98, 6), (3, "gone", "ASKED", 3)]


@pytest.mark.parametrize(("low", "sold"), [(95, [(2, "filled", 98, 5)]), (96, [])])
def test_a_stop_that_a_bar_touches_before_a_halt_goes_after_it(low, sold):
    """Halted within the third minute: nobody knows what was before. Trading in the fifth."""
    v = venue()
    lived(v, ([(1, MARKET, 1, 5, 0)], QUIET), ([(2, STOP, -1, 5, 95)], QUIET))
    v.push(said_at(3 * T + 9, HALT), NONE)
    assert said(v.push(NO_EVENTS, NONE, bars((100, 100, low, 100, 99), start=3 * T))) == []
    v.push(said_at(5 * T, TRADING), NONE)
    assert said(v.push(NO_EVENTS, NONE, flat(98, start=5 * T))) == sold


def said_at(ts, phase):
    out = zeros(EVENT, 1)
    out["ts_recv"], out["action"], out["lots"], out["bits"] = ts, STATUS, phase, LAST
    return out


@pytest.mark.parametrize(("low", "filled"), [(10_000, False), (9_999, True)])
def test_a_limit_within_the_spread_is_not_passed_by_the_open_itself(low, filled):
    """Bid and ask of the open are 9,900 and 10,100; trades at 10,000 are no one hitting 10,050."""
    v = BarVenue((X,), Frictions(0.01, 0, None))
    v.push(NO_EVENTS, NONE, flat(10_000))
    told = lived(v, ([(1, LIMIT, 1, 5, 10_050)], (10_000, 10_200, low, 10_000, 99)))
    assert told == [[(1, "filled", 10_050, 5)] if filled else []]


def test_an_impact_beyond_all_prices_stays_a_price():
    v = BarVenue((X,), Frictions(0, 1e300, None))
    v.push(NO_EVENTS, NONE, bars((100, 200, 100, 100, 9)))
    buy, sell = (1, MARKET, 1, 5, 0), (2, MARKET, -1, 5, 0)
    assert lived(v, ([buy, sell], QUIET)) == [[(1, "filled", LARGEST, 5), (2, "filled", 1, 5)]]


@pytest.mark.parametrize(("lots", "volumes"), [(25, 0.25), (400, 4)])
@pytest.mark.parametrize("told", [100, 0])
def test_slippage_goes_on_beyond_the_volume_and_without_one(lots, volumes, told):
    """The bar before has a range of 1 % and 100 lots; one without lots is taken for the mean."""
    v = BarVenue((X,), Frictions(0, 1.0, None))
    v.push(NO_EVENTS, NONE, bars((10_000, 10_100, 10_000, 10_000, 100)))
    (fill,) = lived(v, ([(1, MARKET, 1, lots, 0)], (10_000, 10_000, 10_000, 10_000, told)))[0]
    assert fill[2] == 10_000 + int(np.ceil(10_000 * np.log(1.01) * volumes**0.5))


def test_the_touch_of_a_size_is_half_a_spread_and_its_slippage_away():
    v = BarVenue((X, Y), Frictions(0.001, 1.0, 0.1))
    v.push(NO_EVENTS, NONE, bars((10_000, 10_100, 10_000, 10_000, 100)))
    quotes = zeros(QUOTE, 2)
    quotes["mid2"] = [20_000, 0]
    touch = v.touch(quotes, np.array([25, 5]))
    slip = 10_000 * np.log(1.01) / 2
    assert touch["bid_px"][0, 0] == int(10_000 - 10 - slip)
    assert touch["ask_px"][0, 0] == int(np.ceil(10_010 + slip))
    assert touch["bid_sz"][:, 0].tolist() == [1, 0]


def test_a_close_without_its_bar_beside_a_bar_is_a_bar_of_one_price():
    both = np.concatenate([flat(100, 101), flat(50, 51)]).view(flat(1).dtype)
    both["instrument"] = [0, 0, 1, 1]
    both = both[np.argsort(both["ts_recv"], kind="stable")]
    v = BarVenue((X, Y), FREE)
    orders = requests((T, 1, MARKET, 1, 5, 0, 0), (T, 2, MARKET, 1, 5, 0, 1))
    v.push(closes(both[:2]), NONE, both[:1])
    told = v.push(closes(both[2:]), orders, both[2:3])
    assert said(told) == [(1, "filled", 101, 5), (2, "filled", 51, 5)]
    assert v.places["close"].tolist() == [101, 51]


def test_a_withdrawal_of_nothing_is_refused():
    v = venue()
    v.push(NO_EVENTS, requests((T, 1, LIMIT, 1, 5, 90)))
    told = v.push(NO_EVENTS, requests((T, 1, WITHDRAW, 0, -5, 0)))
    assert said(told) == [(1, "no", "OFF_GRID", -5)] and told["left"].tolist() == [5]


def test_a_split_over_night_is_seen_though_the_night_is_a_hole():
    v = venue()
    v.push(NO_EVENTS, NONE, flat(50, start=16 * 60 * MINUTE))
    assert v.places[["holes", "jumps"]].tolist() == [(1, 1)]


def test_who_is_full_of_orders_still_hears_of_changes():
    v, back = venue(LATE, most=1), (T, 1, WITHDRAW, 0, 5, 0)
    told = v.push(NO_EVENTS, requests((T, 1, LIMIT, 1, 5, 90), (T, 2, LIMIT, 1, 5, 90), back, back))
    assert said(told) == [(2, "no", "FULL", 5), (1, "no", "FULL", 5)]
    told = v.push(NO_EVENTS, NONE, flat(100, 80, start=T))
    assert said(told) == [(1, "gone", "ASKED", 5)]


def test_a_snapshot_keeps_what_is_on_its_way():
    v, other = venue(LATE), venue(LATE)
    v.push(NO_EVENTS, requests((T, 1, MARKET, 1, 5, 0)), flat(100, start=T))
    other.restore(v.snapshot())
    assert said(other.push(NO_EVENTS, NONE, flat(101, start=2 * T))) == [(1, "filled", 101, 5)]


def test_a_stop_that_was_hit_is_still_the_order_that_was_sent():
    """Who compares what the venue holds with what the account believes finds one price."""
    v = BarVenue((X,), Frictions(0, 0, 0.01))
    v.push(NO_EVENTS, NONE, flat(100))
    low = (94, 94, 94, 94, 600)
    told = lived(v, ([(1, MARKET, 1, 10, 0)], QUIET), ([(2, STOP, -1, 10, 95)], low))
    assert told[-1] == [(2, "filled", 94, 6)]
    assert v.orders[["order_id", "price", "lots"]][:1].tolist() == [(2, 95, 4)]


def test_an_order_in_many_parts_is_told_in_full():
    v = BarVenue((X,), Frictions(0, 0, 0.01))
    v.push(NO_EVENTS, NONE, flat(100))
    told = v.push(NO_EVENTS, requests((T, 1, LIMIT, 1, 60, 101)), flat(*[100] * 70, start=T)[:60])
    assert said(told) == [(1, "filled", 100, 10)] + [(1, "filled", 101, 10)] * 5
    sold = requests((61 * T, 2, LIMIT, -1, 60, 99))
    thin = flat(*[100] * 70, lots=100, start=61 * T)
    assert len(said(v.push(NO_EVENTS, sold, thin))) == 60
