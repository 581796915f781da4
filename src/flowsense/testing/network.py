"""Markets that lead one another, without a simulator: prices are random walks of whole ticks.

Nothing but the leads tells anything, so the best forecast there is can be written down: `best`.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from flowsense.schema import (
    CLEAR,
    EVENT,
    LAST,
    MILLISECOND,
    SET,
    SNAPSHOT,
    Decimal,
    Events,
    Instrument,
)

STEP = 100 * MILLISECOND
SCALE = 20.0  # ticks, deviation of an instrument's own news in a step
Floats = NDArray[np.float64]


class Led(NamedTuple):
    """`beta` of the leader's own news is the follower's too, so many steps later."""

    leader: int
    follower: int
    lag: int
    beta: float


def drawn(rng: np.random.Generator, k: int, leads: int) -> tuple[Led, ...]:
    """Random leads among k instruments, of lags 1 .. 8, each pair at most once."""
    pairs = [(i, j) for i in range(k) for j in range(k) if i != j]
    chosen = [pairs[e] for e in rng.choice(len(pairs), leads, replace=False)]
    return tuple(
        Led(a, b, int(rng.integers(1, 9)), float(rng.uniform(0.2, 0.5))) for a, b in chosen
    )


def instruments(k: int) -> tuple[Instrument, ...]:
    return tuple(Instrument(f"S{i:03d}", "toy", Decimal(1, -2), Decimal(1, 0)) for i in range(k))


def news(k: int, n: int, seed: int = 0) -> Floats:
    """(n, k) of each instrument its own, in deviations."""
    return np.random.default_rng(seed).normal(size=(n, k))


def heard(own: Floats, leads: tuple[Led, ...]) -> Floats:
    """(n, k) news with what each hears of its leaders'."""
    out = own.copy()
    for leader, follower, lag, beta in leads:
        out[lag:, follower] += beta * own[: len(own) - lag, leader]
    return out


def returns(k: int, n: int, leads: tuple[Led, ...] = (), seed: int = 0) -> Floats:
    """(n, k) whole ticks per step."""
    return np.rint(heard(news(k, n, seed), leads) * SCALE)


def best(own: Floats, leads: tuple[Led, ...], steps: int) -> Floats:
    """(n, k) P(up) of the move over the next steps, to who knows all leads and all news so far."""
    n, k = own.shape
    known, unknown = np.zeros((n, k)), np.full(k, float(steps))
    for leader, follower, lag, beta in leads:
        for age in range(lag):  # news so old is heard lag - age steps from now
            if lag - age <= steps:
                known[age:, follower] += beta * own[: n - age, leader]
        unknown[follower] += max(steps - lag, 0) * beta**2
    return np.asarray(ndtr(known / np.sqrt(unknown)))


def quotes(moves: Floats, lots: int = 5) -> Events:
    """Books of one level a side, two ticks wide, that follow moves (n, k), one book a step."""
    n, k = moves.shape
    bid = (100_000 + np.cumsum(moves, axis=0)).astype(np.int64)
    out = np.zeros((n, k, 5), EVENT)
    out["ts_recv"] = (np.arange(1, n + 1) * STEP - MILLISECOND)[:, None, None]
    out["instrument"] = np.arange(k)[None, :, None]
    out["action"], out["side"][..., 1:] = SET, (1, -1, 1, -1)
    out["action"][:, :, 0], out["bits"][0] = CLEAR, SNAPSHOT
    old = np.concatenate([bid[:1], bid[:-1]])
    out["price"][..., 1:] = np.stack([old, old + 2, bid, bid + 2], axis=-1)
    out["lots"][..., 3:] = lots
    out["bits"][..., 4] |= LAST
    told = np.ones(out.shape, np.bool_)
    told[1:, :, 0] = told[0, :, 1:3] = False  # CLEAR opens; nothing lies there before
    return out[told].view(EVENT)
