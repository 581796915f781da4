"""The unit of work: a run of events and the rows due among them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flowsense.schema import DEPTH, Bars, Events, Instrument, Observations, Quotes


class Column(NamedTuple):
    """One number of a row, and all that a reader of the catalogue needs to know of it."""

    name: str
    unit: str
    formula: str
    mirror: str = ""  # with bids and asks swapped it is: "" itself, "-" its negative, or this one
    total: bool = False  # the family writes a running total, the row holds what it grew by


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Which columns, when. Made by `features.catalogue.spec`, which knows the versions."""

    columns: tuple[str, ...]
    versions: tuple[tuple[str, int], ...]  # of every family that is run, in order
    clocks: tuple[str, ...]  # "interval:100ms" or "events:50"; the first decides, others inform
    depth: int = DEPTH

    @property
    def digest(self) -> str:
        """Stored in every checkpoint; loading against another digest fails."""
        text = json.dumps([self.columns, self.versions, self.clocks, self.depth])
        return blake2b(text.encode(), digest_size=8).hexdigest()


class Rows(NamedTuple):
    """Missing is masked: where `valid` is False, X is 0."""

    ts: NDArray[np.int64]  # (n,) the boundary; the row holds what arrived before it
    instrument: NDArray[np.int64]  # (n,)
    X: NDArray[np.float32]  # (n, F)
    valid: NDArray[np.bool_]  # (n, F)
    event: NDArray[np.int64]  # (n,) events of the tape before the row
    book: NDArray[Any]  # (n,) BOOK, whole, as of the row
    quote: NDArray[Any]  # (n,) QUOTE, the touch as of the row

    def take(self, which: slice | NDArray[Any]) -> "Rows":
        """These rows alone, as copies."""
        columns: list[Any] = [np.array(column[which]) for column in self]
        return Rows(*columns)

    def instants(self) -> NDArray[np.int64]:
        """(k + 1,) edges of the instants: runs of equal ts that fell due at the same event."""
        if not len(self.ts):
            return np.zeros(1, np.int64)
        new = (self.ts[1:] != self.ts[:-1]) | (self.event[1:] != self.event[:-1])
        return np.concatenate([[0], np.flatnonzero(new) + 1, [len(self.ts)]])


class Tape(NamedTuple):
    """One chunk; a model sees it whole, and never a part of an instant.

    At a decision row due at T a model may use the events before the row, bars and
    observations with ts_recv < T, and rows of slower clocks with ts <= T. A tape may
    hold later ones: they wait in the model's state.
    """

    events: Events
    bars: Bars
    observations: Observations
    quotes: Quotes
    rows: tuple[Rows, ...]  # one per clock of the spec
    instruments: tuple[Instrument, ...]


class Needs(NamedTuple):
    """What a model reads. It gets no more than that."""

    events: bool = False
    history: int = 1  # rows of one instrument
    back_ns: int = 0  # how far back its state reaches, where that is more than ten minutes
    clocks: int = 1  # how many of the spec's clocks
    instruments: Literal["one", "all"] = "one"


class Reader(Protocol):
    """The same tapes in the same order at every pass, one in memory at a time."""

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...
    @property
    def spec(self) -> FeatureSpec: ...
    def __iter__(self) -> Iterator[Tape]: ...
