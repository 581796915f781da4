import numpy as np
import pytest

from flowsense.bench.hmm import chain_of, five, names_agree
from flowsense.forecast import Regime
from flowsense.model.hmm.names import PRESETS, distance, matched, named, position_scale

CALM, UP, DOWN, WILD, CRASH = range(5)  # states of `five`


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]])
def test_names_follow_what_was_fitted_and_not_the_number(order):
    shuffled, preset = five().take(np.array(order)), PRESETS["five"]
    state = dict(zip(preset.regimes, named(shuffled, preset).tolist(), strict=True))
    assert {name: order[k] for name, k in state.items()} == {
        Regime.LOW_VOLATILITY: CALM,
        Regime.TRENDING_UP: UP,
        Regime.TRENDING_DOWN: DOWN,
        Regime.HIGH_VOLATILITY: WILD,
        Regime.CRISIS: CRASH,
    }


def test_three_regimes_by_volatility():
    chain = chain_of(0.9, (2.0, 9.0, 1.0))
    assert named(chain, PRESETS["three"]).tolist() == [2, 0, 1]


def test_mean_reverting_is_the_quieter_of_less_autocorrelation():
    mean = np.array([[0, 0, 0.0], [0, 0, -0.4], [0, 0, 0.4]])[:, None]
    cov = np.stack([np.eye(3) * v for v in (9.0, 1.0, 1.0)])[:, None]
    chain = chain_of(0.9)._replace(mean=mean, cov=cov)
    names = PRESETS["reverting"].regimes
    assert [names[i] for i in np.argsort(named(chain, PRESETS["reverting"]))] == [
        "volatile",
        "mean-reverting",
        "trending",
    ]


@pytest.mark.parametrize("seed", range(3))
def test_a_state_is_matched_to_itself_however_states_are_numbered(seed):
    chain, order = five(), np.random.default_rng(seed).permutation(5)
    np.testing.assert_array_equal(order[matched(chain, chain.take(order))], np.arange(5))


def test_distance_of_gaussians_by_hand():
    """N(0, 1) and N(2, 1): 4 / 8. N(0, 1) and N(0, 9): ln(5 / 3) / 2."""
    mean, cov = np.array([[0.0], [2.0], [0.0]]), np.array([1.0, 1.0, 9.0]).reshape(3, 1, 1)
    found = distance((mean, cov), (mean, cov))
    np.testing.assert_allclose(found[0], [0.0, 0.5, np.log(5 / 3) / 2])
    np.testing.assert_allclose(found, found.T)


def test_positions_shrink_as_volatility_grows_and_never_grow():
    chain = chain_of(0.9, (1.0, 2.0, 8.0))  # a third of the time in each: 2 is usual
    np.testing.assert_allclose(position_scale(chain), [1.0, 1.0, 0.25])


def test_every_preset_names_each_of_its_regimes_once():
    for preset in PRESETS.values():
        assert sorted(pick.regime for pick in preset.picks) == sorted(preset.regimes)


@pytest.mark.slow
@pytest.mark.compiled
def test_names_are_the_same_after_refits_on_other_data_from_other_starts():
    assert names_agree(8_000, seed=0, refits=3) > 0.95
