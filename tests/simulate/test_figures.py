"""What a person would look at: is it a market, and is what was planted in it."""

import numpy as np
import pytest

from flowsense.schema import TRADE

pytestmark = [pytest.mark.slow, pytest.mark.compiled]
SECONDS = 1_200


def mid2(rows):
    return rows[:, 1] + rows[:, 2]


def trade_sums(events, instrument, grid):
    """Signed trades of the second before each time."""
    trades = events[(events["instrument"] == instrument) & (events["action"] == TRADE)]
    total = np.r_[0, np.cumsum(trades["side"].astype(int))]
    at = [np.searchsorted(trades["ts_recv"], grid - back) for back in (0, 1_000_000_000)]
    return total[at[0]] - total[at[1]]


def test_it_looks_like_a_market(busy, sampled):
    events, rate = busy.events, len(busy.events) / SECONDS / 3
    trades = (events["action"] == TRADE).sum() / SECONDS / 3
    assert 50 < rate < 200 and 1 < trades < 10
    for rows, _ in sampled[1]:
        spread, moved = rows[:, 2] - rows[:, 1], np.diff(mid2(rows)) != 0
        assert np.mean(spread <= 3) > 0.95 and np.mean(spread == 1) > 0.2
        assert np.mean(rows[:, 5] >= 10) > 0.99 and rows[:, 5].min() >= 5
        assert 0.05 < moved.mean() < 0.2


def test_regimes_show_in_realised_volatility(sampled):
    for rows, state in sampled[1]:
        step = (mid2(rows)[10:] - mid2(rows)[:-10]) / 2
        calm, active, stressed = (step[state[10:] == i].std() for i in range(3))
        assert calm * 1.3 < active and active * 1.3 < stressed


@pytest.mark.parametrize(("follower", "steps"), [(1, 4), (2, 9)])
def test_mid_changes_follow_the_leader_at_the_planted_lag(sampled, follower, steps):
    a, b = (np.diff(mid2(sampled[1][k][0])) for k in (0, follower))
    n = len(a)
    found = [np.corrcoef(a[: n - lag], b[lag:])[0, 1] for lag in range(25)]
    back = [np.corrcoef(b[: n - lag], a[lag:])[0, 1] for lag in range(1, 25)]
    assert abs(int(np.argmax(found)) - steps) <= 1
    assert max(found) > 0.06 and max(back) < max(found) / 2


def test_market_orders_lean_towards_the_efficient_price(busy, sampled):
    grid, books = sampled
    for k, (rows, _) in enumerate(books):
        latent = busy.truth.latent[busy.truth.latent["instrument"] == k]
        gap = latent["price"][np.searchsorted(latent["ts"], grid) - 1] - mid2(rows) / 2
        assert np.corrcoef(gap[:-10], trade_sums(busy.events, k, grid)[10:])[0, 1] > 0.1


def test_the_next_second_can_be_foreseen_a_little(busy, sampled):
    """Least squares on what everybody sees, fitted on the first half, by side on moved rows."""
    grid, books = sampled
    leader, scores = mid2(books[0][0]), []
    for k, (rows, _) in enumerate(books):
        bid, ask, mid = rows[:, 3], rows[:, 4], mid2(rows)
        past = [np.r_[np.zeros(10), m[10:] - m[:-10]] for m in (mid, leader)]
        flow = trade_sums(busy.events, k, grid)
        X = np.c_[(bid - ask) / (bid + ask), *past, flow][:-10]
        y = np.sign(mid[10:] - mid[:-10])
        fit, test = np.array_split(np.flatnonzero(y), 2)
        w = np.linalg.lstsq(X[fit], y[fit], rcond=None)[0]
        scores.append(np.mean(np.sign(X[test] @ w) == y[test]))
    assert 0.53 < scores[0] < 0.7 and all(0.58 < s < 0.8 for s in scores[1:]), scores
