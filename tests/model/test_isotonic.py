"""A monotone curve finds what a line cannot, and never changes who is surer."""

import numpy as np
import pytest

from flowsense.model.isotonic import FEWEST, KNOTS, bent, curve
from flowsense.model.sides import sigmoid


def world(n, seed=0):
    """Log-odds said, whose cube is meant; and what came."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, n)
    return x, rng.random(n) < sigmoid(x**3), np.ones(n)


def test_it_finds_a_bent_truth():
    x = np.linspace(-1.5, 1.5, 31)
    knots = curve(*world(60_000), odd=False)
    np.testing.assert_allclose(sigmoid(bent(x, knots, odd=False)), sigmoid(x**3), atol=0.06)


@pytest.mark.parametrize("odd", [False, True])
def test_whoever_was_surer_still_is(odd):
    knots = curve(*world(3_000), odd=odd)
    x = np.linspace(-12, 12, 5_001)
    meant = bent(x, knots, odd=odd)
    assert (np.diff(meant) > 0).all()
    assert (np.diff(knots[:, 0]) >= 0).all() and np.isfinite(knots).all()


def test_an_odd_curve_turns_no_side():
    x, yes, weight = world(3_000)
    knots = curve(x, ~yes, weight, odd=True)  # every call was wrong: it says less, not the contrary
    np.testing.assert_array_equal(np.sign(bent(x, knots, odd=True)), np.sign(x))
    np.testing.assert_allclose(bent(-x, knots, odd=True), -bent(x, knots, odd=True))
    assert np.abs(bent(x, knots, odd=True)).mean() < 0.2 * np.abs(x).mean()


def test_what_is_calibrated_stays_about_as_it_is():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, 60_000)
    knots = curve(x, rng.random(60_000) < sigmoid(x), np.ones(60_000), odd=False)
    np.testing.assert_allclose(bent(x, knots, odd=False), x, atol=0.3)


def test_too_few_rows_or_one_outcome_make_no_curve():
    x, yes, weight = world(3 * FEWEST - 1)
    assert not curve(x, yes, weight, odd=False).any()
    always = np.ones(1_000, np.bool_)
    assert not curve(np.ones(1_000), always, np.ones(1_000), odd=False).any()
    assert curve(*world(3 * FEWEST), odd=False).shape == (KNOTS, 2)


def test_rows_that_overlap_say_less():
    """Drawn towards what was said by 20 rows: with weight .01 a knot hardly leaves it."""
    x, yes, weight = world(6_000)
    bold, shy = (curve(x, yes, weight * w, odd=False) for w in (1.0, 0.01))
    away = [np.abs(knots[:, 1] - knots[:, 0]).mean() for knots in (bold, shy)]
    assert away[1] < 0.5 * away[0]
