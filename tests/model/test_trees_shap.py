"""SHAP values against their definition, and against the libraries that compute them too."""

from itertools import combinations
from math import factorial

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb

from flowsense.model.forest import Tree, margins, planted
from flowsense.model.trees_read import of_lightgbm, of_xgboost
from flowsense.model.trees_shap import contributions


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 5)).astype(np.float32)
    X[rng.random(X.shape) < 0.15] = np.nan
    known = np.nan_to_num(X)
    return X, (known[:, 0] + known[:, 1] * known[:, 2] > 0).astype(np.float32)


def said(trees, X):
    forest = planted([[], trees, []])
    return contributions(forest, forest.of(1, 2), X)


def expected(tree, x, known, at=0):
    """What a tree says of x where only some columns are known: others take both ways."""
    if tree.left[at] < 0:
        return tree.value[at]
    ways = (tree.left[at], tree.right[at])
    if tree.column[at] in known:
        value = x[tree.column[at]]
        to = tree.missing[at] if np.isnan(value) else ways[int(value >= tree.value[at])]
        return expected(tree, x, known, to)
    share = [tree.cover[w] / tree.cover[at] for w in ways]
    return sum(s * expected(tree, x, known, w) for s, w in zip(share, ways, strict=True))


def shapley(tree, x):
    """By the definition: every column joins every set of the others."""
    F = len(x)
    out = np.zeros(F + 1)
    for k in range(F):
        others = [c for c in range(F) if c != k]
        for size in range(F):
            share = factorial(size) * factorial(F - size - 1) / factorial(F)
            for set_ in combinations(others, size):
                more = expected(tree, x, {*set_, k}) - expected(tree, x, set(set_))
                out[k] += share * more
    out[F] = expected(tree, x, set())
    return out


def test_they_are_shapley_values(rows):
    X, y = rows
    settings = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 4, "nthread": 1}
    trees = of_xgboost(bytes(xgb.train(settings, xgb.DMatrix(X, y), 2).save_raw("json")))
    slow = [sum(shapley(tree, x) for tree in trees) for x in X[:20]]
    np.testing.assert_allclose(said(trees, X[:20]), slow, atol=1e-12)


def test_a_tree_by_hand():
    """x0 < 0 (a quarter of the rows) says 8, else 0: known, it adds 8 - 2 or takes 2."""
    left, right = np.array([1, -1, -1]), np.array([2, -1, -1])
    cover, value = np.array([4.0, 1.0, 3.0]), np.array([0.0, 8.0, 0.0])
    tree = Tree(np.zeros(3, np.int64), left, right, right, value, cover)
    X = np.array([[-1, 5], [1, 5]], np.float32)
    assert said([tree], X).tolist() == [[6, 0, 2], [-2, 0, 2]]


@pytest.mark.compiled
def test_they_are_those_of_xgboost(rows):
    settings = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 5, "nthread": 1}
    booster = xgb.train(settings, xgb.DMatrix(*rows), 20)
    found = said(of_xgboost(bytes(booster.save_raw("json"))), rows[0])
    theirs = booster.predict(xgb.DMatrix(rows[0]), pred_contribs=True)
    np.testing.assert_allclose(found, theirs, atol=1e-5)


@pytest.mark.compiled
def test_they_are_those_of_lightgbm(rows):
    settings = {"objective": "binary", "boost_from_average": False, "num_threads": 1}
    booster = lgb.train(settings | {"verbosity": -1}, lgb.Dataset(*rows), 20)
    found = said(of_lightgbm(booster.model_to_string()), rows[0])
    np.testing.assert_allclose(found, booster.predict(rows[0], pred_contrib=True), atol=1e-12)


@pytest.mark.compiled
def test_they_sum_to_what_is_said(rows):
    settings = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 6, "nthread": 1}
    trees = of_xgboost(bytes(xgb.train(settings, xgb.DMatrix(*rows), 10).save_raw("json")))
    forest = planted([trees])
    whole = margins(forest, forest.of(0, 1), 1, rows[0])[:, 0]
    np.testing.assert_allclose(said(trees, rows[0]).sum(axis=1), whole, atol=1e-12)


def test_no_trees_say_nothing(rows):
    assert not said([], rows[0]).any()
