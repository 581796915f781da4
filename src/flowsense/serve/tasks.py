"""Background work that somebody holds and looks after: what fails is told, never forgotten."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger("flowsense.serve")
T = TypeVar("T")


async def first(*works: Coroutine[Any, Any, T]) -> T:
    """What the first that ends returns or raises; the others have ended then, too."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Tasks:
    """asyncio keeps no reference to a task; this does, and remembers what it died of.

    told: is given that, of each task that fails.
    """

    def __init__(self, told: Callable[[str], None] | None = None) -> None:
        self.told = told
        self.running: set[asyncio.Task[Any]] = set()
        self.failed: dict[str, str] = {}  # by name

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """All are cancelled and have ended."""
        self.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)

    async def ended(self, seconds: float) -> None:
        """Waits for all, but no longer than that."""
        if self.running:
            await asyncio.wait(self.running, timeout=seconds)

    def cancel(self) -> None:
        for task in (*self.running,):
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failed[task.get_name()] = f"{type(error).__name__}: {error}"
            log.error("task failed", task=task.get_name(), why=self.failed[task.get_name()])
            if self.told is not None:
                self.told(self.failed[task.get_name()])
