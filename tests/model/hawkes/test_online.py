import numpy as np
import pytest

from flowsense.model.hawkes.fit import fit
from flowsense.model.hawkes.likelihood import apart, design, log_likelihood, watched
from flowsense.model.hawkes.online import learned_on
from flowsense.model.hawkes.shapes import Exponentials
from flowsense.schema import SECOND
from flowsense.simulate.points import NOON, Points, Process, exponential, thinned

FIXED = Exponentials((5.0,))


def process(theta):
    return Process(theta[:, :1], theta[:, 1:, None], np.array([5.0]), np.ones((1, 1)), NOON)


@pytest.fixture
def pieces(points):
    """The recording in four parts, each a design with what came before it left out."""
    edges = np.linspace(points.start, points.end, 5).astype(np.int64)
    made = []
    for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        inside = (points.ts >= a) & (points.ts < b)
        part = Points(points.ts[inside], points.kind[inside], a, b)
        made.append(design(watched(part), FIXED.terms(), apart(3), NOON))
    return made


def test_a_poisson_rate_by_hand():
    """Two a second over 10 s, then 40 points in 10 s: three a second where nothing is forgotten."""
    points = Points(np.arange(40) * SECOND // 4, np.zeros(40, np.int64), 0, 10 * SECOND)
    made = design(watched(points), Exponentials((1_000.0,)).terms(), apart(1), NOON)
    theta, exposure = np.array([[2.0, 0.0]]), np.array([[10.0, 20.0]])
    after, more = learned_on(theta, exposure, made, 1.0, 1)
    assert np.isclose(after[0, 0], 3) and np.isclose(more[0, 0], 20)
    faster, _ = learned_on(theta, exposure, made, 0.5, 1)
    assert np.isclose(faster[0, 0], (0.5 * 20 + 40) / 15)


@pytest.mark.compiled
def test_many_passes_over_the_same_climb_to_the_likeliest(points):
    """Forgetting all before, each step is one of EM, and never less likely than the one before."""
    made = design(watched(points), FIXED.terms(), apart(3), NOON)
    theta, exposure, values = np.full((3, 4), 0.3), made.c, []
    for _ in range(60):
        theta, exposure = learned_on(theta, exposure, made, 1e-12, 1)
        values.append(log_likelihood(points, process(theta)))
    assert (np.diff(values) > -1e-6).all()
    assert fit(points, FIXED, 3).log_likelihood - values[-1] < 1.0


def test_learning_on_comes_near_a_fit_of_all(points, pieces):
    quarter = points.end // 4
    early = points.ts < quarter
    first = fit(Points(points.ts[early], points.kind[early], 0, quarter), FIXED, 3)
    theta, exposure = first.theta, first.exposure
    for piece in pieces[1:]:
        theta, exposure = learned_on(theta, exposure, piece, 1.0, 1)
    top = fit(points, FIXED, 3).log_likelihood
    missed = [top - log_likelihood(points, process(x)) for x in (theta, first.theta)]
    assert 0 < missed[0] < 0.6 * missed[1]


def test_a_change_is_followed():
    """Twice the branching after a change: a memory of 100 s has found it 1,000 s later."""
    rng, low, high = np.random.default_rng(0), 0.3, 0.6
    theta = fit(thinned(exponential([1.0], [[low]], 5.0), 500, rng), FIXED, 1).theta
    exposure, late = np.array([[100.0, 100.0]]), exponential([1.0], [[high]], 5.0)
    for _ in range(100):
        made = design(watched(thinned(late, 10, rng)), FIXED.terms(), apart(1), NOON)
        theta, exposure = learned_on(theta, exposure, made, np.exp(-10 / 100), 1)
    assert abs(theta[0, 1] - high) < abs(theta[0, 1] - low)
