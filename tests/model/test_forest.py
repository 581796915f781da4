"""Our walk through the trees against the library that grew them."""

import numpy as np
import pytest
import xgboost as xgb

from flowsense.model.forest import forest, margin


@pytest.fixture(scope="module")
def grown():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(700, 6)).astype(np.float32)
    X[rng.random(X.shape) < 0.2] = np.nan
    y = (np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1] * X[:, 2]) > 0).astype(np.float32)
    settings = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 4, "nthread": 1}
    return xgb.train(settings, xgb.DMatrix(X, y), 12), X


def test_the_trees_say_what_xgboost_says(grown):
    booster, X = grown
    trees = forest([b"", bytes(booster.save_raw("json"))])
    rows = np.arange(len(X))
    said = booster.predict(xgb.DMatrix(X), output_margin=True)
    np.testing.assert_allclose(margin(trees, 1, X, rows), said, atol=1e-5)
    assert not margin(trees, 0, X, rows).any()


def test_a_row_hears_the_same_alone_and_in_any_order(grown):
    booster, X = grown
    trees = forest([bytes(booster.save_raw("json"))])
    whole = margin(trees, 0, X, np.arange(len(X)))
    some = np.random.default_rng(1).permutation(len(X))[:300]
    assert margin(trees, 0, X, some).tobytes() == whole[some].tobytes()


def test_no_models_are_no_trees():
    trees = forest([])
    assert trees.head.tolist() == [0]
    assert len(trees.node) == len(trees.value) == len(trees.root) == 0
