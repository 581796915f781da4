"""Numbers by seed and counter: those of the published generator, in whatever pieces."""

import numpy as np

from flowsense.splitmix import STEP, mix, uniform, words

STATE_0 = (0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC)


def slow(state, n):
    """SplitMix64 as it is written down: one step and one mix after the other, in whole numbers."""
    out, wrap = [], 2**64
    for _ in range(n):
        state = (state + STEP) % wrap
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % wrap
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % wrap
        out.append(z ^ (z >> 31))
    return out


def test_seed_0_is_the_published_generator_from_state_0():
    assert tuple(words(0, 4, 0).tolist()) == STATE_0 == tuple(slow(0, 4))


def test_a_seed_begins_elsewhere_on_the_same_way():
    for seed in (1, 7, 2**63 + 5):
        assert words(0, 9, seed).tolist() == slow(seed * 0xBF58476D1CE4E5B9 % 2**64, 9)


def test_asked_in_pieces_they_are_the_same():
    whole = uniform(2**40, 9, 5)
    parts = [uniform(2**40, 4, 5), uniform(2**40 + 4, 0, 5), uniform(2**40 + 4, 5, 5)]
    assert whole.tolist() == np.concatenate(parts).tolist()


def test_a_mix_tells_all_words_apart():
    assert len(set(mix(np.arange(1000, dtype=np.uint64)).tolist())) == 1000
    assert mix(np.zeros(1, np.uint64))[0] == 0


def test_a_number_is_the_middle_of_its_2_to_the_minus_52():
    assert uniform(0, 1, 0)[0] == ((STATE_0[0] >> 12) + 0.5) / 2**52


def test_drawn_numbers_are_uniform_and_of_their_seed():
    one, two = uniform(0, 20_000, 1), uniform(0, 20_000, 2)
    assert one.min() > 0 and one.max() < 1
    assert np.abs(np.histogram(one, 10, (0, 1))[0] - 2_000).max() < 200
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.03
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.03
