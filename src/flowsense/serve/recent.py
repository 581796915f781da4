"""The last that an engine was given, with the books before it: enough to begin anew."""

from collections import deque
from collections.abc import Iterator

import numpy as np

from flowsense.schema import (
    BAR,
    CLEAR,
    EVENT,
    GAP,
    SECOND,
    Bars,
    Chunk,
    Events,
    Instrument,
    zeros,
)
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.store import lake_opening
from flowsense.store.lake_opening import NOTHING, Standing, after, opening, some

MOST = 100_000  # events
SPAN = 120 * SECOND
FOLDED = 8_192  # events that leave together: one by one they would cost more than they are worth
EARLIER = 256  # bars of an instrument from before all that: a mean of 14 knows no more


class Recent:
    """At least the last `MOST` events or `SPAN`, whichever is less, and little more."""

    def __init__(self, table: tuple[Instrument, ...], most: int = MOST, span: int = SPAN) -> None:
        self.table, self.most, self.span = table, most, span
        self.queue = deque[Events]()
        self.count = self.end = 0  # events in the queue; that were ever added
        self.books = [NOTHING] * len(table)  # before the queue
        self.before = 0  # ns, of the last event before it
        self.bars, self.barred = list[Bars](), 0  # since then, and some earlier; ever added
        self.fresh = NO_BARS  # with the last events

    def add(self, events: Events, bars: Bars = NO_BARS) -> None:
        """One event or more; the arrays are not used again by whoever gives them."""
        self.fresh = bars
        if len(bars):
            self.bars.append(bars)
            self.barred += len(bars)
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
            self.before = int(parts[-1]["ts_recv"][-1])
            self.bars = [lately(united(self.bars), self.before)]

    def folded(self, books: list[Standing], events: Events) -> list[Standing]:
        """Books after these events."""
        now = list(books)
        for k in np.unique(events["instrument"]).tolist():
            mine = some(events, events["instrument"] == k)
            now[k] = after(now[k], mine, self.table[k])
        return now

    def now(self) -> list[Standing]:
        """Books as they stand."""
        return self.folded(self.books, joined([*self.queue])) if self.queue else list(self.books)

    def copied(self) -> "Recent":
        """As it is now, for who reads it while this goes on."""
        other = Recent(self.table, self.most, self.span)
        other.queue, other.books = self.queue.copy(), list(self.books)
        other.count, other.end, other.before = self.count, self.end, self.before
        other.bars, other.barred, other.fresh = list(self.bars), self.barred, self.fresh
        return other

    def since(self, known: "Recent") -> Chunk | None:
        """What was added since that was a copy of this; None where some of it is gone."""
        missing, parts = self.end - known.end, list[Events]()
        if missing > self.count:
            return None
        for events in reversed(self.queue):
            if missing <= 0:
                break
            parts.append(events[-missing:])
            missing -= len(events)
        bars = united(self.bars)
        bars = bars[len(bars) - self.barred + known.barred :]
        return Chunk(joined(parts[::-1]), bars, NO_OBSERVATIONS)

    def replay(self) -> Iterator[Chunk]:
        """Snapshots of the books before the queue and the bars, then the queue.

        Bars may run ahead of events; the fresh ones come with the last.
        """
        if not self.queue:
            return
        bars = united(self.bars)
        bars = lately(bars[: len(bars) - len(self.fresh)], self.before)
        yield Chunk(self.opened(self.books, self.before), bars, NO_OBSERVATIONS)
        for events in [*self.queue][:-1]:
            yield Chunk(events, NO_BARS, NO_OBSERVATIONS)
        yield Chunk(self.queue[-1], self.fresh, NO_OBSERVATIONS)

    def last(self, count: int) -> list[Chunk]:
        """As `replay`, with so many events."""
        events = joined([*self.queue])
        cut = len(events) - count
        before = int(events["ts_recv"][cut - 1]) if cut else self.before
        books = self.opened(self.folded(self.books, events[:cut]), before)
        bars = lately(united(self.bars), before)
        return [Chunk(books, bars, NO_OBSERVATIONS), Chunk(events[cut:], NO_BARS, NO_OBSERVATIONS)]

    def opened(self, books: list[Standing], ts: int) -> Events:
        return joined([told(book, self.table[k], k, ts) for k, book in enumerate(books)])


def lately(bars: Bars, ts: int) -> Bars:
    """Those after `ts`, and the last few of each instrument before."""
    early = int(np.searchsorted(bars["ts_recv"], ts, "right"))
    who = bars["instrument"][:early]
    order = np.argsort(who, kind="stable")
    ends = np.searchsorted(who[order], who[order], "right")
    kept = np.ones(len(bars), np.bool_)
    kept[order[ends - np.arange(early) > EARLIER]] = False
    return bars[kept].view(BAR)


def united(parts: list[Bars]) -> Bars:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts).view(BAR) if parts else NO_BARS


def joined(parts: list[Events]) -> Events:
    if len(parts) == 1:
        return parts[0]
    return lake_opening.joined(parts) if parts else zeros(EVENT)


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
