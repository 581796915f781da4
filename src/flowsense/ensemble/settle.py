"""What came of forecasts, as it becomes known while forecasting: from later rows' own quotes.

The same outcomes as `labels.anchored` gives, but never from labels, which may look ahead: what
came of a row due at T is told at the first row of its instrument due at T + horizon or later.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.forecast import Target
from flowsense.labels import Labels
from flowsense.model.sides import Floats
from flowsense.schema import QUOTE, WHOLE, Quotes
from flowsense.tape import Rows

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
KINDS = ("mid", "ofi", "magnitude")  # of targets; what comes of others is told by labels alone
KEPT = 100  # rows of an instrument that wait for one target: a hundredth of a horizon apart
LATE = 10  # a row is late by at most a tenth of a horizon, where the touch moved meanwhile


class Waiting(NamedTuple):
    """Rows some of whose outcomes are not known yet, in order of time."""

    ts: Ints  # (k,)
    instrument: Ints  # (k,)
    quote: Quotes  # (k,) as of the row
    open: Bools  # (k, T) which targets wait
    last: Ints  # (instruments,) ts of the latest row, -1 before the first

    @classmethod
    def none(cls, instruments: int, targets: int) -> "Waiting":
        ts, open = np.zeros(0, np.int64), np.zeros((0, targets), np.bool_)
        return cls(ts, ts.copy(), np.zeros(0, QUOTE), open, np.full(instruments, -1))


class Settled(NamedTuple):
    """m outcomes in the order in which they became known, those of one target together."""

    at: Ints  # (m,) the first row of the instant at which it is known, of this tape
    target: Ints  # (m,)
    origin: Ints  # (m,) the row that it came of: among those that waited, then those of this tape
    y: NDArray[np.float32]  # (m,) as in `Labels`
    move: NDArray[np.float32]  # (m,)
    weight: Floats  # (m,) 1 / how many waiting rows' outcomes overlap with it


def settle(
    targets: tuple[Target, ...], waiting: Waiting, rows: Rows, since: int = -1
) -> tuple[Waiting, Settled, Ints]:
    """The rows that wait after these, what became known, and which rows (of both) they are.

    Where the book was lost in between, or one side was empty at an end, nothing is told; nor is
    what came of rows due at `since` or before.
    """
    horizon = np.array([t.horizon_ns for t in targets], np.int64)
    both = joined(targets, horizon, waiting, rows, since)
    found, left = [np.zeros((4, 0), np.int64)], both.open.copy()
    for w in np.unique(rows.instrument):
        mine = np.flatnonzero(both.instrument == w)
        ts, open = both.ts[mine], both.open[mine]
        place = np.searchsorted(ts, ts[:, None] + horizon)  # of the row that tells
        j, t = np.nonzero(open & (place < len(mine)))
        so_far = np.cumsum(open, axis=0)
        overlap = so_far[place[j, t] - 1, t] - so_far[j, t] + 1
        found.append(np.stack([mine[j], mine[place[j, t]], t, overlap]))
        left[mine[j], t] = False
    kept = np.flatnonzero(left.any(axis=1))
    ts, who, quote, _, last = both
    settled = told(targets, both, rows.instants() + len(waiting.ts), np.concatenate(found, axis=1))
    return Waiting(ts[kept], who[kept], quote[kept], left[kept], last), settled, kept


def joined(
    targets: tuple[Target, ...], horizon: Ints, waiting: Waiting, rows: Rows, since: int
) -> Waiting:
    """Those that waited, and these."""
    fresh, last = admitted(horizon, waiting.last, rows)
    fresh &= np.array([t.kind in KINDS for t in targets], np.bool_)
    fresh &= (rows.ts > since)[:, None]
    mine = (rows.ts, rows.instrument, rows.quote, fresh)
    ts, who, quote, open = (np.concatenate(pair) for pair in zip(waiting[:4], mine, strict=True))
    return Waiting(ts, who, quote, open, last)


def latest(labels: Labels) -> Ints:
    """() when the last of the valid labels became known; -1 where there is none."""
    return np.array(labels.known_at[labels.valid].max(initial=-1), np.int64)


def told(targets: tuple[Target, ...], both: Waiting, edges: Ints, found: Ints) -> Settled:
    """found (4, m): the row, the row that tells, the target, how many overlap; in order of time."""
    horizon = np.array([t.horizon_ns for t in targets], np.int64)
    kinds = np.array([t.kind for t in targets], np.str_)
    origin, at, t, _ = found
    due = both.ts[origin] + horizon[t]
    good = holds(both.quote[origin], both.quote[at], due, both.ts[at], horizon[t])
    origin, at, t, overlap = found[:, good]
    first = edges[np.searchsorted(edges, at, "right") - 1] - edges[0]
    y, move = outcome(kinds[t], both.quote[origin], both.quote[at])
    k = np.lexsort((origin, t, first))
    return Settled(first[k], t[k], origin[k], y[k], move[k], 1.0 / overlap[k])


def admitted(horizon: Ints, last: Ints, rows: Rows) -> tuple[Bools, Ints]:
    """(n, T) which rows wait: each that begins another hundredth of the horizon; and `last` now.

    Outcomes of rows closer than that tell nearly the same, and would all have to be carried along.
    """
    last, before = last.copy(), np.empty_like(rows.ts)
    for w in np.unique(rows.instrument):
        mine = np.flatnonzero(rows.instrument == w)
        before[mine] = np.concatenate([last[w : w + 1], rows.ts[mine[:-1]]])
        last[w] = rows.ts[mine[-1]]
    step = np.maximum(horizon // KEPT, 1)
    begins = rows.ts[:, None] // step != before[:, None] // step
    return begins & (rows.quote["state"] == WHOLE)[:, None], last


def holds(then: Quotes, now: Quotes, due: Ints, ts: Ints, horizon: Ints) -> Bools:
    """Whether the touch as of a row due at ts tells what held at `due`."""
    whole = (then["state"] == WHOLE) & (now["state"] == WHOLE) & (then["breaks"] == now["breaks"])
    return np.asarray(whole & ((now["ts"] < due) | (ts - due <= horizon // LATE)))


def outcome(
    kind: NDArray[np.str_], then: Quotes, now: Quotes
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """y and move, as `labels.anchored` has them."""
    flow = now["ofi"] - then["ofi"]
    move = np.where(kind == "ofi", flow, (now["mid2"] - then["mid2"]) / 2)
    y = np.where(kind == "magnitude", np.abs(move), np.sign(move) + 1)
    return y.astype(np.float32), move.astype(np.float32)
