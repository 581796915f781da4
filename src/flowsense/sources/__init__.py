"""One format or venue per file: bytes in, EVENTs out. Nothing here knows what a feature is."""

from collections.abc import Iterator
from typing import Protocol

from flowsense.schema import Events, Instrument


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
    def size(self) -> int: ...  # bytes to read, for progress
    def __iter__(self) -> Iterator[Events]: ...
