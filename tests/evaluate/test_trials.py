"""Searches over noise end with nothing found; a planted edge is found by its name."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate.sharpe import expected_maximum
from flowsense.evaluate.trials import effective, judged

DAYS = 252


def noise(periods, trials, seed):
    return np.random.default_rng(seed).standard_normal((periods, trials))


def planted(periods, trials, seed, sharpe):
    """Trial 7 earns so much a year."""
    x = noise(periods, trials, seed)
    x[:, 7] += sharpe / np.sqrt(DAYS)
    return x


@pytest.mark.slow
def test_of_5_000_worthless_trials_nothing_is_found():
    found = judged(noise(DAYS, 5_000, 0))
    assert not found.found and found.sentence.startswith("nothing found: among 5,000 trials trial ")
    assert found.sharpe * np.sqrt(DAYS) > 3 and 0.3 < found.pbo < 0.7
    assert found.luck * np.sqrt(DAYS) == pytest.approx(3.69, abs=0.1)


def test_a_planted_edge_is_found_by_name():
    names = [f"k={k}" for k in range(400)]
    found = judged(planted(4 * DAYS, 400, 1, 4.0), names=names)
    assert found.found and found.name == "k=7" and found.best == 7
    assert found.deflated > 0.99 and found.pbo < 0.05
    assert found.sentence.startswith("k=7 is found: among 400 trials k=7 has a Sharpe ratio of 0.2")


def test_what_was_tried_elsewhere_counts():
    x = planted(DAYS, 10, 3, 4.0)
    alone, among = judged(x), judged(x, tried=100_000)
    assert alone.found and not among.found and among.trials == 100_000
    assert among.luck > 1.5 * alone.luck and "among 100,000 trials" in among.sentence


def test_parameters_count_against_the_trial_that_fitted_them():
    x = planted(DAYS, 8, 4, 3.5)
    plain, fitted = judged(x), judged(x, parameters=[0] * 7 + [40])
    assert plain.best == 7 and plain.penalised == plain.sharpe
    assert fitted.best != 7 or fitted.penalised < fitted.sharpe - 0.1


def test_one_trial_is_judged_by_itself():
    x = noise(4 * DAYS, 1, 5) + 0.1
    found = judged(x)
    assert found.found and found.luck == 0 and found.pbo is None and found.effective == 1
    assert found.sentence.startswith("trial 0 is found: trial 0 has a Sharpe ratio of 0.1")


def test_copies_of_an_edge_are_found_and_their_order_is_luck():
    edge = noise(4 * DAYS, 1, 6) + 0.2
    found = judged(edge + 1e-6 * noise(4 * DAYS, 50, 7))
    assert found.found and found.effective < 2
    assert found.loss == 0 and (found.pbo < 0.5 or "which of the trials is best" in found.sentence)


@pytest.mark.parametrize("returns", [np.zeros((30, 4)), np.full((30, 4), -0.01)])
def test_what_never_trades_or_only_loses_is_nothing(returns):
    found = judged(returns)
    assert not found.found and found.sentence.startswith("nothing found")
    assert np.isfinite([found.sharpe, found.deflated, found.luck]).all()


@pytest.mark.slow
def test_independent_trials_are_as_many_as_they_are():
    assert effective(noise(1_000, 100, 8)) > 75
    assert effective(noise(DAYS, 5_000, 9)) > 2_500
    assert effective(noise(100_000, 20, 10)) > 15


def test_copies_count_once():
    x = np.repeat(noise(500, 20, 11), 40, axis=1) + 1e-3 * noise(500, 800, 12)
    assert 14 < effective(x) <= 25
    assert effective(np.repeat(noise(500, 1, 13), 30, axis=1)) < 1.2
    assert effective(np.zeros((500, 5))) == 1


@pytest.mark.slow
def test_what_is_common_to_all_makes_their_best_less_lucky():
    """Correlated by 1/2: the largest of n is sqrt(1/2) of the largest of n independent ones."""
    x = noise(2_000, 1, 14) + noise(2_000, 1_000, 15)
    expected = np.sqrt(0.5) * expected_maximum(1_000)
    assert expected_maximum(effective(x)) == pytest.approx(expected, abs=0.15)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"names": ["a"]}, "1 names of 3 trials"),
        ({"parameters": [1, 2]}, "2 parameters of 3 trials"),
        ({"parameters": [1, 2, -3]}, "-3 parameters: give 0 or more"),
    ],
)
def test_what_does_not_fit_is_refused(given, why):
    with pytest.raises(InputError, match=why):
        judged(noise(30, 3, 0), **given)
