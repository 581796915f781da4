import numpy as np
import pytest
from scipy.stats import skellam

from flowsense.model.hawkes.law import HALF, counted, evaluate, following, law
from flowsense.simulate.points import NOON, Process, clustered, exponential, thin

HORIZONS = np.array([0.5, 0.1, 2.0])
LESS = np.array([1.0, -1.0, 0.0, 0.0])


def said(process, now, horizons=HORIZONS):
    """(n, C, K + 2)"""
    out = np.zeros((len(now), len(horizons), len(process.mu) + 2))
    tables = tuple(x[None] for x in law(process, horizons, LESS[: len(process.mu)]))
    evaluate(now, np.zeros(len(now), np.int64), tables, counted(), out)
    return out


def after(process, sums, seconds, draws, seed=0):
    """(draws, K) counts of what came next, by thinning from the same decayed sums."""
    rng, weight = np.random.default_rng(seed), np.ascontiguousarray(process.weight)
    parts, found = (process.mu, weight, process.beta, process.knots), []
    for _ in range(draws):
        ts, kind = np.zeros((2, 4_000), np.int64)
        span = np.array([0, round(seconds * 1e9)])
        n = thin(parts, sums.copy(), span, rng, ts, kind)
        found.append(np.bincount(kind[:n], minlength=len(process.mu)))
    return np.array(found)


def test_without_excitation_it_is_a_difference_of_poisson_counts():
    process = exponential([2.0, 1.0], np.zeros((2, 2)), 5.0)
    found = said(process, np.array([[2.0, 1.0, 0.0, 0.0]]))[0]
    for (up, down, above, same), h in zip(found, HORIZONS, strict=True):
        assert np.allclose([up, down], [2 * h, h], rtol=1e-9)
        true = skellam(2 * h, h)
        assert np.allclose([above, same], [true.sf(0), true.pmf(0)], atol=1e-7)


def test_mean_of_one_exponential_by_hand():
    """alpha .5, beta 4: intensity falls to the stationary 2 mu at rate beta (1 - alpha)."""
    process = exponential([1.0, 1.0], [[0.5, 0.0], [0.0, 0.0]], 4.0)
    h, excited = 0.5, 6.0
    rate = 4 * (1 - 0.5)
    expected = 2 * h + (1 + 0.5 * excited - 2) * (1 - np.exp(-rate * h)) / rate
    found = said(process, np.array([[1.0, 1.0, excited, 0.0]]), np.array([h]))
    assert np.isclose(found[0, 0, 0], expected, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("branching", [0.3, 0.9])
def test_it_is_what_simulation_gives(branching):
    """Two decays, three kinds, unequal intensities; within four errors of 20,000 draws."""
    shape = np.array([[0.5, 0.1, 0.1], [0.1, 0.5, 0.1], [0.2, 0.2, 0.2]])
    alpha = shape * branching / np.abs(np.linalg.eigvals(shape)).max()
    split = np.stack([0.4 * alpha, 0.6 * alpha], axis=2)
    process = Process(
        np.array([[0.5], [0.5], [1.0]]), split, np.array([1.0, 20.0]), np.eye(2), NOON
    )
    sums = np.array([[2.0, 30.0], [1.0, 0.0], [3.0, 5.0]])
    now = np.r_[process.mu[:, 0], sums.ravel()][None]
    for (*mean, above, same), h in zip(said(process, now)[0], HORIZONS, strict=True):
        counts = after(process, sums, h, 20_000)
        net = counts[:, 0] - counts[:, 1]
        error = counts.std(axis=0) / len(counts) ** 0.5
        assert (np.abs(counts.mean(axis=0) - mean) < 4 * error).all()
        for p, share in ((above, (net > 0).mean()), (same, (net == 0).mean())):
            assert abs(p - share) < 4 * (p * (1 - p) / len(net)) ** 0.5


@pytest.mark.slow
def test_from_an_empty_past_it_is_what_clusters_give():
    """The same law by another way of simulating: counts of whole generations."""
    process = exponential([3.0, 2.0], [[0.4, 0.2], [0.1, 0.4]], 5.0)
    above, same = said(process, np.array([[3.0, 2.0, 0.0, 0.0]]), np.array([1.0]))[0, 0, 2:]
    rng = np.random.default_rng(1)
    kinds = [clustered(process, 1.0, rng).kind for _ in range(3_000)]
    net = np.array([(k == 0).sum() - (k == 1).sum() for k in kinds])
    for p, share in ((above, (net > 0).mean()), (same, (net == 0).mean())):
        assert abs(p - share) < 4 * (p * (1 - p) / len(net)) ** 0.5


def test_busier_than_can_be_told_apart_it_is_normal_and_joins_up():
    """Poisson counts on both sides of the change from the sum to the normal law."""
    process, h = exponential([1.0, 1.0], np.zeros((2, 2)), 5.0), np.array([1.0])
    for rate in (40.0, 55.0, 70.0, 2_000.0):
        above, same = said(process, np.array([[rate, rate, 0.0, 0.0]]), h)[0, 0, 2:]
        true = skellam(rate, rate)
        assert np.isclose(above, true.sf(0), atol=3e-4) and np.isclose(same, true.pmf(0), atol=3e-4)
    above, same = said(process, np.array([[500.0, 10.0, 0.0, 0.0]]), h)[0, 0, 2:]
    assert above > 0.999 and 0 <= same < 1e-6 and HALF == 64


def test_the_law_turns_with_the_book():
    process = exponential([0.7, 0.7], [[0.5, 0.2], [0.2, 0.5]], 8.0)
    one, other = said(process, np.array([[0.7, 0.7, 9.0, 2.0], [0.7, 0.7, 2.0, 9.0]]))
    assert np.allclose(one[:, 2], 1 - other[:, 2] - other[:, 3], atol=1e-9)
    assert np.allclose(one[:, 3], other[:, 3], atol=1e-12)


def test_a_row_does_not_depend_on_its_neighbours():
    process = exponential([0.7, 0.7], [[0.5, 0.2], [0.2, 0.5]], 8.0)
    now = np.random.default_rng(0).uniform(0, 9, (7, 4))
    assert said(process, now)[3].tobytes() == said(process, now[3:4])[0].tobytes()


def next_of(process, now):
    kinds = len(process.mu)
    out = np.zeros((1, 2 * kinds))
    following(now, np.ascontiguousarray(process.weight), process.beta, out)
    return out[0, :kinds], out[0, kinds:]


def test_the_next_kind_without_excitation_is_by_rate():
    process = exponential([3.0, 1.0], np.zeros((2, 2)), 5.0)
    intensity, share = next_of(process, np.array([[3.0, 1.0, 7.0, 7.0]]))
    assert intensity.tolist() == [3, 1] and np.allclose(share, [0.75, 0.25])


def test_the_next_kind_is_the_integral_over_its_time():
    """Against a fine sum of intensity x survival."""
    process = exponential([0.3, 0.3], [[0.8, 0.0], [0.0, 0.1]], 5.0)
    now, t = np.array([[0.3, 0.3, 5.0, 5.0]]), np.linspace(0, 40, 400_001)
    decayed = np.exp(-5 * t)
    first, second = 0.3 + 4 * decayed, 0.3 + 0.5 * decayed
    waited = 0.6 * t + 4.5 * (1 - decayed) / 5
    true = np.trapezoid(first * np.exp(-waited), t)
    intensity, share = next_of(process, now)
    assert np.isclose(share[0], true, atol=2e-3) and np.allclose(intensity, [4.3, 0.8])
    assert np.isclose(np.trapezoid(second * np.exp(-waited), t), share[1], atol=2e-3)


def test_where_nothing_can_happen_each_kind_is_as_likely():
    process = exponential([0.0, 0.0], np.zeros((2, 2)), 5.0)
    _, share = next_of(process, np.zeros((1, 4)))
    assert share.tolist() == [0.5, 0.5]
    found = said(process, np.zeros((1, 4)))[0]
    assert np.allclose(found[:, 2], 0, atol=1e-12) and np.allclose(found[:, 3], 1)
