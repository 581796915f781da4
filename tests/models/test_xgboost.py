"""Boosted trees find what was planted, within their budget."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.model import Budget
from flowsense.models import build

SPEC = spec()


@pytest.fixture(scope="module")
def fitted(stream, planted):
    return build("xgboost").fit(stream, planted, seed=0, budget=Budget(steps=40))


def forecast(model, tape):
    return model.predict(model.init(tape.instruments), tape)[1]


def grown(model):
    """Trees of each head."""
    return np.bincount(model.fitted.forest.tree[:, 2], minlength=model.fitted.own.size)


def test_the_planted_side_move_and_size_are_found(fitted, whole, planted):
    late, said = planted.stop[:, 0], forecast(fitted, whole)
    p, y = said.proba[:, 0], planted.y[:, 0]
    moved = late & (y != 1)
    assert ((p[moved, 2] > p[moved, 0]) == (y[moved] == 2)).mean() > 0.68
    assert p[late & (y != 1), 1].mean() < p[late & (y == 1), 1].mean() - 0.1
    assert np.corrcoef(said.value[late, 1], planted.y[late, 1])[0, 1] > 0.8


def test_the_planted_columns_bring_the_gain(fitted):
    found = fitted.importances(SPEC.columns)
    assert sum(found["mid@500ms"].values()) == pytest.approx(1.0)
    best = max(found["mid@500ms"], key=found["mid@500ms"].get)
    assert "imb" in best or "micro" in best
    assert build("xgboost").importances(SPEC.columns) == {}


def test_steps_bound_the_trees(stream, planted):
    model = build("xgboost").fit(stream, planted, seed=0, budget=Budget(steps=3))
    assert grown(model).max() == 3


def test_one_tree_is_grown_when_the_seconds_are_spent(stream, planted):
    model = build("xgboost").fit(stream, planted, seed=0, budget=Budget(seconds=1e-6))
    assert grown(model).max() == 1


def test_without_rows_to_stop_on_the_number_of_trees_is_fixed(stream, planted):
    model = build("xgboost", unstopped=4)
    fitted = model.fit(stream, planted._replace(stop=None), seed=0, budget=Budget())
    assert set(grown(fitted)) == {0, 4}


@pytest.mark.slow
def test_the_seed_draws_the_rows(stream, planted, fitted):
    other = build("xgboost").fit(stream, planted, seed=1, budget=Budget(steps=40))
    assert other.params()["value"].tobytes() != fitted.params()["value"].tobytes()


def test_an_instrument_without_labels_hears_the_mean_of_the_others(stream, planted, whole):
    alone = planted._replace(valid=planted.valid & (whole.rows[0].instrument == 0)[:, None])
    model = build("xgboost").fit(stream, alone, seed=0, budget=Budget(steps=5))
    as_other = whole._replace(instruments=whole.instruments[::-1])
    here, there = forecast(model, whole), forecast(model, as_other)
    np.testing.assert_array_equal(here.proba, there.proba)


def test_too_few_rows_grow_no_tree(stream, planted, whole):
    few = planted._replace(valid=planted.valid & (np.arange(len(planted.y)) < 20)[:, None])
    model = build("xgboost").fit(stream, few, seed=0, budget=Budget())
    assert len(model.fitted.forest.tree) == 0
    assert np.isfinite(forecast(model, whole).proba).all()


def test_nothing_is_said_before_a_fit(whole):
    with pytest.raises(InputError, match="fit or load"):
        forecast(build("xgboost"), whole)
    assert build("xgboost").params() == {}
    assert build("xgboost").targets == ()
