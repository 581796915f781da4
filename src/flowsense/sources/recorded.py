"""Recordings that `store.events.write_events` made, as a source."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from flowsense.schema import Events, Instrument
from flowsense.sources import Source
from flowsense.sources.instants import whole
from flowsense.sources.units import Units, unchanged
from flowsense.store.events import read_events, read_instruments, recording


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recording. Raises InputError when made of a file that is damaged or not one of ours."""

    path: Path
    instruments: tuple[Instrument, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "instruments", read_instruments(self.path))

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def files(self) -> tuple[Path, ...]:
        return (self.path,)

    def in_units(self, units: Units) -> Self:
        return unchanged(self, units)

    def __iter__(self) -> Iterator[Events]:
        return whole(read_events(self.path, len(self.instruments)))


def claims(path: Path, head: bytes) -> bool:
    """Whether the file is a recording; `head` are its first bytes."""
    return head.startswith(b"PAR1") and recording(path)


def open(paths: list[Path]) -> list[Source]:
    """One source per file. Raises InputError."""
    return [Recorded(path) for path in paths]
