"""Linear models and trees of scikit-learn as arrays that say the same, or nothing."""

import numpy as np
import pytest
from sklearn.ensemble import (
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from flowsense.errors import InputError
from flowsense.model.leaves import Leaves, above
from flowsense.model.stored import Line, load, planted, says, stored

pytestmark = pytest.mark.compiled


def noisy(n=400, columns=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, columns)).astype(np.float32)
    return X, (X[:, 0] + rng.normal(size=n) > 0).astype(int) + (X[:, 1] > 0.5), rng


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (LogisticRegression(), Line),
        (make_pipeline(StandardScaler(), StandardScaler(), LogisticRegression()), Line),
        (SGDClassifier(loss="log_loss", random_state=0), Line),
        (DecisionTreeClassifier(random_state=0), Leaves),
        (RandomForestClassifier(7, random_state=0), Leaves),
        (make_pipeline(MinMaxScaler(), LogisticRegression()), None),
        (make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)), None),
        (KNeighborsClassifier(), None),
    ],
)
@pytest.mark.parametrize("classes", [2, 3])
def test_arrays_say_what_scikit_learn_says(estimator, kind, classes):
    X, y, _ = noisy()
    estimator.fit(X.astype(float), np.minimum(y, classes - 1))
    expected = estimator.predict_proba(X.astype(float))
    found = stored(estimator, X, expected)
    if kind is None:
        assert found is None
    else:
        assert isinstance(found, kind)
        np.testing.assert_allclose(says(found, X), expected, rtol=0, atol=1e-9)


def test_regressors_are_stored_too():
    X, _, rng = noisy()
    for one in (Ridge(), RandomForestRegressor(4, random_state=0), DecisionTreeRegressor()):
        one.fit(X.astype(float), np.abs(X[:, 0]) + rng.normal(0, 0.1, len(X)))
        expected = one.predict(X.astype(float))[:, None]
        np.testing.assert_allclose(says(stored(one, X, expected), X), expected, atol=1e-9)


def test_missing_values_go_where_the_tree_sends_them():
    X, y, rng = noisy(600)
    X[rng.random(X.shape) < 0.2] = np.nan
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    found = planted([tree.tree_ for tree in forest.estimators_])
    np.testing.assert_allclose(says(found, X), forest.predict_proba(X), rtol=0, atol=1e-12)


def test_a_threshold_of_float64_is_the_next_float32_by_hand():
    exact, between = 0.5, 0.5 + 1e-12
    after = np.nextafter(np.float32(0.5), np.float32(1))
    assert above(np.array([exact, between])).tolist() == [after, after]
    x = np.float32(0.5)
    assert (x <= between) == (x < above(np.array([between]))[0])


def test_arrays_that_say_otherwise_are_not_taken():
    X, y, _ = noisy()
    one = LogisticRegression().fit(X, y)
    assert stored(one, X, one.predict_proba(X)[:, ::-1]) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [("node", 10_000), ("node", -7), ("root", 99_999)],
)
def test_trees_that_do_not_hang_together_are_refused(name, value):
    X, y, _ = noisy()
    one = DecisionTreeClassifier(max_depth=3).fit(X, y)
    params = {f"x_{k}": v.copy() for k, v in planted([one.tree_])._asdict().items()}
    params[f"x_{name}"][..., -1 if name == "root" else slice(None)] = value
    with pytest.raises(InputError, match="do not hang together"):
        load(params, "x_", X.shape[1])


def test_weights_of_other_columns_are_refused():
    X, y, _ = noisy()
    one = LogisticRegression().fit(X, y)
    found = stored(one, X, one.predict_proba(X))
    params = {f"x_{k}": v for k, v in found._asdict().items()}
    with pytest.raises(InputError, match="not of its columns"):
        load(params, "x_", 5)
    assert load({}, "x_", 5) is None


def test_steps_of_a_pipeline_that_do_nothing_are_passed_over():
    X, y, _ = noisy()
    chain = make_pipeline(None, StandardScaler(), "passthrough", LogisticRegression())
    chain.fit(X.astype(float), y)
    assert isinstance(stored(chain, X, chain.predict_proba(X.astype(float))), Line)
