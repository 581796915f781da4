"""What nobody sees: the regime that all instruments share, and their efficient prices."""

from collections.abc import Mapping
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
HINT = np.dtype(  # a move of an efficient price that can be foreseen
    [
        ("known_at", "i8"),  # ns of our clock, from when whoever knows the truth expects it
        ("ts", "i8"),  # ns of the venue's clock, when it comes
        ("step", "f8"),  # ticks, expected; hints of one move add up
        ("instrument", "i4"),
        ("pad", "i4"),
    ]
)
STATES = 8  # regimes, at most
JUMPS = np.array([[0.0, 0.85, 0.15], [0.7, 0.0, 0.3], [0.2, 0.8, 0.0]])  # P(next state | state)
Path = tuple[NDArray[np.int64], NDArray[np.int32]]  # (r,) ns from when, (r,) regime
Moves = tuple[NDArray[np.int64], NDArray[np.float64]]  # (m,) ns, (m,) ticks
Innovations = tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]
News = tuple[Path, list[Innovations]]
NOTHING: Mapping[int, Moves] = {}


class Lead(NamedTuple):
    """`beta` of every own innovation of the leader reaches the follower after `lag_ns`.

    At each of `breaks_s`, seconds after the opening, it stops or begins again; meanwhile the
    follower has more news of its own, so that its volatility stays.
    """

    leader: int
    follower: int
    lag_ns: int
    beta: float
    breaks_s: tuple[float, ...] = ()

    def holds(self, ts: NDArray[np.int64], start: int) -> NDArray[np.bool_]:
        """(m,) whether news that would arrive at ts (m,) does."""
        breaks = start + np.array(self.breaks_s) * SECOND
        return np.asarray(np.searchsorted(breaks, ts, "right") % 2 == 0)


class Latent(NamedTuple):
    """How the latent paths move; tuples go state by state."""

    dwell_s: tuple[float, ...] = (60.0, 40.0, 20.0)  # mean time in a state
    volatility: tuple[float, ...] = (0.45, 0.9, 1.8)  # ticks per square root of a second
    innovations: float = 10.0  # of an efficient price, per second
    drift: tuple[float, ...] = (0.0, 0.0, 0.0)  # ticks per second

    def jumps(self) -> NDArray[np.float64]:
        """(S, S) P(next state | state): as above for three states, else all others alike."""
        n = len(self.dwell_s)
        return JUMPS if n == len(JUMPS) else (1 - np.eye(n)) / (n - 1)


def regimes(rng: np.random.Generator, latent: Latent, start: int, end: int) -> Path:
    """A Markov chain in continuous time -> (r,) ns from when, (r,) state; the first one first."""
    ts, states, jumps = [start], [0], latent.jumps()
    while ts[-1] < end:
        ts.append(ts[-1] + 1 + int(rng.exponential(latent.dwell_s[states[-1]]) * SECOND))
        states.append(int(rng.choice(len(jumps), p=jumps[states[-1]])))
    return np.array(ts[:-1], np.int64), np.array(states[:-1], np.int32)


def innovations(rng: np.random.Generator, latent: Latent, path: Path, end: int) -> Innovations:
    """Compound Poisson: (m,) ns rising; (m,) ticks of news, normal with the volatility of the
    state; (m,) ticks of drift."""
    start = int(path[0][0])
    n = rng.poisson(latent.innovations * (end - start) / SECOND)
    ts = np.sort(rng.integers(start, end, n))
    state = path[1][np.searchsorted(path[0], ts, "right") - 1]
    scale = np.array(latent.volatility)[state] / np.sqrt(latent.innovations)
    drift = np.array(latent.drift)[state] / latent.innovations
    return ts, rng.standard_normal(n) * scale, drift


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
    return paths_of(news(rng, latent, len(prices), span), leads, prices, span)


def paths_of(
    told: News,
    leads: tuple[Lead, ...],
    prices: NDArray[np.float64],
    span: tuple[int, int],
    planted: Mapping[int, Moves] = NOTHING,
    silent: frozenset[int] = frozenset(),
) -> NDArray[np.void]:
    """The same of news that is drawn: (n,) LATENT.

    `planted` are further moves of an instrument; those `silent` have no news of their own.
    """
    path, own = told
    parts = []
    for i, (ts, moves, drift) in enumerate(own):
        mine = [lead for lead in leads if lead.follower == i]
        share = sum((lead.beta * lead.holds(ts, span[0])) ** 2 for lead in mine)
        every = [] if i in silent else [(ts, moves * np.sqrt(1 - share) + drift)]
        every += [heard(lead, own[lead.leader], span[0]) for lead in mine]
        every += [planted[i]] if i in planted else []
        parts.append(one_path(i, path, every, span[1], prices[i]))
    out = np.concatenate(parts)
    return out[np.argsort(out["ts"], kind="stable")].view(LATENT)


def news(rng: np.random.Generator, latent: Latent, k: int, span: tuple[int, int]) -> News:
    """The regime, and the own innovations of k instruments."""
    path = regimes(rng, latent, *span)
    return path, [innovations(rng, latent, path, span[1]) for _ in range(k)]


def heard(lead: Lead, own: Innovations, start: int) -> Moves:
    """What a follower hears of the leader's own innovations, when it comes."""
    ts = own[0] + lead.lag_ns
    return ts, own[1] * lead.beta * lead.holds(ts, start)


def one_path(
    instrument: int, path: Path, moves: list[Moves], end: int, price: float
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


def hints_of(told: News, leads: tuple[Lead, ...], start: int, wire_ns: int) -> NDArray[np.void]:
    """What followers will hear, known since the leader heard it: (n,) HINT."""
    _, own = told
    parts = [np.zeros(0, HINT)]
    for lead in leads:
        ts, steps = heard(lead, own[lead.leader], start)
        out = np.zeros(len(ts), HINT)
        out["known_at"], out["ts"] = own[lead.leader][0] + wire_ns, ts
        out["step"], out["instrument"] = steps, lead.follower
        parts.append(out[steps != 0])
    return np.concatenate(parts)
