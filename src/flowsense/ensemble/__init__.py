"""Models made of models.

A `Combiner` makes one forecast of what several members say of the same rows, and is a fold as they
are. `ensemble.members.Ensemble` is a Model of members and a combiner, so that ensembles nest.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, Self, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.schema import Instrument, Quotes
from flowsense.tape import Tape

S = TypeVar("S")  # a flat NamedTuple of arrays


class Heard(NamedTuple):
    """Rows that members forecast without having learned from them, in order of time."""

    names: tuple[str, ...]  # of the N members
    said: tuple[Forecast, ...]  # of each, the same n rows and targets
    ts: NDArray[np.int64]  # (n,)
    instrument: NDArray[np.int64]  # (n,)
    regime: NDArray[np.float32]  # (n, R) probabilities; R is 0 where no member tells
    quote: Quotes  # (n,) as of each row; BROKEN where nobody kept it


@runtime_checkable
class Combiner(Protocol[S]):
    """A frozen dataclass of settings, with what was learned. A member that is not ready is silent:
    the others are heard. Where too few are ready, the answer is not ready either.
    """

    @property
    def targets(self) -> tuple[Target, ...]: ...
    def fit(self, heard: Heard, labels: Labels) -> Self:
        """Learns from the rows where ``labels.valid``. Raises InputError."""
        ...

    def init(
        self, instruments: tuple[Instrument, ...], members: int, targets: tuple[Target, ...]
    ) -> S: ...
    def combine(self, state: S, tape: Tape, said: Sequence[Forecast]) -> tuple[S, Forecast]:
        """One forecast of those of all members, of the decision rows of this tape.

        ``aux["agreement"]`` (n, T): share of the ready members that name the side of the answer;
        ``aux["members"]`` (n, T): how many were ready.
        """
        ...

    def params(self) -> dict[str, NDArray[Any]]: ...
    def load(self, params: dict[str, NDArray[Any]]) -> Self: ...
