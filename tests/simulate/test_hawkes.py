import numpy as np
import pytest
from scipy.stats import kstest

from flowsense.simulate.hawkes import KINDS, PUSH, Hawkes, mirrored, points, pressing
from flowsense.simulate.market import EPOCH, Market, simulate

STEADY = {"activity": (1.0, 1.0, 1.0), "lean": 0.0, "leads": ()}


def test_rates_and_radius_are_as_asked_and_both_sides_alike():
    rates = (1.0, 20.0, 21.0)
    hawkes = mirrored(rates, (2.0, 10.0, 12.0), 0.5)
    other_side = np.array([1, 0, 3, 2, 5, 4])
    assert np.allclose(hawkes.rates(), np.repeat(rates, 2))
    assert np.isclose(np.abs(np.linalg.eigvals(hawkes.alpha)).max(), 0.5)
    assert np.array_equal(hawkes.alpha, hawkes.alpha[np.ix_(other_side, other_side)])


def test_what_presses_brings_only_what_presses_the_same_way():
    rates = (1.0, 5.0, 9.0)
    hawkes = pressing(rates, (2.0, 10.0, 12.0), 0.7)
    assert np.allclose(hawkes.rates(), np.repeat(rates, 2))
    assert np.isclose(np.abs(np.linalg.eigvals(hawkes.alpha)).max(), 0.7)
    assert ((hawkes.alpha > 0) == np.equal.outer(PUSH, PUSH)).all()


def test_rates_by_hand():
    """One kind that brings half a child to each: 3 / (1 - 0.5) = 6 a second."""
    alpha, mu = np.zeros((KINDS, KINDS)), np.ones(KINDS)
    alpha[0, 0], mu[0] = 0.5, 3
    assert Hawkes(mu, alpha, mu).rates().tolist() == [6, 1, 1, 1, 1, 1]


@pytest.mark.slow
@pytest.mark.compiled
def test_counts_match_the_stationary_rates():
    """Long-run covariance of the counts: R diag(rates) R^T, R = (I - alpha)^-1."""
    market, seconds = Market(**STEADY), 900
    _, _, kind = points(simulate(market, seconds, 11).events)
    hawkes, n = market.hawkes(), 3 * seconds
    R = np.linalg.inv(np.eye(KINDS) - hawkes.alpha)
    error = np.sqrt(np.diag(R @ np.diag(hawkes.rates()) @ R.T) / n)
    z = (np.bincount(kind, minlength=KINDS) / n - hawkes.rates()) / error
    assert np.abs(z).max() < 4, z


def compensators(hawkes, seconds, kinds):
    """Of each kind: the integral of its intensity from one of its points to the next."""
    excess, since, out, last = np.zeros(KINDS), np.zeros(KINDS), [[] for _ in range(KINDS)], 0.0
    for t, k in zip(seconds, kinds, strict=True):
        left = excess * np.exp(-hawkes.beta * (t - last))
        since += hawkes.mu * (t - last) + (excess - left) / hawkes.beta
        out[k].append(since[k])
        since[k] = 0.0
        excess, last = left + hawkes.alpha[:, k] * hawkes.beta, t
    return out


@pytest.mark.compiled
def test_time_rescaled_points_are_a_unit_poisson_process():
    market = Market(**STEADY, instruments=1, rates=(1.0, 7.0, 7.5))
    ts, _, kind = points(simulate(market, 150, 2).events)
    gaps = compensators(market.hawkes(), (ts - EPOCH) * 1e-9, kind)
    p = [kstest(g, "expon").pvalue for g in gaps]
    assert min(map(len, gaps)) > 100 and min(p) > 0.01, p


def test_points_are_actions_and_not_the_snapshot(small):
    ts, instrument, kind = points(small.events)
    assert (np.diff(ts) >= 0).all() and set(kind.tolist()) == set(range(KINDS))
    assert set(instrument.tolist()) == {0, 1, 2} and ts[0] > EPOCH
    assert [len(x) for x in points(small.events[:50])] == [0, 0, 0]
