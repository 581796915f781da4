"""Games with a known edge: what is staked makes capital grow as theory says."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.risk.kelly import Kelly, bounded, continuous, ternary, trust


def growth(f, won, win=1.0, lose=1.0):
    """Mean log growth of staking f at each of many bets; won: the share won."""
    return won * np.log1p(f * win) + (1 - won) * np.log1p(-f * lose)


def test_an_even_bet_won_six_times_in_ten_is_worth_a_fifth():
    assert ternary(0.6, 0.4, 1.0, 1.0, 0.0) == pytest.approx(0.2)


def test_a_bet_without_edge_is_worth_nothing():
    assert ternary(0.25, 0.75, 3.0, 1.0, 0.0) == pytest.approx(0.0)


def test_a_mean_of_one_percent_at_ten_percent_deviation_is_worth_the_capital():
    assert continuous(0.01, 0.1**2) == pytest.approx(1.0)


@pytest.mark.parametrize(("p", "win", "lose"), [(0.75, 1.0, 1.0), (0.5, 2.0, 1.0), (0.9, 0.5, 1.0)])
def test_growth_of_bets_is_within_one_percent_of_the_closed_form(p, win, lose):
    f = ternary(p, 1 - p, win, lose, 0.0)
    won = np.random.default_rng(1).random(4_000_000) < p
    mine = np.log1p(np.where(won, f * win, -f * lose)).mean()
    assert mine == pytest.approx(growth(f, p, win, lose), rel=0.01)


def test_growth_of_returns_is_within_one_percent_of_half_the_squared_sharpe():
    mean, deviation = 0.0005, 0.02
    f = continuous(mean, deviation**2)
    z = deviation * np.random.default_rng(2).normal(size=1_000_000)
    mine = (np.log1p(f * (mean + z)) + np.log1p(f * (mean - z))).mean() / 2
    assert mine == pytest.approx(mean**2 / (2 * deviation**2), rel=0.01)


def test_no_other_stake_grows_faster():
    f = ternary(0.6, 0.4, 1.5, 1.0, 0.0)
    around = growth(f * np.linspace(0.5, 1.5, 11), 0.6, 1.5)
    assert around.argmax() == 5


@pytest.mark.parametrize(("up", "down"), [(0.6, 0.3), (0.5, 0.1), (0.2, 0.01)])
@pytest.mark.parametrize("cost", [0.0, 0.05, 0.3])
def test_no_other_stake_grows_faster_where_time_outs_cost(up, down, cost):
    """Of 20,001 shares below the one that ruins, none is better than the closed form."""
    win, lose = 1 - cost, 1 + cost
    f = np.linspace(0, 1 / lose, 20_001, endpoint=False)
    grows = up * np.log1p(f * win) + down * np.log1p(-f * lose)
    best = f[(grows + (1 - up - down) * np.log1p(-f * cost)).argmax()]
    assert ternary(up, down, win, lose, cost) == pytest.approx(best, abs=1e-4)


def test_a_bet_that_mostly_times_out_at_a_cost_is_worth_nothing():
    """.009 x 3.5 - .001 x 4.5 - .99 x .5 = -.47."""
    assert ternary(0.009, 0.001, 3.5, 4.5, 0.5) == 0.0 < ternary(0.009, 0.001, 4.0, 4.0, 0.0)


def test_half_of_it_grows_three_quarters_as_fast():
    f = ternary(0.51, 0.49, 1.0, 1.0, 0.0)
    assert growth(f / 2, 0.51) / growth(f, 0.51) == pytest.approx(0.75, rel=0.01)


def test_an_edge_as_large_as_its_error_is_trusted_by_half():
    assert trust(0.1, 0.1) == pytest.approx(0.5)
    assert trust(0.1, 0.0) == 1.0
    assert trust(-0.1, 0.1) == trust(0.0, 0.0) == 0.0


def test_an_estimated_chance_grows_faster_when_it_is_trusted_less():
    p, error = 0.55, 0.06
    guess = np.clip(p + error * np.random.default_rng(3).normal(size=20_000), 0.01, 0.99)
    edge = np.maximum(2 * guess - 1, 1e-12)
    plain = growth(edge, p).mean()
    shrunk = growth(edge * edge**2 / (edge**2 + (2 * error) ** 2), p).mean()
    assert trust(edge[0], 2 * error) == pytest.approx(edge[0] ** 2 / (edge[0] ** 2 + 0.0144))
    assert plain < 0 < shrunk


@pytest.mark.parametrize("x", [np.nan, -1.0, 0.0, -np.inf])
def test_what_is_no_share_is_none(x):
    assert bounded(x, 0.2) == 0.0


def test_a_share_is_at_most_the_limit():
    assert bounded(np.inf, 0.2) == bounded(0.3, 0.2) == 0.2


@pytest.mark.parametrize("bad", [{"fraction": 0.0}, {"fraction": 1.1}, {"error": -0.1}])
def test_settings_that_cannot_be(bad):
    with pytest.raises(InputError, match=r"kelly: \w+ .*: give"):
        Kelly(**bad)
