"""How a connection is kept up: when to try again, and when silence is a fault."""

from collections import deque
from dataclasses import dataclass, field
from random import Random
from statistics import median

from flowsense.schema import SECOND

GAPS = 65  # between messages of an instrument, that its median is of


@dataclass(frozen=True, slots=True)
class Care:
    """Seconds, unless said otherwise."""

    first: float = 0.5  # before the first try after a loss
    most: float = 60.0  # between two tries at a venue that is there and refuses us
    away: float = 1.5  # between two tries where nobody listens: that is no load on anybody
    connect: float = 10.0  # that opening may take
    alive: float = (
        2.0  # without a word, until we ask whether somebody is there; half of it to answer
    )
    bye: float = 0.5  # for an answer to our goodbye
    overlap: float = 2.0  # that a connection is heard beside the one that takes its place
    settled: float = 10.0  # connected for so long, a loss is a first one again
    silent: float = 10.0  # at least, before an instrument counts as stale
    gaps: float = 5.0  # of its usual gap between messages, likewise
    stale: float = 0.5  # after that until the connection is given up
    reply: float = 10.0  # that a request may take
    again: float = 5.0  # at most, between two tries of one that was not answered
    look: float = 0.25  # between two looks for silence


@dataclass
class Backoff:
    """first, then 1, 2, 4, ... seconds with jitter."""

    care: Care
    random: Random
    tries: int = 0

    def next(self, away: bool) -> float:
        """Seconds to wait. away: nobody listens there."""
        wait = self.care.first if self.tries == 0 else 2.0 ** (self.tries - 1)
        self.tries = min(self.tries + 1, 2) if away else self.tries + 1  # it has refused nothing
        wait = min(wait, self.care.away if away else self.care.most)
        return wait * (0.75 + 0.25 * self.random.random())


@dataclass
class Silence:
    """Of one instrument: how long it is used to be silent, and whether it is for too long."""

    care: Care
    last: int  # ns of a clock that nobody sets, of the newest message
    usual: deque[int] = field(default_factory=lambda: deque(maxlen=GAPS))
    stale: bool = False
    patience: float = 1.0  # more where a new connection did not end it
    begun: bool = False  # something was heard on this connection

    def opened(self, ts: int) -> None:
        self.last, self.begun = ts, False

    def heard(self, ts: int) -> None:
        """A connection's first message is no sign of life: many venues begin with a snapshot."""
        if self.begun:
            self.usual.append(ts - self.last)
            self.patience = 1.0
        self.last, self.begun = ts, True

    def limit(self) -> int:
        """ns of silence that are a fault."""
        gap = median(self.usual) if self.usual else 0
        return int(max(self.care.silent * SECOND, self.care.gaps * gap) * self.patience)
