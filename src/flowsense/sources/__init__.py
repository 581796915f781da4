"""One format or venue per file: bytes in, EVENTs out. Nothing here knows what a feature is."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self

from flowsense.schema import Events, Instrument

if TYPE_CHECKING:
    from flowsense.sources.units import Units


class Source(Protocol):
    """A recording. Every pass gives the same events, in chunks that end with a whole message.

    Chunks hold a few thousand events, `ts_recv` never falls from one to the next, and
    `instrument` counts into `instruments`. What cannot be used raises InputError.
    """

    @property
    def name(self) -> str: ...  # as the user knows it
    @property
    def instruments(self) -> tuple[Instrument, ...]: ...
    @property
    def files(self) -> tuple[Path, ...]: ...  # that it reads; none of a table in memory
    def in_units(self, units: "Units") -> Self:
        """The same recording in these ticks and lots. Raises InputError where it cannot be."""
        ...

    def __iter__(self) -> Iterator[Events]: ...
