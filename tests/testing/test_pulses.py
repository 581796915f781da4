"""Planted pulses: the log-odds by hand, and what knows them has all the skill."""

import numpy as np

from flowsense.forecast import Forecast
from flowsense.model.sides import probabilities, sigmoid
from flowsense.testing.pulses import TARGETS, Pattern, pulses, share_of_skill

ONE = (Pattern(1.0, 0.4, 20.0),)


def test_a_pulse_adds_to_the_odds_a_second_later():
    of = pulses(ONE, 400, 1)
    (column,) = np.flatnonzero(np.abs(of.rows.X).max(axis=0) > 2.5)
    high = np.abs(of.rows.X[:, column]) > 1.5
    (first, *_) = np.flatnonzero(high)
    side = np.sign(of.rows.X[first, column])
    assert high[first : first + 5].all() and not high[first + 5]
    np.testing.assert_allclose(of.odds[first + 8 : first + 12], 2.5 * side)
    assert of.odds[first + 7] == of.odds[first + 12] == 0


def said(odds):
    up = sigmoid(np.asarray(odds))[:, None]
    proba = probabilities(np.ones_like(up), up)
    return Forecast(TARGETS, proba, up.astype("f4"), np.ones(up.shape, np.bool_))


def test_who_knows_the_odds_has_all_the_skill_and_who_knows_nothing_none():
    of = pulses(ONE, 4_000, 0)
    np.testing.assert_allclose(share_of_skill(said(of.odds), of), 1, atol=1e-3)
    assert abs(share_of_skill(said(0 * of.odds), of)) < 1e-9
    assert 0 < share_of_skill(said(of.odds / 3), of) < 1


def test_tapes_hold_all_rows_in_order():
    of = pulses(ONE, 2_300, 0)
    ts = np.concatenate([tape.rows[0].ts for tape in of])
    np.testing.assert_array_equal(ts, of.rows.ts)
