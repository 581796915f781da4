from dataclasses import replace

import numpy as np
import pytest

from flowsense.schema import SECOND
from flowsense.simulate.bayes import excited, flow_signs, known, pending
from flowsense.simulate.hawkes import KINDS, PUSH, Hawkes, pressing
from flowsense.simulate.market import EPOCH, Market, simulate
from flowsense.simulate.markets import flow
from flowsense.simulate.plants import Pattern

HALF = SECOND // 2


def counted(hawkes, excess, seconds, rng):
    """One signed count of points: the slow way, point by point (Ogata 1981)."""
    t, x, total = 0.0, excess.copy(), 0
    while True:
        most = (hawkes.mu + x).sum()
        wait = rng.exponential(1 / most)
        t += wait
        if t > seconds:
            return total
        x = x * np.exp(-hawkes.beta * wait)
        u = rng.random() * most - np.cumsum(hawkes.mu + x)
        kind = int(np.argmax(u < 0))
        if u[kind] < 0:
            total += PUSH[kind]
            x += hawkes.alpha[:, kind] * hawkes.beta


@pytest.mark.parametrize("pushed", [0.0, pytest.param(12.0, marks=pytest.mark.slow)])
def test_the_signs_of_flow_are_those_of_simulated_futures(pushed):
    hawkes, rng, n = (
        pressing((0.5, 2.0, 2.0), (4.0, 6.0, 9.0), 0.6),
        np.random.default_rng(1),
        3_000,
    )
    excess = pushed * (PUSH > 0)
    sums = np.array([counted(hawkes, excess, 0.5, rng) for _ in range(n)])
    found = np.array([(sums < 0).mean(), (sums == 0).mean(), (sums > 0).mean()])
    (p,) = flow_signs(hawkes, excess[None], HALF)
    assert np.abs(found - p).max() < 4 * np.sqrt(0.25 / n)
    assert (p[2] > p[0] + 0.3) if pushed else abs(p[2] - p[0]) < 1e-6


def test_a_poisson_difference_by_hand():
    """Without branching each side is Poisson; over so short a time it is 0, or one point."""
    hawkes = Hawkes(np.array([2.0, 1, 0, 0, 0, 0]), np.zeros((KINDS, KINDS)), np.ones(KINDS))
    ((down, flat, up),) = flow_signs(hawkes, np.zeros((1, KINDS)), 1_000_000)
    assert up == pytest.approx(0.002, rel=0.01) and down == pytest.approx(0.001, rel=0.01)
    assert flat == pytest.approx(np.exp(-0.003), abs=1e-5)


def test_chances_are_chances_over_any_horizon():
    hawkes, rng = pressing((1.0, 3.0, 3.0), (8.0, 8.0, 8.0), 0.6), np.random.default_rng(2)
    excess = rng.exponential(5.0, (40, KINDS))
    for horizon in (SECOND // 10, SECOND, 2 * SECOND):
        p = flow_signs(hawkes, excess, horizon)
        assert (p >= 0).all() and np.allclose(p.sum(axis=1), 1)


def test_bids_and_asks_swapped_swap_the_chances():
    hawkes, rng = pressing((1.0, 3.0, 3.0), (8.0, 6.0, 4.0), 0.5), np.random.default_rng(3)
    excess = rng.exponential(3.0, (20, KINDS))
    p, q = (flow_signs(hawkes, e, HALF) for e in (excess, excess[:, [1, 0, 3, 2, 5, 4]]))
    assert np.allclose(p, q[:, ::-1], atol=1e-9)


def test_excitement_is_the_sum_over_earlier_points():
    rng, hawkes = np.random.default_rng(4), Market().hawkes()
    when, kind = np.sort(rng.integers(0, 10 * SECOND, 80)), rng.integers(0, KINDS, 80)
    at = np.array([0, 3 * SECOND, when[40], 12 * SECOND])
    found = excited(hawkes, when, kind, at)
    for row, t in zip(found, at, strict=True):
        past = when < t
        kernels = np.exp(-hawkes.beta[:, None] * (t - when[past]) * 1e-9) * hawkes.beta[:, None]
        assert np.allclose(row, (hawkes.alpha[:, kind[past]] * kernels).sum(axis=1))


def test_pending_counts_what_is_known_and_not_there_yet():
    market = replace(Market.tiny(), plants=(Pattern(lag_s=3.0, every_s=2.0),))
    truth = simulate(market, 20, 5).truth
    ts = np.arange(EPOCH, EPOCH + 20 * SECOND, SECOND // 3)
    for i in range(3):
        hints = truth.hints[truth.hints["instrument"] == i]
        comes = hints["ts"] + market.wire_ns
        for horizon in (HALF, 2 * SECOND):
            found = pending(truth, ts, np.full(len(ts), i), horizon)
            for t, x in zip(ts, found, strict=True):
                here = (comes >= t) & (comes < t + horizon) & (hints["known_at"] < t)
                assert x == pytest.approx(hints["step"][here].sum())
            assert np.abs(found).max() > 0


def test_what_is_known_at_a_row_is_the_truth_before_it(small):
    ts = np.sort(np.random.default_rng(6).integers(EPOCH + SECOND, EPOCH + 9 * SECOND, 30))
    who = np.arange(30) % 3
    see = known(small.truth, small.events, ts, who)
    for t, i, price, state in zip(ts, who, see.price, see.state, strict=True):
        mine = small.truth.latent[small.truth.latent["instrument"] == i]
        last = mine[mine["ts"] < t - small.truth.market.wire_ns][-1]
        assert (price, state) == (last["price"], last["state"])
    assert (see.excess >= 0).all() and see.excess.max() > 0


@pytest.mark.slow
@pytest.mark.compiled
def test_on_pure_flow_the_chances_are_calibrated_and_better_than_the_frequencies():
    from flowsense.features.catalogue import spec
    from flowsense.forecast import Target
    from flowsense.testing.streams import Recording
    from flowsense.train.dataset import prepare

    made = simulate(flow(), 600, 1)
    target = Target.parse("ofi@500ms")
    data = prepare(Recording(made.instruments, made.events), spec(("spread",)), (target,))
    see = known(made.truth, made.events, data.ts, data.instrument)
    p = flow_signs(made.truth.hawkes, see.excess, target.horizon_ns)[data.labels.valid[:, 0]]
    y = data.labels.y[data.labels.valid[:, 0], 0].astype(int)
    loss = -np.log(p[np.arange(len(y)), y])
    own = -(p * np.log(p)).sum(axis=1)
    assert abs((loss - own).mean()) < 4 * (loss - own).std() / np.sqrt(len(y) / 10)
    share = np.bincount(y, minlength=3) / len(y)
    assert loss.mean() < -(share * np.log(share)).sum() - 0.1
    assert data.labels.move[:, 0].std() > 0 and np.ptp(data.mid) == 0
