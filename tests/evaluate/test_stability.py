"""Histograms beside what a person counts, and references as they are kept."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate.stability import BINS, Reference, histogram, spaced
from flowsense.schema import SECOND
from flowsense.store.arrays import CheckpointError


def test_a_histogram_counts_below_at_between_above_and_missing():
    edges = np.array([[1, 2, 3, 4, 5, 6, 7, 8, 9]], np.float32)
    X = np.array([[0], [1], [1.5], [9], [10], [5], [np.nan]], np.float32)

    found = histogram(edges, X, np.array([[1], [1], [1], [1], [1], [0], [1]], bool))

    assert np.flatnonzero(found[0]).tolist() == [0, 1, 2, 17, 18, BINS - 1]
    assert found[0, BINS - 1] == 2


def test_the_index_is_the_sum_that_the_book_says():
    X = np.repeat(np.float32([0, 1]), 50)[:, None]
    reference = Reference.of(X, np.ones(X.shape, bool))
    moved = np.repeat(np.float32([0, 1]), (80, 20))[:, None]

    found = reference.psi(histogram(reference.edges, moved, np.ones(X.shape, bool)))

    assert found[0] == pytest.approx(0.3 * np.log(0.8 / 0.5) - 0.3 * np.log(0.2 / 0.5))


def test_a_column_that_was_constant_and_moves_is_seen_on_both_sides():
    constant = np.full((100, 1), 5, np.float32)
    every = np.ones((100, 1), bool)
    reference = Reference.of(constant, every)

    for value in (4, 6):
        assert reference.psi(histogram(reference.edges, constant * 0 + value, every))[0] > 5
    assert reference.psi(histogram(reference.edges, constant, every))[0] == 0
    assert reference.psi(histogram(reference.edges, constant, ~every))[0] > 5


def test_what_is_not_finite_is_missing_in_a_reference_too():
    X = np.array([[1], [np.nan], [3], [np.inf]], np.float32)

    found = Reference.of(X, np.ones(X.shape, bool))

    assert np.isfinite(found.edges).all() and found.counts[0, BINS - 1] == 2


def test_a_reference_needs_rows():
    with pytest.raises(InputError, match="without rows"):
        Reference.of(np.zeros((0, 2), np.float32), np.zeros((0, 2), bool))


def reference(n=500, columns=3):
    X = np.random.default_rng(1).normal(size=(n, columns)).astype(np.float32)
    return Reference.of(X, np.random.default_rng(2).random(X.shape) < 0.9)


def test_what_is_kept_is_what_comes_back():
    one = reference()
    found = Reference.load(one.arrays(), 3)

    assert np.array_equal(found.edges, one.edges) and np.array_equal(found.counts, one.counts)
    assert found.rows == one.rows == 500
    assert sum(a.nbytes for a in one.arrays().values()) == 3 * 76


WRONG = {
    "none": lambda a: {},
    "counts missing": lambda a: {"edges": a["edges"]},
    "floats": lambda a: a | {"counts": a["counts"].astype(np.float64)},
    "other columns": lambda a: a | {"edges": a["edges"][:2]},
    "nan": lambda a: a | {"edges": a["edges"] * np.float32(np.nan)},
    "falling": lambda a: a | {"edges": a["edges"][:, ::-1].copy()},
    "empty": lambda a: a | {"counts": a["counts"] * np.uint16(0)},
    "uneven": lambda a: a | {"counts": a["counts"] * np.uint16([[1], [2], [1]])},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_reference_is_refused(wrong):
    with pytest.raises(CheckpointError, match="no histogram of 3 columns"):
        Reference.load(WRONG[wrong](reference().arrays()), 3)


def test_about_one_row_a_second_is_taken_of_all_instruments_in_turn():
    ts = np.repeat(np.arange(0, 20 * SECOND, SECOND // 10), 2)
    who = np.tile([0, 1], len(ts) // 2)
    found, last = spaced(ts, who, np.full(2, -1), SECOND)

    assert len(found) == 20 and np.diff(ts[found[who[found] == 0]]).tolist() == [2 * SECOND] * 9
    assert last.tolist() == [ts[-1], ts[-1]]
    for cut in (1, 7, 150):
        first, after = spaced(ts[:cut], who[:cut], np.full(2, -1), SECOND)
        second, _ = spaced(ts[cut:], who[cut:], after, SECOND)
        assert np.array_equal(np.r_[first, second + cut], found)
