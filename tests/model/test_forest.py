"""Our walk through the trees against the libraries that grew them, bit for bit where they add up
in float64 as we do."""

import json

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from sklearn.ensemble import RandomForestClassifier

from flowsense.model.forest import Tree, depth, margins, planted
from flowsense.model.trees_read import of_lightgbm, of_sklearn, of_xgboost

N = 700


@pytest.fixture(scope="module")
def rows():
    """The first half of the columns is missing now and then."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 6)).astype(np.float32)
    X[:, 4] = np.round(X[:, 4])  # values that lie on thresholds
    X[:, :3][rng.random((N, 3)) < 0.2] = np.nan
    known = np.nan_to_num(X)
    y = known[:, 0] + known[:, 1] * known[:, 2] + known[:, 4] > 0
    return X, y.astype(np.float32)


@pytest.fixture(scope="module")
def asked(rows):
    """Missing where it never was in training, too; and values of exactly 0."""
    X = rows[0].copy()
    rng = np.random.default_rng(1)
    X[rng.random(X.shape) < 0.2] = np.nan
    X[rng.random(X.shape) < 0.1] = 0.0
    return X


def xgboosted(rows, trees=12):
    settings = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 4, "nthread": 1}
    return xgb.train(settings, xgb.DMatrix(*rows), trees)


def lightgbmed(rows, **more):
    settings = {"objective": "binary", "boost_from_average": False, "num_threads": 1}
    settings |= {"verbosity": -1, "min_data_in_leaf": 5} | more
    return lgb.train(settings, lgb.Dataset(*rows), 12)


def said(trees, X):
    forest = planted([trees])
    return margins(forest, forest.of(0, 1), 1, X)[:, 0]


def test_the_trees_say_what_xgboost_says(rows, asked):
    booster = xgboosted(rows)
    found = said(of_xgboost(bytes(booster.save_raw("json"))), asked)
    expected = booster.predict(xgb.DMatrix(asked), output_margin=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("more", [{}, {"max_depth": 3}, {"use_missing": False}])
def test_the_trees_say_what_lightgbm_says_bit_for_bit(rows, asked, more):
    booster = lightgbmed(rows, **more)
    found = said(of_lightgbm(booster.model_to_string()), asked)
    assert found.tobytes() == booster.predict(asked, raw_score=True).tobytes()


def test_the_trees_say_what_scikit_learn_says(rows, asked):
    forest = RandomForestClassifier(9, max_depth=5, random_state=0).fit(*rows)
    trees = [e.tree_ for e in forest.estimators_]
    found = said([of_sklearn(t, t.value[:, 0, 1] / 9) for t in trees], asked)
    np.testing.assert_allclose(found, forest.predict_proba(asked)[:, 1], atol=1e-12)


def test_a_tree_of_one_leaf_says_the_same_everywhere(rows):
    X, y = rows
    booster = lightgbmed((X, y), min_data_in_leaf=N)
    trees = of_lightgbm(booster.model_to_string())
    assert [len(t.value) for t in trees] in ([1], [1] * 12)
    assert len(set(said(trees, X))) == 1
    assert depth(trees[0]) == 0


def test_a_tree_by_hand():
    one = np.array([1, -1, -1])
    tree = Tree(np.array([2, 0, 0]), one, one * 2, one * 2, np.array([0.5, 10.0, 20.0]), np.ones(3))
    X = np.array([[0, 0, 0.4], [0, 0, 0.5], [0, 0, np.nan]], np.float32)
    tree.right[1:] = tree.missing[1:] = -1
    assert depth(tree) == 1
    assert said([tree, tree], X).tolist() == [20.0, 40.0, 40.0]


def test_a_row_hears_the_same_alone_and_in_any_order(rows):
    trees = of_xgboost(bytes(xgboosted(rows).save_raw("json")))
    whole = said(trees, rows[0])
    some = np.random.default_rng(1).permutation(N)[:300]
    assert said(trees, rows[0][some]).tobytes() == whole[some].tobytes()
    assert said(trees, rows[0][:1]).tobytes() == whole[:1].tobytes()
    assert said(trees, rows[0][:0]).shape == (0,)


def test_each_head_hears_its_own_trees(rows):
    few, many = (of_xgboost(bytes(xgboosted(rows, n).save_raw("json"))) for n in (2, 5))
    forest = planted([few, [], many])
    both = margins(forest, forest.of(0, 3), 3, rows[0])
    assert both[:, 0].tobytes() == said(few, rows[0]).tobytes()
    assert both[:, 2].tobytes() == said(many, rows[0]).tobytes()
    assert not both[:, 1].any() and len(forest.of(1, 2)) == 0
    later = margins(forest, forest.of(1, 3), 2, rows[0])
    assert later.tobytes() == np.ascontiguousarray(both[:, 1:]).tobytes()


def test_no_models_are_no_trees():
    forest = planted([])
    assert len(forest.node) == len(forest.value) == len(forest.tree) == 0


def test_what_is_read_is_what_the_library_wrote(rows):
    raw = bytes(xgboosted(rows, 1).save_raw("json"))
    told = json.loads(raw)["learner"]["gradient_booster"]["model"]["trees"][0]
    (tree,) = of_xgboost(raw)
    assert tree.left.tolist() == told["left_children"]
    assert tree.cover.tolist() == pytest.approx(told["sum_hessian"])
