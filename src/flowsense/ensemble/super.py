"""Many members, heard by weights that hold for five minutes of the stream and are then renewed.

The weights are those of `ensemble.adapt`; what differs is when they come into force: at the first
row of each span of `every_ns`, counted from the epoch, and by the clock of the stream alone. So an
answer can be explained by one table of weights for minutes, and a burst of outcomes moves nothing
before the next refresh. A change that has to be followed sooner asks for `every_ns` in seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble import Heard
from flowsense.ensemble.adapt import Adaptive, Fitted, mixture
from flowsense.ensemble.settle import Ints
from flowsense.ensemble.states import joined, part
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.model.sides import Floats
from flowsense.schema import SECOND, Instrument
from flowsense.tape import Tape

MEMBERS = (  # ten that differ in kind and need no extra; nulls are cheap, and shrink the others
    "antisymmetric",
    "logistic",
    "xgboost",
    "lightgbm",
    "hawkes",
    "hmm",
    "vote",
    "imbalance",
    "last_trade",
    "majority",
)


class Force(NamedTuple):
    """The weights in force."""

    span: Ints  # (1,) since when: spans of `every_ns` since the epoch, -1 before the first row
    logs: Floats  # (R * T, N) as in `adapt.Weights`


@dataclass(frozen=True, slots=True)
class Super:
    """A combiner: `Ensemble(tuple(map(build, MEMBERS)), Super())`."""

    every_ns: int = 300 * SECOND
    rate: float = 1.0
    share: float = 0.001
    quorum: int = 1
    regimes: int = 1
    fitted: Fitted | None = None

    def __post_init__(self) -> None:
        if self.every_ns < 1:
            raise InputError(f"super: refresh every {self.every_ns} ns: give a time above 0")
        self.following()

    def following(self) -> Adaptive:
        """The weights that run beneath. Raises InputError for what it cannot be."""
        return Adaptive(self.rate, self.share, self.quorum, self.regimes, self.fitted)

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.following().targets

    def fit(self, heard: Heard, labels: Labels) -> Self:
        return replace(self, fitted=self.following().fit(heard, labels).fitted)

    def anew(self) -> Self:
        """As `Adaptive.anew`."""
        return replace(self, fitted=self.following().anew().fitted)

    def init(
        self, instruments: tuple[Instrument, ...], members: int, targets: tuple[Target, ...]
    ) -> Any:
        beneath = self.following().init(instruments, members, targets)
        return joined([beneath, Force(np.array([-1]), part(beneath, 2).logs.copy())])

    def combine(self, state: Any, tape: Tape, said: Sequence[Forecast]) -> tuple[Any, Forecast]:
        beneath, path, regime = self.following().follow(part(state, 0), tape, said)
        force, logs = self.renewed(part(state, 1), tape.rows[0].ts, path)
        return joined([beneath, force]), mixture(said, logs, regime, self.quorum)

    def renewed(self, force: Force, ts: Ints, path: Floats) -> tuple[Force, Floats]:
        """What is in force at each of n rows, and after them."""
        span = ts // self.every_ns
        begins = span != np.concatenate([force.span, span[:-1]])[: len(span)]
        since = np.maximum.accumulate(np.where(begins, np.arange(len(span)), -1))
        logs = np.where((since >= 0)[:, None, None], path[since], force.logs)
        if not len(span):
            return force, logs
        return Force(span[-1:].copy(), logs[-1].copy()), logs

    def params(self) -> dict[str, NDArray[Any]]:
        return self.following().params()

    def load(self, params: dict[str, NDArray[Any]]) -> Self:
        return replace(self, fitted=self.following().load(params).fitted)
