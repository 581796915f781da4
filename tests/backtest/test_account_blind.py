"""Money while no touch is known yet, and the orders that bars alone know."""

import pytest
from backtest.test_account import account, report, requests, touch

from flowsense.backtest.resting import STOP
from flowsense.exchange.client import FILLED
from flowsense.exchange.matching import MARKET
from flowsense.schema import BROKEN, SECOND


def test_funding_without_a_known_mid_is_of_the_last_execution():
    one = account(funding=0.01, funding_ns=10 * SECOND)
    one.send(requests((5, 1, 0, 60, 0, MARKET, 1), (5, 2, 0, 40, 0, MARKET, 1)), 5)
    one.tell(report(FILLED, 60, 0, price=90, ts=6))
    one.tell(report(FILLED, 40, 0, price=100, ts=7, order_id=2))
    equity = one.mark(touch(300, ts=8), 11 * SECOND)  # 1 % of 100 shares at 1.00
    assert one.marks["funding"][0] == pytest.approx(1.0)
    assert equity == pytest.approx(1_000 + 60 * 0.60 + 40 * 0.50 - 1.0)


def test_what_was_bought_before_a_touch_is_known_is_worth_its_price():
    one = account(taker=0.001)
    one.send(requests((5, 1, 0, 10, 0, MARKET, 1)), 5)
    one.tell(report(FILLED, 10, 0, price=100, ts=6))
    assert one.mark(touch(0, state=BROKEN), 7) == pytest.approx(1_000 - 0.01)


def test_a_stop_is_an_order_with_a_price():
    one = account()
    one.send(requests((5, 1, 95, 10, 0, STOP, -1)), 5)
    assert one.open[["order_id", "price", "lots"]].tolist() == [(1, 95, 10)]
