"""A taker that knows the future: no strategy that takes and holds as long earns more than it."""

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.backtest import View
from flowsense.backtest.strategies.taker import Held, Want, holding, take
from flowsense.errors import InputError
from flowsense.exchange.client import Requests
from flowsense.schema import WHOLE, Instrument, Quotes


@dataclass(frozen=True, eq=False)
class Foresight:
    """Goes in where the mid after `hold_ns` is further away than going in and out costs.

    Attributes:
        ts: (n,) ns of every change of a mid, never falling.
        mid2: (n,) what it became, half ticks.
        instrument: (n,) of which.
        hold_ns: until it goes out.
        lots: of every position.
        cost: ticks that a round trip costs beside the spread.
    """

    ts: NDArray[np.int64]
    mid2: NDArray[np.int64]
    instrument: NDArray[np.int64]
    hold_ns: int
    lots: int = 1
    cost: float = 0.0
    paths: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not len(self.ts) or self.hold_ns <= 0 or self.lots <= 0:
            what = f"{len(self.ts)} mids, hold_ns {self.hold_ns}, lots {self.lots}"
            raise InputError(f"foresight: {what}: give more than none of each")
        which = {int(i): self.instrument == i for i in np.unique(self.instrument)}
        paths = {i: (self.ts[mine], self.mid2[mine]) for i, mine in which.items()}
        object.__setattr__(self, "paths", paths)

    @classmethod
    def of(cls, quotes: Quotes, hold_ns: int, **settings: Any) -> Self:
        """Of what a stream tells of its touches (QUOTE), by those that are whole."""
        q = quotes[quotes["state"] == WHOLE]
        return cls(q["ts"], q["mid2"], q["instrument"].astype(np.int64), hold_ns, **settings)

    def init(self, instruments: tuple[Instrument, ...]) -> Held:
        """Flat."""
        return holding(instruments)

    def decide(self, state: Held, view: View) -> tuple[Held, Requests]:
        """A want for each instrument whose future pays."""
        wants = []
        for i in np.flatnonzero(view.here & (view.quote["state"] == WHOLE)).tolist():
            move, spread = self.ahead(i, view), self.spread(i, view)
            if abs(move) > spread + self.cost:
                wants.append(Want(i, 1 if move > 0 else -1, self.lots, view.ts + self.hold_ns))
        return take(state, view, wants)

    def ahead(self, i: int, view: View) -> float:
        """Ticks by which the mid will have moved."""
        if i not in self.paths:
            return 0.0
        ts, mid2 = self.paths[i]
        at = int(np.searchsorted(ts, view.ts + self.hold_ns, "right")) - 1
        return (int(mid2[at]) - int(view.quote["mid2"][i])) / 2 if at >= 0 else 0.0

    def spread(self, i: int, view: View) -> int:
        """Ticks."""
        return int(view.book["ask_px"][i, 0]) - int(view.book["bid_px"][i, 0])
