"""What a venue is heard on: a connection, or two that are heard as one."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import aiohttp

from flowsense.live.line import Line
from flowsense.live.room import Room
from flowsense.wall import elapsed, pause, within

if TYPE_CHECKING:
    from flowsense.live.unified import Unified

LOST = (aiohttp.ClientError, OSError, TimeoutError)
SLICE = 0.001  # seconds of reading at once: others use the loop too
SAID = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
Socket: TypeAlias = "aiohttp.ClientWebSocketResponse[Any] | Line | Unified"
Sockets: TypeAlias = tuple[Socket, ...]


class Link:
    """It ends when one of its sockets does. What it hears before `tell` is held back."""

    def __init__(self, sockets: Sockets, room: Room) -> None:
        self.sockets, self.room, self.held = sockets, room, list[bytes]()
        self.hear: Callable[[bytes], None] = self.held.append
        self.tasks = [asyncio.create_task(self._read(socket)) for socket in sockets]

    async def _read(self, socket: Socket) -> None:
        since = until = elapsed()
        async for message in socket:
            if isinstance(message.data, Exception):
                raise message.data
            if message.type in SAID:
                self.hear(message.data)
            now = elapsed()
            if now >= until and not self.room.free:
                await self.room.wait()
                since = elapsed()
                until = since + since - now  # as long as it gave way it reads, whoever is at work
            elif now - since > SLICE:  # the next may be there already: it would not be waited for
                await pause(0.0)
                since = elapsed()

    def tell(self, hear: Callable[[bytes], None]) -> None:
        """What was held back, and everything from here on."""
        self.hear, held = hear, self.held.copy()
        self.held.clear()
        for body in held:
            hear(body)

    async def over(self) -> BaseException | None:
        """Until it ends; what it failed with."""
        await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        errors = (task.exception() for task in self.tasks if task.done() and not task.cancelled())
        return next((error for error in errors if error is not None), None)

    @property
    def code(self) -> str:
        """Of the connection that has ended."""
        ended = [k for k, task in enumerate(self.tasks) if task.done()]
        return f"the venue closed connection {ended[0] + 1} ({self.sockets[ended[0]].close_code})"

    async def leave(self, seconds: float) -> None:
        """Say goodbye, and wait no longer for an answer; what has arrived is still read.

        aiohttp would wait anew after each message of a venue that does not stop talking.
        """
        await asyncio.gather(*(farewell(socket, seconds) for socket in self.sockets))

    def stop(self) -> None:
        """Nothing is read any more."""
        for task in self.tasks:
            task.cancel()

    async def close(self, seconds: float) -> None:
        """Stops, and says goodbye."""
        self.stop()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.leave(seconds)


async def farewell(socket: Socket, seconds: float) -> None:
    with suppress(*LOST):
        async with within(seconds):
            await socket.close()


async def soonest(make: Callable[[], Coroutine[Any, Any, Sockets]], every: float) -> Sockets:
    """Of tries that are begun one beside the other, for as long as none is answered, the first.

    So a venue that took a connection and forgot it is heard as soon as it takes another. A try
    that fails ends all; what was opened and is not needed is closed.
    """
    tries, chosen = list[asyncio.Task[Sockets]](), None
    try:
        while chosen is None:
            tries.append(asyncio.create_task(make()))
            with suppress(TimeoutError):
                async with within(every):
                    await asyncio.wait(tries, return_when=asyncio.FIRST_COMPLETED)
            done = [one for one in tries if one.done()]
            chosen = next((one for one in done if one.exception() is None), next(iter(done), None))
        return chosen.result()
    finally:
        for one in tries:
            one.cancel()
        opened = await asyncio.gather(*tries, return_exceptions=True)
        for one, found in zip(tries, opened, strict=True):
            if isinstance(found, tuple) and one is not chosen:
                await asyncio.gather(*(farewell(socket, 0.0) for socket in found))
