import math

import numpy as np
import pytest

from flowsense.evaluate import classes
from flowsense.forecast import DOWN, FLAT, UP

COUNTS = np.array([[3, 1, 0], [2, 4, 0], [0, 5, 5]])  # rows came, columns called


def test_confusion_by_hand():
    y, call = np.array([UP, UP, DOWN, FLAT]), np.array([UP, FLAT, DOWN, DOWN])
    assert classes.confusion(call, y).tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]


def test_equal_likelihood_is_called_flat():
    p = np.array([[1 / 3] * 3, [0.4, 0.2, 0.4], [0.5, 0.2, 0.3]])
    assert classes.called(p).tolist() == [FLAT, FLAT, DOWN]


def test_scores_by_hand():
    assert classes.precision(COUNTS) == pytest.approx([3 / 5, 4 / 10, 1])
    assert classes.recall(COUNTS) == pytest.approx([3 / 4, 4 / 6, 1 / 2])
    assert classes.f1(COUNTS) == pytest.approx([2 / 3, 1 / 2, 2 / 3])
    assert classes.balanced_accuracy(COUNTS) == pytest.approx((3 / 4 + 4 / 6 + 1 / 2) / 3)
    assert classes.macro_f1(COUNTS) == pytest.approx((2 / 3 + 1 / 2 + 2 / 3) / 3)


def test_mcc_of_two_classes_is_the_classic_formula():
    tp, tn, fp, fn = 6, 3, 1, 2
    slow = (tp * tn - fp * fn) / math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert classes.mcc(np.array([[tn, 0, fp], [0, 0, 0], [fn, 0, tp]])) == pytest.approx(slow)


def test_mcc_is_the_correlation_of_indicators():
    rng = np.random.default_rng(0)
    y, call = rng.integers(0, 3, 500), rng.integers(0, 3, 500)
    call[:200] = y[:200]
    a, b = np.eye(3)[y], np.eye(3)[call]  # Gorodkin 2004, eq. 2-3: summed covariances
    a, b = a - a.mean(0), b - b.mean(0)
    slow = (a * b).sum() / math.sqrt((a * a).sum() * (b * b).sum())
    assert classes.mcc(classes.confusion(call, y)) == pytest.approx(slow)


def test_classes_that_never_came_or_were_called_are_left_out():
    two = np.array([[4, 0, 0], [0, 0, 0], [0, 0, 4]])
    assert classes.balanced_accuracy(two) == classes.macro_f1(two) == classes.mcc(two) == 1
    flat = classes.per_class(two)["flat"]
    assert flat == {"precision": None, "recall": None, "f1": None, "support": 0}


def test_one_class_has_no_correlation():
    assert np.isnan(classes.mcc(np.diag([0, 7, 0])))


def test_stacks_are_scored_one_by_one():
    stack = np.random.default_rng(1).integers(0, 9, (4, 3, 3))
    for score in (classes.balanced_accuracy, classes.macro_f1, classes.mcc):
        assert score(stack) == pytest.approx([float(score(one)) for one in stack])
