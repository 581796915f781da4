"""Detectors of change beside river's."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.online.drift import PageHinkley


def alarms(x, **settings):
    test = PageHinkley(**settings)
    return np.flatnonzero(test.push(test.init(1), np.zeros(len(x), np.int64), x)[1]).tolist()


def errors(seed, *spans):
    """Samples of 0 and 1: (how many, share of ones)."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.random(n) < share for n, share in spans]).astype(np.float64)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_it_alarms_where_river_does(seed):
    from river import drift as river

    x = errors(seed, (700, 0.2), (300, 0.5), (500, 0.3), (400, 0.9))
    oracle, found = river.PageHinkley(30, 0.1, 9.5, 1.0, "up"), []
    for i, value in enumerate(x):
        oracle.update(value)
        found += [i] if oracle.drift_detected else []

    assert alarms(x) == found and len(found) > 0


@pytest.mark.compiled
def test_a_fall_from_75_to_50_percent_is_found_within_100_samples_in_the_mean():
    delays = [
        min(a for a in alarms(errors(k, (1_000, 0.25), (500, 0.5))) if a >= 1_000) - 999
        for k in range(100)
    ]

    assert np.mean(delays) < 70 and np.quantile(delays, 0.85) <= 100


@pytest.mark.compiled
def test_it_alarms_once_for_each_drift_and_hardly_ever_without():
    after = [len(alarms(errors(k, (1_000, 0.25), (1_000, 0.5)))) for k in range(100)]
    quiet = [len(alarms(errors(k, (10_000, share)))) for k in range(25) for share in (0.25, 0.45)]

    assert after.count(1) >= 90
    assert np.mean(quiet) < 1


def test_a_gradual_drift_is_found_too_and_a_burst_of_duplicates_is_none():
    rising = np.random.default_rng(1).random(2_000) < np.linspace(0.25, 0.5, 2_000)
    settled = errors(2, (1_000, 0.25))
    burst = np.concatenate([settled, np.zeros(500), settled])

    assert alarms(np.concatenate([errors(1, (1_000, 0.25)), rising, errors(3, (1_000, 0.5))]))
    assert alarms(burst) == []


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_as_if_it_had_never_come(poison):
    x = errors(3, (500, 0.2), (300, 0.6))
    poisoned = np.insert(x, [0, 40, 600], poison)

    test = PageHinkley()
    clean, _ = test.push(test.init(1), np.zeros(len(x), np.int64), x)
    dirty, _ = test.push(test.init(1), np.zeros(len(poisoned), np.int64), poisoned)

    np.testing.assert_array_equal(clean, dirty)
    assert clean[0, 3] > 0


def test_streams_do_not_know_each_other_and_cuts_change_nothing():
    x, who = errors(4, (900, 0.2), (900, 0.7)), np.arange(1_800) % 3
    test = PageHinkley()
    whole, found = test.push(test.init(3), who, x)
    state = test.init(3)
    for a in range(0, 1_800, 7):
        state, _ = test.push(state, who[a : a + 7], x[a : a + 7])

    np.testing.assert_array_equal(state, whole)
    assert np.flatnonzero(found[who == 1]).tolist() == alarms(x[who == 1])


def test_settings_that_are_none_are_refused():
    with pytest.raises(InputError, match="rise"):
        PageHinkley(rise=0)
