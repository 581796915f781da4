"""Rows that several folds test count once, and make no interval narrower."""

from types import SimpleNamespace

import numpy as np
import pytest

from flowsense.evaluate.sample import path, sample
from flowsense.evaluate.score import evaluate
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.schema import SECOND

N, FOLDS = 4_000, 5
TARGETS = (Target("mid", SECOND), Target("magnitude", SECOND))


def world(seed=0):
    """Sides that a fair forecaster knows a little of; sizes; one row each second."""
    rng = np.random.default_rng(seed)
    up = rng.uniform(0.2, 0.8, N)
    side = np.where(rng.random(N) < up, 2, 0)
    y = np.stack([np.where(rng.random(N) < 0.3, 1, side), rng.exponential(1, N)], axis=1)
    y = y.astype(np.float32)
    ts = np.arange(N) * SECOND
    labels = Labels(TARGETS, y, y - 1, ts[:, None] + [SECOND] * 2, y >= 0, np.ones_like(y))
    p = np.stack([0.7 * (1 - up), np.full(N, 0.3), 0.7 * up], axis=1).astype(np.float32)
    third = np.full_like(p, 1 / 3)
    value = np.stack([up - 0.5, 1 + up], axis=1).astype(np.float32)
    said = Forecast(TARGETS, np.stack([p, third], axis=1), value, np.ones((N, 2), np.bool_))
    blind = Forecast(TARGETS, np.stack([third, third], axis=1), 0 * value, said.ready)
    index = SimpleNamespace(ts=ts, instrument=ts // (N * SECOND), symbols=("A",), regime=None)
    index.regimes = ()
    return labels, index, said, blind


def fold(test):
    test = np.repeat(np.asarray(test)[:, None], 2, axis=1)
    return SimpleNamespace(train=~test, choose=~test, test=test)


LATE = np.arange(N) >= 1_000


def scored(said, folds, which):
    labels, index, *_ = world()
    found = evaluate(labels, index, folds, {"m": said}, {}).models["m"]
    return found[str(TARGETS[which])]


def test_the_path_of_a_test_is_how_often_the_row_was_tested_before():
    rows, fold_of = np.array([4, 0, 0, 4, 0]), np.array([1, 2, 0, 3, 3])
    assert path(rows, fold_of).tolist() == [0, 1, 0, 1, 2]
    assert path(rows[:0], fold_of[:0]).tolist() == []


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1])
def test_rows_tested_five_times_score_and_vary_like_rows_tested_once(which):
    _, _, said, _ = world()
    one = scored([said], [fold(LATE)], which)
    five = scored([said] * FOLDS, [fold(LATE)] * FOLDS, which)
    assert five.n == one.n and five.nulls["shuffled"].n == one.n
    assert five.by_instrument["A"].n == one.n
    for name, (low, high) in one.ci95.items():
        again = five.ci95[name]
        assert again[1] - again[0] == pytest.approx(high - low, rel=0.1), name  # of 2.2 times
        assert getattr(five, name, None) == pytest.approx(getattr(one, name, None)), name


@pytest.mark.slow
def test_the_band_of_calibration_is_that_of_the_outcomes_there_were():
    _, _, said, _ = world()
    one = scored([said], [fold(LATE)], 0)
    five = scored([said] * FOLDS, [fold(LATE)] * FOLDS, 0)
    assert five.ece == pytest.approx(one.ece)
    assert five.ece_band.high == pytest.approx(one.ece_band.high, rel=0.15)


@pytest.mark.slow
def test_each_path_is_scored_by_itself_beside_their_mean():
    _, _, said, blind = world()
    halves = [fold(LATE & (np.arange(N) < 2_500)), fold(LATE & (np.arange(N) >= 2_500))]
    found = scored([said, blind, blind, said], [*halves, *halves], 0)
    first, second = found.paths  # first tests: told early, blind late; then the other way round
    assert first.n == second.n == found.n == sum(f.n for f in found.folds[:2])
    assert found.accuracy == pytest.approx((first.accuracy + second.accuracy) / 2)
    assert (first.start, first.end) == (1_000 * SECOND, (N - 1) * SECOND)
    assert found.folds[1].accuracy == 0.5 < found.folds[0].accuracy
    expected = np.std([first.accuracy, second.accuracy], ddof=1)
    assert found.spread["accuracy"] == pytest.approx(expected)


@pytest.mark.slow
def test_blocks_that_overlap_in_part_make_no_paths_but_a_spread_over_folds():
    _, _, said, _ = world()
    folds = [fold(LATE), fold(LATE & (np.arange(N) < 2_000))]
    found = scored([said] * 2, folds, 0)
    assert found.paths == () and found.n == scored([said], folds[:1], 0).n
    expected = np.std([f.accuracy for f in found.folds], ddof=1)
    assert found.spread["accuracy"] == pytest.approx(expected)


def test_one_fold_has_neither_paths_nor_spread():
    labels, index, said, _ = world()
    found = scored([said], [fold(LATE)], 0)
    assert found.paths == () and found.spread == {}
    assert sample(labels, index, [fold(LATE)], 0, 0).paths == 1
