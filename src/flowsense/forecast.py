"""What models say of which targets, and the one record that a caller may act on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import IntFlag, StrEnum
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError

DOWN, FLAT, UP = range(3)  # columns of Forecast.proba, and y of a direction
Kind = Literal["mid", "ofi", "barrier", "smoothed", "magnitude", "regime"]
DIRECTIONS = ("mid", "ofi", "barrier", "smoothed")  # kinds with a side: down, flat or up
Unit = Literal["x", "t", "bp"]
WIDTHS: dict[str, tuple[Unit, ...]] = {"barrier": ("x", "t", "bp"), "smoothed": ("t", "bp")}
UNITS = (
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
)


class Regime(StrEnum):
    """Named by what was fitted, never by the number of a hidden state; a model has some of them."""

    LOW_VOLATILITY = "low volatility"
    TRENDING_UP = "trending up"
    TRENDING_DOWN = "trending down"
    HIGH_VOLATILITY = "high volatility"
    CRISIS = "crisis"
    TRENDING = "trending"
    VOLATILE = "volatile"
    MEAN_REVERTING = "mean-reverting"


def duration(text: str) -> int:
    """ns of ``100ms``, ``5s``, ``1m`` or ``12h``. Raises InputError."""
    match = re.fullmatch(r"(\d+)(ns|us|ms|s|m|h|d)", text)
    if match is None or int(match[1]) == 0:
        raise InputError(
            f"duration {text!r}: write a whole number and a unit, like 100ms, 5s, 1m or 1h"
        )
    return int(match[1]) * dict(UNITS)[match[2]]


def spell(ns: int) -> str:
    """The shortest text that `duration` reads back: ``spell(500_000_000)`` is ``500ms``."""
    unit, size = next((u, s) for u, s in UNITS if ns % s == 0)
    return f"{ns // size}{unit}"


class Width(NamedTuple):
    """How far the mid has to go: ``2x`` deviations, ``4t`` ticks, ``1.5bp`` of the price."""

    size: float
    unit: Unit

    def __str__(self) -> str:
        return f"{self.size:.6f}".rstrip("0").rstrip(".") + self.unit

    @classmethod
    def parse(cls, text: str) -> "Width":
        """Raises InputError."""
        match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(x|t|bp)", text)
        if match is None or float(match[1]) == 0:
            raise InputError(
                f"width {text!r}: write a number above 0 and a unit, like 2x, 4t or 1.5bp"
            )
        return cls(float(match[1]), match[2])  # type: ignore[arg-type]


class Target(NamedTuple):
    kind: Kind
    horizon_ns: int
    width: Width | None = None  # of a barrier or a smoothed label; None: the usual one

    def __str__(self) -> str:
        return f"{self.name}@{spell(self.horizon_ns)}"

    @property
    def name(self) -> str:
        """The kind with its width: ``mid``, ``barrier:2x``."""
        return self.kind if self.width is None else f"{self.kind}:{self.width}"

    @property
    def directed(self) -> bool:
        """Whether a forecast of it has a side."""
        return self.kind in DIRECTIONS

    @classmethod
    def parse(cls, text: str) -> "Target":
        """``mid@500ms``, ``barrier@30s``, ``barrier:2x@30s``. Raises InputError."""
        return parsed(text)


@lru_cache(maxsize=1_024)
def parsed(text: str) -> Target:
    """Models keep their targets as text and are asked for them with every row."""
    name, _, horizon = text.partition("@")
    kind, colon, width = name.partition(":")
    known = get_args(Kind)
    if kind not in known and horizon and (close := get_close_matches(kind.lower(), known, 1)):
        raise InputError(f"target {text!r}: {kind!r} is unknown: did you mean {close[0]}?")
    if kind not in known or not horizon:
        raise InputError(f"target {text!r}: write kind@horizon, like mid@500ms or ofi@1s")
    found = Width.parse(width) if colon else None
    if found is not None and found.unit not in WIDTHS.get(kind, ()):
        units = ", ".join(f"{k} in {' or '.join(units)}" for k, units in WIDTHS.items())
        raise InputError(f"target {text!r}: {found} is no width of {kind}: give one to {units}")
    return Target(kind, duration(horizon), found)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Forecast:
    """One entry per row of the decision clock, T targets."""

    targets: tuple[Target, ...]
    proba: NDArray[np.float32]  # (n, T, 3) sums to 1; a third each while not ready
    value: NDArray[np.float32]  # (n, T) expected move (ticks, lots), or expected magnitude
    ready: NDArray[np.bool_]  # (n, T) False while the model warms up
    aux: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)  # "regime" (n, R), ...


class Veto(IntFlag):
    """Why a signal must not be acted on; bits of SIGNAL's `vetoes`."""

    WARMING_UP = 1  # no forecast yet, or too few rows for the model or the risk
    UNSURE = 2  # less confidence than asked for
    DISAGREEMENT = 4  # members of the ensemble name different sides
    TOO_FEW = 8  # members answered than the quorum
    POOR_REWARD = 16  # less reward for the risk than asked for, after costs
    EXPOSURE = 32  # the limit of this instrument, or of all, is used up
    CORRELATED = 64  # what is held already bets on the same
    DRAWDOWN = 128  # lost as much as may be lost
    BREAKER = 256  # a circuit breaker is open
    NOT_TRADING = 512  # halted, an auction, outside the session, or the book has a gap
    TOO_SMALL = 1024  # less than a lot, or than the venue takes


SIGNAL = np.dtype(  # a recommendation for one instrument, as of one row
    [
        ("ts", "i8"),
        ("instrument", "i4"),
        ("side", "i4"),  # +1 buy, -1 sell, 0: nothing is recommended
        ("vetoes", "i8"),  # of `Veto`; where there is any, size is 0
        ("horizon", "i8"),  # ns
        ("magnitude", "f8"),  # expected move of the mid to the side, ticks, >= 0
        ("confidence", "f8"),  # P(side | it moves), 0 to 1
        ("size", "f8"),  # of the capital, 0 to the greatest leverage
        ("stop2", "i8"),  # a price times two, ticks, as `mid2`; 0 where side is 0
        ("target2", "i8"),
        ("reward_risk", "f8"),
    ]
)


@dataclass(frozen=True, slots=True)
class Signal:
    """A record of SIGNAL for people and for JSON. Prices in ticks."""

    ts: int
    instrument: int
    horizon_ns: int
    direction: int
    magnitude: float
    confidence: float
    size: float
    stop: float
    target: float
    reward_risk: float
    vetoes: tuple[str, ...]  # like ``drawdown``

    @property
    def should_trade(self) -> bool:
        return self.direction != 0 and self.size > 0 and not self.vetoes

    @classmethod
    def of(cls, s: np.void) -> "Signal":
        """Of one record."""
        return cls(
            ts=int(s["ts"]),
            instrument=int(s["instrument"]),
            horizon_ns=int(s["horizon"]),
            direction=int(s["side"]),
            magnitude=float(s["magnitude"]),
            confidence=float(s["confidence"]),
            size=float(s["size"]),
            stop=float(s["stop2"]) / 2,
            target=float(s["target2"]) / 2,
            reward_risk=float(s["reward_risk"]),
            vetoes=vetoed(int(s["vetoes"])),
        )


@lru_cache(maxsize=4096)
def vetoed(bits: int) -> tuple[str, ...]:
    """Names of these bits of `Veto`."""
    return tuple(str(v.name).lower() for v in Veto if bits & v)
