from dataclasses import dataclass

import numpy as np
import pytest
from backtest.candles import MINUTE, flat, recording, requests
from quoted import ONE, START, TARGET, forecast_of, rows_of, taped, touches

from flowsense.backtest.bars import Frictions
from flowsense.backtest.closes import Settings as OfBars
from flowsense.backtest.closes import backtest as over_bars
from flowsense.backtest.strategies.coin import Random
from flowsense.backtest.strategies.follow import Follow
from flowsense.backtest.stress import flash_crash, standard, stress, venue_down
from flowsense.backtest.ticks import Backtest, backtest, stored
from flowsense.exchange.matching import MARKET
from flowsense.exchange.replay import Replay
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Settings
from flowsense.schema import EVENT, MILLISECOND, SECOND
from flowsense.testing import Recording

MADE = recording(flat(*[10_000] * 60))
FREE = OfBars(1e6, Frictions(0, 0, None))


@dataclass(frozen=True)
class Holder:
    """Buys at the first close and keeps it."""

    def init(self, instruments):
        return 0

    def decide(self, state, view):
        return state + 1, requests(*[(view.ts, 1, MARKET, 1, 50, 0)] * (state == 0))


def test_who_holds_through_a_crash_has_its_drawdown_and_no_loss():
    crash = flash_crash(20 * MINUTE, 0.2, 5 * MINUTE, 10 * MINUTE)
    none, crashed = stress(MADE, lambda source: over_bars(source, Holder(), FREE), (crash,))
    assert (none.scenario, none.loss, none.drawdown) == ("none", 0, 0)
    assert crashed.net == crashed.loss == 0
    assert crashed.drawdown == pytest.approx(50 * 2_000 / 1e6) and crashed.unfilled == 0


def test_orders_into_a_venue_that_is_down_are_not_filled():
    coin = Random(chance=1, hold_ns=MINUTE)
    down = venue_down(20 * MINUTE, 10 * MINUTE)
    none, cut = stress(MADE, lambda source: over_bars(source, coin, FREE), (down,))
    assert cut.unfilled > none.unfilled and none.trips is None


def watched(stressed):
    """A taker that hears of nothing, under risk."""
    tapes = taped(np.concatenate(list(stressed)).view(EVENT))
    risk = Risk(Settings(), (ONE,), (TARGET,), 0)
    heard = forecast_of(np.zeros(len(rows_of(tapes)[0])))
    return backtest(Backtest(Replay((ONE,)), Follow(), risk, capital=1e6), stored(tapes, heard))


def test_breakers_that_opened_are_told_by_reason():
    """A fall of 40 % in 20 steps of 100 ms: each of the 20 steps either way is a jump of 2 %."""
    every = 100 * MILLISECOND
    mid = 10_000 + np.arange(200) % 2
    source = Recording((ONE,), touches(START + 1 + every * np.arange(200), mid))
    crash = flash_crash(START + 5 * SECOND, 0.4, 2 * SECOND, 2 * SECOND)
    none, crashed = stress(source, watched, (crash,))
    assert none.trips == {} and set(crashed.trips) == {"jump"}


def test_without_risk_nothing_watches():
    assert stress(MADE, lambda source: over_bars(source, Holder(), FREE), ())[0].trips is None


@pytest.mark.slow
def test_a_taker_of_ticks_meets_all_five():
    every, n = 10 * MILLISECOND, 6_000
    mid = 10_000 + np.cumsum(np.random.default_rng(0).integers(-3, 4, n))
    source = Recording((ONE,), touches(START + 1 + every * np.arange(n), mid))
    coin = Random(chance=0.2, hold_ns=SECOND)

    def run(stressed):
        events = np.concatenate(list(stressed)).view(source.events.dtype)
        one = Backtest(Replay((ONE,)), coin, capital=1e6)
        return backtest(one, stored(taped(events)))

    table = {o.scenario: o for o in stress(source, run, standard(START + 20 * SECOND, 20 * SECOND))}
    assert len(table) == 6 and table["none"].rejected == 0
    assert table["spread x 10"].loss > 0
    assert table["flash crash"].drawdown != table["none"].drawdown
