"""An event loop whose clock jumps to the next timer when there is nothing else to do.

Sockets of this machine work as ever, and take no time; so does work given to threads. What waits
through `wall` waits exactly, and at once: an hour of reconnecting is tested in milliseconds.
"""

import asyncio
import os
import selectors
from asyncio.events import AbstractEventLoop
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from flowsense.wall import Dated

Ts = TypeVarTuple("Ts")
T = TypeVar("T")
BEGIN = 1_700_000_000_000_000_000  # ns since 1970, when nobody says otherwise
LONG = 0.5  # s; before it jumps so far it listens for what the kernel may still be carrying
LISTEN = 0.001  # s on the wall
DEAF = 20.0  # s on the wall, after which nothing will ever happen


class VirtualLoop(Dated, asyncio.SelectorEventLoop):
    """Its `time` begins at 0.

    Args:
        begin: ns since 1970, that `wall.now_utc` tells then.
    """

    def __init__(self, begin: int = BEGIN) -> None:
        self.now, self.begin, self.working = 0.0, begin, 0
        super().__init__(Jumping(self))

    def time(self) -> float:
        return self.now

    def utc(self) -> int:
        return self.begin + round(self.now * 1e9)

    def step(self, seconds: float) -> None:
        """The clock on the wall is set, as an administrator does; timers do not notice."""
        self.begin += round(seconds * 1e9)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self.working += 1
        future.add_done_callback(self._worked)
        return future

    def _worked(self, future: Any) -> None:
        self.working -= 1


class Jumping(selectors.BaseSelector):
    """Where a loop would wait for time to pass, time has passed."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop, self.sockets = loop, selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = self.sockets.select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if timeout is None or self.loop.working:
            return self._hear()
        os.sched_yield()  # the kernel may be carrying something from one end to the other
        found = self.sockets.select(LISTEN if timeout >= LONG else 0)
        if not found:
            self.loop.now += timeout
        return found

    def _hear(self) -> list[tuple[selectors.SelectorKey, int]]:
        found = self.sockets.select(DEAF)
        if not found:
            raise RuntimeError("no timer is set and nobody speaks: this would wait for ever")
        return found

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.sockets.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self.sockets.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self.sockets.modify(fileobj, events, data)

    def close(self) -> None:
        self.sockets.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self.sockets.get_map()


def run(main: Coroutine[Any, Any, T], begin: int = BEGIN) -> T:
    """What it returns; as `asyncio.run`, in virtual time."""
    factory: Callable[[], AbstractEventLoop] = partial(VirtualLoop, begin)
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)
