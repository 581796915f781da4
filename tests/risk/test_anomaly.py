"""The rate of false alarms is what it says, on whatever comes; what lies far out is seen."""

import numpy as np
import pytest
from desks import MID, START, forecast, rows, table, walk

from flowsense.errors import InputError
from flowsense.risk.anomaly import FAR, FIRST, STEP, Anomaly
from flowsense.risk.breaker import Breakers, Trip
from flowsense.risk.desk import Risk
from flowsense.risk.settings import Settings

MEMORY, WARMUP = 2_000.0, 500


def watched(X, rate=0.01, said=None):
    """The cases of rows X (n, F), and the thresholds of rows and of forecasts after them."""
    n = len(X)
    settings = Settings(anomaly=Anomaly(rate, MEMORY, WARMUP), breakers=Breakers(jump=1.0))
    risk = Risk(settings, table(), (MID,), X.shape[1])
    due = rows(walk(n, start=200_000), X=X.astype(np.float32))
    state, cases = risk.cases(risk.init(1e6), due, said or forecast(n))
    return cases, state.seen[0]["bar"], state.seen[0]["bar_said"]


def alarms(cases, kind=Trip.INPUT):
    return int((cases["trips"] & kind > 0).sum())


def stream(name, n, seed=0):
    """Ten columns of rows in which nothing is wrong."""
    rng = np.random.default_rng(seed)
    if name == "normal":
        return rng.normal(size=(n, 10))
    if name == "heavy tails":
        return rng.standard_t(3, size=(n, 10))
    if name == "sizes":
        return rng.lognormal(0, 1.5, size=(n, 10))
    if name == "seldom":
        return rng.normal(size=(n, 10)) * (rng.random((n, 10)) < 0.01)
    return np.cumsum(rng.normal(size=(n, 10)), axis=0)


STREAMS = ["normal", "heavy tails", "sizes", "seldom", "walks"]


@pytest.mark.compiled
@pytest.mark.parametrize("name", STREAMS)
def test_the_rate_of_false_alarms(name):
    """One in a hundred of 40,000 rows, by a tenth more or less; the count is an identity."""
    n = 40_000
    cases, bar, _ = watched(stream(name, n))
    judged, found = n - WARMUP, alarms(cases)
    assert found == pytest.approx(0.01 * judged + (bar - FIRST) / STEP)
    assert found / judged == pytest.approx(0.01, rel=0.1)


def test_whatever_comes_not_many_more_alarm():
    """Rows made to alarm as often as they can, each twice as far out as the one before."""
    X = np.random.default_rng(0).normal(size=(1_500, 3))
    X[600:] = 2.0 ** np.minimum(np.arange(900), 100)[:, None]
    cases, _, _ = watched(X)
    most = 0.01 * len(X) + (np.log(FAR) - FIRST) / STEP + 1
    assert 5 < alarms(cases) <= most


@pytest.mark.parametrize("name", STREAMS)
def test_a_column_ten_times_beyond_its_reach_is_seen_at_once(name):
    X = stream(name, 1_500)
    X[1_400, 3] = 10 * np.abs(X[:1_400, 3]).max() + 1
    cases, _, _ = watched(X, rate=1e-5)
    assert cases["trips"][1_400] & Trip.INPUT and alarms(cases[:1_400]) <= 5


@pytest.mark.parametrize("value", [1.0, -3e-5, 30_000.0])
def test_a_column_that_was_constant_is_seen_when_it_leaves(value):
    X = np.full((1_500, 2), value)
    X[1_400, 1] = 1e30
    cases, _, _ = watched(X, rate=1e-5)
    assert np.flatnonzero(cases["trips"] & Trip.INPUT).tolist() == [1_400]


def test_a_column_that_was_constant_may_change_a_little():
    """A spread of one tick for long, then of two and three; a flag that changes its sign."""
    X = np.ones((1_500, 2))
    X[1_200:, 0] = np.random.default_rng(0).integers(1, 4, 300)
    X[1_300:, 1] = -1
    assert alarms(watched(X, rate=1e-5)[0]) == 0


def test_a_wrong_number_while_it_warms_up_does_not_blind_it():
    """A row of 1e20; then ten times the farthest is seen as if it had not been."""
    X = stream("normal", 1_500)
    X[10] = 1e20
    X[1_400, 3] = 10 * np.abs(X[11:1_400, 3]).max()
    cases, _, _ = watched(X, rate=1e-5)
    assert cases["trips"][1_400] & Trip.INPUT and alarms(cases) == 1


def test_an_alarm_teaches_nothing_but_the_threshold():
    X = stream("normal", 1_500)
    clean, _, _ = watched(X, rate=1e-5)
    X[1_400] = 1e6
    cases, bar, _ = watched(X, rate=1e-5)
    after = cases["anomaly"][1_401:] / clean["anomaly"][1_401:]
    assert after == pytest.approx(np.exp(-STEP), rel=0.1)
    assert bar == pytest.approx(FIRST + STEP * (1 - 1e-5 * 1_000))


def test_what_is_masked_is_not_looked_at():
    risk = Risk(Settings(anomaly=Anomaly(1e-5, MEMORY, 10)), table(), (MID,), 2)
    X = np.float32(np.ones((20, 2)) * np.arange(20)[:, None])
    due = rows(walk(20), X=X)
    due.valid[:, 1] = False
    state, _ = risk.cases(risk.init(1e6), due, forecast(20))
    assert not state.level[0, 1].any() and state.level[0, 0].all()


def test_a_column_that_is_first_known_late_begins_where_it_is():
    X = np.zeros((50, 1))
    X[30:] = 30_000 + np.arange(20)[:, None]
    risk = Risk(Settings(), table(), (MID,), 1)
    state, _ = risk.cases(risk.init(1e6), rows(walk(50), X=np.float32(X)), forecast(50))
    location, reach = state.level[0, 0]
    assert 30_000 <= location < 30_020 and 0 < reach < 20


def test_a_forecast_unlike_all_before():
    n = 1_500
    rng = np.random.default_rng(0)
    said = forecast(n)
    up = 0.5 + 0.05 * rng.normal(size=n).clip(-3, 3)
    said.proba[:, 0] = np.stack([0.9 - 0.9 * up, np.full(n, 0.1), 0.9 * up], axis=1)
    said.value[:, 0] = rng.normal(size=n)
    said.value[1_400] = 500.0
    cases, _, _ = watched(np.zeros((n, 1)), 1e-5, said)
    assert cases["trips"][1_400] & Trip.FORECAST
    assert alarms(cases[:1_400], Trip.FORECAST) == 0


def test_thresholds_are_of_one_instrument_alone():
    risk = Risk(Settings(), table(2), (MID,), 1)
    state, _ = risk.cases(risk.init(1e6), rows(walk(50), 1, START), forecast(50))
    assert not state.level[0].any() and state.seen["rows"].tolist() == [0, 50]


WRONG = [{"rate": -0.1}, {"rate": 0.6}, {"memory": 0.0}, {"warmup": 0}, {"warmup_ns": 0}]


@pytest.mark.parametrize("bad", WRONG)
def test_settings_that_cannot_be(bad):
    with pytest.raises(InputError, match=r"anomaly: \w+ .*: give"):
        Anomaly(**bad)
