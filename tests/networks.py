"""Markets whose leads are planted, without a simulator: prices are random walks of whole ticks."""

import numpy as np

from flowsense.schema import CLEAR, EVENT, LAST, MILLISECOND, SET, SNAPSHOT, Decimal, Instrument

STEP = 100 * MILLISECOND


def instruments(k):
    return tuple(Instrument(f"S{i:02d}", "toy", Decimal(1, -2), Decimal(1, 0)) for i in range(k))


def returns(k, n, leads=(), seed=0, scale=20.0):
    """(n, k) ticks per step; leads: (leader, follower, lag in steps, beta).

    A follower hears of the leader's own news alone.
    """
    own = np.random.default_rng(seed).normal(size=(n, k))
    out = own.copy()
    for leader, follower, lag, beta in leads:
        out[lag:, follower] += beta * own[: n - lag, leader]
    return np.rint(out * scale)


def quotes(moves, lots=5):
    """EVENTs of books of one level a side, two ticks wide, that follow (n, k) moves in steps."""
    n, k = moves.shape
    bid = (100_000 + np.cumsum(moves, axis=0)).astype(np.int64)
    out = np.zeros((n, k, 5), EVENT)
    out["ts_recv"] = (np.arange(1, n + 1) * STEP - MILLISECOND)[:, None, None]
    out["instrument"] = np.arange(k)[None, :, None]
    out["action"][..., 0], out["bits"][..., 0] = CLEAR, SNAPSHOT
    out["action"][..., 1:] = SET
    out["side"][..., 1:] = (1, -1, 1, -1)
    old = np.concatenate([bid[:1], bid[:-1]])
    out["price"][..., 1:] = np.stack([old, old + 2, bid, bid + 2], axis=-1)
    out["lots"][..., 3:] = lots
    out["bits"][..., 4] = LAST
    out["bits"][0, :, 4] |= SNAPSHOT
    out[1:, :, 0]["bits"] = 0
    keep = np.ones(out.shape, bool)
    keep[1:, :, 0] = False
    keep[0, :, 1:3] = False
    return out[keep].view(EVENT)
