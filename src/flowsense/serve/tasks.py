"""Background work that somebody holds and looks after: what fails is told, never forgotten."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger("flowsense.serve")


class Tasks:
    """asyncio keeps no reference to a task; this does, and remembers what it died of."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[Any]] = set()
        self.failed: dict[str, str] = {}  # by name

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """All are cancelled and have ended."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self.running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.failed[task.get_name()] = f"{type(error).__name__}: {error}"
            log.error("task failed", task=task.get_name(), why=self.failed[task.get_name()])
