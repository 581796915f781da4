"""A taker that knows nothing: what it loses is what trading costs."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import View
from flowsense.backtest.strategies.taker import Held, Want, holding, take
from flowsense.errors import InputError
from flowsense.exchange.client import Requests
from flowsense.schema import SECOND, WHOLE, Instrument
from flowsense.splitmix import uniform


class Tossed(NamedTuple):
    """What taking remembers, and how many coins were thrown."""

    serial: NDArray[np.int64]
    until: NDArray[np.int64]
    stop2: NDArray[np.int64]
    target2: NDArray[np.int64]
    unit: NDArray[np.float64]
    inverse: NDArray[np.bool_]
    thrown: NDArray[np.int64]  # (1,)


@dataclass(frozen=True)
class Random:
    """Buys or sells by a coin, and goes out again after a while.

    Attributes:
        chance: of going in, at an instant and instrument without a position.
        hold_ns: until it goes out.
        lots: of every position.
        seed: of the coins; the n-th coin of a seed is always the same.
    """

    chance: float = 0.01
    hold_ns: int = SECOND
    lots: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1 or self.hold_ns <= 0 or self.lots <= 0:
            what = f"chance {self.chance}, hold_ns {self.hold_ns}, lots {self.lots}"
            raise InputError(f"random: {what}: give a chance from 0 to 1, the others above 0")

    def init(self, instruments: tuple[Instrument, ...]) -> Tossed:
        """Flat, no coin thrown."""
        return Tossed(*holding(instruments), np.zeros(1, np.int64))

    def decide(self, state: Tossed, view: View) -> tuple[Tossed, Requests]:
        """A coin for each instrument that has a row."""
        n, wants, here = int(state.thrown[0]), [], view.here.nonzero()[0].tolist()
        flat = view.here & (view.position == 0) & (view.quote["state"] == WHOLE)
        for i, x in zip(here, uniform(n, len(here), self.seed).tolist(), strict=True):
            if x < self.chance and flat[i]:
                side = 1 if x < self.chance / 2 else -1
                wants.append(Want(i, side, self.lots, view.ts + self.hold_ns))
        held, requests = take(Held(*state[:-1]), view, wants)
        return Tossed(*held, state.thrown + len(here)), requests
