"""Circuit breakers: what makes trading stop at once, why, and for how long.

Those of an instrument close again after a while without a reason; those of the account stay open
until the day is over (loss), or until somebody closes them (drawdown). Time is that of the stream.
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.errors import InputError
from flowsense.risk.checked import positive, share
from flowsense.schema import DAY, NEVER


class Trip(IntFlag):
    """Reasons of a breaker that is open."""

    NUMBER = 1  # not finite where it must be, or a price that is none
    PROBABILITY = 2  # outside 0 to 1, or they do not sum to 1
    VARIANCE = 4  # the mid has not moved at all: nobody knows the risk
    STALE = 8  # nothing that is shown of the book has changed for long
    JUMP = 16  # of the mid, from one row to the next
    INPUT = 32  # anomaly of a row
    FORECAST = 64  # anomaly of a forecast
    LOSS = 128  # since the day began
    DRAWDOWN = 256  # since the equity was highest


KINDS = len(Trip)
NUMBER, PROBABILITY, VARIANCE, STALE, JUMP, INPUT, FORECAST, LOSS, DRAWDOWN = map(int, Trip)

DESK = np.dtype(  # of the account
    [
        ("ts", "i8"),  # ns, of the instant last judged
        ("equity", "f8"),
        ("peak", "f8"),  # the highest equity since the start, or since the drawdown breaker closed
        ("day", "i8"),  # -1 before the first instant
        ("opened", "f8"),  # equity when the day began
        ("until", "i8"),  # ns, when the breaker closes; 0: it is closed
        ("why", "i8"),  # of `Trip`, of the last time
        ("sampled", "i8"),  # ns, when correlations were last learned
        ("count", "i8", KINDS),  # how often each reason opened a breaker
    ]
)


@dataclass(frozen=True, slots=True)
class Breakers:
    stale_ns: int = 10_000_000_000  # since the book last changed
    jump: float = 0.01  # of the mid, as a share of it
    loss: float = 0.03  # of the equity with which the day (UTC) began
    cooldown_ns: int = 30_000_000_000  # of an instrument, after the last reason
    halt_ns: int = NEVER  # after a drawdown; then the highest equity is counted anew

    def __post_init__(self) -> None:
        positive("breakers: stale_ns", self.stale_ns)
        share("breakers: jump", self.jump)
        share("breakers: loss", self.loss)
        for pause in (self.cooldown_ns, self.halt_ns):
            if not 0 <= pause <= NEVER:
                raise InputError(f"breakers: a pause of {pause} ns: give 0 to {NEVER}, for ever")


class Tripped(NamedTuple):
    """A breaker that is open."""

    instrument: int | None  # None: of the account
    reasons: Trip
    until: int  # ns; NEVER: until `Risk.reset`


@kernel
def tally(desk: Record, why: int, before: int) -> None:
    """Counts the reasons in `why` that were not in `before`."""
    for k in range(KINDS):
        desk.count[k] += (why >> k) & 1 & ~(before >> k)


@kernel
def trip(desk: Record, seat: Record, why: int, ts: int, cooldown: int) -> bool:
    """Whether the breaker of an instrument is open, after the reasons of its row."""
    if ts >= seat.until:
        seat.why = 0
    if why != 0:
        tally(desk, why, seat.why)
        seat.why |= why
        seat.until = ts + cooldown
    return bool(ts < seat.until or why != 0)


@kernel
def account(desk: Record, ts: int, equity: float, t: Record) -> bool:
    """Whether the breaker of the account is open; equity is finite."""
    desk.ts, desk.equity = ts, equity
    if ts // DAY != desk.day:
        desk.opened = equity if desk.day >= 0 else desk.opened
        desk.day = ts // DAY
    if desk.until != 0 and ts >= desk.until:
        desk.peak = equity if desk.why & DRAWDOWN else desk.peak
        desk.until = desk.why = 0
    desk.peak = max(desk.peak, equity)
    why, until = 0, 0
    if equity <= desk.opened * (1.0 - t.loss):
        why, until = LOSS, (desk.day + 1) * DAY
    if equity <= desk.peak * (1.0 - t.drawdown) and not desk.why & DRAWDOWN:
        why, until = why | DRAWDOWN, min(ts + max(t.halt_ns, 1), NEVER)
    tally(desk, why, desk.why)
    desk.why |= why
    desk.until = max(desk.until, until)
    return bool(desk.until != 0)
