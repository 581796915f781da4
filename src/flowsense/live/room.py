"""Who reads gives way to who predicts: both share one interpreter, and messages can wait."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flowsense.wall import elapsed, within

MOST = 0.02  # seconds that readers wait: who is at work for longer may hang


class Room:
    """Taken while the engine is at work on what was read.

    In a burst the messages to come stay in the buffers of their socket: decoded at the same time
    they would take the interpreter from the row that is due.
    """

    def __init__(self) -> None:
        self._free, self._until = asyncio.Event(), 0.0
        self._free.set()

    @contextmanager
    def taken(self) -> Iterator[None]:
        self._free.clear()
        self._until = elapsed() + MOST
        try:
            yield
        finally:
            self._free.set()

    @property
    def free(self) -> bool:
        """Nobody is at work, or for too long."""
        return self._free.is_set() or elapsed() >= self._until

    async def wait(self) -> None:
        """Until it is free."""
        if not self.free:
            with suppress(TimeoutError):
                async with within(self._until - elapsed()):
                    await self._free.wait()
