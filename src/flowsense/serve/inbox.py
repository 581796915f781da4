"""Between the sockets and the engine: bounded; what does not fit is conflated, not forgotten.

Bars are few and a hole in them is not healed by the next: they are never dropped, and neither is
what is said of instruments that have bars alone. 100 symbols told of every second fill 46 MB an
hour in front of an engine that does not move. For a recording all is kept that was conflated.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from flowsense.schema import BEAT, CONTROL, EVENT, Bars, Events, Instrument
from flowsense.serve.recent import Recent, joined, lost, told, united
from flowsense.sources import NO_BARS, NO_EVENTS

MOST = 1 << 18  # events that wait at most: 16 MB
KEPT = 1 << 21  # of those conflated, that are kept for the recording: 128 MB


class Times(NamedTuple):
    """Of a message, seconds on the loop's clock."""

    read: float  # taken from its connection
    decoded: float


class Batch(NamedTuple):
    """Whole messages, in order."""

    events: Events
    ends: tuple[int, ...]  # events until the end of each message
    heard: tuple[Times, ...]  # of each
    bars: Bars = NO_BARS  # known by the last of the events, and given with none before
    skipped: Events = NO_EVENTS  # all that was heard and conflated before them


class Inbox:
    """Of events of all feeds. `put` and `take` on one thread.

    What is in the queue when it is full becomes, for each instrument, a GAP and a snapshot of the
    book as it stands after it: the engine loses what happened in between and knows it. `recent`
    holds what was taken. `dropped` counts events of feeds, each once; `made` those put in instead.
    """

    def __init__(
        self, table: tuple[Instrument, ...], most: int = MOST, *, keep: bool = True
    ) -> None:
        """keep: what is conflated, for a recording."""
        self.table, self.most, self.keep = table, most, keep
        self.waiting = self.dropped = self.conflations = self.made = 0
        self.standing = 0  # events at the head of the queue that no feed has said
        self.head = 0  # events that the last conflation left: books may be larger than the queue
        self.bare = np.array([i.depth == 0 for i in table], np.bool_)  # bars alone
        self.bars = list[Bars]()  # no row is due before the next event: they wait for it
        self.spilled, self.skipped = list[Events](), 0  # conflated since the last `take`; how many
        self.unkept = 0  # of all of those, that no recording will have
        self.queue = deque[tuple[Events, Times]]()
        self.recent = Recent(table)

    def put(self, events: Events, heard: Times, bars: Bars = NO_BARS) -> None:
        """One message, or what came of one."""
        if len(bars):
            self.bars.append(bars)
        if not len(events):
            return
        self.queue.append((events, heard))
        self.waiting += len(events)
        if self.waiting - self.head > self.most:
            self._conflate()

    def take(self, most: int) -> Batch | None:
        """Messages until there are `most` events or more; None where none wait."""
        if not self.queue:
            return None
        parts, ends, heard, n = list[Events](), list[int](), list[Times](), 0
        while self.queue and n < most:
            events, at = self.queue.popleft()
            n += len(events)
            parts.append(events)
            ends.append(n)
            heard.append(at)
        self.waiting -= n
        self.made, self.standing, self.head = self.made + self.standing, 0, 0
        whole, skipped = joined(parts), joined(self.spilled)
        self.spilled, self.skipped = [], 0
        batch = Batch(
            whole, tuple(ends), tuple(heard), self._known(int(whole["ts_recv"][-1])), skipped
        )
        self.recent.add(batch.events, batch.bars)
        return batch

    def _spill(self, events: Events) -> None:
        """For the recording, as far as memory reaches: from there on nothing, so that no hole is
        left before what could still be kept, and the GAP follows at once.
        """
        self.skipped += len(events)
        if self.skipped > KEPT:
            self.unkept += len(events)
        else:
            self.spilled.append(events)

    def _known(self, ts: int) -> Bars:
        """Bars until then, once only."""
        if not self.bars:
            return NO_BARS
        bars = united(self.bars)
        n = int(np.searchsorted(bars["ts_recv"], ts, "right"))
        self.bars = [bars[n:]] if n < len(bars) else []
        return bars[:n]

    def _conflate(self) -> None:
        events, heard = joined([e for e, _ in self.queue]), self.queue[-1][1]
        books = self.recent.folded(self.recent.now(), events)
        beat, ts = events["action"] == BEAT, int(events["ts_recv"][-1])
        firm = (events["action"] == CONTROL) | (self.bare[events["instrument"]] & ~beat)
        said = np.unique(events["instrument"][~firm & ~beat]).tolist()
        if not said:
            firm[np.flatnonzero(beat)[-1:]] = True
        if self.keep:
            self._spill(events[self.head :].view(EVENT))
        kept = events[firm].view(EVENT)  # who is stale is said only once
        kept["ts_recv"] = ts  # and now: in a recording it stands behind all that was conflated
        self.standing, n = int((firm & beat).sum()), self.standing
        for k in said:
            made = joined([lost(k, ts), told(books[k], self.table[k], k, ts)])
            self.standing += len(made)
            kept = joined([kept, made])
        self.queue.clear()
        self.waiting = self.head = len(kept)
        self.dropped += len(events) - n - (len(kept) - self.standing)
        self.conflations += 1
        self.queue.append((kept, heard))
