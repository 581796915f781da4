"""What is read through another source: a filter says what becomes of its chunks, and no more."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from flowsense.schema import Chunk, Events, Instrument
from flowsense.sources import Source, Told, kinds_of

if TYPE_CHECKING:
    from flowsense.sources.units import Units


@dataclass(frozen=True)
class Within(ABC):
    """Told and Broad, as the source inside it is. A filter takes `chunks` of that, one by one."""

    source: Told

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self.source.instruments

    @property
    def kinds(self) -> tuple[str, ...]:
        return kinds_of(self.source)

    def __iter__(self) -> Iterator[Events]:
        return (chunk.events for chunk in self.chunks() if len(chunk.events))

    @abstractmethod
    def chunks(self) -> Iterator[Chunk]: ...


@dataclass(frozen=True)
class OfFiles(Within, ABC):
    """The same of a Source, and a Source itself."""

    source: Source

    @property
    def files(self) -> tuple[Path, ...]:
        return self.source.files

    def in_units(self, units: "Units") -> Self:
        return replace(self, source=self.source.in_units(units))
