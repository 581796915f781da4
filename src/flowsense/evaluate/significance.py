"""How far a score could be luck: block bootstrap of sums over rows. Politis & Romano 1994.

Every score here is a function of sums over rows, so a resample is a few differences of
cumulative sums, and two forecasts of the same rows are resampled alike.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.evaluate.scores import Floats
from flowsense.schema import DAY, SECOND

Ints = NDArray[np.int64]
Interval = tuple[float, float]

DAYS = 20  # so many, and whole days are drawn where a mean block is no longer
RESAMPLES = 1_000
MOST = 2_000  # blocks in a resample; a longer span takes longer blocks, which is the safe side
FEWEST = 2  # below, no interval
FEW = 10  # below, the interval is too narrow to trust


class Blocks(NamedTuple):
    """k blocks of consecutive rows, the first row following on the last, in R resamples."""

    first: Ints  # (k,) row
    end: Ints  # (k,) one past the last row
    wraps: NDArray[np.bool_]  # (k,) runs over the last row on to the first
    begin: Ints  # (R,) first block of each resample
    expected: float  # blocks in a resample, on average

    def sums(self, rows: Floats) -> Floats:
        """(R, S) sums over each resample of rows (n, S)."""
        return np.stack([self.sum(column) for column in rows.T], axis=1)

    def sum(self, column: NDArray[Any]) -> Floats:
        """(R,) of one number a row (n,): one at a time, as there are many blocks and many rows."""
        total = np.zeros(len(column) + 1)
        np.cumsum(column, dtype=np.float64, out=total[1:])
        parts = total[self.end] - total[self.first]
        parts[self.wraps] += total[-1]
        return np.asarray(np.add.reduceat(parts, self.begin))


def mean_block(horizon_ns: int) -> int:
    """max(10 horizons, 60 s): overlapping labels and bursts stay in one block."""
    return max(10 * horizon_ns, 60 * SECOND)


def stream_time(ts: Ints, pause_ns: int) -> Ints:
    """(n,) ns since the first row, a pause longer than `pause_ns` counting as that."""
    return np.r_[0, np.cumsum(np.minimum(np.diff(ts), pause_ns))] if len(ts) else ts


def blocks(ts: Ints, horizon_ns: int, *, seed: int, resamples: int = RESAMPLES) -> Blocks | None:
    """Resamples of rows (n,) in time order, all instruments together; None for too few blocks.

    Blocks are spans of time, so rows of one moment stay together. Their lengths are
    exponential (the continuous form of the paper's geometric law), their starts uniform, the
    last is cut so that every resample spans as much time as the rows. On 20 days (UTC) or
    more a block is a day, unless ten horizons are longer than that.
    """
    rng = np.random.default_rng(seed)
    edges = np.r_[0, np.flatnonzero(np.diff(ts // DAY)) + 1, len(ts)]
    mean = mean_block(horizon_ns)
    if len(edges) > DAYS and mean <= DAY:
        return _days(edges, rng, resamples)
    at = stream_time(ts, mean)
    span = int(at[-1]) + int(at[-1]) // max(len(at) - 1, 1) if len(at) else 0
    if span < FEWEST * mean:
        return None
    return _stationary(at, span, max(mean, span // MOST), rng, resamples)


def interval(draws: Floats) -> Interval | None:
    """2.5 and 97.5 percentiles of a score's resamples (R,).

    Resamples in which the score is undefined are left out; None where they are the majority.
    """
    kept = draws[np.isfinite(draws)]
    if 2 * len(kept) <= len(draws):
        return None
    low, high = np.quantile(kept, (0.025, 0.975))
    return float(low), float(high)


def _days(edges: Ints, rng: np.random.Generator, resamples: int) -> Blocks:
    count = len(edges) - 1
    day = rng.integers(count, size=resamples * count)
    begin = np.arange(resamples) * count
    return Blocks(edges[day], edges[day + 1], np.zeros(len(day), np.bool_), begin, count)


def _stationary(at: Ints, span: int, mean: int, rng: np.random.Generator, resamples: int) -> Blocks:
    expected = span / mean
    most = int(expected + 8 * np.sqrt(expected) + 20)
    stop = np.cumsum(rng.exponential(mean, (resamples, most)), axis=1)
    stop[:, -1] = span  # eight deviations away: the last block ends every resample
    stop = np.minimum(stop, span)
    length = np.diff(stop, axis=1, prepend=0)
    used = length > 0
    start = rng.uniform(0, span, used.sum())
    ends = start + length[used]
    wraps = ends > span
    first = np.searchsorted(at, start)
    end = np.searchsorted(at, np.where(wraps, ends - span, ends))
    begin = np.r_[0, np.cumsum(used.sum(axis=1))[:-1]]
    return Blocks(first, end, wraps, begin, expected)
