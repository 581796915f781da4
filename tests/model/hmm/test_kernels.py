"""Every pass against the sum over all paths, one by one."""

import numpy as np
import pytest

from flowsense.bench.hmm import enumerated, random_chain
from flowsense.model.hmm import kernels
from flowsense.model.hmm.chain import Chain
from flowsense.model.hmm.fit import Sequences, filtered, likelihood, smoothed, viterbi

SHAPES = [(2, 1, 1), (3, 1, 2), (3, 2, 2), (2, 2, 3)]  # states, Gaussians, numbers


def drawn(shape, n=6, seed=0):
    rng = np.random.default_rng(seed)
    chain = random_chain(*shape, rng)
    return chain, chain.sample(n, rng)[1]


@pytest.mark.parametrize("shape", SHAPES)
def test_likelihood_smoothing_and_best_path_equal_enumeration(shape):
    chain, x = drawn(shape)
    of, (total, share, best, top) = Sequences.of(x), enumerated(chain, x)
    path, found = viterbi(chain, of)
    assert likelihood(chain, of) == pytest.approx(total, abs=1e-10)
    np.testing.assert_allclose(smoothed(chain, of), share, atol=1e-12)
    assert (path == best).all()
    assert found == pytest.approx(top, abs=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_filter_is_smoothing_that_ends_now(shape):
    chain, x = drawn(shape, seed=1)
    now = [enumerated(chain, x[: t + 1])[1][t] for t in range(len(x))]
    np.testing.assert_allclose(filtered(chain, Sequences.of(x)), now, atol=1e-12)


def test_two_states_by_hand():
    """Start .5 / .5, densities of 0 under N(0, 1) and N(0, 4) are 2 : 1, so 2/3 and 1/3; after a
    step that stays with .9 they are .9 2/3 + .1 1/3 = .6333 before the next 0 comes."""
    jump = np.array([[0.9, 0.1], [0.1, 0.9], [0.5, 0.5]])
    cov = np.array([1.0, 4.0]).reshape(2, 1, 1, 1)
    chain = Chain(jump, np.ones((2, 1)), np.zeros((2, 1, 1)), cov)
    found = filtered(chain, Sequences.of(np.zeros((2, 1))))
    ahead = 0.9 * 2 / 3 + 0.1 / 3
    np.testing.assert_allclose(found[:, 0], [2 / 3, 2 * ahead / (2 * ahead + 1 - ahead)])


def test_sequences_behind_each_other_are_as_if_alone():
    chain, x = drawn((3, 2, 2), 9)
    new = np.arange(9) == 4
    both, one, two = Sequences.of(x, new), Sequences.of(x[:4]), Sequences.of(x[4:])
    assert likelihood(chain, both) == pytest.approx(likelihood(chain, one) + likelihood(chain, two))
    for what in (filtered, smoothed):
        np.testing.assert_allclose(
            what(chain, both), np.concatenate([what(chain, one), what(chain, two)]), atol=1e-12
        )
    apart = [viterbi(chain, part) for part in (one, two)]
    path, top = viterbi(chain, both)
    assert (path == np.concatenate([p for p, _ in apart])).all()
    assert top == pytest.approx(sum(t for _, t in apart))


def test_one_observation_at_a_time_is_the_filter_of_all():
    chain, x = drawn((3, 2, 2), 50)
    whole, table, work = filtered(chain, Sequences.of(x)), chain.table(), np.empty((2, 3))
    belief, total = whole[:1].copy(), likelihood(chain, Sequences.of(x[:1]))
    for t in range(1, 50):
        total += kernels.step(x[t : t + 1], table, chain.jump, belief, work)
        np.testing.assert_allclose(belief[0], whole[t], atol=1e-12)
    assert total == pytest.approx(likelihood(chain, Sequences.of(x)))


def test_what_no_state_could_have_made_moves_the_belief_on_and_nothing_breaks():
    chain = drawn((2, 1, 1))[0]
    shut = chain._replace(jump=np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
    far = chain.mean[1, 0] + np.zeros((1, 1))
    narrow = shut._replace(cov=np.array([1e-6, 1e-6]).reshape(2, 1, 1, 1))
    narrow = narrow._replace(mean=narrow.mean + np.array([100.0, 0.0]).reshape(2, 1, 1))
    belief = np.array([[0.0, 1.0]])
    found = kernels.step(far, narrow.table(), narrow.jump, belief, np.empty((2, 2)))
    assert found == -np.inf
    assert belief.tolist() == [[1.0, 0.0]]
    assert likelihood(narrow, Sequences.of(far)) == -np.inf
    assert viterbi(narrow, Sequences.of(np.zeros((0, 1))))[1] == 0.0


def test_an_outlier_of_a_million_deviations_leaves_probabilities():
    chain, x = drawn((3, 2, 2), 40)
    x[20] = 1e6
    found = filtered(chain, Sequences.of(x))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
