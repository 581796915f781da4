import numpy as np
import pytest
from backtest.candles import MINUTE, X, bars, closes, flat, requests, said

from flowsense.backtest.account import Account
from flowsense.backtest.bars import STOP, BarVenue, Frictions
from flowsense.errors import InputError
from flowsense.exchange.client import POST
from flowsense.exchange.matching import LIMIT, MARKET, REPLACE, WITHDRAW
from flowsense.schema import (
    BEAT,
    CLEAR,
    EVENT,
    GAP,
    HALT,
    LAST,
    STATUS,
    TRADING,
    zeros,
)
from flowsense.sources import NO_EVENTS

FREE = Frictions(half_spread=0, impact=0, share=None)
NONE = requests()
T = MINUTE


def venue(before=((100, 100, 100, 100, 1000),), frictions=FREE, **more):
    """One that has seen these bars; the next opens at `T * len(before)`."""
    out = BarVenue((X,), frictions, **more)
    out.push(NO_EVENTS, NONE, bars(*before))
    return out


def met(rows, bar, frictions=FREE):
    """What the bar after a first one, from 100 to 100, does to these requests."""
    made = requests(*((T, *row) for row in rows))
    return said(venue(frictions=frictions).push(NO_EVENTS, made, bars(bar, start=T)))


def test_a_market_order_pays_the_open_of_the_next_bar_and_half_a_spread():
    wide = Frictions(half_spread=0.01, impact=0, share=None)
    buy, sell = (1, MARKET, 1, 5, 0), (2, MARKET, -1, 5, 0)
    assert met([buy, sell], (200, 210, 190, 205, 9), wide) == [
        (1, "filled", 202, 5),
        (2, "filled", 198, 5),
    ]


def test_its_price_is_rounded_against_it():
    wide = Frictions(half_spread=0.001, impact=0, share=None)
    assert met([(1, MARKET, 1, 5, 0)], (101, 101, 101, 101, 9), wide) == [(1, "filled", 102, 5)]


def test_slippage_is_volatility_times_the_root_of_the_share():
    """A first bar from 10000 to 10100 has a range of 1 %; a quarter of the volume costs half."""
    v = venue(((10_000, 10_100, 10_000, 10_000, 1000),), Frictions(0, 1.0, None))
    told = v.push(NO_EVENTS, requests((T, 1, MARKET, 1, 25, 0)), flat(10_000, lots=100, start=T))
    assert said(told) == [(1, "filled", 10_000 + int(np.ceil(10_000 * np.log(1.01) / 2)), 25)]


def test_it_takes_no_more_than_its_share_of_the_volume():
    some = Frictions(0, 0, 0.1)
    rows = [(1, MARKET, 1, 8, 0), (2, MARKET, 1, 8, 0), (3, MARKET, 1, 8, 0)]
    assert met(rows, (100, 100, 100, 100, 109), some) == [
        (1, "filled", 100, 8),
        (2, "filled", 100, 2),
        (2, "gone", "NO_COUNTERPART", 6),
        (3, "gone", "NO_COUNTERPART", 8),
    ]


@pytest.mark.parametrize(
    ("side", "price", "fills"), [(1, 96, True), (1, 95, False), (-1, 104, True), (-1, 105, False)]
)
def test_a_limit_needs_the_bar_to_trade_through_it(side, price, fills):
    told = met([(1, LIMIT, side, 5, price)], (100, 105, 95, 100, 9))
    assert told == ([(1, "filled", price, 5)] if fills else [])


def test_a_limit_that_rests_pays_its_price_even_where_the_bar_opens_beyond():
    v = venue()
    assert said(v.push(NO_EVENTS, requests((T, 1, LIMIT, 1, 5, 95)), flat(100, start=T))) == []
    (told,) = v.push(NO_EVENTS, NONE, flat(90, start=2 * T))
    assert (told["price"], told["maker"], told["ts_venue"]) == (95, 1, 3 * T - 1)


def test_a_limit_that_takes_at_the_open_is_no_maker():
    (_, told) = venue().push(NO_EVENTS, requests((T, 1, LIMIT, 1, 5, 102)), flat(101, start=T))
    assert (told["price"], told["maker"], told["ts_venue"]) == (101, 0, T)


def test_post_only_is_refused_where_it_would_take():
    assert met([(1, POST, 1, 5, 100), (2, POST, 1, 5, 99)], (100, 100, 90, 95, 9)) == [
        (1, "no", "WOULD_CROSS", 5),
        (2, "filled", 99, 5),
    ]


def held(lots=10, frictions=FREE):
    """A venue where we hold lots, bought at 100."""
    v = venue(frictions=frictions)
    v.push(NO_EVENTS, requests((T, 1, MARKET, 1, lots, 0)), flat(100, start=T))
    return v


def test_stop_and_target_in_one_bar_are_a_stop():
    rows = ((2 * T, 2, STOP, -1, 10, 95), (2 * T, 3, LIMIT, -1, 10, 105))
    told = held().push(NO_EVENTS, requests(*rows), bars((100, 110, 90, 105, 99), start=2 * T))
    assert said(told) == [(3, "gone", "ASKED", 10), (2, "filled", 95, 10)]


def test_a_target_alone_takes_its_stop_away():
    rows = ((2 * T, 2, STOP, -1, 10, 95), (2 * T, 3, LIMIT, -1, 10, 105))
    told = held().push(NO_EVENTS, requests(*rows), bars((100, 110, 96, 105, 99), start=2 * T))
    assert said(told) == [(3, "filled", 105, 10), (2, "gone", "ASKED", 10)]


def test_an_entry_and_its_stop_in_one_bar_are_both_hit():
    rows = [(1, LIMIT, 1, 5, 98), (2, STOP, -1, 5, 95), (3, LIMIT, -1, 5, 105)]
    assert met(rows, (100, 106, 94, 100, 99)) == [
        (1, "filled", 98, 5),
        (3, "gone", "ASKED", 5),
        (2, "filled", 95, 5),
    ]


@pytest.mark.parametrize(("side", "entry"), [(1, 95), (-1, 105)])
@pytest.mark.parametrize("better", [2, 50])
def test_a_stop_better_than_its_entry_in_the_same_bar_gains_nothing(side, entry, better):
    rows = [(1, LIMIT, side, 5, entry), (2, STOP, -side, 5, entry + side * better)]
    told = met(rows, (100, 110, 90, 100, 99))
    assert told == [(1, "filled", entry, 5), (2, "filled", entry, 5)]


def test_a_stop_of_what_was_held_before_the_bar_pays_its_own_price():
    v = held()
    rows = requests((2 * T, 2, STOP, -1, 10, 105), (2 * T, 3, LIMIT, 1, 10, 90))
    told = v.push(NO_EVENTS, rows, bars((106, 110, 90, 100, 99), start=2 * T))
    assert said(told) == [(2, "filled", 105, 10)]


def test_a_short_is_stopped_above():
    rows = [(1, MARKET, -1, 5, 0), (2, STOP, 1, 5, 105), (3, LIMIT, 1, 5, 90)]
    assert met(rows, (100, 105, 80, 100, 99)) == [
        (1, "filled", 100, 5),
        (3, "gone", "ASKED", 5),
        (2, "filled", 105, 5),
    ]


def test_a_stop_that_the_open_jumps_over_pays_the_open():
    told = held().push(NO_EVENTS, requests((2 * T, 2, STOP, -1, 10, 95)), flat(80, start=2 * T))
    assert said(told) == [(2, "filled", 80, 10)]


def test_a_stop_gives_up_what_is_held_and_no_more():
    assert met([(1, STOP, -1, 10, 95)], (100, 100, 80, 80, 9)) == []
    told = held().push(NO_EVENTS, requests((2 * T, 2, STOP, -1, 99, 95)), flat(80, start=2 * T))
    assert said(told) == [(2, "filled", 80, 10), (2, "gone", "ASKED", 89)]


def test_a_stop_without_room_goes_on_at_the_next_open():
    v = held(10, Frictions(0, 0, 0.01))
    first = v.push(
        NO_EVENTS, requests((2 * T, 2, STOP, -1, 10, 95)), flat(94, lots=600, start=2 * T)
    )
    then = v.push(NO_EVENTS, NONE, flat(99, lots=600, start=3 * T))
    assert said(first) + said(then) == [(2, "filled", 94, 6), (2, "filled", 99, 4)]


def test_an_order_may_be_withdrawn_or_changed():
    v = venue()
    v.push(
        NO_EVENTS, requests((T, 1, LIMIT, 1, 5, 90), (T, 2, LIMIT, 1, 5, 90)), flat(100, start=T)
    )
    rows = (
        (2 * T, 1, WITHDRAW, 0, 2, 0),
        (2 * T, 2, REPLACE, 0, 7, 97),
        (2 * T, 9, WITHDRAW, 0, 1, 0),
    )
    told = v.push(NO_EVENTS, requests(*rows), bars((100, 100, 96, 100, 9), start=2 * T))
    assert said(told) == [
        (1, "gone", "ASKED", 2),
        (2, "now", 97, 7),
        (9, "no", "UNKNOWN", 1),
        (2, "filled", 97, 7),
    ]


@pytest.mark.parametrize(
    ("kind", "lots", "price", "why"),
    [(POST, 5, 105, "WOULD_CROSS"), (LIMIT, 5, 0, "OFF_GRID"), (MARKET, 5, 90, "UNKNOWN")],
)
def test_a_refused_change_leaves_the_order_at_venue_and_account(kind, lots, price, why):
    v, account = venue(), Account((X,), 1e6, ())
    for q in requests((T, 1, kind, 1, 7, 90)), requests((T, 1, REPLACE, 0, lots, price)):
        account.send(q, T)
        told = v.push(NO_EVENTS, q)
        account.tell(told)
    assert said(told) == [(1, "no", why, lots)] and told["left"].tolist() == [7]
    assert account.open[["order_id", "lots"]].tolist() == [(1, 7)] and v.venue["live"] == 1


def test_an_order_meets_no_bar_that_opened_before_it():
    v = venue()
    assert said(v.push(NO_EVENTS, requests((T + 1, 1, MARKET, 1, 5, 0)), flat(101, start=T))) == []
    assert said(v.push(NO_EVENTS, NONE, flat(102, start=2 * T))) == [(1, "filled", 102, 5)]


def test_a_delay_lets_bars_pass():
    v = venue(frictions=Frictions(0, 0, None, delay=1))
    told = v.push(NO_EVENTS, requests((T, 1, MARKET, 1, 5, 0)), flat(101, 102, start=T))
    assert said(told) == [(1, "filled", 102, 5)]


def test_a_change_is_delayed_like_an_order():
    v = venue(frictions=Frictions(0, 0, None, delay=1))
    v.push(NO_EVENTS, requests((T, 1, LIMIT, 1, 5, 50)), flat(100, 100, 100, start=T))
    told = v.push(NO_EVENTS, requests((4 * T, 1, REPLACE, 0, 5, 120)), flat(101, 102, start=4 * T))
    assert said(told) == [(1, "now", 120, 5), (1, "filled", 102, 5)]


def test_nothing_is_executed_across_a_hole():
    v = venue()
    orders = requests((T, 1, MARKET, 1, 5, 0), (T, 2, LIMIT, 1, 5, 90))
    told = v.push(NO_EVENTS, orders, flat(80, start=T + 61 * MINUTE))
    assert said(told) == [(1, "gone", "NO_BOOK", 5), (2, "gone", "NO_BOOK", 5)]
    assert v.places[["holes", "since", "until"]].tolist() == [(1, T, 62 * T)]


def test_patience_may_be_given():
    v = venue(frictions=Frictions(0, 0, None, patience_ns=10**18))
    told = v.push(NO_EVENTS, requests((T, 1, MARKET, 1, 5, 0)), flat(80, start=T + 61 * MINUTE))
    assert said(told) == [(1, "filled", 80, 5)]


def event(ts, action, lots=0, bits=0, instrument=0):
    out = zeros(EVENT, 1)
    out["ts_recv"], out["action"], out["lots"], out["bits"] = ts, action, lots, bits
    out["instrument"] = instrument
    return out


def test_a_halt_refuses_orders_and_keeps_those_that_rest():
    v = venue()
    v.push(event(T, STATUS, HALT, LAST), requests((T, 1, LIMIT, 1, 5, 90)))
    told = v.push(NO_EVENTS, requests((T + 1, 2, MARKET, 1, 5, 0)), flat(80, start=T + 1))
    assert said(told) == [(2, "no", "NOT_TRADING", 5)]
    v.push(event(3 * T, STATUS, TRADING, LAST), NONE)
    assert said(v.push(NO_EVENTS, NONE, flat(85, start=3 * T))) == [(1, "filled", 90, 5)]


def test_after_a_gap_nobody_knows_until_the_next_bar():
    v = venue()
    told = v.push(event(T, CLEAR, 0, GAP), requests((T, 1, LIMIT, 1, 5, 90)))
    assert said(told) == [(1, "gone", "NO_BOOK", 5)]
    told = v.push(event(T + 1, BEAT), requests((T + 1, 2, LIMIT, 1, 5, 90)))
    assert said(told) == [(2, "no", "NO_BOOK", 5)]
    v.push(NO_EVENTS, NONE, flat(100, start=2 * T))
    assert said(v.push(NO_EVENTS, requests((3 * T, 3, MARKET, 1, 5, 0)), flat(100, start=3 * T)))


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ((1, LIMIT, 1, 5, 0), "OFF_GRID"),
        ((1, MARKET, 1, 0, 0), "OFF_GRID"),
        ((1, STOP, -1, 5, 0), "OFF_GRID"),
    ],
)
def test_numbers_that_no_venue_takes_are_refused(row, why):
    assert met([row], (100, 100, 100, 100, 9)) == [(1, "no", why, row[3])]


def test_a_full_venue_refuses():
    v = venue(most=1)
    told = v.push(NO_EVENTS, requests((T, 1, LIMIT, 1, 5, 90), (T, 2, LIMIT, 1, 5, 90)))
    assert said(told) == [(2, "no", "FULL", 5)]
    told = v.push(NO_EVENTS, requests((T, 1, WITHDRAW, 0, 5, 0), (T, 3, LIMIT, 1, 5, 90)))
    assert said(told) == [(1, "gone", "ASKED", 5)]


def test_closes_alone_are_bars_of_one_price():
    v = BarVenue((X,), FREE)
    made = flat(100, 101, 102)
    told = [
        v.push(closes(made[:1]), NONE),
        v.push(closes(made[1:]), requests((T, 1, MARKET, 1, 5, 0))),
    ]
    assert [said(t) for t in told] == [[], [(1, "filled", 101, 5)]]


def test_bars_told_before_are_met_when_they_close():
    """As a driver does that pushes events alone."""
    made, v, w = flat(100, 101, 102, 103), venue(), venue()
    v.expect(made[1:])
    order = requests((T, 1, MARKET, 1, 5, 0))
    told = [v.push(closes(made[1:2]), order), v.push(closes(made[2:]), NONE)]
    assert np.array_equal(np.concatenate(told), w.push(closes(made[1:]), order, made[1:]))


BAD = {
    "kind 9 cannot be": {"kind": 9},
    "side 0 cannot be": {"side": 0},
    "instrument 1 cannot be": {"instrument": 1},
    "order_id 0 cannot be": {"order_id": 0},
}


@pytest.mark.parametrize("sentence", BAD)
def test_requests_that_cannot_be_are_refused_in_one_sentence(sentence):
    q = requests((T, 1, MARKET, 1, 5, 0))
    for name, value in BAD[sentence].items():
        q[name] = value
    with pytest.raises(InputError, match=f"request 0: {sentence}, give"):
        venue().push(NO_EVENTS, q)


def test_bars_that_cannot_be_are_refused_in_one_sentence():
    with pytest.raises(InputError, match="bars: open 100, high 99, low 90, close 95, lots 1 at 0"):
        venue().push(NO_EVENTS, NONE, bars((100, 99, 90, 95, 1), start=T))
    with pytest.raises(InputError, match="not REQUEST"):
        venue().push(NO_EVENTS, zeros(EVENT, 1))
    with pytest.raises(InputError, match="0 orders at most"):
        BarVenue((X,), most=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("half_spread", float("nan")),
        ("impact", -1),
        ("share", 0),
        ("delay", -1),
        ("patience_ns", -1),
    ],
)
def test_frictions_that_cannot_be_are_refused(name, value):
    with pytest.raises(InputError, match=f"{name} {value} of bars cannot be: give"):
        Frictions(**{name: value})


def test_a_snapshot_is_of_one_venue():
    with pytest.raises(InputError, match="restore what it was taken of"):
        venue().restore(venue(frictions=Frictions()).snapshot())
