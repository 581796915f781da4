"""Records that no venue sends: time that passed, what was decided, and books to warm up on."""

from flowsense.ensemble.code import Code
from flowsense.schema import (
    BEAT,
    CLEAR,
    CONTROL,
    EVENT,
    LAST,
    SECOND,
    SET,
    SNAPSHOT,
    Events,
    zeros,
)


def example(k: int) -> Events:
    """A book of one bid and one ask."""
    out = zeros(EVENT, 3)
    out["ts_event"] = out["ts_recv"] = SECOND
    out["instrument"], out["bits"] = k, (SNAPSHOT, SNAPSHOT, SNAPSHOT | LAST)
    out["action"], out["side"] = (CLEAR, SET, SET), (0, 1, -1)
    out["price"], out["lots"] = (0, 10_000, 10_001), (0, 1, 1)
    return out


def beat(ts: int) -> Events:
    """Time has passed."""
    out = zeros(EVENT, 1)
    out["ts_event"] = out["ts_recv"] = ts
    out["action"] = BEAT
    return out


def control(ts: int, code: Code, lots: int, sequence: int) -> Events:
    """What the wall clock, or somebody, decided."""
    out = beat(ts)
    out["action"], out["price"], out["lots"], out["sequence"] = CONTROL, code, lots, sequence
    return out
