"""What holds for trees whoever grew them: budgets, odd columns, mirrored rows."""

import sys

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import DOWN, FLAT, UP
from flowsense.model import Budget
from flowsense.model.trees import slopes, turned
from flowsense.models import build

SPEC = spec()
NAMES = ("lightgbm", "forest", "xgboost")


def grown(model):
    """Trees of each head."""
    return np.bincount(model.fitted.forest.tree[:, 2], minlength=model.fitted.own.size)


def forecast(model, tape):
    return model.predict(model.init(tape.instruments), tape)[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_planted_side_move_and_size_are_found(name, stream, planted, whole):
    model = build(name).fit(stream, planted, seed=0, budget=Budget(steps=40))
    late, said = planted.stop[:, 0], forecast(model, whole)
    p, y = said.proba[:, 0], planted.y[:, 0]
    moved = late & (y != 1)
    assert ((p[moved, 2] > p[moved, 0]) == (y[moved] == 2)).mean() > 0.65
    assert p[late & (y != 1), 1].mean() < p[late & (y == 1), 1].mean() - 0.1
    assert np.corrcoef(said.value[late, 1], planted.y[late, 1])[0, 1] > 0.65
    shap = model.shap(SPEC.columns)
    best = max(shap["mid@500ms"], key=lambda c: shap["mid@500ms"][c][0])
    assert "imb" in best or "micro" in best
    assert shap["mid@500ms"][best][1] > 0.5 and shap["magnitude@1s"]["spread"][1] > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_steps_and_seconds_bound_the_trees(name, stream, planted):
    few = build(name).fit(stream, planted, seed=0, budget=Budget(steps=3))
    assert grown(few).max() == 3
    spent = build(name).fit(stream, planted, seed=0, budget=Budget(seconds=1e-6))
    assert 1 <= grown(spent).max() <= 5


@pytest.mark.parametrize("name", NAMES)
def test_where_every_move_went_up_no_side_is_called(name, stream, planted, whole):
    """There is nothing to tell apart, so that the side is open, and a fall is not foretold."""
    up = planted._replace(y=np.where(planted.y == FLAT, FLAT, UP).astype(np.float32))
    model = build(name).fit(stream, up, seed=0, budget=Budget(steps=5))
    proba = forecast(model, whole).proba[:, 0]
    assert proba[:, UP].max() > 0.01
    assert proba[:, DOWN] == pytest.approx(proba[:, UP])


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_tell_nothing_grow_nothing_that_is_not_finite(name, stream, planted, whole):
    still = planted._replace(y=np.ones_like(planted.y), move=np.zeros_like(planted.move))
    model = build(name).fit(stream, still, seed=0, budget=Budget(steps=5))
    said = forecast(model, whole)
    assert np.isfinite(said.proba).all() and np.isfinite(said.value).all()
    assert said.proba[:, 0, 0] == pytest.approx(said.proba[:, 0, 2])
    assert (said.proba[:, 0, FLAT] > 0.98).all()  # what never moved will hardly move


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_said_or_explained_before_a_fit(name, whole):
    model = build(name)
    with pytest.raises(InputError, match=f"{name}: fit or load it before it predicts"):
        forecast(model, whole)
    with pytest.raises(InputError, match=f"{name}: fit or load it before it explains"):
        model.explain(model.init(whole.instruments), whole)
    assert model.params() == model.shap(SPEC.columns) == model.importances(SPEC.columns) == {}


def test_without_scikit_learn_a_forest_says_what_to_install(stream, planted, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(InputError, match=r"pip install 'flowsense\[sklearn\]'"):
        build("forest").fit(stream, planted, seed=0, budget=Budget(steps=3))


def test_what_is_observed_and_does_not_say_how_it_mirrors_is_missing_in_mirrored_rows():
    asked = spec(("depth", "observed:mood", "observed:news_sentiment"))
    place, sign = turned(asked)
    signs = dict(zip(asked.columns, sign.tolist(), strict=True))
    assert np.isnan(signs["mood"]) and signs["mood_age"] == 1.0
    assert signs["news_sentiment"] == -1.0 and signs["imb_l1"] == -1.0
    assert place[asked.columns.index("mood")] == asked.columns.index("mood")


def test_the_direction_is_the_correlation_where_a_column_is_there():
    X = np.array([[1, 5, np.nan], [2, 5, 1], [3, 5, np.nan]], np.float32)
    said = np.array([[2.0, 1, 1], [4.0, 2, 1], [6.0, 3, 1]])
    assert slopes(X, said).tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert slopes(X, -said)[0] == pytest.approx(-1.0)
