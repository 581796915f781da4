"""Rows that are minutes or days apart: they warm up, and their pace is no fault of the feed."""

import numpy as np
import pytest
from desks import START, forecast, one, rows, standing, table

from flowsense.forecast import Target
from flowsense.risk.anomaly import FEWEST, Anomaly
from flowsense.risk.breaker import Trip
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Settings
from flowsense.schema import DAY, SECOND

WEEK = Target.parse("mid@120h")
FIVE = 300 * SECOND


def bars(n, step, deviation, seed=0):
    """Rows of closes so far apart, each return so large; closes are quotes told at the close."""
    returns = deviation * np.random.default_rng(seed).normal(size=n)
    mid2 = 2 * np.round(1e6 * np.exp(np.cumsum(returns))).astype(np.int64)
    X = np.random.default_rng(seed + 1).normal(size=(n, 3)).astype(np.float32)
    due = rows(mid2, step=step, X=X)
    due.book[:] = np.zeros((), due.book.dtype)
    return due


def cases(due, settings=None):
    risk = Risk(settings or Settings(), table(), (WEEK,), due.X.shape[1])
    state, found = risk.cases(risk.init(1e6), due, forecast(len(due.ts), target=WEEK))
    return risk, state, found


@pytest.mark.parametrize(
    ("step", "first"),
    [(DAY, FEWEST), (3600 * SECOND, FEWEST), (FIVE, 288), (SECOND // 10, 600), (60 * SECOND, 600)],
)
def test_a_warm_up_ends_after_a_day_and_a_few_rows_or_after_many(step, first):
    """Of days 60 rows, of five minutes a day of them, of tenths of a second a minute of them."""
    _, _, found = cases(bars(700, step, 1e-4))
    assert np.flatnonzero(found["ready"])[0] == first


def test_how_long_a_warm_up_takes_can_be_set():
    settings = Settings(anomaly=Anomaly(warmup=90, warmup_ns=10_000 * DAY))
    assert np.flatnonzero(cases(bars(200, DAY, 0.01), settings)[2]["ready"])[0] == 90


def test_a_forecast_that_begins_late_warms_up_by_itself():
    """It is silent for 1,000 rows; the threshold of forecasts moves from 60 later on."""
    due, said = bars(1_100, DAY, 0.01), forecast(1_100, target=WEEK)
    said.ready[:1_000] = False
    risk = Risk(Settings(anomaly=Anomaly(rate=0.5)), table(), (WEEK,), 3)
    _, found = risk.cases(risk.init(1e6), due, said)
    assert not found["strange"][: 1_000 + FEWEST].any()
    assert found["ready"][1_000:].all() and not found["ready"][:1_000].any()


@pytest.mark.parametrize(("step", "deviation"), [(DAY, 0.02), (FIVE, 0.002)])
def test_usual_moves_of_bars_open_no_breaker(step, deviation):
    _, _, found = cases(bars(3_000, step, deviation))
    assert (found["trips"] > 0).mean() < 0.005


@pytest.mark.parametrize(
    ("after", "share", "jumps"),
    [(0.1, 0.0101, True), (60, 0.0101, True), (300, 0.02, False), (300, 0.0225, True)],
)
def test_a_jump_grows_with_the_root_of_the_minutes_it_took(after, share, jumps):
    """1 % within a minute, so 2.24 % within five."""
    mid2 = np.array([2_000_000, round(2_000_000 * (1 + share))])
    due = rows(mid2, step=round(after * SECOND), X=np.zeros((2, 3), np.float32))
    assert bool(cases(due)[2]["trips"][1] & Trip.JUMP) == jumps


def test_three_closes_like_the_one_before_are_not_stale_but_four_are():
    due = bars(400, FIVE, 0.001)
    for k in range(301, 306):
        due.quote["mid2"][k], due.quote["ts"][k] = due.quote["mid2"][300], due.quote["ts"][300]
    stale = cases(due)[2]["trips"] & Trip.STALE > 0
    assert np.flatnonzero(stale).tolist() == [304, 305]


def test_daily_bars_are_traded():
    due = bars(100, DAY, 0.01)
    due.quote["mid2"][-1] = 1.005 * due.quote["mid2"][-2]
    risk, state, found = cases(due)
    assert due.ts[-1] > START + 90 * DAY
    assert one(risk.signals(state, found[-1:], standing())[1]).should_trade
