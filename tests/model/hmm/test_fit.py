import numpy as np
import pytest

from flowsense.bench.hmm import UNEQUAL, beside_hmmlearn, beside_truth, chain_of, random_chain
from flowsense.errors import InputError
from flowsense.model import Budget
from flowsense.model.hmm.chain import changes, later, observed
from flowsense.model.hmm.fit import Em, Sequences, expect, lasting, likelihood, spread


def drawn(n, stay=0.98, seed=0):
    x = chain_of(stay).sample(n, np.random.default_rng(seed))[1]
    return Sequences.of(x), np.abs(x[:, 0])


@pytest.mark.parametrize("mixture", [1, 2])
@pytest.mark.parametrize("diagonal", [False, True])
def test_no_iteration_makes_the_observations_less_likely(mixture, diagonal):
    rng = np.random.default_rng(3)
    of = Sequences.of(random_chain(3, 2, 2, rng).sample(150, rng)[1])
    em, work = Em(3, mixture, diagonal, floor=1e-6), np.empty((150, 7))
    chain, before = em.start(of, of.x[:, 1], rng, 0), -np.inf
    for _ in range(15):
        found = expect(chain, of, work)
        assert found.likelihood > before - 1e-6
        before = found.likelihood
        chain, _ = em.maximise(chain, found, spread(of.x))


def test_one_iteration_by_hand():
    """One state: whatever the start, the mean and covariance of the observations."""
    rng = np.random.default_rng(0)
    of = Sequences.of(rng.normal(2.0, 3.0, (50, 2)))
    run = Em(1).climb(of, Em(1).start(of, of.x[:, 0], rng, 0), spread(of.x), 1)
    np.testing.assert_allclose(run.chain.mean[0, 0], of.x.mean(axis=0))
    np.testing.assert_allclose(run.chain.cov[0, 0], np.cov(of.x.T, bias=True))
    assert run.seen.spoke == pytest.approx(50)
    assert run.seen.jumped.tolist() == [[49], [1]]


@pytest.mark.compiled
def test_a_fit_finds_what_made_the_observations():
    of, key = drawn(6_000)
    chain, _ = Em(3).fit(of, key, seed=0, budget=Budget())
    order = np.argsort(chain.cov[:, 0, 0, 0])
    np.testing.assert_allclose(np.sqrt(chain.cov[order, 0, 0, 0]), [1, 2, 4], rtol=0.1)
    np.testing.assert_allclose(np.diagonal(chain.jump)[order], 0.98, atol=0.015)
    assert likelihood(chain, of) > likelihood(chain_of(0.98), of)


def test_a_fit_repeats_bit_for_bit():
    of, key = drawn(200)
    fits = [Em(3).fit(of, key, seed=s, budget=Budget(5))[0] for s in (1, 1)]
    for a, b in zip(*fits, strict=True):
        assert a.tobytes() == b.tobytes()


def test_no_seconds_left_means_one_start():
    of, key = drawn(100)
    chain, _ = Em(3).fit(of, key, seed=0, budget=Budget(seconds=0.0))
    first = Em(3, starts=1).fit(of, key, seed=0, budget=Budget(15))[0]
    assert chain.mean.tobytes() == first.mean.tobytes()


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("seed", range(4))
def test_a_rare_regime_is_found_too(seed):
    chain = chain_of(UNEQUAL)
    x = chain.sample(20_000, np.random.default_rng(seed))[1]
    of = Sequences.of(x)
    found, _ = Em(3).fit(of, np.abs(x[:, 0]), seed=seed, budget=Budget())
    assert likelihood(found, of) > likelihood(chain, of)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize(("stay", "low", "high"), [(0.95, 0.69, 0.83), (0.99, 0.83, 0.94)])
def test_the_fitted_filter_is_within_a_point_of_the_one_that_knows(stay, low, high):
    found = [beside_truth(stay, 20_000, seed) for seed in range(2)]
    for one in found:
        assert low < one.truth < high
        assert one.truth - one.fitted < 0.01


@pytest.mark.slow
@pytest.mark.compiled
def test_the_longer_regimes_last_the_more_is_known_of_them():
    found = beside_truth(0.998, 40_000, 0)
    assert 0.94 < found.truth < 0.99
    assert found.truth - found.fitted < 0.01


@pytest.mark.slow
@pytest.mark.compiled
def test_as_likely_as_hmmlearn_from_the_same_start():
    pytest.importorskip("hmmlearn")
    ours, theirs = beside_hmmlearn(10_000, 3, 10, seed=0)
    assert ours["log_likelihood"] == pytest.approx(theirs["log_likelihood"], rel=1e-6)
    assert ours["fit_s"] < theirs["fit_s"]


def test_regimes_that_are_to_last_do():
    jump = np.array([[0.5, 0.3, 0.2], [0.01, 0.98, 0.01], [0.0, 0.0, 1.0], [0.2, 0.3, 0.5]])
    found = lasting(jump.copy(), 0.9)
    np.testing.assert_allclose(found[0], [0.9, 0.06, 0.04])
    assert found[1:].tolist() == jump[1:].tolist()


def test_a_state_of_observations_all_alike_keeps_the_floor():
    x = np.concatenate([np.zeros((100, 2)), np.random.default_rng(0).normal(size=(100, 2))])
    for diagonal in (False, True):
        em = Em(2, diagonal=diagonal, floor=0.01)
        chain, _ = em.fit(Sequences.of(x), np.abs(x[:, 0]), seed=0, budget=Budget(50))
        least = np.linalg.eigvalsh(chain.cov / np.outer(x.std(axis=0), x.std(axis=0))).min()
        assert least == pytest.approx(0.01, rel=1e-6)


def test_later_and_changes_by_hand():
    chain = chain_of(0.8, (1.0, 2.0))
    belief = np.array([[1.0, 0.0]])
    np.testing.assert_allclose(later(chain, belief, 1), [[0.8, 0.2]])
    np.testing.assert_allclose(later(chain, belief, 2), [[0.68, 0.32]])
    np.testing.assert_allclose(changes(chain, belief, 2), [0.32])
    np.testing.assert_allclose(chain.stationary(), [0.5, 0.5])


def test_bad_observations_are_refused_in_one_sentence():
    with pytest.raises(InputError, match=r"\[1.0, nan\] at 1"):
        observed(np.array([[0.0, 0.0], [1.0, np.nan]]))
    with pytest.raises(InputError, match=r"shape \(3,\), give \(n, D\)"):
        observed(np.zeros(3))
    with pytest.raises(InputError, match=r"give \(n, 2\)"):
        observed(np.zeros((3, 1)), 2)
    of = Sequences.of(np.random.default_rng(0).normal(size=(29, 2)))
    with pytest.raises(InputError, match="29 observations do not tell 3 states apart: give 30"):
        Em(3).fit(of, of.x[:, 0], seed=0, budget=Budget())
    same = Sequences.of(np.c_[np.arange(30.0), np.full(30, 7.0)])
    with pytest.raises(InputError, match="number 1 is always 7"):
        Em(3).fit(same, same.x[:, 0], seed=0, budget=Budget())
