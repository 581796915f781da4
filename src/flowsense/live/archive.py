"""What was heard, into a lake while it is heard: safe from kill -9 at once, listed span by span."""

import json
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import EVENT, SECOND, Chunk, Events, Instrument
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.store import instruments as table
from flowsense.store.journal import BEGIN, Journal, Recovered
from flowsense.store.lake import Recording, recordings, save
from flowsense.store.lake_write import Writer, locked, writing
from flowsense.wall import Threads, Workers

JOURNAL = ".live"  # folder in the lake: what no span lists yet
EVERY = 60 * SECOND  # of the stream, that one span holds


class Archive:
    """One recording of a lake, by one process. `put` never waits; a lane does the writing.

    Where a process was killed, the next one that opens the lake first puts in order what that had
    heard. A disk that refuses is told as `trouble`; what came meanwhile is written when it heals.

    Raises InputError where the lake is written to by another, damaged, or cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        instruments: tuple[Instrument, ...],
        started: int,
        *,
        every_ns: int = EVERY,
        workers: Workers | None = None,
    ) -> None:
        self.folder, self.every = folder, every_ns
        self.trouble, self.lost, self.kept = "", 0, 0
        self.held = list[Events]()  # what the disk did not take yet
        self.behind = False  # the journal may hold what the writer does not
        self.closing = ExitStack()
        self.closing.enter_context(locked(folder))
        try:
            place = folder / JOURNAL
            with writing(folder):
                place.mkdir(exist_ok=True)
            self.journal = Journal(place)
            self.recovered = self._recover()
            self.writer = self._begin(named(instruments, started, folder))
        except BaseException:
            self.closing.close()
            raise
        self.first = -1
        self.lane = (workers or Threads()).lane()
        self.last: Future[None] | None = None

    def put(self, events: Events) -> None:
        """Consecutive events, in order; the array is not used again by whoever gives it."""
        self.last = self.lane.submit(partial(self._take, events))

    def close(self) -> None:
        """Everything is in the lake. Raises InputError where the disk refuses."""
        if self.last is not None:
            self.last.result()
        self.lane.close()
        try:
            self._drain()
            if self.trouble:
                raise InputError(self.trouble)
            with writing(self.folder):
                self.writer.close()
                self.journal.save(BEGIN)
        finally:
            self.journal.close()
            self.closing.close()

    def _take(self, events: Events) -> None:
        self.held.append(events)
        self._drain()

    def _drain(self) -> None:
        """All that is held, as far as the disk takes it."""
        try:
            with writing(self.folder):
                if self.behind:
                    self._again()
                while self.held:
                    self._keep(self.held[0])
            self.trouble = ""
        except InputError as error:
            self.trouble = str(error)

    def _keep(self, events: Events) -> None:
        ts = int(events["ts_recv"][0])
        if 0 <= self.first <= ts - self.every:
            self._span()
        self.journal.append(events.tobytes())
        if self.first < 0:
            self.first = ts
        self.behind = True
        self.kept += len(events)
        del self.held[0]
        self.writer.take(Chunk(events, NO_BARS, NO_OBSERVATIONS))
        self.behind = False

    def _again(self) -> None:
        """The writer as the journal says: what it took in part is taken anew."""
        self.journal.close()
        found = self.journal.recover()
        self.writer.renew()
        self.writer = self._resumed(found) or self.writer
        self.behind = False

    def _span(self) -> None:
        """What is held becomes visible, and the journal begins again."""
        self.behind = True
        self.writer.commit()
        save(self.folder, self.writer.recording)
        self.writer.unsaved = 0
        self.journal.save(state(self.writer))
        self.behind, self.first = False, -1

    def _begin(self, recording: Recording) -> Writer:
        with writing(self.folder):
            save(self.folder, recording)
        writer = Writer(self.folder, recording)
        self.journal.save(state(writer))
        return writer

    def _recover(self) -> int:
        """Events that a killed process had heard and no span lists, put in their place."""
        found = self.journal.recover()
        writer = self._resumed(found)
        if writer is None:
            return 0
        writer.close()
        return sum(map(len, found.pushed)) // EVENT.itemsize

    def _resumed(self, found: Recovered) -> Writer | None:
        """A writer that has taken what the journal holds; None where that is of no recording."""
        if found.state == BEGIN:
            return None
        about = json.loads(found.state)
        mine = [r for r in recordings(self.folder) if r.id == about["id"]]
        if not mine:
            return None
        writer = Writer(self.folder, mine[0])
        writer.position["events"] = about["events"]
        for content in found.pushed:
            events = np.frombuffer(content, EVENT).copy().view(EVENT)
            writer.take(Chunk(events, NO_BARS, NO_OBSERVATIONS))
        return writer


def named(instruments: tuple[Instrument, ...], started: int, folder: Path) -> Recording:
    """A recording that no file is the source of: known by when it began and of what it is."""
    about = {"live": started, "instruments": table.encode(instruments)}
    order = 1 + max((r.order for r in recordings(folder)), default=-1)
    name = f"live, from {started}"
    return Recording((), json.dumps(about), name, instruments, (), order)


def state(writer: Writer) -> bytes:
    """Of the journal: which recording goes on, and from where."""
    said: dict[str, Any] = {"id": writer.recording.id, "events": writer.recording.rows("events")}
    return json.dumps(said).encode()
