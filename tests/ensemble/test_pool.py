"""The pool says the mean of what its members say."""

import numpy as np
import pytest

from flowsense.ensemble.pool import Pool, pooled
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.model import Budget
from flowsense.testing.conformance import Trial

MID, SIZE = Target.parse("mid@1s"), Target.parse("magnitude@1s")


def said(p, value, ready=True):
    proba = np.array([[p, (1 / 3,) * 3]], np.float32)
    values, spoken = np.array([value], np.float32), np.full((1, 2), ready)
    return Forecast((MID, SIZE), proba, values, spoken)


def test_log_odds_are_averaged():
    """Moves .5 and .5; up of these .8 and .5: log-odds 1.386 and 0, so .693, which is 2 / 3."""
    found = pooled([said((0.1, 0.5, 0.4), (0.3, 2.0)), said((0.25, 0.5, 0.25), (0.0, 4.0))])
    assert found.proba[0, 0] == pytest.approx((0.5 / 3, 0.5, 1 / 3), abs=1e-6)
    assert found.value[0] == pytest.approx((0.15, 3.0)) and found.ready.all()


def test_opposite_opinions_leave_no_side():
    found = pooled([said((0.4, 0.5, 0.1), (0, 0)), said((0.1, 0.5, 0.4), (0, 0))])
    assert found.proba[0, 0, 0] == pytest.approx(found.proba[0, 0, 2])


def test_it_waits_for_all():
    found = pooled([said((0.1, 0.5, 0.4), (1, 1)), said((0.1, 0.5, 0.4), (1, 1), ready=False)])
    assert not found.ready.any() and found.proba[0, 0] == pytest.approx((1 / 3,) * 3)


@pytest.mark.slow
@pytest.mark.compiled
def test_its_members_are_the_models_alone():
    trial, budget = Trial.usual(), Budget(steps=10)
    pool = Pool.tiny().fit(trial.reader, trial.labels, seed=1, budget=budget)
    alone = [m.fit(trial.reader, trial.labels, seed=1, budget=budget) for m in pool.unfitted()]
    each = [m.predict(m.init(trial.tape.instruments), trial.tape)[1] for m in alone]
    found = pool.predict(pool.init(trial.tape.instruments), trial.tape)[1]
    assert found.proba.tobytes() == pooled(each).proba.tobytes()
    columns = trial.reader.spec.columns
    weights, *parts = (m.importances(columns)["mid@500ms"] for m in (pool, *alone))
    assert sum(weights.values()) == pytest.approx(np.mean([sum(p.values()) for p in parts])) != 0


def test_before_a_fit_it_says_nothing():
    with pytest.raises(InputError, match="before it predicts"):
        Pool().predict(None, None)
