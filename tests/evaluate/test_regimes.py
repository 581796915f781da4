"""Worked examples: a row a second unless told otherwise, and a horizon of two."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate.regimes import (
    alarms,
    average_precision,
    delay,
    outcome,
    states,
    threshold,
    transitions,
)
from flowsense.schema import SECOND


def told(state, horizon=2, ts=None):
    at = np.arange(len(state)) if ts is None else np.array(ts)
    return outcome(at * SECOND, np.array(state, np.int64), horizon * SECOND)


def chances(said, k=3):
    return np.eye(k)[said] * 0.7 + 0.1


def test_the_later_state_is_that_of_the_last_row_up_to_the_horizon():
    of = told([0, 0, 1, 1, 2], ts=[0, 1, 3, 4, 6])
    assert of.later.tolist() == [0, 1, 1, 2]
    assert of.changes.tolist() == [False, True, False, True]


def test_rows_without_a_state_at_either_end_are_left_out():
    of = told([0, 1, -1, 1, 0, 0])
    assert of.rows.tolist() == [1, 3]
    assert of.later.tolist() == [1, 0]


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_rows_score_nothing(n):
    of = told([0] * n)
    p, score = np.zeros((0, 3)), np.zeros(0)
    assert states(of, p)._replace(n=0) == states(told([]), p) == (0, *[None] * 6)
    assert transitions(of, score, seed=0) == (0, None, None, None, None)
    assert alarms(of, score, 0.5, seed=0) == (0, *[None] * 5)
    assert delay(of, p) == (0, None, None)


def test_a_state_made_of_the_past_needs_a_horizon_beyond_it():
    ts, state = np.arange(9) * SECOND, np.zeros(9, np.int64)
    outcome(ts, state, 60 * SECOND, 60 * SECOND)
    with pytest.raises(InputError, match="half known 30s ahead: give a horizon of 1m or more"):
        outcome(ts, state, 30 * SECOND, 60 * SECOND)


def test_states_beside_persistence_by_hand():
    of = told([0, 0, 0, 1, 1, 1, 1])  # later 0 1 1 1 1
    found = states(of, chances([0, 1, 0, 1, 1]))
    assert (found.n, found.accuracy, found.persistence) == (5, 0.8, 0.6)
    assert found.changed == 0.5
    assert found.balanced_accuracy == pytest.approx((1 + 3 / 4) / 2)
    assert found.persistence_balanced == pytest.approx((1 + 2 / 4) / 2)
    assert found.log_loss == pytest.approx(-(4 * np.log(0.8) + np.log(0.1)) / 5)


def test_persistence_may_know_another_state_than_the_truth():
    of = told([0, 0, 0, 1, 1, 1, 1])
    assert states(of, chances([0] * 5), np.ones(5, np.int64)).persistence == 0.8


def test_average_precision_by_hand():
    """Hits at places 1 and 3 of 4: 1/2 x 1 + 1/2 x 2/3; all alike: the base rate."""
    event = np.array([True, False, True, False])
    assert average_precision(np.array([4.0, 3, 2, 1]), event) == pytest.approx(0.5 + 1 / 3)
    assert average_precision(np.ones(4), event) == 0.5
    assert average_precision(np.ones(4), np.ones(4, bool)) is None


def test_average_precision_agrees_with_another_library():
    metrics, rng = pytest.importorskip("sklearn.metrics"), np.random.default_rng(0)
    event, score = rng.random(500) < 0.1, rng.integers(0, 20, 500) / 20
    ours = average_precision(score, event)
    assert ours == pytest.approx(metrics.average_precision_score(event, score))


def test_a_score_that_knows_stands_above_itself_moved_in_time():
    rng = np.random.default_rng(0)
    of = told(np.cumsum(rng.random(2_000) < 0.05) % 3)
    found = transitions(of, of.changes + rng.normal(0, 0.3, len(of.ts)), seed=1)
    assert found.auprc > 0.9 > found.shifted_most > found.shifted > 0
    assert found.shifted == pytest.approx(found.base_rate, rel=0.3)


def test_persistence_says_of_no_row_that_it_changes():
    of = told(np.arange(200) // 10 % 2)
    found = transitions(of, np.zeros(len(of.ts)), seed=0)
    assert found.auprc == found.base_rate == found.shifted


def test_alarms_by_hand():
    """Moments at 4 and 8; of rows 2-3 and 6-7 before them row 3 rings, and row 5 rings falsely."""
    of = told([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0])
    score = np.zeros(10)
    score[[3, 5]] = 1.0
    found = alarms(of, score, 0.5, seed=0)
    assert (found.moments, found.share, found.caught) == (2, 0.2, 0.5)
    assert found.lead_s == 1
    assert found.false_per_hour == pytest.approx(3_600 / 9)
    assert 0 <= found.caught_shifted <= 1


def test_the_lead_is_from_the_first_alarm_within_the_horizon():
    of = told([0] * 5 + [1] * 5, horizon=4)
    found = alarms(of, np.array([1, 1, 1, 0, 1, 1.0]), 0.5, seed=0)
    assert (found.caught, found.lead_s) == (1, 4)


def test_where_nothing_changes_nothing_is_caught():
    found = alarms(told([1] * 9), np.ones(7), 0.5, seed=0)
    assert (found.moments, found.caught, found.caught_shifted, found.lead_s) == (0, *[None] * 3)
    assert found.share == 1 and found.false_per_hour == 600


def test_alarms_that_always_ring_catch_all_and_are_worth_nothing():
    of = told(np.arange(100) // 10 % 2)
    found = alarms(of, np.ones(len(of.ts)), 0.5, seed=0)
    assert found.caught == found.caught_shifted == found.share == 1


def test_the_delay_of_a_filter_by_hand():
    """The change at 3 is seen at 5; that at 7 not before the one at 9, which is seen at once."""
    of = told([0, 0, 0, 1, 1, 1, 1, 2, 2, 0, 0, 0])
    said = [0, 0, 0, 0, 0, 1, 1, 1, 1, 0]
    found = delay(of, chances(said))
    assert (found.moments, found.median_s) == (3, 1)
    assert found.found == pytest.approx(2 / 3)


def test_a_threshold_is_reached_by_its_share():
    score = np.random.default_rng(0).random(1_000)
    assert (score >= threshold(score, 0.1)).mean() == pytest.approx(0.1, abs=0.002)
