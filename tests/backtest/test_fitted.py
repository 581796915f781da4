from dataclasses import replace

import numpy as np
import pytest
from backtest.candles import MINUTE, X, flat, recording
from backtest.test_arms_bars import MODEL, PLAN, SPEC, walk

from flowsense.backtest import MARK
from flowsense.backtest.bars import Frictions
from flowsense.backtest.fitted import SCENARIOS, sensitivities, stressed, struck, trade, varied
from flowsense.backtest.sessions import InSession, Session
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.quote import Quote, times
from flowsense.exchange.client import Terms
from flowsense.schema import Decimal, zeros

COIN = Random(1.0, 2**60, lots=50, seed=1)  # in at once, and for ever
HOLDS = replace(PLAN, strategy=COIN, terms=Terms(), frictions=Frictions(1e-3, 0, None))


def one(source, plan=PLAN):
    return trade(MODEL, SPEC, source, {"it": plan})["it"]


@pytest.mark.slow
@pytest.mark.compiled
def test_what_is_varied_on_bars_is_costs_delay_and_size():
    plans = varied(PLAN, bare=True)
    assert plans["costs 2"].frictions == PLAN.frictions.times(2)
    assert plans["costs 2"].terms.taker == 2 * PLAN.terms.taker
    assert (plans["delay 4"].frictions.delay, plans["capacity 5"].capital) == (4, 5e6)
    points = {s.name: s.points for s in sensitivities(trade(MODEL, SPEC, walk(), plans))}
    assert list(points) == ["costs", "delay", "capacity"]
    nets = [p.net for p in points["costs"]]
    assert nets == sorted(nets, reverse=True) and nets[0] > nets[-1]


def test_what_is_varied_on_books_is_fees_latency_and_size():
    names = {name.split()[0] for name in varied(PLAN)}
    assert names == {"costs", "latency", "capacity"}
    assert {n.split()[0] for n in varied(replace(PLAN, terms=Terms()))} == {"latency", "capacity"}


def test_all_of_a_maker_grows_with_its_capital():
    maker = varied(replace(PLAN, strategy=Quote.of((1, 20))))["capacity 5"].strategy
    assert (maker.lots, maker.most) == ((5, 100), (25, 500)) and times(2, 3) == 6


def test_scenarios_strike_when_the_most_was_held():
    """The most is held at 30 minutes of 100: a quarter of the span is 24.75, twelve bars are 12."""
    result = one(walk(60))
    marks = zeros(MARK, 100)
    marks["ts"], marks["exposure"][30] = MINUTE * np.arange(100), 5.0
    assert struck(result._replace(marks=marks), bare=True) == (30 * MINUTE, 12 * MINUTE)
    assert struck(result._replace(marks=marks), bare=False) == (30 * MINUTE, 5 * MINUTE)
    marks["exposure"] = 0
    assert struck(result._replace(marks=marks[:9]), bare=True) == (4 * MINUTE, 2 * MINUTE)


@pytest.mark.slow
@pytest.mark.compiled
def test_bars_that_break_cost_who_holds_them():
    """Who is in all the time loses a share of the tenth by which prices fall, and has it back."""
    source = recording(flat(*[1_000] * 300))
    plain = one(source, HOLDS)
    told = {o.scenario: o for o in stressed(MODEL, SPEC, source, HOLDS, plain, tuple(SCENARIOS))}
    assert list(told) == [
        "none",
        "flash crash",
        "liquidity gone",
        "spread x 10 throughout",
        "halt",
        "venue down",
    ]
    held = abs(plain.config["held"]["X"])
    assert told["flash crash"].drawdown == pytest.approx(held * 100 / 1e6, rel=0.1)
    assert told["spread x 10 throughout"].loss == pytest.approx(held * 9 / 1e6)  # ticks
    assert told["halt"].loss == told["venue down"].loss == 0


def test_a_session_halts_the_venue_and_leaves_bars_out():
    """Of the first hour of 1970, from 10 to 20 minutes past midnight: a Thursday."""
    hours = Session("UTC", Session().opens.replace(0, 10), Session().closes.replace(0, 20))
    fills = one(InSession(walk(), hours)).fills
    assert len(fills) and ((fills["ts"] >= 10 * MINUTE) & (fills["ts"] < 20 * MINUTE)).all()


def test_an_inverse_contract_pays_for_its_spread_in_coins():
    """5 contracts of 100 dollars at 20,000: in at 20,200, marked at 20,000, lost in bitcoin."""
    inverse = X._replace(inverse=True, contract=Decimal(100, 0), tick=Decimal(1, 0))
    made = recording(flat(*[20_000] * 20), (inverse,))
    plan = replace(HOLDS, strategy=Random(1.0, 2**60, lots=5), frictions=Frictions(0.01, 0, None))
    result = one(made, plan)
    (fill,) = result.fills
    lost = fill["side"] * 500 * (1 / 20_000 - 1 / fill["price"])
    assert result.marks["equity"][-1] - 1e6 == pytest.approx(-abs(lost), rel=1e-4)
