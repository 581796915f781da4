import numpy as np
import pytest

from flowsense.backtest import OPEN, View
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.strategies.foresight import Foresight
from flowsense.backtest.strategies.quote import Quote
from flowsense.errors import InputError
from flowsense.exchange.client import POST, REPORT
from flowsense.exchange.matching import LIMIT, MARKET, WITHDRAW
from flowsense.forecast import SIGNAL, Veto
from flowsense.schema import BOOK, BROKEN, QUOTE, SECOND, WHOLE, Decimal, Instrument, zeros
from flowsense.splitmix import uniform

STOCK = Instrument("A", "x", Decimal(1, -2), Decimal(1, 0))
INVERSE = Instrument("B", "x", Decimal(1, 0), Decimal(1, 0), inverse=True)


def signal(side=1, ts=5, **more):
    one = zeros(SIGNAL, 1)
    more = {"size": 0.1, "horizon": SECOND, "magnitude": 1.0, "confidence": 0.9} | more
    for name, value in ({"side": side, "ts": ts} | more).items():
        one[name] = value
    return one


def order(order_id=1, price=99, side=1, told=1, lots=1):
    return np.array([(order_id, price, lots, 0, 0, side, told)], OPEN)


def view(ts=5, position=0, orders=None, said=None, mid2=200, state=WHOLE):
    """The touch is one tick either side of the mid."""
    quote, book = zeros(QUOTE, 1), zeros(BOOK, 1)
    quote["mid2"], quote["state"] = mid2, state
    book["bid_px"][:, 0], book["ask_px"][:, 0] = mid2 // 2 - 1, mid2 // 2 + 1
    orders = zeros(OPEN) if orders is None else orders
    said = zeros(SIGNAL, 1) if said is None else said
    lots = np.array([position])
    return View(ts, np.ones(1, bool), quote, book, said, lots, orders, 1_000.0, zeros(REPORT))


def asks(strategy, *views, instrument=STOCK):
    """(kind, side, lots, price) of what it sends at the last of these views."""
    state = strategy.init((instrument,))
    for one in views:
        state, requests = strategy.decide(state, one)
    return [(int(q["kind"]), int(q["side"]), int(q["lots"]), int(q["price"])) for q in requests]


def test_a_signal_is_followed_for_its_share_of_the_equity():
    assert asks(Follow(), view(said=signal())) == [(MARKET, 1, 100, 0)]  # 10 % of 1,000 at 1.00
    assert asks(Follow(), view(said=signal(-1))) == [(MARKET, -1, 100, 0)]
    assert asks(Follow(), view(said=signal()), instrument=INVERSE) == [(MARKET, 1, 10_000, 0)]


def test_a_marketable_limit_names_what_it_may_pay():
    assert asks(Follow(lots=2, beyond=1), view(said=signal())) == [(LIMIT, 1, 2, 102)]
    assert asks(Follow(lots=2, beyond=1), view(said=signal(-1))) == [(LIMIT, -1, 2, 98)]


SILENT = (
    signal(0),
    signal(size=0.0),
    signal(vetoes=Veto.UNSURE),
    signal(ts=4),
    signal(size=0.0001),
)


@pytest.mark.parametrize("said", SILENT)
def test_what_is_not_recommended_now_is_not_done(said):
    assert asks(Follow(), view(said=said)) == []


def test_a_position_is_held_to_the_horizon():
    first, out = view(said=signal()), [(MARKET, -1, 100, 0)]
    assert asks(Follow(), first, view(5 + SECOND - 1, 100)) == []
    assert asks(Follow(), first, view(5 + SECOND, 100)) == out
    renewed = view(8, 100, said=signal(ts=8))
    assert asks(Follow(), first, renewed, view(5 + SECOND, 100)) == []
    assert asks(Follow(), first, view(8, 100, said=signal(-1, ts=8))) == out


@pytest.mark.parametrize(
    ("side", "mid2", "goes"), [(1, 190, 1), (1, 212, 1), (1, 200, 0), (-1, 212, 1)]
)
def test_a_position_ends_at_its_stop_or_target(side, mid2, goes):
    levels = {"stop2": 200 - side * 10, "target2": 200 + side * 12}
    first = view(said=signal(side, **levels))
    sent = asks(Follow(), first, view(6, side * 100, mid2=mid2))
    assert sent == ([(MARKET, -side, 100, 0)] if goes else [])


def test_an_instrument_with_an_order_on_its_way_waits():
    assert asks(Follow(), view(said=signal(), orders=order(told=0))) == []
    assert asks(Follow(), view(said=signal(), orders=order())) == [(WITHDRAW, 0, 1, 0)]


def test_a_maker_quotes_both_sides_and_leaves_what_is_right():
    assert asks(Quote(), view()) == [(POST, 1, 1, 99), (POST, -1, 1, 101)]
    assert asks(Quote(behind=2), view()) == [(POST, 1, 1, 97), (POST, -1, 1, 103)]
    both = np.concatenate([order(1, 99), order(2, 101, -1)])
    assert asks(Quote(), view(orders=both)) == []


def test_a_quote_that_the_forecast_turns_against_is_withdrawn():
    both = np.concatenate([order(1, 99), order(2, 101, -1)])
    said = signal(-1, magnitude=1.0, vetoes=Veto.POOR_REWARD)
    assert asks(Quote(), view(orders=both, said=said)) == [(WITHDRAW, 0, 1, 0)]
    assert asks(Quote(heeds=False), view(orders=both, said=said)) == []
    assert asks(Quote(turn=2.0), view(said=said)) == [(POST, 1, 1, 98), (POST, -1, 1, 101)]


@pytest.mark.parametrize(
    "said", [signal(-1, vetoes=Veto.WARMING_UP), signal(-1, ts=5 - 2 * SECOND)]
)
def test_a_signal_that_says_nothing_of_now_is_not_heard(said):
    assert len(asks(Quote(), view(said=said))) == 2


def test_an_inventory_leans_and_ends_one_side():
    assert asks(Quote(most=10), view(position=9)) == [(POST, 1, 1, 98), (POST, -1, 1, 101)]
    assert asks(Quote(most=10), view(position=10)) == [(POST, -1, 1, 101)]
    assert asks(Quote(most=10), view(position=-10)) == [(POST, 1, 1, 99)]


def test_without_a_whole_book_quotes_are_withdrawn():
    both = np.concatenate([order(1, 99), order(2, 101, -1, told=2)])
    assert asks(Quote(), view(orders=both, state=BROKEN)) == [(WITHDRAW, 0, 1, 0)]


def test_the_nth_coin_of_a_seed_is_always_the_same():
    coin, sides = Random(chance=1.0, seed=3), []
    state = coin.init((STOCK,))
    for n in range(20):
        _, requests = coin.decide(state._replace(thrown=np.array([n])), view())
        sides.append(int(requests["side"][0]))
    assert sides == [1 if x < 0.5 else -1 for x in uniform(0, 20, 3)] and len(set(sides)) == 2


def test_a_coin_goes_in_and_out_again():
    always = Random(chance=1.0, lots=3, hold_ns=10)
    ((kind, side, lots, _),) = asks(always, view())
    assert (kind, lots) == (MARKET, 3)
    assert asks(always, view(), view(14, 3 * side)) == []
    assert asks(always, view(), view(15, 3 * side)) == [(MARKET, -side, 3, 0)]
    assert asks(Random(chance=0.0), view()) == []


@pytest.mark.parametrize(("mid2", "sent"), [(205, 1), (204, 0), (195, -1), (196, 0)])
def test_foresight_goes_in_where_the_move_is_wider_than_the_spread(mid2, sent):
    """The spread is two ticks: a mid of 102.5 pays, one of 102 does not."""
    later = Foresight(np.array([0, 8]), np.array([200, mid2]), np.zeros(2, int), hold_ns=4)
    assert asks(later, view()) == ([(MARKET, sent, 1, 0)] if sent else [])
    assert asks(later, view(ts=3)) == []  # it comes after it would be out again


WRONG = (
    (Follow, {"lots": -1}),
    (Follow, {"beyond": -1}),
    (Quote, {"lots": 0}),
    (Quote, {"most": 0}),
    (Quote, {"skew": float("nan")}),
    (Random, {"chance": 2.0}),
    (Random, {"hold_ns": 0}),
)


@pytest.mark.parametrize(("strategy", "settings"), WRONG)
def test_settings_that_cannot_be_are_refused(strategy, settings):
    with pytest.raises(InputError, match="give"):
        strategy(**settings)


def test_foresight_needs_a_future():
    none = np.zeros(0, int)
    with pytest.raises(InputError, match="0 mids"):
        Foresight(none, none, none, hold_ns=1)
