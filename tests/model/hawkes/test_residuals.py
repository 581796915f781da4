import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.model.hawkes.fit import fit
from flowsense.model.hawkes.residuals import judged, residuals
from flowsense.model.hawkes.shapes import Exponentials
from flowsense.schema import DAY, SECOND
from flowsense.simulate.points import Points, Process, exponential, thinned


def test_integrals_by_hand():
    """mu 0.5, alpha 0.4, beta 2, points at 1, 2 and 4 s, on and on."""
    ts = np.cumsum(np.tile([1, 1, 2], 10)) * SECOND
    found = residuals(
        Points(ts, np.zeros(30, np.int64), 0, 50 * SECOND), exponential([0.5], [[0.4]], 2.0)
    )
    first = 0.5 + 0.4 * (1 - np.exp(-2))
    second = 1.0 + 0.4 * (1 + np.exp(-2)) * (1 - np.exp(-4))
    assert np.allclose(found.values[:2], [first, second]) and len(found.values) == 29


def test_the_fitted_process_passes_and_a_wrong_one_fails(points):
    found = residuals(points, fit(points, Exponentials((1.0,)), 3, free=True).process)
    assert found.p_value > 0.05 and abs(found.mean - 1) < 0.05 and abs(found.variance - 1) < 0.1
    assert abs(found.correlation) < 0.03
    rates = np.bincount(points.kind) / points.seconds
    assert residuals(points, exponential(rates, np.zeros((3, 3)), 1.0)).p_value < 1e-6


def test_a_process_of_half_the_memory_fails(points):
    """The right rates and the right branching, but decays ten times too slow."""
    assert residuals(points, fit(points, Exponentials((0.5,)), 3).process).p_value < 1e-3


def test_a_baseline_that_bends_is_integrated_exactly():
    """Two knots over midnight: each residual is the area under the line between the points."""
    knots = np.array([0, 100 * SECOND], np.int64)
    process = Process(
        np.array([[1.0, 3.0]]), np.zeros((1, 1, 1)), np.ones(1), np.ones((1, 1)), knots
    )
    ts = DAY + np.arange(-1_000, 1_000, 50) * SECOND
    found = residuals(Points(ts, np.zeros(40, np.int64), int(ts[0]), int(ts[-1]) + 1), process)
    assert np.allclose(found.values[:19], 150)
    assert np.allclose(found.values[19:23], [150, 75, 125, 150])


def test_exponential_numbers_pass_at_their_level():
    rng = np.random.default_rng(0)
    passed = [judged(rng.exponential(size=200)).p_value > 0.05 for _ in range(400)]
    assert 0.92 < np.mean(passed) < 0.98


def test_few_are_refused(known):
    few = thinned(known, 2, np.random.default_rng(0))
    with pytest.raises(InputError, match="needs 20"):
        residuals(few, known)
