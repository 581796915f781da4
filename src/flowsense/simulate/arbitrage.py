"""Instruments that are rates between assets, and the times at which their products are not one."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import SECOND, zeros
from flowsense.simulate.latent import HINT
from flowsense.simulate.plants import MOVE, Planted, Stage, apart, poisson, positive


class Arbitrage(NamedTuple):
    """Instrument k is the price of one asset in another, for every pair of `assets` in order.

    The rate of a pair (i, j) is the ratio of what the two are worth, so that rates multiply to one
    along every cycle: log weights sum to zero. Values move by `volatility` per square root of a
    second (a share of themselves). At planted times one pair stands `ticks` too high or too low
    for `stands_s`, and every cycle through it, one way round, gains: a negative cycle of
    -log(rate). Truth: `pairs` (k, 2) int64 assets; `cycles` (n, 4) int64 of first and last ns
    (venue's clock), instrument, ticks by which it stands off.
    """

    assets: int = 4
    every_s: float = 40.0
    stands_s: float = 10.0
    ticks: int = 30
    volatility: float = 0.00003
    innovations: float = 2.0  # of each value, per second

    def pairs(self) -> NDArray[np.int64]:
        """(k, 2) base and quote asset of each instrument."""
        return np.array(list(combinations(range(self.assets), 2)), np.int64)

    def worths(self) -> NDArray[np.float64]:
        """(assets,) at the start."""
        return np.linspace(1.0, 1.5, self.assets)[::-1].copy()

    def rates(self) -> NDArray[np.float64]:
        """(k,) at the start."""
        worth, (base, quote) = self.worths(), self.pairs().T
        return np.asarray(worth[base] / worth[quote])

    def symbols(self) -> tuple[str, ...]:
        """``A/B``: what one A costs in B."""
        letters = [chr(ord("A") + i) for i in range(self.assets)]
        return tuple(f"{letters[i]}/{letters[j]}" for i, j in self.pairs())

    def plan(self, rng: np.random.Generator, stage: Stage) -> Planted:
        positive("arbitrage", self, "every_s", "stands_s", "volatility", "innovations")
        pairs = self.pairs()
        if not 3 <= self.assets <= 14 or len(pairs) != len(stage.prices):
            raise InputError(
                f"arbitrage: {self.assets} assets have {len(pairs)} pairs, and the market has "
                f"{len(stage.prices)} instruments: give 3 to 14 assets, and one for each pair"
            )
        cycles = self.cycles(rng, stage)
        hints = zeros(HINT, len(cycles))
        hints["known_at"], hints["ts"] = cycles[:, 0] + stage.wire_ns, cycles[:, 1]
        hints["step"], hints["instrument"] = -cycles[:, 3], cycles[:, 2]
        moves = np.concatenate([self.values(rng, stage), off(cycles)])
        silent = frozenset(range(len(pairs)))
        return Planted({"pairs": pairs, "cycles": cycles}, moves, hints, silent=silent)

    def values(self, rng: np.random.Generator, stage: Stage) -> NDArray[np.void]:
        """Moves of each pair whenever one of its two assets moves; exactly their ratio."""
        scale = self.volatility / np.sqrt(self.innovations)
        told = [poisson(rng, stage, 1 / self.innovations) for _ in range(self.assets)]
        logs = [np.cumsum(rng.standard_normal(len(ts)) * scale) for ts in told]
        parts = []
        for k, (i, j) in enumerate(self.pairs()):
            ts = np.sort(np.r_[told[i], told[j]])
            up, down = (at(told[a], logs[a], ts) for a in (i, j))
            price = stage.prices[k] * np.exp(up - down)
            out = zeros(MOVE, len(ts))
            out["ts"], out["instrument"] = ts, k
            out["step"] = np.diff(price, prepend=stage.prices[k])
            parts.append(out)
        return np.concatenate(parts)

    def cycles(self, rng: np.random.Generator, stage: Stage) -> NDArray[np.int64]:
        """One at a time, over before the end."""
        ts = apart(poisson(rng, stage, self.every_s), 2 * self.stands_s)
        ts = ts[ts + self.stands_s * SECOND < stage.end]
        k = rng.integers(0, len(stage.prices), len(ts))
        size = self.ticks * (2 * rng.integers(0, 2, len(ts)) - 1)
        return np.stack([ts, ts + round(self.stands_s * SECOND), k, size], axis=1)


def off(cycles: NDArray[np.int64]) -> NDArray[np.void]:
    """The two moves of each."""
    n = len(cycles)
    out = zeros(MOVE, 2 * n)
    out["ts"] = np.r_[cycles[:, 0], cycles[:, 1]]
    out["step"], out["instrument"] = np.r_[cycles[:, 3], -cycles[:, 3]], np.tile(cycles[:, 2], 2)
    return out


def at(
    ts: NDArray[np.int64], x: NDArray[np.float64], when: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The last x at or before each of these times, 0 before the first."""
    return np.asarray(np.r_[0.0, x][np.searchsorted(ts, when, "right")])
