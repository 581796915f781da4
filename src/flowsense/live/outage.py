"""Time without a venue: counted, and told in the log when it begins, ever more seldom, and ends."""

import structlog

from flowsense.wall import elapsed

log = structlog.get_logger("flowsense.live")
FIRST, LONGEST = 10.0, 300.0  # seconds until it is told that it goes on, and at most between two


class Outage:
    """Of one connection: from its last message until the next, where it was lost between them."""

    def __init__(self, venue: str) -> None:
        self.venue, self.over = venue, 0.0  # seconds of all that have ended
        self.last = 0.0  # seconds on the loop's clock, of the newest message
        self.since: float | None = None
        self.due, self.wait = 0.0, FIRST

    @property
    def seconds(self) -> float:
        """Without the venue, so far."""
        return self.over + (elapsed() - self.since if self.since is not None else 0.0)

    def begin(self) -> None:
        """Whoever asks listens from now on."""
        self.last = elapsed()

    def lost(self, why: str, again: float) -> None:
        """A connection has ended, or could not be made; the next try is in so many seconds."""
        now, again = elapsed(), round(again, 1)
        if self.since is None:
            self.since, self.wait, self.due = self.last, FIRST, now + FIRST
            log.warning("connection lost", venue=self.venue, why=why, again_s=again)
        elif now >= self.due:
            self.wait = min(2 * self.wait, LONGEST)
            self.due = now + self.wait
            seconds = round(now - self.since)
            log.warning("no connection yet", venue=self.venue, seconds=seconds, why=why)

    def heard(self) -> None:
        """A message: whatever it was is over."""
        self.last = elapsed()
        if self.since is not None:
            seconds, self.since = self.last - self.since, None
            self.over += seconds
            log.info("connection is back", venue=self.venue, seconds=round(seconds, 1))
