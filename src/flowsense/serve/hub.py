"""One pipeline, many listeners: each with a queue of its own, so that a slow one harms no one."""

import asyncio
from collections import deque
from collections.abc import Callable

import structlog

from flowsense.errors import InputError
from flowsense.serve import Prediction, Service
from flowsense.serve.wire import Frame, NotFinite
from flowsense.served import Hole
from flowsense.wall import pause

log = structlog.get_logger("flowsense.serve")
LOOK_S = 0.25  # between two looks whether there will be anything to hear


class Listener:
    """What waits for one listener. Once its queue is full, the oldest makes room and is counted."""

    __slots__ = ("dropped", "queue", "ready", "symbols", "told")

    def __init__(self, most: int, symbols: frozenset[str]) -> None:
        self.queue: deque[Frame] = deque(maxlen=most)
        self.symbols, self.dropped, self.ready = symbols, 0, asyncio.Event()
        self.told = 0  # sequence of the newest that was taken

    def wants(self, symbol: str) -> bool:
        return not self.symbols or symbol in self.symbols

    def put(self, frame: Frame) -> None:
        self.dropped += len(self.queue) == self.queue.maxlen
        self.queue.append(frame)
        self.ready.set()

    def take(self) -> Frame | None:
        """What to send next: the hole that dropping made goes before what follows it."""
        if not self.queue:
            self.ready.clear()
            return None
        if self.dropped:
            lost, self.dropped = self.dropped, 0
            return Frame(Hole(self.told, self.queue[0].sequence, lost, "slow"))
        frame = self.queue.popleft()
        self.told = frame.sequence
        return frame


class Hub:
    """Hears the service once for all listeners; on the loop's thread alone."""

    def __init__(self, service: Service, crowd: Callable[[int, int], None] | None = None) -> None:
        self.service, self.crowd = service, crowd
        self.listeners: set[Listener] = set()
        self.closing = False
        self.failed = ""  # why nothing comes any more
        self.unsaid = 0  # predictions that were not finite
        self.cut = 0  # listeners that stalled
        self.end = service.subscribe(self.hear, self.hear)

    def hear(self, prediction: Prediction) -> None:
        wanted = [x for x in self.listeners if x.wants(prediction.symbol)]
        frame = self.frame(prediction) if wanted else None
        if frame is not None:
            for listener in wanted:
                listener.put(frame)

    def frame(self, said: Prediction | Hole) -> Frame | None:
        """None of what is not finite: it is counted, and never sent."""
        try:
            return Frame(said)
        except NotFinite as error:
            self.unsaid += 1
            log.error("prediction is not finite", why=str(error))
            return None

    def join(self, listener: Listener, since: int | None) -> list[Prediction | Hole]:
        """From now on it hears everything; -> what it missed since a number, oldest first."""
        self.listeners.add(listener)
        self._count()
        newest = self.service.status().predictions
        listener.told = newest
        if since is None or since == newest:
            return []
        restarted = since > newest
        kept = self.service.since(0 if restarted else since)
        wanted: list[Prediction | Hole] = [p for p in kept if listener.wants(p.symbol)]
        first = kept[0].sequence if kept else newest + 1
        if restarted:
            return [Hole(since, first, 0, "restarted"), *wanted]
        if first > since + 1:
            return [Hole(since, first, 0, "gone"), *wanted]
        return wanted

    def leave(self, listener: Listener) -> None:
        self.listeners.discard(listener)
        self._count()

    async def watch(self) -> None:
        """Until it is cancelled. A service that failed says nothing, to its listeners neither."""
        while True:
            self.look()
            await pause(LOOK_S)

    def look(self) -> None:
        """Whether the service has failed: then every listener is told to go, and why."""
        try:
            status = self.service.status()
        except InputError:  # there is nothing to tell yet
            return
        failed = (status.why or "for no known reason") if status.state == "failed" else ""
        if failed and not self.failed:
            for listener in self.listeners:
                listener.ready.set()
        self.failed = failed

    def _count(self) -> None:
        if self.crowd is not None:
            self.crowd(len(self.listeners), self.cut)

    def close(self) -> None:
        """Every listener is told to go. May be called again."""
        if not self.closing:
            self.end()
        self.closing = True
        for listener in self.listeners:
            listener.ready.set()
