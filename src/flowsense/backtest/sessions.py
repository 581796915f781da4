"""When a market is open: hours of the day where it is, days of the week, holidays.

A recording often holds more than its session, or bars of the hours before and after it. Under
`InSession` the venue says STATUS HALT as the session ends and TRADING as it begins; bars that do
not lie in a session are left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import (
    CLOSE,
    DAY,
    EVENT,
    HALT,
    LAST,
    SECOND,
    STATUS,
    TRADING,
    Chunk,
    Events,
    zeros,
)
from flowsense.sources import chunks
from flowsense.sources.within import Within

Ints = NDArray[np.int64]
PHASES = (TRADING, HALT)  # from the open, from the close


@dataclass(frozen=True)
class Session:
    """Hours in the time of a zone, which keeps its summer time. Raises InputError.

    Attributes:
        zone: like ``America/New_York``.
        opens, closes: of the day; closes at or before `opens` is of the day after.
        days: of the week on which it opens, Monday is 0.
        holidays: days on which it does not.
    """

    zone: str = "UTC"
    opens: time = time(9, 30)
    closes: time = time(16)
    days: frozenset[int] = frozenset(range(5))
    holidays: frozenset[date] = frozenset()

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as missing:
            raise InputError(f"session: no zone {self.zone!r}: like America/New_York") from missing
        if not self.days or not self.days <= set(range(7)):
            raise InputError(f"session: days {sorted(self.days)}: give some of 0 to 6")

    def of(self, day: date) -> tuple[int, int] | None:
        """[open, close) of the session that opens on a day, ns; None: there is none."""
        if day.weekday() not in self.days or day in self.holidays:
            return None
        later = day + timedelta(days=self.closes <= self.opens)
        zone = ZoneInfo(self.zone)
        ends = (datetime.combine(day, self.opens, zone), datetime.combine(later, self.closes, zone))
        opens, closes = (round(t.timestamp()) * SECOND for t in ends)
        return opens, closes

    def spans(self, first: int, last: int) -> Ints:
        """(n, 2) sessions that overlap [first, last] ns, in order."""
        days = range(first // DAY - 2, last // DAY + 2)
        found = [s for d in days if (s := day_of(self, d)) and s[1] > first and s[0] <= last]
        return np.array(found, np.int64).reshape(-1, 2)

    def holds(self, start: Ints, end: Ints) -> NDArray[np.bool_]:
        """(n,) whether [start, end] lies within one session; both in ns."""
        if not len(start):
            return np.zeros(0, np.bool_)
        spans = self.spans(int(start.min()), int(end.max()))
        at = np.searchsorted(spans[:, 0], start, side="right") - 1
        known = at >= 0
        return known & (end < spans[np.maximum(at, 0), 1]) if len(spans) else known


@lru_cache(maxsize=4096)
def day_of(session: Session, day: int) -> tuple[int, int] | None:
    """The session that opens on a day since 1970."""
    return session.of(datetime.fromtimestamp(day * 86_400, UTC).date())


@dataclass(frozen=True)
class InSession(Within):
    """A source that trades in sessions; a source itself."""

    session: Session

    def chunks(self) -> Iterator[Chunk]:
        """Each with what its span of time says of the session."""
        last, length = -1, np.zeros(len(self.instruments), np.int64)
        for events, bars, observations in chunks(self.source):
            times = np.concatenate([events["ts_recv"], bars["ts_recv"]])
            said = zeros(EVENT)
            if len(times):
                said = self.said(last, int(times.min()), int(times.max()))
                last = int(times.max())
            inside = self.session.holds(bars["ts_open"], bars["ts_recv"])
            length[bars["instrument"]] = bars["ts_recv"] - bars["ts_open"]
            opened = events["ts_recv"] - length[events["instrument"]]
            kept = self.session.holds(opened, events["ts_recv"]) | (events["action"] != CLOSE)
            both = np.concatenate([said, events[kept]])
            order = np.argsort(both["ts_recv"], kind="stable")
            yield Chunk(both[order].view(EVENT), bars[inside], observations)

    def said(self, after: int, first: int, until: int) -> Events:
        """STATUS of all instruments: as of the first record of all, then as sessions turn."""
        spans = self.session.spans(first if after < 0 else after, until)
        due = [(t, phase) for s in spans.tolist() for t, phase in zip(s, PHASES, strict=True)]
        due = [(t, phase) for t, phase in due if (first if after < 0 else after) < t <= until]
        if after < 0:
            now = self.session.holds(np.array([first]), np.array([first]))[0]
            due = [(first, TRADING if now else HALT), *due]
        k = len(self.instruments)
        out = zeros(EVENT, len(due) * k)
        out["ts_event"] = out["ts_recv"] = np.repeat(np.array([t for t, _ in due], np.int64), k)
        out["lots"] = np.repeat(np.array([phase for _, phase in due], np.int64), k)
        out["instrument"] = np.tile(np.arange(k), len(due))
        out["action"], out["bits"] = STATUS, LAST
        return out
