import numpy as np
import pytest

from flowsense.bench.hmm import chain_of
from flowsense.model.hmm.fit import Em, Seen, Sequences, expect, spread
from flowsense.model.hmm.online import expected, kept, learned, whole

EM = Em(3)


def fitted(n=1_000):
    """A chain that has seen n observations of each state."""
    chain = chain_of(0.98)
    return chain, Seen(np.full((3, 1), float(n)), n * chain.jump)


def test_forgetting_is_exponential():
    assert kept(0, 100) == 1
    assert kept(100, 100) == pytest.approx(np.exp(-1))
    assert kept(30, 100) * kept(70, 100) == pytest.approx(kept(100, 100))


def test_with_everything_forgotten_a_step_is_one_iteration_on_the_block():
    before = fitted()
    of = Sequences.of(chain_of(0.98).sample(200, np.random.default_rng(1))[1])
    found = expect(before[0], of, np.empty((200, 7)))
    chain, seen = learned(EM, before, [found], 0.0)
    again, _ = EM.maximise(before[0], found, spread(of.x))
    for a, b in zip(chain, again, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert seen.spoke.sum() == pytest.approx(200)


def test_nothing_learned_and_nothing_forgotten_changes_nothing():
    before = fitted()
    chain, seen = learned(EM, before, [], 1.0)
    for a, b in zip((*chain, *seen), (*before[0], *before[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3)


@pytest.mark.compiled
def test_a_new_volatility_is_learned_within_its_memory():
    chain, seen = fitted()
    rng, wild = np.random.default_rng(2), chain_of(0.98, (1.0, 2.0, 8.0))
    top = int(np.argmax(chain.cov[:, 0, 0, 0]))
    assert np.sqrt(chain.cov[top, 0, 0, 0]) == pytest.approx(4, rel=0.1)
    for _ in range(20):
        of = Sequences.of(wild.sample(200, rng)[1])
        block = expected(chain, of, chain.stationary())
        chain, seen = learned(EM, (chain, seen), [block], kept(200, 1_000))
    assert np.sqrt(chain.cov[top, 0, 0, 0]) == pytest.approx(8, rel=0.1)
    assert seen.spoke.sum() == pytest.approx(200 / (1 - kept(200, 1_000)), rel=0.05)


def test_a_block_follows_on_what_was_believed_before_it():
    chain, _ = fitted()
    calm = int(np.argmin(chain.cov[:, 0, 0, 0]))
    sure = np.eye(3)[calm]
    found = expected(chain, Sequences.of(np.zeros((1, 1))), sure)
    ahead = chain.jump[calm] / np.sqrt(chain.cov[:, 0, 0, 0])
    near = np.exp(-(chain.mean[:, 0, 0] ** 2) / chain.cov[:, 0, 0, 0] / 2)
    share = ahead * near / (ahead * near).sum()
    np.testing.assert_allclose(found.moments[:, 0, 0], share)
    assert (found.jump == 0).all()


def test_the_influence_of_one_wild_block_is_bounded_by_its_share():
    before = fitted()
    of = Sequences.of(np.full((2, 1), 10.0))
    chain, _ = learned(EM, before, [expected(before[0], of, before[0].stationary())], 1.0)
    np.testing.assert_allclose(chain.jump, before[0].jump, atol=0.01)
    assert np.sqrt(chain.cov.max() / before[0].cov.max()) < 1.05


def test_deviations_in_the_long_run_by_hand():
    """A third of the time each: (1 + 4 + 16) / 3."""
    np.testing.assert_allclose(whole(chain_of(0.9)), [np.sqrt(7)])
