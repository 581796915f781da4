"""Between the sockets and the engine: bounded; what does not fit is conflated, not forgotten."""

from collections import deque
from typing import NamedTuple

import numpy as np

from flowsense.schema import BEAT, CONTROL, EVENT, Events, Instrument
from flowsense.serve.recent import Recent, joined, lost, told

MOST = 1 << 18  # events that wait at most: 16 MB


class Batch(NamedTuple):
    """Whole messages, in order."""

    events: Events
    ends: tuple[int, ...]  # events until the end of each message
    heard: tuple[float, ...]  # seconds on the loop's clock, when each was read off its socket


class Inbox:
    """Of events of all feeds. `put` and `take` on one thread.

    What is in the queue when it is full becomes, for each instrument, a GAP and a snapshot of the
    book as it stands after it: the engine loses what happened in between and knows it. `recent`
    holds what was taken. `dropped` counts events of feeds, each once; `made` those put in instead.
    """

    def __init__(self, table: tuple[Instrument, ...], most: int = MOST) -> None:
        self.table, self.most = table, most
        self.waiting = self.dropped = self.conflations = self.made = 0
        self.standing = 0  # events at the head of the queue that no feed has said
        self.queue = deque[tuple[Events, float]]()
        self.recent = Recent(table)

    def put(self, events: Events, heard: float) -> None:
        """One message, or what came of one."""
        if not len(events):
            return
        self.queue.append((events, heard))
        self.waiting += len(events)
        if self.waiting > self.most:
            self._conflate()

    def take(self, most: int) -> Batch | None:
        """Messages until there are `most` events or more; None where none wait."""
        if not self.queue:
            return None
        parts, ends, heard, n = list[Events](), list[int](), list[float](), 0
        while self.queue and n < most:
            events, at = self.queue.popleft()
            n += len(events)
            parts.append(events)
            ends.append(n)
            heard.append(at)
        self.waiting -= n
        self.made, self.standing = self.made + self.standing, 0
        batch = Batch(joined(parts), tuple(ends), tuple(heard))
        self.recent.add(batch.events)
        return batch

    def _conflate(self) -> None:
        events, heard = joined([e for e, _ in self.queue]), self.queue[-1][1]
        books = self.recent.folded(self.recent.now(), events)
        marks, beats = (events[events["action"] == of].view(EVENT) for of in (CONTROL, BEAT))
        said = ~np.isin(events["action"], (CONTROL, BEAT))
        ts, parts = int(events["ts_recv"][-1]), [marks]  # who is stale is said only once
        for k in np.unique(events["instrument"][said]).tolist():
            parts += [lost(k, ts), told(books[k], self.table[k], k, ts)]
        if not said.any():
            parts = [marks, beats[-1:]]
        kept = joined(parts)
        self.queue.clear()
        self.dropped += len(events) - self.standing - len(marks)
        self.conflations += 1
        self.queue.append((kept, heard))
        self.waiting, self.standing = len(kept), len(kept) - len(marks)
