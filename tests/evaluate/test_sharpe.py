"""Figures of the papers, figures by hand, and figures by simulation."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate.sharpe import (
    Moments,
    deflated,
    expected_maximum,
    minimum_backtest,
    minimum_track_record,
    penalised,
    probabilistic,
    yearly,
)

DAYS = 252


def seen(sharpe, n=1_250, skew=0.0, kurtosis=3.0):
    return Moments(n, *(np.array([x]) for x in (sharpe, skew, kurtosis)))


def test_moments_by_hand():
    found = Moments.of(np.array([[0.0, 1], [0, 2], [0, 0], [0, 1]] * 3))
    assert found.n == 12
    assert found.sharpe == pytest.approx([0, np.sqrt(11 / 12) / np.sqrt(0.5)])
    assert found.skew == pytest.approx([0, 0]) and found.kurtosis == pytest.approx([3, 2])


def test_moments_are_those_of_scipy():
    from scipy import stats

    x = np.random.default_rng(0).exponential(size=(200, 3))
    found = Moments.of(x)
    assert found.sharpe == pytest.approx(x.mean(axis=0) / x.std(axis=0, ddof=1))
    assert found.skew == pytest.approx(stats.skew(x)) and found.kurtosis == pytest.approx(
        stats.kurtosis(x, fisher=False)
    )


def test_the_example_of_the_paper():
    """A yearly ratio of 2.5 in five years of days, the best of 100 whose ratios vary by 1/2."""
    of, deviation = seen(2.5 / np.sqrt(250), skew=-3.0, kurtosis=10.0), np.sqrt(0.5 / 250)
    assert deviation * expected_maximum(100) == pytest.approx(0.1132, abs=5e-5)
    assert deflated(of, 100, deviation)[0] == pytest.approx(0.9004, abs=5e-5)
    assert deflated(of, 46, deviation)[0] == pytest.approx(0.9505, abs=5e-5)
    normal = seen(2.5 / np.sqrt(250))
    assert deflated(normal, 88, deviation)[0] == pytest.approx(0.9505, abs=5e-5)


def test_five_years_of_days_are_what_45_trials_need_at_the_least():
    assert minimum_backtest(45, 1.0) == pytest.approx(5.0, abs=0.01)
    with pytest.raises(InputError, match="above 0"):
        minimum_backtest(45, 0.0)


def test_100_times_50_worthless_strategies_show_3_69_on_one_year():
    assert expected_maximum(100 * 50) == pytest.approx(3.69, abs=0.005)
    rng, best = np.random.default_rng(0), []
    for _ in range(8):
        returns = rng.standard_normal((DAYS, 5_000), np.float32)
        ratio = returns.mean(axis=0) / returns.std(axis=0)
        best.append(yearly(float(ratio.max()), DAYS))
    assert np.mean(best) == pytest.approx(3.69, abs=3 * 0.3 / np.sqrt(8))


@pytest.mark.parametrize("trials", [2, 5, 30, 400])
def test_the_expected_maximum_is_that_of_normal_numbers(trials):
    drawn = np.random.default_rng(trials).standard_normal((4_000, trials)).max(axis=1)
    assert expected_maximum(trials) == pytest.approx(drawn.mean(), abs=0.07)


def test_one_trial_has_no_luck_to_be_compared_with():
    assert expected_maximum(1) == expected_maximum(0.5) == 0
    of = seen(0.1)
    assert deflated(of, 1, 0.03) == probabilistic(of)


def test_the_standard_error_is_that_of_samples():
    rng = np.random.default_rng(1)
    x = rng.exponential(size=(500, 4_000)) - 0.8
    found = Moments.of(x)
    assert found.error.mean() == pytest.approx(found.sharpe.std(), rel=0.05)


@pytest.mark.slow
def test_probabilities_are_uniform_where_the_ratio_is_the_true_one():
    x = np.random.default_rng(2).normal(0.1, 1, (1_000, 4_000))
    p = probabilistic(Moments.of(x), 0.1)
    assert np.quantile(p, [0.05, 0.5, 0.95]) == pytest.approx([0.05, 0.5, 0.95], abs=0.02)


def test_a_track_record_is_long_enough_where_its_probability_is():
    for of in (seen(0.1), seen(0.05, skew=-2.0, kurtosis=12.0)):
        needed = minimum_track_record(of, 0.01)
        assert probabilistic(of._replace(n=needed), 0.01)[0] == pytest.approx(0.95)
    assert minimum_track_record(seen(0.1), 0.1) is None


def test_what_was_fitted_keeps_what_its_penalty_leaves():
    """Weights of six assets that maximise the ratio: five directions were free."""
    rng, n = np.random.default_rng(3), 400
    true = np.array([0.2, 0.1, 0.0, 0.0, -0.1, 0.05])
    seen = true + rng.normal(0, 1 / np.sqrt(n), (20_000, 6))
    inside = np.linalg.norm(seen, axis=1)
    outside = seen @ true / inside
    left = penalised(inside, np.full(20_000, 5.0), n)
    assert inside.mean() - outside.mean() > 0.02
    assert left.mean() == pytest.approx(outside.mean(), abs=0.002)


def test_penalties_by_hand():
    found = penalised(np.array([0.5, 0.1, -0.2, 0.0]), np.array([10.0, 10, 10, 10]), 100)
    assert found == pytest.approx([0.3, 0, -0.2, 0])


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        (np.zeros(100), "give a column for each trial"),
        (np.zeros((100, 0)), "give a column for each trial"),
        (np.zeros((9, 2)), "returns of 9 periods: give 10 or more"),
        (np.full((20, 1), np.nan), "nan at period 0, trial 0"),
        (np.full((20, 1), np.inf), "inf at period 0, trial 0"),
    ],
)
def test_what_no_figure_can_be_made_of_is_refused(returns, why):
    with pytest.raises(InputError, match=why):
        Moments.of(returns)


def test_a_return_that_never_changes_has_no_ratio():
    found = Moments.of(np.full((50, 1), 0.001))
    assert found.sharpe == 0 and found.error == pytest.approx(1 / 7)
