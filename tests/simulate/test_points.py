import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.schema import SECOND
from flowsense.simulate.points import (
    NOON,
    Points,
    Process,
    clustered,
    exponential,
    thinned,
)

ALPHA = [[0.4, 0.1], [0.2, 0.3]]


def test_rates_and_branching_by_hand():
    """Half a child each: 3 / (1 - 0.5) = 6 a second."""
    one = exponential([3.0], [[0.5]], 2.0)
    assert np.isclose(one.rates[0], 6) and one.branching == 0.5


@pytest.mark.parametrize("simulated", [thinned, clustered])
def test_counts_match_the_stationary_rates(simulated):
    process, seconds = exponential([1.0, 0.5], ALPHA, 5.0), 4_000
    points = simulated(process, seconds, np.random.default_rng(3))
    R = np.linalg.inv(np.eye(2) - process.alpha[:, :, 0])
    error = np.sqrt(np.diag(R @ np.diag(process.rates) @ R.T) / seconds)
    z = (np.bincount(points.kind) / seconds - process.rates) / error
    assert np.abs(z).max() < 4 and (np.diff(points.ts) >= 0).all()


def test_both_ways_cluster_alike():
    """The variance of counts in windows of half a second, far from that of a Poisson process."""
    process = exponential([1.0, 0.5], ALPHA, 5.0)
    found = []
    for simulated in (thinned, clustered):
        points = simulated(process, 8_000, np.random.default_rng(5))
        counts = np.bincount(points.ts // (SECOND // 2))
        found.append(counts.var() / counts.mean())
    assert found[0] > 1.5 and abs(found[0] / found[1] - 1) < 0.08


def test_a_baseline_rises_between_knots():
    """From 1 to 3 a second over ten seconds of the day: twice as many in the second half."""
    knots = np.array([0, 10 * SECOND], np.int64)
    nothing = np.zeros((1, 1, 1))
    process = Process(np.array([[1.0, 3.0]]), nothing, np.ones(1), np.ones((1, 1)), knots)
    parts = [thinned(process, 10, np.random.default_rng(k)).ts for k in range(300)]
    times = np.concatenate(parts)
    early = int((times < 5 * SECOND).sum())
    assert abs(early - 300 * 7.5) < 4 * (300 * 7.5) ** 0.5
    assert abs(len(times) - early - 300 * 12.5) < 4 * (300 * 12.5) ** 0.5


def test_a_tape_longer_than_a_table_goes_on():
    points = thinned(exponential([900.0], [[0.1]], 5.0), 10, np.random.default_rng(0))
    assert 9_000 < len(points.ts) < 11_000 and points.ts[-1] > 9.9 * SECOND


def test_nothing_happens_without_intensity():
    assert not len(thinned(exponential([0.0], [[0.5]], 1.0), 100, np.random.default_rng(0)).ts)


@pytest.mark.parametrize(
    ("mu", "alpha", "beta", "said"),
    [
        ([1.0], [[1.0]], 1.0, "branching ratio 1.000"),
        ([-1.0], [[0.5]], 1.0, "must not be negative"),
        ([np.nan], [[0.5]], 1.0, "finite"),
        ([1.0], [[0.5]], 0.0, "above 0"),
        ([1.0, 1.0], [[0.5]], 1.0, "need alpha"),
    ],
)
def test_what_cannot_be_simulated_is_refused(mu, alpha, beta, said):
    with pytest.raises(InputError, match=said):
        exponential(mu, alpha, beta)


def test_clusters_need_a_constant_baseline():
    knots = np.r_[NOON, NOON + 1]
    bent = exponential([1.0], [[0.5]], 1.0)._replace(mu=np.ones((1, 2)), knots=knots)
    with pytest.raises(InputError, match="one knot"):
        clustered(bent, 1, np.random.default_rng(0))


def test_seconds():
    assert Points(NOON, NOON, 0, 3 * SECOND).seconds == 3
