"""Which fit speaks for an instrument: tables differ between recordings, names do not."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import DIRECTIONS, Target
from flowsense.labels import Labels
from flowsense.schema import Instrument

KINDS = (*DIRECTIONS, "magnitude")


class Known(NamedTuple):
    """What a fit was of; arrays, so that a checkpoint holds it."""

    target: NDArray[np.str_]  # (T,)
    symbol: NDArray[np.str_]  # (K,) of the table it was trained on
    venue: NDArray[np.str_]  # (K,)

    @classmethod
    def of(cls, labels: Labels, instruments: tuple[Instrument, ...]) -> "Known":
        """Raises InputError for a target that is neither a direction nor a magnitude."""
        for target in labels.targets:
            if target.kind not in KINDS:
                raise InputError(f"target {target}: this model forecasts {', '.join(KINDS)} only")
        return cls(
            np.array([str(t) for t in labels.targets], np.str_),
            np.array([i.symbol for i in instruments], np.str_),
            np.array([i.venue for i in instruments], np.str_),
        )

    @classmethod
    def load(cls, params: dict[str, NDArray[Any]]) -> "Known":
        return cls(*(params[name] for name in cls._fields))

    @property
    def targets(self) -> tuple[Target, ...]:
        return tuple(Target.parse(str(t)) for t in self.target)

    def places(self, instruments: tuple[Instrument, ...]) -> NDArray[np.int64]:
        """(n,) the place of each in the trained table; K, one past it, for those not in it."""
        names = list(zip(self.symbol.tolist(), self.venue.tolist(), strict=True))
        table = {name: k for k, name in enumerate(names)}
        found = [table.get((i.symbol, i.venue), len(table)) for i in instruments]
        return np.array(found, np.int64)


class Places(NamedTuple):
    """All that a model of single rows carries along a stream: where each fit is."""

    place: NDArray[np.int64]  # (instruments,)

    @classmethod
    def of(cls, known: Known | None, instruments: tuple[Instrument, ...]) -> "Places":
        """0 everywhere before there is a fit."""
        none = np.zeros(len(instruments), np.int64)
        return cls(none if known is None else known.places(instruments))


def arrays(fitted: NamedTuple) -> dict[str, NDArray[Any]]:
    """Of a fit by name, with those of its parts, which are tuples of arrays themselves."""
    found: dict[str, NDArray[Any]] = {}
    for name, value in fitted._asdict().items():
        found |= {name: value} if isinstance(value, np.ndarray) else value._asdict()
    return found
