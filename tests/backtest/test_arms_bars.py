"""Bars alone: the venue of bars, told its bars by the arms."""

from dataclasses import replace

import numpy as np
import pytest
from backtest.candles import MINUTE, X, flat, recording
from toys import Ewma

from flowsense.backtest.arms import Arm, Arms, Plan, bars_alone, of_bars, prepared
from flowsense.backtest.bars import Frictions
from flowsense.backtest.closes import Settings, backtest
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.quote import Quote
from flowsense.errors import InputError
from flowsense.exchange.client import Terms
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model.calibrated import Calibrated
from flowsense.risk.settings import NOTHING
from flowsense.schema import Decimal
from flowsense.sources import chunks

SPEC = spec(("bars",), ("interval:1m",))
MODEL = Calibrated(Ewma(Target("mid", 5 * MINUTE), 0), np.array([[1.0, 1.0, 0.0]]))
COIN = Random(chance=0.3, hold_ns=5 * MINUTE, lots=3)
PLAN = Plan(COIN, 1e6, Terms(taker=1e-4), frictions=Frictions(1e-4, 0.5, 0.1))


def walk(n=240, seed=3, lots=100, instruments=(X,), chunk=1_000):
    prices = 10_000 + np.cumsum(np.random.default_rng(seed).integers(-20, 21, n))
    made = recording(flat(*prices.tolist(), lots=lots), instruments, chunk)
    made.events["ts_event"] = made.events["ts_recv"]
    return made


def traded(source, plan=PLAN):
    arms = Arms({"coin": Arm(MODEL, SPEC, plan)}, source.instruments)
    for chunk in chunks(source):
        arms.push(chunk)
    return arms.results()["coin"]


@pytest.mark.compiled
def test_an_arm_on_bars_does_what_the_run_of_closes_does():
    ours, theirs = traded(walk()), backtest(walk(), COIN, Settings(1e6, PLAN.frictions))
    n = len(ours.fills)
    assert 20 < n <= len(theirs.fills) <= n + 1  # the last close is no row
    for name in ("ts", "order_id", "price", "lots", "side", "maker"):
        assert np.array_equal(ours.fills[name], theirs.fills[name][:n])
    assert ours.config["venue"] == repr(PLAN.frictions) and ours.config["told"] == []


@pytest.mark.compiled
@pytest.mark.parametrize("chunk", [1, 7])
def test_cutting_the_bars_changes_nothing(chunk):
    whole, cut = traded(walk()), traded(walk(chunk=chunk))
    assert np.array_equal(whole.fills, cut.fills) and np.array_equal(whole.marks, cut.marks)
    assert whole.config == cut.config


@pytest.mark.slow
@pytest.mark.compiled
def test_going_on_from_a_snapshot_changes_nothing():
    source, one = walk(chunk=11), Arm(MODEL, SPEC, PLAN)
    arms = Arms({"coin": one}, source.instruments)
    for chunk in chunks(source):
        data, arms = arms.snapshot(), Arms({"coin": one}, source.instruments)
        arms.restore(data)
        arms.push(chunk)
    assert arms.volume.tolist() == [24_000]
    assert np.array_equal(arms.results()["coin"].fills, traded(source).fills)


def test_what_the_end_holds_is_told_with_what_closing_costs():
    """At 100: half a spread of 1 % takes a tick of each of the 5 lots."""
    plan = replace(PLAN, strategy=Random(1.0, 2**60, lots=5), terms=Terms())
    made = recording(flat(*[100] * 30))
    result = traded(made, replace(plan, frictions=Frictions(0.01, 0, None)))
    assert [abs(n) for n in result.config["held"].values()] == [5]
    assert result.config["closing them costs"] == 5


@pytest.mark.compiled
def test_volumes_that_nobody_tells_are_asked_for_in_one_sentence():
    with pytest.raises(InputError, match="X: no bar tells a volume"):
        traded(walk(lots=0))
    free = replace(PLAN, frictions=Frictions(1e-4, 0, None))
    assert len(traded(walk(lots=0), free).fills) > 20


def test_risk_is_told_of_the_spread_that_bars_do_not_show():
    """A taker's fee of a basis point and half a spread of one are two each way."""
    costs = replace(PLAN.risk.costs, fee=1e-4)
    found = of_bars(replace(PLAN, risk=replace(PLAN.risk, costs=costs)))
    assert found.costs.fee == pytest.approx(2e-4)


def test_bars_beside_books_and_a_maker_without_a_touch_are_refused():
    with pytest.raises(InputError, match="X: shows bars alone, others a book"):
        bars_alone((X, X._replace(symbol="Y", depth=1)))
    with pytest.raises(InputError, match="a maker needs a recording of the book"):
        prepared("maker", Arm(MODEL, SPEC, replace(PLAN, strategy=Quote.of(1))), (X,))


def test_a_fee_of_each_share_is_of_as_many_lots_as_a_share_has():
    """A lot of 100 shares, a cent each: a dollar a lot."""
    plan = replace(PLAN, terms=Terms(), each=0.01)
    assert plan.terms_of(X._replace(lot=Decimal(100, 0))).per_lot == 1
    ours = traded(walk(), replace(plan, frictions=Frictions(0, 0, None)))
    fees, lots = ours.marks["fees"][-1], ours.fills["lots"].sum()
    assert fees == pytest.approx(0.01 * lots)


def test_who_counts_no_costs_counts_no_spread_of_bars():
    plan = replace(PLAN, risk=replace(PLAN.risk, costs=NOTHING))
    assert of_bars(plan).costs == NOTHING
    assert of_bars(PLAN).costs.fee > 0
