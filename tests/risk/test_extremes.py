"""Accounts that are worth nothing, markets of which one stands still, bets that are all one bet."""

import numpy as np
import pytest
from desks import MID, STEP, forecast, one, rows, standing, table, walk, warm

from flowsense.forecast import Veto
from flowsense.risk.breaker import Breakers
from flowsense.risk.desk import Risk
from flowsense.risk.limits import Correlation, Limits
from flowsense.risk.recommend import POOR_REWARD
from flowsense.risk.settings import Settings
from flowsense.schema import BROKEN, DAY, ONE_SIDED


@pytest.mark.parametrize("equity", [0.0, -0.0, -1e6, 5e-324])
@pytest.mark.parametrize("by_hand", [True, False])
def test_what_was_lost_wholly_is_not_staked_again(equity, by_hand):
    """Nor on the days after, nor when the breakers are closed by hand or by themselves."""
    desk = warm(Settings(breakers=Breakers(halt_ns=STEP, loss=1.0)))
    for _ in range(4):
        found, desk = desk.ask(forecast(), standing(equity))
        held = one(found).size * max(equity, 0.0)
        assert held < 1e-300 and all(np.isfinite(found[0][name]) for name in found.dtype.names)
        state = desk.risk.reset(desk.state) if by_hand else desk.state
        desk = desk._replace(ts=desk.ts + DAY, state=state)


@pytest.mark.parametrize("state", [BROKEN, ONE_SIDED])
def test_one_that_is_halted_takes_nothing_from_the_others(state):
    """They are as if it were not there; what is held of it counts."""
    desk = warm(Settings(limits=Limits(correlated=9.0, total=0.5)), instruments=3)
    due = rows(desk.mid2, np.arange(3), desk.ts, step=0)
    due.quote["state"][1] = state
    found, _ = desk.judge(due, forecast(3), standing(n=3))
    assert found["size"] == pytest.approx([0.2, 0.0, 0.2])
    assert Veto(int(found["vetoes"][1])) & Veto.NOT_TRADING and not found["vetoes"][[0, 2]].any()
    held, _ = desk.judge(due, forecast(3), standing(exposure=[0, 4e5, 0], n=3))
    assert held["size"].sum() == pytest.approx(0.1)


def copies(k, still=()):
    """A desk of k instruments of one price; those that stand still never moved."""
    settings = Settings(limits=Limits(correlated=0.3), correlation=Correlation(STEP))
    risk, mid2 = Risk(settings, table(k), (MID,), 1), walk(700)
    state = risk.init(1e6)
    for r, price in enumerate(mid2):
        prices = np.where(np.isin(np.arange(k), still), 20_000, price)
        due = rows(prices, np.arange(k), STEP * r, step=0)
        state, cases = risk.cases(state, due, forecast(k))
        state, found = risk.signals(state, cases, standing(n=k))
    return state, found


def test_copies_of_one_bet_are_one_bet():
    """The covariance is singular: each counts whole against the others."""
    state, found = copies(5)
    assert np.linalg.matrix_rank(state.cov) == 1
    assert found["size"].sum() == pytest.approx(0.3) and (found["size"] > 0).sum() == 2


def test_one_that_never_moved_has_no_correlation_and_no_size():
    state, found = copies(3, still=(1,))
    assert not state.cov[1].any() and np.isfinite(state.cov).all()
    assert found["size"][1] == 0.0 and found["size"].sum() == pytest.approx(0.3)


def test_no_edge_no_stake():
    """Whatever the chances: where the forecast expects to lose, or less than it costs, nothing."""
    rng, desk, k = np.random.default_rng(0), warm(instruments=20, n=620), 20
    up, down = rng.dirichlet([1, 1, 1], k)[:, :2].T
    said = forecast(k)
    said.proba[:, 0] = np.stack([down, 1 - up - down, up], 1)
    said.value[:, 0] = -np.sign(up - down) * rng.exponential(5, k)
    due = rows(desk.mid2, np.arange(k), desk.ts, step=0)
    found, _ = desk.judge(due, said, standing(n=k))
    assert (found["size"] == 0).all() and (found["vetoes"] & POOR_REWARD > 0).all()
