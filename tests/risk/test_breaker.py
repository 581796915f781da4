"""Whatever is injected, the same row trips the breaker, and nothing is recommended."""

import numpy as np
import pytest
from desks import START, STEP, forecast, one, rows, standing, warm

from flowsense.errors import InputError
from flowsense.forecast import Veto
from flowsense.risk.anomaly import Anomaly
from flowsense.risk.breaker import Breakers, Trip
from flowsense.risk.settings import Settings
from flowsense.schema import DAY, NEVER, SECOND


def told(desk, found, *reasons):
    """Whether nothing is recommended, because these breakers are open."""
    (open_,) = desk.risk.tripped(desk.state)
    signal = one(found)
    assert "breaker" in signal.vetoes and signal.size == 0.0 and not signal.should_trade
    assert all(np.isfinite(found[0][name]) for name in found.dtype.names)
    assert open_.reasons == Trip(sum(reasons))
    return open_


def injected(mid2=None, X=None, **said):
    desk = warm()
    due = rows(desk.mid2 if mid2 is None else [mid2], start=desk.ts)
    if X is not None:
        due.X[:] = X
    found, desk = desk.judge(due, forecast(**said), standing())
    return desk, found


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"value": np.nan}, Trip.NUMBER),
        ({"value": np.inf}, Trip.NUMBER),
        ({"up": np.nan}, Trip.PROBABILITY),
        ({"up": 1.2, "down": 0.0}, Trip.PROBABILITY),
        ({"up": -0.5, "down": 0.5}, Trip.PROBABILITY),
        ({"X": np.nan}, Trip.NUMBER),
        ({"X": -np.inf}, Trip.NUMBER),
        ({"mid2": 0}, Trip.NUMBER),
        ({"mid2": -20_000}, Trip.NUMBER),
        ({"mid2": 2**62}, Trip.NUMBER),
        ({"mid2": 20_500}, Trip.JUMP),
        ({"mid2": 19_000}, Trip.JUMP),
    ],
)
def test_within_one_row(what, reason):
    desk, found = injected(**what)
    assert told(desk, found, reason).instrument == 0


def still(seconds):
    """A row whose book and quote are those of the last one, so long after it."""
    desk = warm()
    due = rows(desk.mid2 - 2, start=desk.ts + seconds * SECOND)
    due.quote["ts"] = desk.ts - STEP
    return desk, due


def test_a_book_that_stands_still_is_stale():
    desk, due = still(10)
    found, desk = desk.judge(due, forecast(), standing())
    told(desk, found, Trip.STALE)


def test_a_level_behind_the_touch_shows_that_the_feed_lives():
    desk, due = still(10)
    due.book["bid_sz"][0, 4] = 7
    assert one(desk.judge(due, forecast(), standing())[0]).should_trade


def test_nine_seconds_are_not_stale():
    desk, due = still(9)
    assert one(desk.judge(due, forecast(), standing())[0]).should_trade


def test_probabilities_that_do_not_sum_to_one():
    desk, said = warm(), forecast()
    said.proba[:] = [0.1, 0.1, 0.6]
    found, desk = desk.ask(said)
    told(desk, found, Trip.PROBABILITY)


def test_a_mid_that_never_moved_has_no_variance():
    desk = warm(n=1)
    still = rows(np.full(700, 20_000), start=desk.ts)
    fresh = desk._replace(state=desk.risk.init(1e6))
    state, cases = desk.risk.cases(fresh.state, still, forecast(700))
    state, found = desk.risk.signals(state, cases[-1:], standing())
    told(desk._replace(state=state), found, Trip.VARIANCE)


def test_an_instrument_opens_again_after_its_pause():
    desk, _ = injected(mid2=20_500)
    pause = Breakers().cooldown_ns // STEP
    states = []
    for _ in range(pause + 1):
        found, desk = desk.ask(forecast())
        states.append(one(found).should_trade)
    assert not any(states[: pause - 1]) and states[-1]


def test_the_longest_pause_ends_by_hand_alone():
    desk = warm(Settings(breakers=Breakers(cooldown_ns=NEVER)))
    found, desk = desk.ask(forecast(value=np.nan))
    told(desk, found, Trip.NUMBER)
    later = desk._replace(ts=desk.ts + 30_000 * DAY)
    assert "breaker" in one(later.ask(forecast())[0]).vetoes


def test_by_hand_it_opens_at_once():
    desk, _ = injected(value=np.nan)
    found, _ = desk._replace(state=desk.risk.reset(desk.state)).ask(forecast())
    assert one(found).should_trade


def test_one_instrument_does_not_stop_another():
    desk = warm(instruments=2)
    said = forecast(2)
    said.value[0] = np.nan
    found, _ = desk.ask(said)
    assert found["vetoes"][0] & Veto.BREAKER and found["vetoes"][1] == 0


@pytest.mark.parametrize("equity", [np.nan, np.inf, -np.inf])
def test_an_account_that_is_no_number(equity):
    desk = warm()
    found, desk = desk.ask(forecast(), standing(equity))
    assert told(desk, found, Trip.NUMBER).instrument is None


def test_a_position_that_is_no_number():
    desk = warm()
    found, desk = desk.ask(forecast(), standing(exposure=np.nan))
    assert told(desk, found, Trip.NUMBER).instrument is None


def test_the_loss_of_a_day_ends_it():
    desk = warm()
    found, desk = desk.ask(forecast(), standing(970_000))
    open_ = told(desk, found, Trip.LOSS)
    assert open_.until == START + DAY
    later = desk._replace(ts=START + DAY)
    assert not one(later._replace(ts=START + DAY - STEP).ask(forecast())[0]).should_trade
    assert one(later.ask(forecast(), standing(970_000))[0]).should_trade


def test_less_than_that_is_no_reason():
    found, _ = warm().ask(forecast(), standing(970_001))
    assert one(found).should_trade


def test_a_drawdown_stays_until_somebody_closes_it():
    desk = warm(Settings(breakers=Breakers(loss=1.0)))
    found, desk = desk.ask(forecast(), standing(900_000))
    open_ = told(desk, found, Trip.DRAWDOWN)
    assert open_.until == NEVER and "drawdown" in one(found).vetoes
    later = desk._replace(ts=desk.ts + 30 * DAY)
    assert not one(later.ask(forecast(), standing(1e6))[0]).should_trade
    by_hand = later._replace(state=desk.risk.reset(desk.state))
    assert one(by_hand.ask(forecast(), standing(900_000))[0]).should_trade


def test_a_drawdown_may_end_by_itself():
    breakers = Breakers(loss=1.0, halt_ns=3 * STEP)
    desk, states = warm(Settings(breakers=breakers)), []
    for _ in range(5):
        found, desk = desk.ask(forecast(), standing(900_000))
        states.append(one(found).should_trade)
    assert states == [False, False, False, True, True]


@pytest.mark.parametrize("equity", [0.0, -5.0])
def test_who_is_ruined_trades_no_more(equity):
    found, desk = warm().ask(forecast(), standing(equity))
    told(desk, found, Trip.LOSS, Trip.DRAWDOWN)


def test_reasons_are_counted_once_each():
    desk, _ = injected(value=np.nan)
    for value in (np.nan, np.nan, 3.0):
        _, desk = desk.ask(forecast(value=value))
    assert desk.state.desk["count"][0].tolist() == [1] + 8 * [0]


def test_an_open_breaker_is_not_learned_from():
    """A wrong mid of 2**62 must not become the mid that the next one jumps from."""
    desk, _ = injected(mid2=2**62)
    _, desk = desk.ask(forecast())
    assert desk.risk.tripped(desk.state)[0].reasons == Trip.NUMBER


def test_a_row_far_out_of_its_range():
    desk = warm(Settings(anomaly=Anomaly(warmup=600)))
    x = np.random.default_rng(0).normal(size=(2_000, 1)).astype(np.float32)
    mid2 = desk.mid2[0] + np.tile([0, 2], 1_000)
    state, _ = desk.risk.cases(desk.state, rows(mid2, start=desk.ts, X=x), forecast(2_000))
    later = desk._replace(state=state, ts=desk.ts + 2_000 * STEP)
    due = rows(desk.mid2, start=later.ts, X=np.float32([[50.0]]))
    found, later = later.judge(due, forecast(), standing())
    told(later, found, Trip.INPUT)


@pytest.mark.parametrize(
    "bad",
    [
        {"stale_ns": 0},
        {"jump": 0.0},
        {"loss": -0.1},
        {"cooldown_ns": -1},
        {"halt_ns": -1},
        {"cooldown_ns": 2**63 - 1},
        {"halt_ns": 2**63 - 1},
    ],
)
def test_settings_that_cannot_be(bad):
    with pytest.raises(InputError, match=r"breakers: .*: give"):
        Breakers(**bad)
