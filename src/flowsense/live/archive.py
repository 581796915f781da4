"""What was heard, into a lake while it is heard: safe from kill -9 at once, listed span by span."""

import json
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import BAR, EVENT, SECOND, Bars, Chunk, Events, Instrument
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.store import instruments as table
from flowsense.store.journal import BEGIN, Journal, Recovered
from flowsense.store.lake import Recording, recordings, save
from flowsense.store.lake_write import Writer, locked, writing
from flowsense.wall import Threads, Workers

JOURNAL = ".live"  # folder in the lake: what no span lists yet
EVERY = 60 * SECOND  # of the stream, that one span holds
AGAIN = SECOND // 4  # ns until a disk that refused is tried again
MOST = 1 << 22  # events that wait for it: 256 MB


class Archive:
    """One recording of a lake, by one process. `put` never waits; a lane does the writing.

    Where a process was killed, the next one that opens the lake first puts in order what that had
    heard. A disk that refuses is told as `trouble`; what came meanwhile is written when it heals,
    up to `most` events. Where more would wait, the recording ends: a hole would be unmarked.

    Raises InputError where the lake is written to by another, damaged, or cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        instruments: tuple[Instrument, ...],
        started: int,
        *,
        every_ns: int = EVERY,
        most: int = MOST,
        workers: Workers | None = None,
    ) -> None:
        self.folder, self.every, self.most = folder, every_ns, most
        self.trouble, self.lost, self.kept = "", 0, 0
        self.held, self.given = deque[Chunk](), 0  # what the disk did not take yet
        self.clock, self.next = (workers or Threads()).now, 0  # ns, when it is tried again
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

    def put(self, events: Events, bars: Bars = NO_BARS) -> None:
        """What follows, in order; the arrays are not used again by whoever gives them."""
        if self.lost or self.given - self.kept > self.most:
            self.lost += len(events)
            self.last = self.lane.submit(self._drain)
            return
        self.given += len(events)
        self.last = self.lane.submit(partial(self._take, Chunk(events, bars, NO_OBSERVATIONS)))

    def beside(self, work: Callable[[], None]) -> None:
        """After all that was given so far, on the same lane; it raises nothing."""
        self.last = self.lane.submit(work)

    def close(self) -> None:
        """Everything is in the lake. Raises InputError where the disk refuses."""
        if self.last is not None:
            self.last.result()
        self.lane.close()
        try:
            self._write()
            if self.held:
                raise InputError(self.trouble)
            with writing(self.folder):
                self.writer.close()
                self.journal.save(BEGIN)
        finally:
            self.journal.close()
            self.closing.close()

    def _take(self, chunk: Chunk) -> None:
        self.held.append(chunk)
        self._drain()

    def _drain(self) -> None:
        """All that is held, as far as the disk takes it; one that refused is let be for a while."""
        if self.trouble and self.held and self.clock() < self.next:
            return
        self._write()

    def _write(self) -> None:
        try:
            with writing(self.folder):
                if self.behind:
                    self._again()
                while self.held:
                    self._keep(self.held[0])
            self.trouble = f"{self.folder}: the recording has ended" if self.lost else ""
        except InputError as error:
            self.trouble, self.next = str(error), self.clock() + AGAIN

    def _keep(self, chunk: Chunk) -> None:
        ts = min(int(records["ts_recv"][0]) for records in chunk if len(records))
        if 0 <= self.first <= ts - self.every:
            self._span()
        self.journal.append(written(chunk))
        if self.first < 0:
            self.first = ts
        self.behind = True
        self.kept += len(chunk.events)
        self.held.popleft()
        self.writer.take(chunk)
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
        return sum(len(read(content).events) for content in found.pushed)

    def _resumed(self, found: Recovered) -> Writer | None:
        """A writer that has taken what the journal holds; None where that is of no recording."""
        if found.state == BEGIN:
            return None
        about = json.loads(found.state)
        mine = [r for r in recordings(self.folder) if r.id == about["id"]]
        if not mine:
            return None
        writer = Writer(self.folder, mine[0])
        for kind in ("events", "bars"):
            writer.position[kind] = about[kind]
        for content in found.pushed:
            writer.take(read(content))
        return writer


def named(instruments: tuple[Instrument, ...], started: int, folder: Path) -> Recording:
    """A recording that no file is the source of: known by when it began and of what it is."""
    about = {"live": started, "instruments": table.encode(instruments)}
    order = 1 + max((r.order for r in recordings(folder)), default=-1)
    name = f"live, from {started}"
    return Recording((), json.dumps(about), name, instruments, (), order)


def state(writer: Writer) -> bytes:
    """Of the journal: which recording goes on, and from where."""
    rows = {kind: writer.recording.rows(kind) for kind in ("events", "bars")}
    return json.dumps({"id": writer.recording.id} | rows).encode()


def written(chunk: Chunk) -> bytes:
    """The number of events, the events, the bars."""
    events, bars, _ = chunk
    return len(events).to_bytes(8, "little") + events.tobytes() + bars.tobytes()


def read(content: bytes) -> Chunk:
    end = 8 + int.from_bytes(content[:8], "little") * EVENT.itemsize
    events, bars = np.frombuffer(content[8:end], EVENT), np.frombuffer(content[end:], BAR)
    return Chunk(events.copy().view(EVENT), bars.copy().view(BAR), NO_OBSERVATIONS)
