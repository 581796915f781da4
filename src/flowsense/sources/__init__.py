"""One format or venue per file: bytes in, records out. Nothing here knows what a feature is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from flowsense.schema import BAR, EVENT, OBSERVATION, Chunk, Events, Instrument, zeros

if TYPE_CHECKING:
    from flowsense.sources.units import Units

NO_EVENTS, NO_BARS, NO_OBSERVATIONS = zeros(EVENT), zeros(BAR), zeros(OBSERVATION)


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


@runtime_checkable
class Broad(Protocol):
    """A Source that holds bars or observations too; its `__iter__` gives its events alone."""

    @property
    def kinds(self) -> tuple[str, ...]: ...  # names of what it observes
    def chunks(self) -> Iterator[Chunk]: ...


@runtime_checkable
class Counted(Protocol):
    """A Source that counts by name what it met.

    A name of one word, or `message` with its type, is that of a message; what was irregular is
    said in several words.
    """

    @property
    def counts(self) -> Mapping[str, int]: ...


class Told(Protocol):
    """What can be read: a Source, or a recording in memory."""

    @property
    def name(self) -> str: ...
    @property
    def instruments(self) -> tuple[Instrument, ...]: ...
    def __iter__(self) -> Iterator[Events]: ...


def chunks(source: Told) -> Iterator[Chunk]:
    """All that a source holds, in order of time."""
    if isinstance(source, Broad):
        return source.chunks()
    return (Chunk(events, NO_BARS, NO_OBSERVATIONS) for events in source)


def kinds_of(source: Told) -> tuple[str, ...]:
    """Names of what a source observes."""
    return source.kinds if isinstance(source, Broad) else ()
