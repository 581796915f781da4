"""What a label is made of: rows of one instrument, the quotes around them, and what came of them.

The mid is a function of time: it holds from one quote to the next, and of several quotes of one
nanosecond the last counts.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.schema import WHOLE, Quotes

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
BASIS_POINT = 1e-4  # of a price


class Path(NamedTuple):
    """Quotes of one instrument as columns, in order of time, no two of them at one."""

    ts: Ints  # (q,) ns
    mid2: Ints  # (q,) bid + ask, ticks
    ofi: Ints  # (q,) order flow imbalance since the stream began, lots
    breaks: Ints  # (q,) how often the book was lost before
    whole: Bools  # (q,) both sides are there

    @classmethod
    def of(cls, quotes: Quotes) -> "Path":
        last = np.ones(len(quotes), np.bool_)
        last[:-1] = np.diff(quotes["ts"]) > 0
        kept = quotes[last]
        ts, mid2, ofi, breaks = (kept[name].copy() for name in ("ts", "mid2", "ofi", "breaks"))
        return cls(ts, mid2, ofi, breaks, kept["state"] == WHOLE)

    def take(self, which: Bools) -> "Path":
        """These quotes alone."""
        ts, mid2, ofi, breaks = (column[which] for column in self[:4])
        return Path(ts, mid2, ofi, breaks, self.whole[which])

    def before(self, ts: Ints) -> Ints:
        """The place of the last quote before each ts, -1 where there is none."""
        return np.asarray(np.searchsorted(self.ts, ts) - 1)


class Rows(NamedTuple):
    """Rows of one instrument."""

    ts: Ints  # (k,) when each was due
    quote: NDArray[Any]  # (k,) QUOTE as of the row


class Outcome(NamedTuple):
    """What came of k rows, as if everything before `known_at` had been seen."""

    y: NDArray[np.floating]  # (k,) DOWN, FLAT, UP of a direction; ticks of a magnitude
    move: NDArray[np.floating]  # (k,) ticks of mid, lots of ofi
    known_at: Ints  # (k,)
    valid: Bools  # (k,)
