"""A taker that does what signals say."""

from dataclasses import dataclass

import numpy as np

from flowsense.backtest import View
from flowsense.backtest.strategies.taker import Held, Want, holding, lots_of, take
from flowsense.errors import InputError
from flowsense.exchange.client import Requests
from flowsense.schema import Instrument


@dataclass(frozen=True)
class Follow:
    """In at a signal without vetoes, out at its horizon, stop or target, or at one that opposes it.

    Attributes:
        lots: of every position; 0: the size of the signal, as a share of the equity.
        beyond: ticks beyond the touch that a marketable limit may pay; None: market orders.
    """

    lots: int = 0
    beyond: int | None = None

    def __post_init__(self) -> None:
        if self.lots < 0 or (self.beyond is not None and self.beyond < 0):
            raise InputError(f"follow: lots {self.lots}, beyond {self.beyond}: give 0 or more")

    def init(self, instruments: tuple[Instrument, ...]) -> Held:
        """Flat."""
        return holding(instruments)

    def decide(self, state: Held, view: View) -> tuple[Held, Requests]:
        """Of what is recommended as of this very instant."""
        s = view.signal
        acts = (s["size"] > 0) & (s["vetoes"] == 0) & (s["ts"] == view.ts) & (s["side"] != 0)
        which = np.flatnonzero(acts).tolist() if acts.any() else ()
        wants = [want for i in which if (want := self.want(state, view, i)).lots > 0]
        return take(state, view, wants, self.beyond)

    def want(self, state: Held, view: View, i: int) -> Want:
        """The position that the signal of an instrument asks for."""
        s = view.signal[i]
        lots = self.lots or lots_of(state, view, i, float(s["size"]))
        until, stop2, target2 = view.ts + int(s["horizon"]), int(s["stop2"]), int(s["target2"])
        return Want(i, int(s["side"]), lots, until, stop2, target2)
