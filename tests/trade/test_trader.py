"""Predictions into positions, on a desk that sends nothing; every number by hand."""

from contextlib import contextmanager
from dataclasses import replace

import pytest
from trade.books import book

from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.schema import BROKEN, DAY, SECOND, WHOLE, Decimal, Instrument
from flowsense.served import Prediction
from flowsense.testing.virtual import Virtual
from flowsense.trade.desk import Desk
from flowsense.trade.dry import Dry
from flowsense.trade.router import Leg
from flowsense.trade.trader import Plan, Seen, Trader, owned

A, B, S = "a-linear:X", "b-linear:X", "c-spot:X"
T0 = 10 * DAY
PLAN = Plan(10_000.0)


def listed(where):
    venue, symbol = where.split(":")
    return Instrument(symbol, venue, Decimal(1, -1), Decimal(1, -2))


@contextmanager
def trading(folder, *places, plan=PLAN, fee=0.0):
    """A trader of one asset at these places."""
    table = [listed(where) for where in places]
    venues = {i.venue: Dry(i.venue, folder / f"{i.venue}.jsonl", 1e4) for i in table}
    desk = Desk(folder / "desk", venues, table, clock=Virtual())
    try:
        terms = dict.fromkeys(venues, Terms(taker=fee))
        yield Trader(desk, [places], table, terms, plan)
    finally:
        desk.close()
        for venue in venues.values():
            venue.close()


def said(direction=1, size=0.1, at=0, where=A, **more):
    """stop and target 1 % away."""
    venue, symbol = where.split(":")
    stop, target = (100 * (1 - x * direction) for x in (0.01, -0.01))
    known = Prediction(
        *(1, T0 + at, symbol, venue, "mid@5s", direction, 0.7, size),
        *(1.0, 100.0, stop, target, 1.0, (), (), False, "v"),
    )
    return replace(known, **more)


def quiet(at, **more):
    return said(0, 0.0, at, **more)


def seen(at=0, mid=1_000, lots=10_000, state=WHOLE):
    """A touch of two ticks around the mid (ticks), a hundred units deep."""
    return Seen(T0 + at, book([(mid - 1, lots)], [(mid + 1, lots)]), state)


def hear(trader, one, **books):
    now = one.ts
    names = {"a": A, "b": B, "s": S}
    given = {names[k]: v for k, v in (books or {"a": seen(one.ts - T0)}).items()}
    return trader.hear(one, given, now)


def held(trader, where=A):
    return int(trader.desk.account.position(where))


def test_a_signal_buys_its_share_of_the_capital(tmp_path):
    with trading(tmp_path, A) as trader:
        acted = hear(trader, said())  # a tenth of 10,000 at 100: 10 units, 1000 lots
        assert acted.wanted == 10 and held(trader) == 1_000
        assert trader.desk.account.money == pytest.approx(-10 * 100.1)


def test_it_is_held_until_its_horizon(tmp_path):
    with trading(tmp_path, A) as trader:
        hear(trader, said())
        assert hear(trader, quiet(4 * SECOND)) is None and held(trader) == 1_000
        hear(trader, quiet(5 * SECOND))
        assert held(trader) == 0
        assert trader.desk.account.money == pytest.approx(10 * (99.9 - 100.1))


def test_another_to_the_same_side_renews_it(tmp_path):
    with trading(tmp_path, A) as trader:
        hear(trader, said())
        hear(trader, said(at=4 * SECOND))
        hear(trader, quiet(8 * SECOND))
        assert held(trader) == 1_000
        hear(trader, quiet(9 * SECOND))
        assert held(trader) == 0


@pytest.mark.parametrize("mid", [989, 1_011])
@pytest.mark.parametrize("side", [1, -1])
def test_it_ends_at_its_stop_and_at_its_target(tmp_path, mid, side):
    with trading(tmp_path, A) as trader:
        hear(trader, said(side))
        assert held(trader) == side * 1_000
        hear(trader, quiet(2 * SECOND), a=seen(2 * SECOND, mid))
        assert held(trader) == 0


def test_one_to_the_other_side_ends_it_and_the_next_opens(tmp_path):
    with trading(tmp_path, A) as trader:
        hear(trader, said())
        hear(trader, said(-1, at=SECOND))
        assert held(trader) == 0
        hear(trader, said(-1, at=2 * SECOND))
        assert held(trader) == -1_000


@pytest.mark.parametrize("why", [{"vetoes": ("breaker",)}, {"stale": True}, {"position_size": 0.0}])
def test_what_must_not_be_acted_on_opens_nothing(tmp_path, why):
    with trading(tmp_path, A) as trader:
        assert hear(trader, said(**why)) is None and held(trader) == 0


def test_books_that_are_old_or_broken_are_not_traded_on(tmp_path):
    with trading(tmp_path, A) as trader:
        assert hear(trader, said(), a=seen(state=BROKEN)) is None
        acted = hear(trader, said(at=9 * SECOND), a=seen(at=SECOND))
        assert "8.0 s old" in acted.routed[0].refused[0] and held(trader) == 0


def test_it_is_split_over_venues_and_closed_where_it_is(tmp_path):
    with trading(tmp_path, A, B) as trader:
        hear(trader, said(), a=seen(lots=600), b=seen(mid=1_001))
        assert (held(trader), held(trader, B)) == (600, 400)
        hear(trader, quiet(5 * SECOND), a=seen(5 * SECOND), b=seen(5 * SECOND, mid=1_005))
        assert (held(trader), held(trader, B)) == (0, 0)


def slow(trader, where, seconds):
    """Its venue takes so long to answer."""
    venue, clock = trader.desk.gateways[where.split(":")[0]], trader.desk.clock
    submit = venue.submit
    venue.submit = lambda order: (clock.sleep(seconds * SECOND), submit(order))[1]


@pytest.mark.parametrize(("seconds", "there"), [(2, 400), (3, 0)])
def test_the_rest_of_a_split_is_not_sent_on_books_that_grew_old(tmp_path, seconds, there):
    with trading(tmp_path, A, B) as trader:
        slow(trader, A, seconds)
        hear(trader, said(), a=seen(lots=600), b=seen(mid=1_001))
        assert (held(trader), held(trader, B)) == (600, there)


def test_neither_is_what_is_missing_once_the_other_side_was_closed_too_slowly(tmp_path):
    with trading(tmp_path, A, B) as trader:
        trader.desk.send([Leg("a-linear", "X", -1, 500, 999, 5.0, 499.5, 0.0)])
        slow(trader, A, 3)
        acted = hear(trader, said(), a=seen(), b=seen())
        assert (held(trader), held(trader, B)) == (0, 0)
        assert all("3.0 s old" in why for why in acted.routed[1].refused)


def test_what_is_not_owned_is_not_sold(tmp_path):
    with trading(tmp_path, S) as trader:
        acted = hear(trader, said(-1, where=S), s=seen())
        assert acted is None and held(trader, S) == 0
        hear(trader, said(1, where=S, at=10 * SECOND), s=seen(10 * SECOND))
        assert held(trader, S) == 1_000
    assert owned(S) and not owned(A) and owned("binance-spot:SWAPUSDT")
    assert owned("ccxt:kraken:BTC/USDT") and not owned("ccxt:kraken:BTC/USDT:USDT")


def test_money_that_is_not_there_is_not_spent(tmp_path):
    with trading(tmp_path, A, plan=replace(PLAN, capital=1e6)) as trader:
        hear(trader, said())
        assert held(trader) * 0.01 * 100.1 <= 1e4 and held(trader) > 9_900


def test_orders_of_an_asset_keep_their_pace(tmp_path):
    with trading(tmp_path, A) as trader:
        hear(trader, said(), a=seen(lots=100))
        assert held(trader) == 100
        assert hear(trader, said(at=SECOND - 1), a=seen(SECOND - 1)) is None
        hear(trader, said(at=SECOND), a=seen(SECOND))
        assert held(trader) == 1_000


def test_a_loss_in_a_day_throws_the_switch(tmp_path):
    with trading(tmp_path, A, plan=replace(PLAN, loss=0.01)) as trader:
        hear(trader, said(size=0.5, stop=1.0, take_profit=1e6))
        hear(trader, quiet(SECOND), a=seen(SECOND, mid=975))
        assert trader.desk.halted.startswith("loss: ")
        assert hear(trader, said(at=2 * SECOND)) is None


def test_a_drawdown_over_days_does_too(tmp_path):
    with trading(tmp_path, A, plan=replace(PLAN, drawdown=0.03)) as trader:
        forever = {"target": "mid@10d", "stop": 1.0, "take_profit": 1e6}
        hear(trader, said(size=0.5, **forever))
        for day, mid in enumerate((1_030, 1_010, 990, 965), 1):
            hear(trader, quiet(day * DAY), a=seen(day * DAY, mid=mid))
        assert trader.desk.halted.startswith("drawdown: ")


@pytest.mark.parametrize("capital", [1_000.0, 20_000.0])
def test_another_capital_after_a_restart_is_no_loss_and_hides_none(tmp_path, capital):
    with trading(tmp_path, A) as trader:
        hear(trader, said())  # 10 units at 100.1
    with trading(tmp_path, A, plan=replace(PLAN, capital=capital)) as trader:
        assert hear(trader, quiet(SECOND), a=seen(SECOND)) is None and not trader.desk.halted
        hear(trader, quiet(2 * SECOND), a=seen(2 * SECOND, mid=1_000 - int(capital * 0.031)))
        assert trader.desk.halted.startswith("loss: ")


def test_after_a_restart_it_goes_on_with_what_was_planned(tmp_path):
    with trading(tmp_path, A) as trader:
        hear(trader, said())
    with trading(tmp_path, A) as trader:
        assert hear(trader, quiet(4 * SECOND)) is None and held(trader) == 1_000
        hear(trader, quiet(5 * SECOND))
        assert held(trader) == 0


def test_predictions_of_others_are_not_acted_on(tmp_path):
    with trading(tmp_path, A) as trader:
        assert hear(trader, said(where=B)) is None


@pytest.mark.parametrize(
    "given", [{"capital": 0.0}, {"capital": 1.0, "loss": 0.0}, {"capital": 1.0, "pace_ns": -1}]
)
def test_plans_that_cannot_be_are_refused(given):
    with pytest.raises(InputError, match="trade: "):
        Plan(**given)
