"""Where in the day, and in the session, a row lies. Admati & Pfleiderer 1988; UTC, no holidays."""

from math import cos, pi, sin

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.schema import DAY, SECOND
from flowsense.tape import Column

STATE = np.dtype([("since", "i8")])
COLUMNS = (
    Column("day_sin", "1", "sin(2 pi x time since UTC midnight / 24 h)"),
    Column("day_cos", "1", "cos(2 pi x time since UTC midnight / 24 h)"),
    Column("session", "h", "since the first whole book"),
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if s.since == 0:
        s.since = c.ts


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    angle = (ts % DAY) * (2.0 * pi / DAY)
    out[0], out[1] = sin(angle), cos(angle)
    out[2] = (ts - s.since) / (3600 * SECOND)
