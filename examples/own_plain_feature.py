"""How large the last trade was for its kind: its share of the largest of the 20 trades before.

A family in plain Python, for an idea that is not worth compiling yet: NumPy and loops as you like,
under the same laws, only slower. `pyproject.toml` beside it names it.
"""

import numpy as np
from numpy.typing import NDArray

from flowsense.schema import TRADE, Events
from flowsense.tape import Column

KEPT = 20
STATE = np.dtype([("lots", "i8", KEPT), ("seen", "i8")])  # of the latest trades, the last first
COLUMNS = (Column("bulk", "1", f"lots of the last trade / most of the {KEPT} before"),)
VERSION = 1


def fold(s: np.void, events: Events) -> None:
    """Events of one instrument, each given once, in pieces of any size."""
    for lots in events["lots"][events["action"] == TRADE]:
        s["lots"] = np.roll(s["lots"], 1)
        s["lots"][0] = lots
        s["seen"] += 1


def row(s: np.void, ts: int, book: np.void, out: NDArray[np.float64]) -> None:
    """What is not written stays missing."""
    if s["seen"] > 1:
        out[0] = s["lots"][0] / s["lots"][1:].max()
