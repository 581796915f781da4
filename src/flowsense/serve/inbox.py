"""Between the sockets and the engine: bounded; what does not fit is conflated, not forgotten."""

from collections import deque
from typing import NamedTuple

import numpy as np

from flowsense.schema import CLEAR, EVENT, GAP, Events, Instrument, zeros
from flowsense.store.lake_opening import NOTHING, Standing, after, opening

MOST = 1 << 18  # events that wait at most: 16 MB


class Batch(NamedTuple):
    """Whole messages, in order."""

    events: Events
    ends: tuple[int, ...]  # events until the end of each message
    heard: tuple[float, ...]  # seconds on the loop's clock, when each was read off its socket


class Inbox:
    """Of events of all feeds. `put` and `take` on one thread.

    What is in the queue when it is full becomes, for each instrument, a GAP and a snapshot of the
    book as it stands after it: the engine loses what happened in between and knows it.
    """

    def __init__(self, table: tuple[Instrument, ...], most: int = MOST) -> None:
        self.table, self.most = table, most
        self.waiting = self.dropped = self.conflations = 0
        self.queue = deque[tuple[Events, float]]()
        self.books = [NOTHING] * len(table)  # as of what was taken

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
        events = parts[0] if len(parts) == 1 else np.concatenate(parts)
        events = events.view(EVENT)
        self._book(events)
        return Batch(events, tuple(ends), tuple(heard))

    def _book(self, events: Events) -> None:
        for k in np.unique(events["instrument"]).tolist():
            mine = events[events["instrument"] == k]
            self.books[k] = after(self.books[k], mine, self.table[k])

    def _conflate(self) -> None:
        events = np.concatenate([e for e, _ in self.queue]).view(EVENT)
        heard = self.queue[-1][1]
        self._book(events)
        self.queue.clear()
        ts, parts = int(events["ts_recv"][-1]), list[Events]()
        for k in np.unique(events["instrument"]).tolist():
            parts += [lost(k, ts), told(self.books[k], self.table[k], k, ts)]
        kept = np.concatenate(parts).view(EVENT)
        self.dropped += len(events)
        self.conflations += 1
        self.queue.append((kept, heard))
        self.waiting = len(kept)


def lost(k: int, ts: int) -> Events:
    out = zeros(EVENT, 1)
    out["ts_event"] = out["ts_recv"] = ts
    out["instrument"], out["action"], out["bits"] = k, CLEAR, GAP
    return out


def told(book: Standing, instrument: Instrument, k: int, ts: int) -> Events:
    out = opening(book, instrument, ts)
    out["instrument"] = k
    return out
