"""Which comes first: a barrier above the mid at T, one as far below it, or the end of the horizon.

Lopez de Prado 2018, ch. 3.4 (triple barrier). UP and DOWN are the barriers, FLAT the end, whatever
the mid did short of them. Unlike the sign of the move after a fixed time it is known as soon as a
barrier is hit, and a move that is soon undone counts.
"""

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.forecast import DOWN, FLAT, UP, Target, Width
from flowsense.labels.path import BASIS_POINT, Bools, Ints, Outcome, Path, Rows
from flowsense.schema import WHOLE

USUAL = Width(1.0, "x")
STEPS = 10  # of a horizon, over which changes of the mid are measured
MEMORY = 5  # horizons before T whose changes make a deviation
ENOUGH = STEPS  # changes
NOT_HIT, LOST = -1, -2
INTS, FLOATS, BOOLS = array(np.int64), array(np.float64), array(np.bool_)


def history(target: Target) -> int:
    """ns before a row that its barriers are set by."""
    return MEMORY * target.horizon_ns if (target.width or USUAL).unit == "x" else 0


def outcome(target: Target, rows: Rows, path: Path) -> Outcome:
    """Known 1 ns after the quote that hit; valid where the book stayed whole until then.

    And where the distance is known at T. `move` is that of the mid until it hit, or until the end.
    """
    end = rows.ts + target.horizon_ns
    far = distance(target, rows, path)
    known = (rows.quote["state"] == WHOLE) & np.isfinite(far)
    base, breaks = rows.quote["mid2"], rows.quote["breaks"]
    first, last = np.searchsorted(path.ts, rows.ts), path.before(end)
    hit = np.empty(len(end), np.int64)
    spans = np.stack([first, last + 1, base, breaks], axis=1)
    passages(path.mid2, path.breaks, path.whole, spans, far, hit)
    was_hit = hit >= 0
    at = np.where(was_hit, hit, last)
    moved = at >= first  # some quote came since the row
    move = np.zeros(len(end))
    move[moved] = (path.mid2[at[moved]] - base[moved]) / 2
    y = np.where(was_hit, np.where(move > 0, UP, DOWN), FLAT)
    known_at = end.copy()
    known_at[was_hit] = path.ts[hit[was_hit]] + 1  # all records of that time have been seen
    return Outcome(y, move, known_at, known & (hit != LOST))


def distance(target: Target, rows: Rows, path: Path) -> NDArray[np.float64]:
    """(k,) of the barriers from the mid, in halves of a tick; NaN where it is not known at T.

    Never less than half a tick, the least that a mid can move.
    """
    size, unit = target.width or USUAL
    if unit == "x":
        far = size * deviation(target.horizon_ns, rows.ts, path)
    elif unit == "t":
        far = np.full(len(rows.ts), 2.0 * size)
    else:
        far = size * BASIS_POINT * np.abs(rows.quote["mid2"])
    return np.maximum(far, 1.0)


def deviation(horizon_ns: int, ts: Ints, path: Path) -> NDArray[np.float64]:
    """(k,) of a change of bid + ask over a horizon, from what came before each ts; NaN: unknown.

    Root mean square of the changes over tenths of a horizon in the last five, times the root of
    ten: as if they were independent. Changes across a loss of the book do not count.
    """
    step = max(horizon_ns // STEPS, 1)
    place = path.before(ts[:, None] - step * np.arange(STEPS * MEMORY + 1))
    if not len(path.ts):
        return np.full(len(ts), np.nan)
    mid, breaks, whole = (column[place] for column in (path.mid2, path.breaks, path.whole))
    there = whole & (place >= 0)
    used = there[:, 1:] & there[:, :-1] & (breaks[:, 1:] == breaks[:, :-1])
    squares = np.where(used, np.diff(mid, axis=1).astype(np.float64) ** 2, 0.0).sum(axis=1)
    count = used.sum(axis=1)
    found = np.sqrt(squares / np.maximum(count, 1) * (horizon_ns / step))
    return np.where(count >= ENOUGH, found, np.nan)


@compiled((INTS, INTS, BOOLS, array(np.int64, 2), FLOATS, INTS))
def passages(
    mid2: Ints, breaks: Ints, whole: Bools, rows: Ints, far: NDArray[np.float64], hit: Ints
) -> None:
    """hit (k,): the first quote at or beyond a barrier, NOT_HIT or LOST.

    rows (k, 4): the first quote to look at, one past the last, bid + ask and breaks at the row.
    """
    for i in range(len(rows)):
        hit[i] = NOT_HIT
        for k in range(rows[i, 0], rows[i, 1]):
            if not whole[k] or breaks[k] != rows[i, 3]:
                hit[i] = LOST
                break
            if abs(mid2[k] - rows[i, 2]) >= far[i]:
                hit[i] = k
                break
