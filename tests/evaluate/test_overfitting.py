"""Halves against halves: by plain loops, by hand, and on trials that are known to be worthless."""

from itertools import combinations

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate.overfitting import overfitting


def by_loops(x, blocks):
    size, ranks, losses = len(x) // blocks, [], 0
    parts = x[len(x) - blocks * size :].reshape(blocks, size, -1)
    for way in combinations(range(blocks), blocks // 2):
        rest = [k for k in range(blocks) if k not in way]
        mine, other = (np.concatenate(parts[list(k)]) for k in (way, rest))
        best = int((mine.mean(axis=0) / mine.std(axis=0)).argmax())
        there = other.mean(axis=0) / other.std(axis=0)
        ranks.append((there <= there[best]).sum() / (x.shape[1] + 1))
        losses += there[best] < 0
    return np.mean(np.array(ranks) <= 0.5), losses / len(ranks)


@pytest.mark.parametrize("blocks", [4, 6, 8])
def test_counts_are_those_of_plain_loops(blocks):
    x = np.random.default_rng(blocks).normal(0.05, 1, (101, 7))
    found = overfitting(x, blocks=blocks)
    assert (found.pbo, found.loss) == pytest.approx(by_loops(x, blocks))
    assert found.ways == len(list(combinations(range(blocks), blocks // 2)))


def test_of_worthless_trials_the_best_is_no_better_later():
    rng = np.random.default_rng(0)
    found = [overfitting(rng.normal(size=(200, 30)), blocks=8) for _ in range(40)]
    assert np.mean([one.pbo for one in found]) == pytest.approx(0.5, abs=0.1)
    assert np.mean([one.loss for one in found]) == pytest.approx(0.5, abs=0.1)


def test_a_trial_that_earns_stays_the_best():
    x = np.random.default_rng(1).normal(size=(200, 30))
    x[:, 11] += 0.5
    found = overfitting(x)
    assert max(found.pbo, found.loss) < 0.01 and found.ways == 924


def test_what_was_chosen_for_one_half_fails_in_the_other():
    """Two trials that earn in turn: in two of six ways one half holds both good blocks of one."""
    turn = np.repeat([1.0, -1, 1, -1], 25)[:, None]
    x = np.concatenate([turn, -turn], axis=1) + np.random.default_rng(2).normal(0, 0.1, (100, 2))
    found = overfitting(x, blocks=4)
    assert found.pbo >= 1 / 3 and found.loss >= 1 / 3 and found.slope < -0.9


def test_no_sum_overflows_and_scale_is_nothing():
    x = np.random.default_rng(3).normal(size=(64, 5))
    plain = overfitting(x)
    assert overfitting(x * 1e300) == pytest.approx(plain)
    assert overfitting(x * 1e-200) == pytest.approx(plain)


def test_trials_that_never_trade_are_neither_best_nor_worst():
    found = overfitting(np.zeros((64, 5)))
    assert found.pbo == 1 and found.loss == found.slope == 0


def test_too_little_to_halve():
    rng = np.random.default_rng(4)
    assert overfitting(rng.normal(size=(100, 1))) is None
    assert overfitting(rng.normal(size=(15, 9))) is None
    assert overfitting(rng.normal(size=(16, 9))).ways == 6
    with pytest.raises(InputError, match="3 blocks: give an even number"):
        overfitting(rng.normal(size=(100, 9)), blocks=3)
