"""The side of a null is the rule's own; only how sure it is was fitted."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay
from flowsense.model import Budget
from flowsense.models import NULLS, build
from flowsense.models.nulls import STEEPEST, slope
from flowsense.testing import Recording, tape_of


@pytest.fixture(scope="module")
def fitted(stream, planted):
    return {n: build(n).fit(stream, planted, seed=0, budget=Budget()) for n in NULLS}


def forecast(model, tape):
    return model.predict(model.init(tape.instruments), tape)[1]


def side(model, tape):
    p = forecast(model, tape).proba[:, 0]
    return np.sign(p[:, 2] - p[:, 0])


def test_the_slope_is_the_most_likely_one():
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    up = rng.random(500) < 1 / (1 + np.exp(-0.7 * x))
    slow = minimize_scalar(lambda b: np.logaddexp(0, np.where(up, -b * x, b * x)).sum()).x
    assert slope(x, up, 0.0) == pytest.approx(slow, abs=1e-5)


def test_a_rule_that_was_wrong_keeps_its_side_and_one_that_was_right_is_not_certain():
    x = np.array([1.0, -1.0, 2.0])
    assert slope(x, x < 0, 1e-3) == 1e-3
    assert slope(x, x > 0, 1e-3) == STEEPEST


@pytest.mark.parametrize(
    ("name", "column"),
    [("imbalance", "imb_l1"), ("last_trade", "last_trade_1s"), ("persistence", "last_move_10s")],
)
def test_the_side_is_that_of_the_column(name, column, fitted, whole):
    x = whole.rows[0].X[:, spec().columns.index(column)]
    clear = np.abs(x) > 0.2  # float32 cannot tell less where the rule has lost its voice
    assert clear.sum() > 100
    assert (side(fitted[name], whole) == np.sign(x))[clear].all()


def test_the_vote_adds_four_signals_in_their_deviations(fitted, whole, planted, instruments):
    names = ("imb_l1", "ofi_l1_1s", "last_trade_1s", "lead_ret_1s")
    x = whole.rows[0].X[:, [spec().columns.index(c) for c in names]].astype(float)
    mine = whole.rows[0].instrument == 0
    learned = mine & ~planted.stop[:, 0]
    vote = (x[mine] / x[learned].std(axis=0)).sum(axis=1)
    assert (side(fitted["vote"], whole)[mine] == np.sign(vote)).mean() > 0.999


def test_the_majority_says_the_frequencies_of_training(fitted, whole, planted):
    mine = whole.rows[0].instrument == 1
    y = planted.y[mine & ~planted.stop[:, 0], 0].astype(int)
    expected = np.bincount(y, minlength=3) / len(y)
    said = forecast(fitted["majority"], whole).proba[mine, 0]
    np.testing.assert_allclose(said, np.broadcast_to(expected, said.shape), atol=1e-5)


def test_a_magnitude_is_the_mean_of_training(fitted, whole, planted):
    mine = whole.rows[0].instrument == 0
    mean = planted.y[mine & ~planted.stop[:, 1], 1].mean()
    np.testing.assert_allclose(forecast(fitted["vote"], whole).value[mine, 1], mean, rtol=1e-5)


def test_a_rule_without_its_column_calls_no_side(instruments, events, planted):
    few = spec(("flow",))
    reader, tape = Replay(few, Recording(instruments, events)), tape_of(few, instruments, events)
    model = build("imbalance").fit(reader, planted, seed=0, budget=Budget())
    assert not side(model, tape).any()


def test_an_instrument_without_labels_gets_the_mean_of_the_others(stream, planted, whole):
    other = whole.rows[0].instrument == 1
    alone = planted._replace(valid=planted.valid & ~other[:, None])
    model = build("vote").fit(stream, alone, seed=0, budget=Budget())
    assert model.fitted.slope[1] == pytest.approx(model.fitted.slope[0])
    nothing = planted._replace(valid=planted.valid & False)
    empty = build("vote").fit(stream, nothing, seed=0, budget=Budget())
    assert not forecast(empty, whole).value.any()


@pytest.mark.parametrize("name", NULLS)
def test_nothing_is_said_before_a_fit(name, whole):
    with pytest.raises(InputError, match="fit or load"):
        forecast(build(name), whole)
    assert build(name).params() == {}
