"""By hand first, then against oracles that count row by row."""

import math

import numpy as np
import pytest

from flowsense.evaluate import scores
from flowsense.forecast import DOWN, FLAT, UP

P = np.array([[0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0.6, 0.0, 0.4], [0.0, 0.9, 0.1], [0.5, 0.4, 0.1]])
Y = np.array([UP, DOWN, UP, FLAT, DOWN])


@pytest.fixture(params=range(5))
def drawn(request):
    """Forecasts with many ties, and labels."""
    rng = np.random.default_rng(request.param)
    p = rng.multinomial(6, (0.3, 0.4, 0.3), 97) / 6
    return p, rng.integers(0, 3, 97)


def test_side_conviction_and_hits_by_hand():
    assert scores.side(P).tolist() == [1, 0, -1, 1, -1]
    assert scores.conviction(P) == pytest.approx([0.75, 0, 0.2, 1, 2 / 3])
    assert scores.hits(P, Y)[Y != FLAT].tolist() == [1, 0.5, 0, 1]  # a tie counts half


def test_accuracy_reads_moved_rows_and_counts_a_tie_half():
    assert scores.accuracy(P, Y) == pytest.approx(2.5 / 4)


def test_side_balanced_by_hand():
    # up calls: row 0 right, half of row 1 wrong; down calls: half of row 1, not 2, and 4
    assert scores.side_balanced(P, Y) == pytest.approx((1 / 1.5 + 1.5 / 2.5) / 2)


def test_one_sided_calls_earn_no_balance_from_drift():
    p = np.tile([0.6, 0.1, 0.3], (10, 1))
    y = np.array([DOWN] * 9 + [UP])
    assert scores.accuracy(p, y) == pytest.approx(0.9)
    assert scores.side_balanced(p, y) is None


def test_coverage_by_hand():
    # moved rows by conviction: row 0 (right), row 4 (right), row 2 (wrong), row 1 (tie)
    found = scores.coverage(P, Y, (1.0, 0.75, 0.5, 0.1))
    assert found == pytest.approx({"1.0": 0.625, "0.75": 2 / 3, "0.5": 1.0, "0.1": 1.0})


def test_rows_tied_at_the_edge_share_the_places():
    assert scores.most(np.array([3.0, 1.0, 1.0, 0.0]), 0.5).tolist() == [1, 0.5, 0.5, 0]


def test_tradable_by_hand_takes_still_rows_too():
    found = scores.tradable(P, Y, 0.7)
    assert found == scores.Tradable(share=0.4, hit=0.5, flat=0.5, wrong=0.0)


def test_a_threshold_takes_the_share_of_the_rows_it_was_made_on():
    p = np.random.default_rng(0).dirichlet((1, 2, 1), 400)
    for share in (0.5, 0.25, 0.1):
        assert scores.taken(p, scores.threshold(p, share)).mean() == pytest.approx(share)


def test_a_forecast_without_a_side_is_never_taken():
    flat = np.full((5, 3), 1 / 3)
    assert scores.tradable(flat, Y, scores.threshold(flat, 0.1)).share == 0


def test_log_loss_and_brier_by_hand():
    y = np.array([UP, FLAT, DOWN, FLAT, DOWN])
    parts = [0.7, 0.4, 0.6, 0.9, 0.5]
    assert scores.log_loss(P, y) == pytest.approx(-sum(map(math.log, parts)) / 5)
    squares = [0.14, 0.54, 0.32, 0.02, 0.42]
    assert scores.brier(P, y) == pytest.approx(sum(squares) / 5)


def test_certainty_that_is_wrong_costs_a_finite_amount():
    assert scores.log_loss(np.array([[1.0, 0, 0]]), np.array([UP])) == pytest.approx(15.94, 1e-3)


def test_information_coefficient_ranks():
    move = np.array([-1.0, 0, 2, 50])
    assert scores.information_coefficient(np.array([1.0, 2, 3, 4]), move) == pytest.approx(1)
    assert scores.information_coefficient(-move, move) == pytest.approx(-1)
    assert scores.information_coefficient(np.ones(4), move) is None


def test_information_coefficient_is_one_minus_six_squared_rank_differences():
    rng = np.random.default_rng(3)
    a, b = rng.permutation(50), rng.permutation(50)  # Spearman's formula without ties
    slow = 1 - 6 * sum((int(x) - int(y)) ** 2 for x, y in zip(a, b, strict=True)) / (50 * 2499)
    assert scores.information_coefficient(a, b) == pytest.approx(slow)


def test_errors_of_a_size_by_hand():
    assert scores.mae(np.array([1.0, 5.0]), np.array([2.0, 2.0])) == pytest.approx(2)
    assert scores.rmse(np.array([1.0, 5.0]), np.array([2.0, 2.0])) == pytest.approx(math.sqrt(5))


def test_no_rows_is_none_and_never_nan():
    p, y, x = np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0)
    found = [f(p, y) for f in (scores.accuracy, scores.side_balanced, scores.log_loss)]
    found += [scores.brier(p, y), scores.mae(x, x), scores.rmse(x, x), scores.threshold(p, 0.1)]
    found += [scores.information_coefficient(x, x), *scores.coverage(p, y).values()]
    assert found == [None] * 12
    nothing = scores.Tradable(None, None, None, None)
    assert scores.tradable(P, Y, None) == nothing == scores.tradable(p, y, 0.5)


def test_sides_against_counting(drawn):
    p, y = drawn
    right, n, calls = 0.0, 0, {UP: [0.0, 0.0], DOWN: [0.0, 0.0]}
    for (down, _, up), came in zip(p, y, strict=True):
        if came == FLAT:
            continue
        n += 1
        sides = (
            [(UP, 1.0)] if up > down else [(DOWN, 1.0)] if up < down else [(UP, 0.5), (DOWN, 0.5)]
        )
        for side, weight in sides:
            calls[side][0] += weight * (came == side)
            calls[side][1] += weight
            right += weight * (came == side)
    assert scores.accuracy(p, y) == pytest.approx(right / n)
    balanced = sum(hit / called for hit, called in calls.values()) / 2
    assert scores.side_balanced(p, y) == pytest.approx(balanced)


def test_coverage_is_the_mean_over_every_order_of_ties(drawn):
    p, y = drawn
    moved = y != FLAT
    q, came = p[moved], y[moved]
    rng, tops = np.random.default_rng(0), []
    for _ in range(4_000):  # a random order of ties, the first quarter taken
        order = rng.permutation(len(q))
        order = order[np.argsort(-scores.conviction(q)[order], kind="stable")]
        top = order[: math.ceil(len(q) / 4)]
        tops.append(scores.hits(q, came)[top].mean())
    assert scores.coverage(p, y)["0.25"] == pytest.approx(np.mean(tops), abs=0.01)


def test_the_loss_of_a_side_by_hand():
    """Moved: .4 against .1 and up (ln 1.25), .4 against .1 and down (ln 5), nothing said (ln 2)."""
    p = np.array([[0.1, 0.5, 0.4], [0.1, 0.5, 0.4], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0]])
    y = np.array([UP, DOWN, FLAT, UP])
    expected = (np.log(1.25) + np.log(5) + np.log(2)) / 3
    assert scores.side_loss(p, y) == pytest.approx(expected)
    assert scores.side_loss(p, np.full(4, FLAT)) is None
    assert scores.side_loss(np.array([[0.0, 0.0, 1.0]]), np.array([DOWN])) < 20
