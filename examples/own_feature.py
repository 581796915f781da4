"""How often the mid turns back: moves that undo the one before. Hasbrouck 2018, on quotes.

A family is a module like this one. `pyproject.toml` beside it says how flowsense finds it.
"""

import numpy as np

from flowsense._jit import Record, kernel
from flowsense.features.context import TAUS
from flowsense.tape import Column

SLOW = TAUS.index("10s")
STATE = np.dtype([("side", "i8"), ("turns", "i8"), ("decayed", "f8")])  # side: of the last move
COLUMNS = (
    Column("turns", "1", "mid moves against the one before, since the last row", total=True),
    Column("turns_10s", "1", "mid moves against the one before, decayed over 10s"),
)
VERSION = 1


@kernel
def update(s: Record, e: Record, b: Record, c: Record) -> None:
    if c.moved:  # the origin of the weights
        s.decayed *= c.shift[SLOW]
    if c.fresh:  # nothing is read across a loss
        s.side = 0
    if c.move2 != 0:
        side = 1 if c.move2 > 0 else -1
        if side == -s.side:
            s.turns += 1
            s.decayed += c.grow[SLOW]
        s.side = side


@kernel
def row(s: Record, ts: int, b: Record, c: Record, out: Record) -> None:
    out[0] = s.turns
    out[1] = s.decayed * c.fade[SLOW]
