"""What nobody sees: the regime that all instruments share, and their efficient prices."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.schema import SECOND

LATENT = np.dtype(
    [
        ("ts", "i8"),  # ns of the venue's clock, from when it holds
        ("price", "f8"),  # efficient price of the instrument, ticks
        ("instrument", "i4"),
        ("state", "i4"),  # regime: 0 calm, 1 active, 2 stressed
    ]
)
JUMPS = np.array([[0.0, 0.85, 0.15], [0.7, 0.0, 0.3], [0.2, 0.8, 0.0]])  # P(next state | state)


class Lead(NamedTuple):
    """`beta` of every own innovation of the leader reaches the follower after `lag_ns`."""

    leader: int
    follower: int
    lag_ns: int
    beta: float


class Latent(NamedTuple):
    """How the latent paths move; state by state, where a tuple has three."""

    dwell_s: tuple[float, ...] = (60.0, 40.0, 20.0)  # mean time in a state
    volatility: tuple[float, ...] = (0.45, 0.9, 1.8)  # ticks per square root of a second
    innovations: float = 10.0  # of an efficient price, per second


def regimes(
    rng: np.random.Generator, latent: Latent, start: int, end: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """A Markov chain in continuous time -> (r,) ns from when, (r,) state; calm first."""
    ts, states = [start], [0]
    while ts[-1] < end:
        ts.append(ts[-1] + 1 + int(rng.exponential(latent.dwell_s[states[-1]]) * SECOND))
        states.append(int(rng.choice(3, p=JUMPS[states[-1]])))
    return np.array(ts[:-1], np.int64), np.array(states[:-1], np.int32)


def innovations(
    rng: np.random.Generator,
    latent: Latent,
    path: tuple[NDArray[np.int64], NDArray[np.int32]],
    end: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Compound Poisson: (m,) ns rising, (m,) ticks, normal with the volatility of the state."""
    start = int(path[0][0])
    n = rng.poisson(latent.innovations * (end - start) / SECOND)
    ts = np.sort(rng.integers(start, end, n))
    state = path[1][np.searchsorted(path[0], ts, "right") - 1]
    scale = np.array(latent.volatility)[state] / np.sqrt(latent.innovations)
    return ts, rng.standard_normal(n) * scale


def latent_paths(
    rng: np.random.Generator,
    latent: Latent,
    leads: tuple[Lead, ...],
    prices: NDArray[np.float64],
    span: tuple[int, int],
) -> NDArray[np.void]:
    """Regime and efficient price of every instrument at each change, by time: (n,) LATENT.

    prices (k,) where they start; span: first and last ns.
    """
    path = regimes(rng, latent, *span)
    own = [innovations(rng, latent, path, span[1]) for _ in prices]
    parts = []
    for i, (ts, moves) in enumerate(own):
        mine = [lead for lead in leads if lead.follower == i]
        scale = np.sqrt(1 - sum(lead.beta**2 for lead in mine))
        heard = [(own[x.leader][0] + x.lag_ns, own[x.leader][1] * x.beta) for x in mine]
        parts.append(one_path(i, path, [(ts, moves * scale), *heard], span[1], prices[i]))
    every = np.concatenate(parts)
    return every[np.argsort(every["ts"], kind="stable")].view(LATENT)


def one_path(
    instrument: int,
    path: tuple[NDArray[np.int64], NDArray[np.int32]],
    moves: list[tuple[NDArray[np.int64], NDArray[np.float64]]],
    end: int,
    price: float,
) -> NDArray[np.void]:
    ts = np.concatenate([path[0], *(t for t, _ in moves)])
    step = np.concatenate([np.zeros(len(path[0])), *(x for _, x in moves)])
    order = np.argsort(ts, kind="stable")
    order = order[ts[order] < end]
    out = np.zeros(len(order), LATENT)
    out["ts"], out["instrument"] = ts[order], instrument
    out["price"] = price + np.cumsum(step[order])
    out["state"] = path[1][np.searchsorted(path[0], out["ts"], "right") - 1]
    return out
