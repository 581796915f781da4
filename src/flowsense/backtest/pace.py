"""A recording as it came, in pieces that take a moment each: at once, or at a pace."""

from collections.abc import Callable, Iterable

import numpy as np

from flowsense.backtest.consumed import cut
from flowsense.backtest.paper import Paper
from flowsense.schema import MILLISECOND, NEVER, Chunk
from flowsense.wall import Clock

MOMENT = 50 * MILLISECOND  # that a piece should take, and between two looks whether it is enough
FEWEST, MOST = 16, 4096  # events of a piece


def feed(
    paper: Paper,
    stream: Iterable[Chunk],
    go_on: Callable[[], bool],
    clock: Clock,
    speed: float | None = None,
) -> bool:
    """Push what is ahead, so fast as it goes or at `speed` times the pace of its `ts_recv`.

    Whether all of it was pushed; else `go_on` has said no. It is asked every moment.
    """
    pace, size = Pace(clock, speed), FEWEST
    for chunk in stream:
        rest = chunk
        while any(map(len, rest)):
            if not go_on():
                return False
            piece, rest = divided(rest, pace.until(rest), size)
            since = clock.now()
            paper.push(piece)
            took = clock.now() - since
            size = min(2 * size, MOST) if took < MOMENT // 2 else size
            size = max(size // 2, FEWEST) if took > 2 * MOMENT else size
    return True


class Pace:
    """What is due by now of a recording, whose first record was due when it was first asked."""

    def __init__(self, clock: Clock, speed: float | None) -> None:
        self.clock, self.speed = clock, speed
        self.begun: tuple[int, int] | None = None  # ns of the clock, and of the recording

    def until(self, rest: Chunk) -> int:
        """ns of the recording, up to which its records are due; sleeps a moment if none is."""
        if self.speed is None:
            return NEVER
        first = min(int(part["ts_recv"][0]) for part in rest if len(part))
        if self.begun is None:
            self.begun = self.clock.now(), first
        begun, then = self.begun
        due = then + int((self.clock.now() - begun) * self.speed)
        if due < first:
            self.clock.sleep(min(int((first - due) / self.speed) + 1, MOMENT))
        return due


def divided(chunk: Chunk, until: int, size: int) -> tuple[Chunk, Chunk]:
    """What came until then, of no more events than that; and the rest.

    Bars and observations go before the events that came at the same time.
    """
    ts = chunk.events["ts_recv"]
    n = min(int(np.searchsorted(ts, until, "right")), size)
    if n == size:
        until = min(until, int(ts[n - 1]))
    return cut(chunk, [n, *(int(np.searchsorted(x["ts_recv"], until, "right")) for x in chunk[1:])])
