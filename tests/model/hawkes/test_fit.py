import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.model.hawkes import fit as module
from flowsense.model.hawkes.fit import fit
from flowsense.model.hawkes.likelihood import log_likelihood, mirrored
from flowsense.model.hawkes.shapes import Exponentials, PowerLaw
from flowsense.schema import SECOND
from flowsense.simulate.points import NOON, Points, Process, exponential, thinned

FIXED, FREE = Exponentials((5.0,)), Exponentials((1.0,))
MIRROR = mirrored((1, 0, 2))


def test_a_poisson_process_is_counted():
    """Six points in three seconds, far apart: two a second."""
    points = Points(np.arange(6) * SECOND // 2, np.zeros(6, np.int64), 0, 3 * SECOND)
    found = fit(points, Exponentials((1_000.0,)), 1)
    assert np.isclose(found.process.mu[0, 0], 2, rtol=1e-4) and found.points == 6
    assert found.process.alpha[0, 0, 0] < 1e-6 and found.seconds == 3


@pytest.mark.parametrize("heads", [None, MIRROR])
def test_the_truth_is_found(known, points, heads):
    found = fit(points, FREE, 3, heads=heads, free=True)
    assert np.abs(found.process.alpha - known.alpha).max() < 0.06
    assert np.abs(found.process.mu / known.mu - 1).max() < 0.2
    assert abs(found.process.beta[0] / 5 - 1) < 0.2
    assert abs(found.process.branching - known.branching) < 0.06


@pytest.mark.compiled
@pytest.mark.parametrize("free", [False, True])
def test_nothing_near_is_more_likely(points, free):
    found = fit(points, FIXED, 3, free=free)
    top = log_likelihood(points, found.process)
    assert np.isclose(top, found.log_likelihood, atol=1e-6)
    rng = np.random.default_rng(0)
    for _ in range(20):
        mu, alpha = (x * rng.uniform(0.97, 1.03, x.shape) for x in found.process[:2])
        beta = found.process.beta * rng.uniform(0.97, 1.03) ** free
        assert log_likelihood(points, found.process._replace(mu=mu, alpha=alpha, beta=beta)) < top


def test_what_is_told_by_each_column_adds_up_to_the_points(points):
    """At the top sum(theta x exposure) is the count of each kind: an identity of the likelihood."""
    found = fit(points, Exponentials((1.0, 10.0)), 3)
    told = (found.theta * found.exposure).sum(axis=1)
    assert np.allclose(told, np.bincount(points.kind), rtol=1e-4)


def test_mirrored_kinds_are_alike(points):
    found = fit(points, FIXED, 3, heads=MIRROR).process
    swap = [1, 0, 2]
    assert found.mu[0] == found.mu[1]
    assert np.array_equal(found.alpha, found.alpha[np.ix_(swap, swap)])


def test_excitation_that_is_not_there_is_zero_and_never_less(known):
    one_way = exponential([0.5, 0.5], [[0.3, 0.0], [0.4, 0.0]], 5.0)
    found = fit(thinned(one_way, 3_000, np.random.default_rng(2)), FIXED, 2)
    assert (found.process.alpha >= 0).all() and found.process.alpha[:, 1, 0].max() < 0.03
    assert np.isfinite(found.intervals().alpha).all()


@pytest.mark.compiled
def test_a_power_law_finds_its_exponent(known):
    shapes = PowerLaw(0.6, 0.01, 10.0)
    terms = shapes.terms()
    truth = Process(np.full((1, 1), 1.0), np.full((1, 1, 1), 0.5), terms.beta, terms.mix, NOON)
    points = thinned(truth, 4_000, np.random.default_rng(3))
    found = fit(points, shapes.at(np.array([0.3])), 1, free=True)
    low, high = found.intervals().shape[:, 0]
    assert low < 0.6 < high and high - low < 0.5


def test_a_baseline_over_the_day_is_found():
    knots = np.array([0, 1_000, 2_000], np.int64) * SECOND
    mu = np.array([[1.0, 4.0, 2.0]])
    truth = Process(mu, np.full((1, 1, 1), 0.4), np.array([5.0]), np.ones((1, 1)), knots)
    points = thinned(truth, 2_000, np.random.default_rng(3))
    found = fit(points, FIXED, 1, knots=knots).process
    assert np.abs(found.mu / mu - 1).max() < 0.25 and abs(found.alpha[0, 0, 0] - 0.4) < 0.06


@pytest.mark.compiled
def test_a_long_record_climbs_from_a_short_one(monkeypatch, points):
    plain = fit(points, FREE, 3, free=True)
    monkeypatch.setattr(module, "PREVIEW", 500)
    led = fit(points, FREE, 3, free=True)
    assert np.isclose(led.log_likelihood, plain.log_likelihood, atol=1e-3)
    assert np.allclose(led.theta, plain.theta, atol=1e-3)


def test_a_kind_that_never_comes_breaks_nothing(points):
    found = fit(points, FIXED, 4)
    assert (found.process.mu[3] == 0).all() and np.isfinite(found.process.alpha).all()
    assert found.process.alpha[:, 3].max() == 0 and np.isfinite(found.covariance).all()


def test_steps_bound_the_climb(points):
    assert fit(points, FREE, 3, free=True, steps=2).steps <= 2


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(InputError, match="no point"):
        fit(Points(NOON[:0], NOON[:0], 0, SECOND), FIXED, 1)


def test_intervals_widen_with_their_level(points):
    found = fit(points, FREE, 3, free=True)
    narrow, wide = found.intervals(0.5), found.intervals(0.95)
    for a, b in zip(narrow, wide, strict=True):
        assert (b[0] < a[0]).all() and (a[1] < b[1]).all()
    assert wide.branching[0] < found.process.branching < wide.branching[1]


@pytest.mark.slow
def test_intervals_cover_what_they_say():
    """The 95 % intervals of all 13 parameters, pooled over 100 simulated sets."""
    from flowsense.bench.hawkes import covered

    every, branching = covered(100)
    assert 0.92 <= every <= 0.98 and branching > 0.88
