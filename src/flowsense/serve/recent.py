"""The last events that an engine was given, with the books before them: enough to begin anew."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from flowsense.schema import CLEAR, EVENT, GAP, SECOND, Events, Instrument, zeros
from flowsense.store.lake_opening import NOTHING, Standing, after, opening

MOST = 100_000  # events
SPAN = 120 * SECOND
FOLDED = 8_192  # events that leave together: one by one they would cost more than they are worth


class Recent:
    """At least the last `MOST` events or `SPAN`, whichever is less, and little more."""

    def __init__(self, table: tuple[Instrument, ...], most: int = MOST, span: int = SPAN) -> None:
        self.table, self.most, self.span = table, most, span
        self.queue = deque[Events]()
        self.count = self.end = 0  # events in the queue; that were ever added
        self.books = [NOTHING] * len(table)  # before the queue

    def add(self, events: Events) -> None:
        """Consecutive; the array is not used again by whoever gives it."""
        self.queue.append(events)
        self.count += len(events)
        self.end += len(events)
        if (surplus := self._surplus()) >= FOLDED:
            self._forget(surplus)

    def _surplus(self) -> int:
        """Events at the front that nobody needs any more, or about so many."""
        old = int(self.queue[-1]["ts_recv"][-1]) - self.span
        late = int(self.queue[min(len(self.queue) - 1, FOLDED)]["ts_recv"][-1]) < old
        return max(self.count - self.most, min(FOLDED, self.count) if late else 0)

    def _forget(self, surplus: int) -> None:
        parts, n = list[Events](), 0
        while len(self.queue) > 1 and n + len(self.queue[0]) <= surplus:
            parts.append(self.queue.popleft())
            n += len(parts[-1])
        self.count -= n
        if parts:
            self.books = self.folded(self.books, joined(parts))

    def folded(self, books: list[Standing], events: Events) -> list[Standing]:
        """Books after these events."""
        now = list(books)
        for k in np.unique(events["instrument"]).tolist():
            now[k] = after(now[k], events[events["instrument"] == k], self.table[k])
        return now

    def now(self) -> list[Standing]:
        """Books as they stand."""
        return self.folded(self.books, joined([*self.queue])) if self.queue else list(self.books)

    def copied(self) -> "Recent":
        """As it is now, for who reads it while this goes on."""
        other = Recent(self.table, self.most, self.span)
        other.queue, other.books = self.queue.copy(), list(self.books)
        other.count, other.end = self.count, self.end
        return other

    def since(self, end: int) -> Events | None:
        """What was added after the first `end` events; None where some of it is gone."""
        missing, parts = self.end - end, list[Events]()
        if missing > self.count:
            return None
        for events in reversed(self.queue):
            if missing <= 0:
                break
            parts.append(events[-missing:])
            missing -= len(events)
        return joined(parts[::-1])

    def replay(self) -> Iterator[Events]:
        """Snapshots of the books before the queue, then the queue."""
        if not self.queue:
            return
        ts = int(self.queue[0]["ts_recv"][0])
        parts = [told(book, self.table[k], k, ts) for k, book in enumerate(self.books)]
        yield joined(parts)
        yield from self.queue

    def last(self, count: int, coming: Events) -> list[Events]:
        """As `replay`, from so many events before those that are coming."""
        events = joined([*self.queue])
        cut = len(events) - count
        books, tail = self.folded(self.books, events[:cut]), events[cut:]
        ts = int((tail if count else coming)["ts_recv"][0])
        return [joined([told(b, self.table[k], k, ts) for k, b in enumerate(books)]), tail]


def joined(parts: list[Events]) -> Events:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts).view(EVENT) if parts else zeros(EVENT)


def lost(k: int, ts: int) -> Events:
    """What came before is not known."""
    out = zeros(EVENT, 1)
    out["ts_event"] = out["ts_recv"] = ts
    out["instrument"], out["action"], out["bits"] = k, CLEAR, GAP
    return out


def told(book: Standing, instrument: Instrument, k: int, ts: int) -> Events:
    """A snapshot of it; nothing where it is not known."""
    out = opening(book, instrument, ts)
    out["instrument"] = k
    return out
