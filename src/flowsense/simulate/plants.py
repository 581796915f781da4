"""What can be planted into a market, one small record each; their truth lies beside the data.

Each plant has a random stream of its own, so that adding one changes none of the others. Times of
`HINT` say since when a forecaster who knows the truth expects a move.
"""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.exchange.matching import LIMIT, MARKET, WITHDRAW
from flowsense.schema import OBSERVATION, SECOND, Observations, zeros
from flowsense.simulate.flow import SCRIPT
from flowsense.simulate.latent import HINT

MOVE = np.dtype([("ts", "i8"), ("step", "f8"), ("instrument", "i4"), ("pad", "i4")])
Array = NDArray[Any]
NO_MOVES, NO_HINTS, NO_SCRIPT = zeros(MOVE), zeros(HINT), zeros(SCRIPT)


class Stage(NamedTuple):
    """The market that something is planted into."""

    start: int  # ns of the venue's clock
    end: int
    wire_ns: int  # from there to ours
    prices: NDArray[np.float64]  # (k,) efficient prices at the start, ticks


class Planted(NamedTuple):
    """What came of one plant."""

    truth: dict[str, Array]  # documented by the plant
    moves: Array = NO_MOVES  # (n,) MOVE of efficient prices
    hints: Array = NO_HINTS  # (n,) HINT
    script: Array = NO_SCRIPT  # (n,) SCRIPT, `of` counted from 0
    observations: Observations = zeros(OBSERVATION)
    kinds: tuple[str, ...] = ()  # names of what is observed
    silent: frozenset[int] = frozenset()  # instruments that have no other news


class Plant(Protocol):
    """Settings that can be written as JSON; `plan` may raise InputError for a market too small."""

    def plan(self, rng: np.random.Generator, stage: Stage) -> Planted: ...


class Pattern(NamedTuple):
    """Something that everybody sees moves the price some seconds later.

    Seen in the trades: `orders` market orders of one lot, all of one side, within `within_s`. Or
    in the book: one resting order of `orders` lots, `away` ticks behind the touch, that goes after
    `within_s`. Then, `lag_s` after the first of them, the efficient price moves by `ticks` to that
    side. Truth: `signs` (n, 3) int64 of ts (ns, venue's clock), instrument, side.
    """

    lag_s: float = 5.0
    ticks: float = 4.0
    every_s: float = 10.0  # mean time between two of one instrument
    seen: str = "trades"  # or "book"
    orders: int = 10
    within_s: float = 0.5
    away: int = 2
    instruments: tuple[int, ...] = ()  # none named: all

    def plan(self, rng: np.random.Generator, stage: Stage) -> Planted:
        if self.seen not in ("trades", "book"):
            raise InputError(f"pattern: seen {self.seen!r}: write trades or book")
        positive("pattern", self, "lag_s", "every_s", "orders", "within_s")
        who = among("pattern", self.instruments, stage)
        signs = np.concatenate([self.signs(rng, stage, i) for i in who])
        signs = signs[np.argsort(signs[:, 0], kind="stable")]
        ts, i, side = signs.T
        moves, hints = zeros(MOVE, len(ts)), zeros(HINT, len(ts))
        for out in (moves, hints):
            out["ts"] = ts + round(self.lag_s * SECOND)
            out["step"], out["instrument"] = side * self.ticks, i
        hints["known_at"] = ts + stage.wire_ns
        lines = self.burst(rng, signs) if self.seen == "trades" else self.wall(signs)
        return Planted({"signs": signs}, moves, hints, lines)

    def signs(self, rng: np.random.Generator, stage: Stage, instrument: int) -> Array:
        ts = poisson(rng, stage, self.every_s)
        side = 2 * rng.integers(0, 2, len(ts)) - 1
        return np.stack([ts, np.full(len(ts), instrument), side], axis=1)

    def burst(self, rng: np.random.Generator, signs: Array) -> Array:
        lines = zeros(SCRIPT, len(signs) * self.orders)
        later = rng.integers(1, round(self.within_s * SECOND), (len(signs), self.orders))
        lines["ts"] = (signs[:, :1] + later).ravel()
        lines["instrument"], lines["side"] = np.repeat(signs[:, 1:], self.orders, axis=0).T
        lines["kind"], lines["lots"] = MARKET, 1
        return lines

    def wall(self, signs: Array) -> Array:
        return stood(signs[:, 0], signs[:, 1], signs[:, 2], (self.away, self.orders), self.within_s)


class Spoofer(NamedTuple):
    """Layers of orders that are never meant to trade: placed on one side, then all withdrawn.

    `layers` orders of `lots` lots stand 1, 2, ... ticks behind the touch for `stands_s`. Truth:
    `spoofs` (n, 4) int64 of first and last ns (venue's clock), instrument, side.
    """

    every_s: float = 20.0
    stands_s: float = 2.0
    layers: int = 4
    lots: int = 40
    instruments: tuple[int, ...] = (0,)

    def plan(self, rng: np.random.Generator, stage: Stage) -> Planted:
        positive("spoofer", self, "every_s", "stands_s", "layers", "lots")
        parts = []
        for i in among("spoofer", self.instruments, stage):
            ts = apart(poisson(rng, stage, self.every_s), self.stands_s)
            side = 2 * rng.integers(0, 2, len(ts)) - 1
            parts.append(np.stack([ts, ts + round(self.stands_s * SECOND), ts * 0 + i, side], 1))
        spoofs = np.concatenate(parts)
        script = NO_SCRIPT
        for layer in range(1, self.layers + 1):
            ts, _, i, side = spoofs.T
            lines = stood(ts + layer, i, side, (layer, self.lots), self.stands_s)
            lines["of"] += len(script)
            script = np.concatenate([script, lines])
        return Planted({"spoofs": spoofs}, script=script)


def stood(ts: Array, instrument: Array, side: Array, what: tuple[int, int], for_s: float) -> Array:
    """Script of resting orders (`what`: ticks behind the touch, lots) that go after `for_s`."""
    n = len(ts)
    lines = zeros(SCRIPT, 2 * n)
    lines["instrument"], lines["side"] = np.tile(instrument, 2), np.tile(side, 2)
    lines["ts"] = np.r_[ts, ts + round(for_s * SECOND)]
    lines["kind"] = np.repeat([LIMIT, WITHDRAW], n)
    lines["away"], lines["lots"] = what
    lines["of"] = np.tile(np.arange(n), 2)
    return lines


def in_time(script: Array, end: int) -> Array:
    """The lines before the end, by time; `of` follows them."""
    order = np.argsort(script["ts"], kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    out = script[order]
    out["of"] = place[out["of"]] if len(out) else 0
    return np.asarray(out[out["ts"] < end].view(SCRIPT))


def poisson(rng: np.random.Generator, stage: Stage, every_s: float) -> Array:
    """(n,) rising ns, one in `every_s` on average."""
    n = rng.poisson((stage.end - stage.start) / SECOND / every_s)
    return np.sort(rng.integers(stage.start + 1, stage.end, n))


def apart(ts: Array, seconds: float) -> Array:
    """Those of the rising times that come longer than this after the one kept before."""
    kept, last = [], -(2**62)
    for t in ts.tolist():
        if t > last + seconds * SECOND:
            kept.append(t)
            last = t
    return np.array(kept, np.int64)


def among(name: str, instruments: tuple[int, ...], stage: Stage) -> tuple[int, ...]:
    """Those named, or all. Raises InputError for one that the market has not."""
    n = len(stage.prices)
    for i in instruments:
        if not 0 <= i < n:
            raise InputError(f"{name}: instrument {i}: the market has {n}, give 0 to {n - 1}")
    return instruments or tuple(range(n))


def positive(name: str, plant: object, *fields: str) -> None:
    for field in fields:
        if not getattr(plant, field) > 0:
            raise InputError(f"{name}: {field} {getattr(plant, field)}: give more than 0")
