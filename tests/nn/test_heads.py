"""Three outputs as a forecast, by hand."""

import numpy as np
import pytest
from lagged import TARGETS, labels, rows

from flowsense.forecast import FLAT, UP
from flowsense.nn.heads import Scale, said, scaled


def test_outputs_of_zero_are_the_rates_of_the_instrument():
    scale = Scale(np.log([[1.0, 1.0], [3.0, 1.0]]), np.array([[2.0, 3.0], [4.0, 5.0]]))
    out, ready = np.zeros((2, 2, 3), np.float32), np.ones(2, np.bool_)
    found = said(TARGETS, out, scale, np.array([0, 1]), ready)
    np.testing.assert_allclose(found.proba[:, 0, FLAT], [0.5, 0.25])
    np.testing.assert_allclose(found.value, [[0, 3], [0, 5]])


def test_a_side_of_log_three_is_three_to_one_of_moves():
    scale = Scale(np.zeros((1, 2)), np.ones((1, 2)))
    out = np.zeros((1, 2, 3), np.float32)
    out[0, 0] = np.log(3), 0, np.log(2)
    found = said(TARGETS, out, scale, np.zeros(1, np.int64), np.ones(1, np.bool_))
    assert found.proba[0, 0, UP] == pytest.approx(0.5 * 0.75)
    assert found.value[0, 0] == pytest.approx(0.5 * 0.5 * 2)


def test_it_is_silent_until_it_is_ready():
    scale = Scale(np.ones((1, 2)), np.ones((1, 2)))
    out, ready = np.ones((2, 2, 3), np.float32), np.array([False, True])
    found = said(TARGETS, out, scale, np.zeros(2, np.int64), ready)
    np.testing.assert_allclose(found.proba[0], 1 / 3)
    assert not found.value[0].any() and found.value[1].all()
    assert found.ready.tolist() == [[False, False], [True, True]]


def test_outputs_out_of_all_reach_stay_finite():
    scale = Scale(np.zeros((1, 2)), np.ones((1, 2)))
    out = np.full((1, 2, 3), 3e38, np.float32)
    found = said(TARGETS, out, scale, np.zeros(1, np.int64), np.ones(1, np.bool_))
    assert np.isfinite(found.proba).all() and np.isfinite(found.value).all()


def test_scales_are_of_rows_to_learn_from_and_others_hear_all():
    of = rows(300)
    told = labels(of)
    told = told._replace(valid=told.valid & (of.instrument == 0)[:, None])
    learn = told.valid[:, 0] & ~told.stop[:, 0]
    scale = scaled(told, of.instrument, 2)
    moves = learn & (told.y[:, 0] != 1)
    rate = (moves.sum() + 1) / (learn.sum() - moves.sum() + 1)
    np.testing.assert_allclose(scale.base[:, 0], np.log(rate))
    np.testing.assert_allclose(scale.size[:, 0], np.abs(told.move[moves, 0]).mean(), rtol=1e-5)
    np.testing.assert_allclose(scale.size[:, 1], told.y[learn, 1].mean(), rtol=1e-5)
