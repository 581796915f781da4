"""A side only where enough members name it: selectivity, not accuracy, is what that buys.

Nothing is learned. Members that are wrong together agree on it (Kuncheva 2004, chapter 4).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble import Heard
from flowsense.ensemble.opinions import Opinions, Silent, answer, even, mean, total
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model.sides import sigmoid
from flowsense.schema import Instrument
from flowsense.tape import Tape


@dataclass(frozen=True, slots=True)
class Agree:
    """Says what the mean of the log-odds says where the quorum names that side; else no side.

    Where fewer members than the quorum are ready, the answer is not ready.
    """

    share: float = 0.6  # of all members: 3 of 5
    confidence: float = 0.65  # least P(side | it moves)
    target: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, np.str_))

    def __post_init__(self) -> None:
        if not (0 < self.share <= 1 and 0 <= self.confidence < 1):
            given = f"share {self.share}, confidence {self.confidence}"
            raise InputError(f"agree: {given}: give a share above 0, to 1, and 0 <= confidence < 1")

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(Target.parse(str(t)) for t in self.target)

    def quorum(self, members: int) -> int:
        """How many of so many members have to name a side."""
        return max(1, ceil(self.share * members - 1e-9))

    def fit(self, heard: Heard, labels: Labels) -> Self:
        return replace(self, target=np.array([str(t) for t in labels.targets]))

    def init(
        self, instruments: tuple[Instrument, ...], members: int, targets: tuple[Target, ...]
    ) -> Silent:
        return Silent()

    def combine(
        self, state: Silent, tape: Tape, said: Sequence[Forecast]
    ) -> tuple[Silent, Forecast]:
        of, needed = Opinions.of(said), self.quorum(len(said))
        side, move = mean(of)
        same = total((np.sign(of.side) == np.sign(side)) & of.ready)
        sure = sigmoid(np.abs(side)) >= self.confidence
        side = np.where((same >= needed) & sure, side, 0.0)
        ready = total(of.ready.astype(np.float64)) >= needed
        return state, answer(said, of, (side, move), even(of), ready)

    def params(self) -> dict[str, NDArray[Any]]:
        return {"target": self.target}

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        return replace(self, target=params["target"])
