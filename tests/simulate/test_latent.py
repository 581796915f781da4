import numpy as np

from flowsense.schema import SECOND
from flowsense.simulate.latent import JUMPS, Latent, Lead, latent_paths, regimes

SPAN = (0, 4_000 * SECOND)
SHORT = Latent(dwell_s=(6.0, 4.0, 2.0))


def paths(leads=(), k=2, seed=1):
    prices = np.full(k, 1_000.0)
    rows = latent_paths(np.random.default_rng(seed), SHORT, leads, prices, SPAN)
    return [rows[rows["instrument"] == i] for i in range(k)]


def test_dwell_times_and_jumps_are_as_planted():
    ts, state = regimes(np.random.default_rng(3), SHORT, *SPAN)
    dwell = np.diff(ts) / SECOND
    for i, mean in enumerate(SHORT.dwell_s):
        d = dwell[state[:-1] == i]
        assert abs(d.mean() - mean) < 4 * mean / np.sqrt(len(d))
        share = np.bincount(state[1:][state[:-1] == i], minlength=3) / len(d)
        assert np.abs(share - JUMPS[i]).max() < 4 * 0.5 / np.sqrt(len(d))
    assert state[0] == 0 and ts[0] == 0 and ts[-1] < SPAN[1]


def test_a_follower_with_beta_one_is_the_leader_later():
    lag = 400_000_000
    leader, follower = paths((Lead(0, 1, lag, 1.0),))
    at = np.arange(lag, SPAN[1], SECOND)
    now = follower["price"][np.searchsorted(follower["ts"], at, "right") - 1]
    then = leader["price"][np.searchsorted(leader["ts"], at - lag, "right") - 1]
    assert np.abs(now - then).max() < 1e-9 and np.ptp(now) > 10


def test_volatility_follows_the_state_and_leads_keep_it():
    for path in paths((Lead(0, 1, 1_000, 0.8),)):
        step = np.diff(path["price"], prepend=path["price"][0])
        seconds = np.diff(path["ts"], append=SPAN[1]) / SECOND
        for i, sigma in enumerate(SHORT.volatility):
            mine = path["state"] == i
            found = np.sqrt((step[mine] ** 2).sum() / seconds[mine].sum())
            assert abs(found / sigma - 1) < 0.06


def test_all_instruments_share_the_regime():
    a, b = paths()
    at = np.arange(0, SPAN[1], SECOND)
    state = [p["state"][np.searchsorted(p["ts"], at, "right") - 1] for p in (a, b)]
    assert np.array_equal(*state) and set(state[0].tolist()) == {0, 1, 2}
