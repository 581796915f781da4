import numpy as np
import pytest

from flowsense.backtest.account import Account
from flowsense.errors import InputError
from flowsense.exchange.client import (
    ACCEPTED,
    CANCELLED,
    FILLED,
    REJECTED,
    REPLACED,
    REPORT,
    Terms,
    Why,
)
from flowsense.exchange.contracts import contract, fee, gain, value
from flowsense.exchange.matching import LIMIT, MARKET, REPLACE, REQUEST, WITHDRAW
from flowsense.schema import QUOTE, SECOND, WHOLE, Decimal, Instrument

STOCK = Instrument("A", "x", Decimal(1, -2), Decimal(1, 0))  # a lot is a share, a tick a cent
PERPETUAL = Instrument("B", "x", Decimal(5, -1), Decimal(1, 0), Decimal(100, 0), inverse=True)


def requests(*rows):
    return np.array(list(rows), REQUEST)


def report(what, lots, left, **more):
    one = np.zeros(1, REPORT)
    more = {"order_id": 1, "side": 1, **more, "ts_venue": more.get("ts", 0)}
    for name, field in ({"what": what, "lots": lots, "left": left} | more).items():
        one[name] = field
    return one


def touch(mid2, ts=0, state=WHOLE, instrument=0):
    return np.array([(ts, mid2, 0, 0, instrument, state)], QUOTE)


def account(instrument=STOCK, capital=1_000.0, **terms):
    return Account((instrument,), capital, [Terms(**terms)])


def bought(lots=10, price=101, mid2=200, **terms):
    """An account that bought at this price while the mid was mid2 / 2."""
    one = account(**terms)
    one.mark(touch(mid2), 5)
    one.send(requests((5, 1, 0, lots, 0, MARKET, 1)), 5)
    one.tell(report(FILLED, lots, 0, price=price))
    return one


def test_a_purchase_costs_fee_and_half_spread():
    one = bought(taker=0.001)
    equity = one.mark(touch(200), 6)
    # 10 shares at 1.01, worth 1.00: ten cents of slippage, 0.1 % of 10.10 of fee
    assert equity == pytest.approx(1_000 - 0.10 - 0.0101)
    m = one.marks[0]
    assert m["fees"] == pytest.approx(0.0101) and m["slippage"] == pytest.approx(0.10)
    assert m["gross"] == pytest.approx(1_000) and m["turnover"] == pytest.approx(10.10)
    assert m["exposure"] == m["net"] == pytest.approx(10.0)


def test_a_round_trip_leaves_what_it_earned():
    one = bought(price=101)
    one.mark(touch(210), 6)
    one.send(requests((6, 2, 0, 10, 0, MARKET, -1)), 6)
    one.tell(report(FILLED, 10, 0, order_id=2, price=104, side=-1))
    assert one.mark(touch(300), 7) == pytest.approx(1_000 + 10 * 0.03)
    assert one.marks["exposure"][0] == 0 and one.position[0] == 0
    assert one.marks["slippage"][0] == pytest.approx(10 * 0.01 + 10 * 0.01)


def test_a_rebate_counts_against_fees():
    one = account(maker=0.0, rebate=0.002)
    one.send(requests((5, 1, 100, 10, 0, LIMIT, 1)), 5)
    fill = one.tell(report(FILLED, 10, 0, price=100, maker=1))
    assert fill["fee"][0] == pytest.approx(-0.02)
    assert one.mark(touch(200), 6) == pytest.approx(1_000.02)


def test_an_inverse_contract_gains_in_its_base():
    """1,000 contracts of 100 USD from 20,000 to 25,000 USD: 100,000 * (1 / 20,000 - 1 / 25,000)."""
    one = account(PERPETUAL, capital=10.0)
    one.send(requests((5, 1, 0, 1_000, 0, MARKET, 1)), 5)
    one.tell(report(FILLED, 1_000, 0, price=40_000))
    assert one.mark(touch(2 * 50_000), 6) == pytest.approx(10 + 1.0)
    assert one.marks["exposure"][0] == pytest.approx(4.0)


def test_longs_pay_funding_at_its_times():
    one = bought(lots=100, price=100, funding=0.01, funding_ns=10 * SECOND)
    one.mark(touch(200), 9 * SECOND)
    assert one.marks["funding"][0] == 0
    one.mark(touch(400), 31 * SECOND)  # three times, at the mid known before: 1 % of 100 each
    assert one.marks["funding"][0] == pytest.approx(3.0)
    assert one.marks["gross"][0] == pytest.approx(1_000 + 100)


def test_orders_are_known_as_they_were_told():
    one = account()
    one.send(requests((5, 1, 99, 10, 0, LIMIT, 1), (5, 2, 101, 10, 0, LIMIT, -1)), 5)
    assert one.open["told"].tolist() == [0, 0]
    one.tell(report(ACCEPTED, 10, 10))
    one.send(requests((6, 2, 0, 10, 0, WITHDRAW, 0), (6, 1, 98, 5, 0, REPLACE, 1)), 6)
    assert one.open["told"].tolist() == [1, 2]
    one.tell(report(REPLACED, 5, 5, price=98))
    one.tell(report(CANCELLED, 10, 0, order_id=2))
    assert one.open[["order_id", "price", "lots"]].tolist() == [(1, 98, 5)]


def test_an_order_that_was_partly_executed_and_withdrawn_is_counted_as_both():
    one = account()
    one.send(requests((5, 1, 99, 10, 0, LIMIT, 1), (5, 2, 99, 10, 0, LIMIT, 1)), 5)
    one.tell(report(FILLED, 4, 6, price=99))
    one.tell(report(CANCELLED, 6, 0))
    one.tell(report(REJECTED, 10, 0, order_id=2, why=Why.NOT_TRADING))
    found = {"sent": 2, "filled": 0, "partly filled": 1, "cancelled": 1, "rejected": 1, "open": 0}
    assert one.counts() == found | {"asked": 1, "not trading": 1}


def test_a_refused_cancel_leaves_the_order_resting():
    one = account()
    one.send(requests((5, 1, 99, 10, 0, LIMIT, 1), (5, 1, 0, 10, 0, WITHDRAW, 0)), 5)
    one.tell(report(REJECTED, 0, 10, why=Why.OFF_GRID))
    assert one.open[["told", "lots"]].tolist() == [(1, 10)]


def test_an_execution_is_told_with_the_mids_of_decision_and_execution():
    one = account()
    one.mark(touch(200, ts=1), 5)
    one.send(requests((5, 1, 0, 10, 0, MARKET, 1)), 5)
    one.note(np.concatenate([touch(204, ts=7), touch(210, ts=9)]))
    (fill,) = one.tell(report(FILLED, 10, 0, price=103, ts=8))
    assert (fill["decided2"], fill["mid2"], fill["ts"]) == (200, 204, 8)


def test_more_orders_than_there_was_room_for_are_all_remembered():
    one = account()
    one.send(requests(*((5, n, 99, 10, 0, LIMIT, 1) for n in range(1, 301))), 5)
    one.tell(report(CANCELLED, 10, 0, order_id=150))
    assert one.open["order_id"].tolist() == [n for n in range(1, 301) if n != 150]


COSTS = Terms(taker=0.001, maker=0.0005, rebate=0.0002, per_lot=0.01, funding=0.001, funding_ns=7)


def slow(instrument, trades, mid2):
    """Equity, fees, funding: trades of ts, side, lots, price, maker, mid2 before, one by one."""
    c, lots, fees, paid, gained, last, since = (
        contract(instrument, COSTS),
        0,
        0.0,
        0.0,
        0.0,
        mid2,
        1,
    )
    for ts, side, n, price, maker, before in [*trades, (len(trades) + 1, 0, 0, 1, 0, mid2)]:
        gained += gain(c, last / 2, before / 2, lots) if lots else 0.0
        due = ts // COSTS.funding_ns - since // COSTS.funding_ns
        paid += COSTS.funding * due * value(c, last / 2, lots)
        if n:
            gained += gain(c, price, before / 2, side * n)
            fees += fee(c, price, n, maker)
        lots, last, since = lots + side * n, before, ts
    return 1_000.0 + gained - fees - paid, fees, paid


@pytest.mark.parametrize("instrument", [STOCK, PERPETUAL], ids=["linear", "inverse"])
@pytest.mark.parametrize("seed", range(3))
def test_money_is_that_of_a_slow_account(seed, instrument):
    rng, one, trades = np.random.default_rng(seed), Account((instrument,), 1_000.0, [COSTS]), []
    for n in range(1, 60):
        mid2 = int(rng.integers(100, 300))
        side, lots, price = (int(rng.choice(x)) for x in ([-1, 1], range(1, 20), range(50, 150)))
        one.mark(touch(mid2), n)
        one.send(requests((n, n, price, lots, 0, LIMIT, side)), n)
        maker = n % 2
        one.tell(report(FILLED, lots, 0, order_id=n, price=price, side=side, maker=maker, ts=n))
        trades.append((n, side, lots, price, maker, mid2))
    found = one.mark(touch(mid2), 60), one.marks["fees"][0], one.marks["funding"][0]
    assert found == pytest.approx(slow(instrument, trades, mid2))


def test_what_was_saved_goes_on_the_same():
    one, other = bought(), account()
    other.restore(one.snapshot())
    assert other.mark(touch(220), 9) == one.mark(touch(220), 9)
    assert other.open.tobytes() == one.open.tobytes() and other.counts() == one.counts()


@pytest.mark.parametrize("capital", [0.0, -1.0, float("nan"), float("inf")])
def test_capital_must_be_above_zero(capital):
    with pytest.raises(InputError, match="above 0"):
        account(capital=capital)


def test_accounts_have_one_currency():
    with pytest.raises(InputError, match="B settle in their base"):
        Account((STOCK, PERPETUAL), 1.0, [])


def test_terms_are_of_every_instrument():
    with pytest.raises(InputError, match="terms of 1"):
        Account((STOCK, STOCK), 1.0, [Terms()])


BAD = (
    (6, 1, 0, 1, 0, MARKET, 1),
    (5, 0, 0, 1, 0, MARKET, 1),
    (5, 1, 0, 0, 0, MARKET, 1),
    (5, 1, 0, 1, 1, MARKET, 1),
    (5, 1, 0, 1, -1, MARKET, 1),
    (5, 1, 0, 1, 0, 9, 1),
    (5, 1, 0, 1, 0, MARKET, 0),
)


@pytest.mark.parametrize("row", BAD)
def test_a_request_that_cannot_be_is_refused(row):
    with pytest.raises(InputError, match="request 1 of the strategy"):
        account().send(requests((5, 0, 0, 1, 0, WITHDRAW, 0), row), 5)
