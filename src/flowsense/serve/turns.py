"""What has arrived, taken turn by turn; the engine works on it on a thread of its own."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

import structlog

from flowsense.live.archive import Archive
from flowsense.live.room import Room
from flowsense.schema import Events, Instrument
from flowsense.serve.config import PipelineConfig
from flowsense.serve.decisions import Decided
from flowsense.serve.inbox import Batch, Inbox, Times
from flowsense.serve.interpreter import Interpreter
from flowsense.serve.recent import joined, united
from flowsense.serve.records import beat
from flowsense.serve.resuming import Snapshots
from flowsense.serve.serving import Serving
from flowsense.serve.sessions import Table
from flowsense.serve.skipped import marked, until
from flowsense.sources import NO_EVENTS
from flowsense.sources.venues.decoder import Told
from flowsense.wall import Daemon, aside, elapsed, pause, within

T = TypeVar("T")
log = structlog.get_logger("flowsense.serve")
Tell: TypeAlias = Callable[[Batch, list[Decided], float], None]
HANGING = 1.0  # seconds that one turn may take at the end
QUIET = 0.01  # seconds without events, after which the clock moves by itself


class Turns:
    """Every turn takes what has arrived and never waits for more.

    tell: given what came of each batch, with the second at which its work began.
    """

    def __init__(
        self,
        config: PipelineConfig,
        table: tuple[Instrument, ...],
        serving: Serving,
        now: Callable[[], int],
        tell: Tell,
    ) -> None:
        self.serving, self.now, self.tell, self.most = serving, now, tell, config.turn
        self.inbox, self.arrived = (
            Inbox(table, config.queue, keep=config.record is not None),
            asyncio.Event(),
        )
        self.events = 0  # given to the engine
        self.archive: Archive | None = None  # of all that the engine is given
        if config.record is not None:
            self.archive = Archive(config.record, table, now())
        self.recorded = 0  # events of the recording
        self.snapshots = Snapshots(self.archive) if self.archive is not None else None
        self.models = Table(self.archive) if self.archive is not None else None
        if self.models is not None:
            self.models.look(serving.models)
        self.turn: Turn | None = None  # that nobody was told of yet
        self.engine = Daemon() if config.aside else None
        self.interpreter = Interpreter() if config.aside else None
        self.room = Room()  # taken while the engine is at work

    def hear(self, told: Told, read: float) -> None:
        """One message, and when it was: into the queue, and wake who waits for it."""
        self.inbox.put(told.events, Times(read, elapsed()), told.bars)
        if len(told.events):
            self.arrived.set()

    async def run(self) -> None:
        """Whole messages, again and again."""
        if self.interpreter is not None:
            self.interpreter.settled()
        while True:
            if self.serving.next is not None:
                await self._aside(self._swap)
                self.serving.swapped.set()
            batch = self.inbox.take(self.most) or await self._waited()
            if batch is None:
                continue
            await self._take(batch)
            await pause(0.0)  # sockets are read between two turns

    async def finish(self) -> None:
        """The turn that was begun, and all that waits."""
        try:
            async with within(HANGING):
                await self._aside(int)  # what was begun is over
                if self.turn is not None and not self.turn.over:  # it was not
                    await self._aside(partial(self._work, self.turn))
            self._tell()
            while batch := self.inbox.take(self.most):
                async with within(HANGING):
                    await self._take(batch)
            if self.snapshots is not None and self.turn is None:
                self.snapshots.look(self.serving.loaded, self.recorded, now=True)
        except TimeoutError:
            log.error("the engine hangs", seconds=HANGING, events=self.inbox.waiting)
            self._leave()

    async def _take(self, batch: Batch) -> None:
        self.turn = Turn(batch, elapsed())
        await self._aside(partial(self._work, self.turn))
        self._tell()

    def _tell(self) -> None:
        """What came of the last turn."""
        turn, self.turn = self.turn, None
        if turn is not None and turn.decided is not None:
            self.tell(turn.batch, turn.decided, turn.began)

    async def end(self) -> None:
        """Nothing is worked on any more, but for what hangs."""
        if self.engine is not None:
            with suppress(TimeoutError):
                async with within(HANGING):
                    await self._aside(int)
            self._leave()

    def _leave(self) -> None:
        if self.engine is not None:
            self.engine.shutdown()
            self.engine = None
        if self.interpreter is not None:
            self.interpreter.ended()
            self.interpreter = None

    async def close(self) -> None:
        """All that was recorded is in the lake, and another may write to it."""
        if self.archive is not None:
            archive, self.archive = self.archive, None
            if self.turn is not None and not self.turn.over:
                self.turn.over = True
                keep(archive, self.turn.batch, [self.turn.batch.events])
            while batch := self.inbox.take(self.most):
                keep(archive, batch, [batch.events])
            if self.inbox.bars:
                archive.put(NO_EVENTS, united(self.inbox.bars))
            await aside(archive.close)

    async def _waited(self) -> Batch | None:
        """What arrives next; where nothing does for a while, that time has passed."""
        self.arrived.clear()
        try:
            async with within(QUIET):
                await self.arrived.wait()
        except TimeoutError:
            if self._due():
                at = elapsed()
                self.inbox.put(beat(self.now()), Times(at, at))
        return self.inbox.take(self.most)

    def _due(self) -> bool:
        """Whether a boundary has passed that no event has shown."""
        clocks = self.serving.loaded.decisions.engine.fold.arrays["clocks"]
        return bool(clocks["latest"][0] > 0 and clocks["next"].min() <= self.now())

    async def _aside(self, work: Callable[[], T]) -> T:
        """On the engine's thread, where there is one."""
        if self.engine is None:
            return work()
        with self.room.taken():
            return await asyncio.get_running_loop().run_in_executor(self.engine, work)

    def _work(self, turn: "Turn") -> None:
        """Of the last events of `recent`, recorded after what was decided before them."""
        batch = turn.batch
        self.events += len(batch.events)
        recorded = batch.events
        try:
            turn.decided = self.serving.decide(self.inbox.recent)
            recorded = recording(batch.events, turn.decided)
        finally:
            late, turn.over = turn.over, True  # who hung so long has been recorded by others
            if not late:
                notes = [*self.serving.notes]
                self.serving.notes.clear()
                if self.archive and self.snapshots and self.models:
                    self.models.look(self.serving.models)
                    self.recorded += keep(self.archive, batch, [*notes, recorded])
                    if turn.decided is not None:
                        self.snapshots.look(self.serving.loaded, self.recorded)

    def _swap(self) -> None:
        self.serving.take_over(self.inbox.recent, self._latest())
        self._note()

    def _note(self) -> None:
        """What was decided of models."""
        while self.serving.notes:
            note = self.serving.notes.popleft()
            self.recorded += len(note)
            if self.archive is not None and self.models is not None:
                self.archive.put(note)
                self.models.look(self.serving.models)

    def _latest(self) -> int:
        """ns of the last event before the next turn: what waits was heard before now."""
        if self.inbox.recent.queue:
            return int(self.inbox.recent.queue[-1]["ts_recv"][-1])
        waiting = [*self.inbox.bars[:1], *(events for events, _ in [*self.inbox.queue][:1])]
        return min((int(told["ts_recv"][0]) for told in waiting), default=self.now())


@dataclass(eq=False)
class Turn:
    """What is worked on, or was and is not told yet."""

    batch: Batch
    began: float  # seconds on the loop's clock
    decided: list[Decided] | None = None
    over: bool = False  # worked on, and recorded


def recording(events: Events, decided: list[Decided]) -> Events:
    """With what was decided of members, before the events of each tape that it was decided of."""
    if not any(len(one.records) for one in decided):
        return events
    return joined([part for one in decided for part in (one.records, one.tape.events)])


def keep(archive: Archive, batch: Batch, recorded: list[Events]) -> int:
    """What was skipped before it, and then what was decided and given; how many records."""
    bars, skipped, events = batch.bars, NO_EVENTS, joined(recorded)
    if len(batch.skipped):
        early, bars = until(bars, int(batch.skipped["ts_recv"][-1]))
        skipped = marked(batch.skipped)
        archive.put(skipped, early)
    archive.put(events, bars)
    return len(skipped) + len(events)
