"""The mean mid of the next horizon against that of the last one: for comparison only.

Zhang, Zohren & Roberts 2019 (DeepLOB), eq. 3-4, and Berti & Kasneci 2025 (TLOB) over windows of
time instead of events. Half of such a label lies in the past, so that on a random walk it can be
told from mid minus past mean; `evaluate.walk` says how well on the very moves of the data.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.forecast import Target, Width
from flowsense.labels.path import BASIS_POINT, Bools, Ints, Outcome, Path, Rows

USUAL = Width(0.5, "t")  # the least that a mid can move
INTS, FLOATS, BOOLS = array(np.int64), array(np.float64, 2), array(np.bool_)


def history(target: Target) -> int:
    """ns before a row that its label reads."""
    return target.horizon_ns


def outcome(target: Target, rows: Rows, path: Path) -> Outcome:
    """UP or DOWN where the means differ by more than the width.

    Valid where the book was whole all the way from one horizon before the row to one after it.
    """
    of = means(path, rows.ts, target.horizon_ns)
    move = of.future - of.past
    y = classes(move, least(target, of))
    return Outcome(y, move, rows.ts + target.horizon_ns, of.whole)


def classes(move: NDArray[np.float64], least: NDArray[np.float64]) -> NDArray[np.float64]:
    """DOWN, FLAT or UP of the difference of two means."""
    return np.asarray(np.sign(move) * (np.abs(move) > least) + 1)


def least(target: Target, of: "Means") -> NDArray[np.float64]:
    """(k,) ticks by which the means have to differ by more."""
    size, unit = target.width or USUAL
    if unit == "bp":
        return size * BASIS_POINT * np.abs(of.base + of.past)
    return np.full(len(of.base), size)


class Means(NamedTuple):
    """Of the mid, over time; ticks, all but the first above the first."""

    base: NDArray[np.float64]  # (k,) the mid one horizon before T
    last: NDArray[np.float64]  # (k,) the mid at T
    past: NDArray[np.float64]  # (k,) over the horizon before T
    future: NDArray[np.float64]  # (k,) over the one after it
    whole: Bools  # (k,) the mid was there all the time


def means(path: Path, ts: Ints, horizon_ns: int) -> Means:
    """Around each ts (k,)."""
    start, end = ts - horizon_ns, ts + horizon_ns
    windows = np.stack([path.before(start + 1), start, ts, end], axis=1)
    out, whole = np.zeros((len(ts), 4)), np.zeros(len(ts), np.bool_)
    average(path.ts, path.mid2, path.breaks, path.whole, windows, out, whole)
    base, last, past, future = out.T / 2
    return Means(base, last, past, future, whole)


@compiled((INTS, INTS, INTS, BOOLS, array(np.int64, 2), FLOATS, BOOLS))
def average(
    ts: Ints,
    mid2: Ints,
    breaks: Ints,
    there: Bools,
    windows: Ints,
    out: NDArray[np.float64],
    whole: Bools,
) -> None:
    """out (k, 4): bid + ask at the start, and above it at the row, on average before and after it.

    windows (k, 4): the quote that holds at the start (-1: none), start, row, end. Sums begin at
    the start of each window, so that nothing else decides how they round.
    """
    for i in range(len(windows)):
        k, begin, row, end = windows[i, 0], windows[i, 1], windows[i, 2], windows[i, 3]
        whole[i] = k >= 0
        if k < 0:
            continue
        base, lost, last, past, future = mid2[k], breaks[k], 0.0, 0.0, 0.0
        while begin < end:
            until = min(ts[k + 1], end) if k + 1 < len(ts) else end
            above = float(mid2[k] - base)
            if not there[k] or breaks[k] != lost:
                whole[i] = False
                break
            if begin < row:
                last, past = above, past + above * (min(until, row) - begin)
            if until > row:
                future += above * (until - max(begin, row))
            begin, k = until, k + 1
        out[i, 0], out[i, 1] = base, last
        out[i, 2], out[i, 3] = past / (row - windows[i, 1]), future / (end - row)
