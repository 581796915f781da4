"""Random stretches of rows with the seconds and minutes that ended before them.

A token of such a frame is the last row and the mean of its rows. They are made once of the rows
that are kept, so that a stretch need not be as long as a net looks back.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.model.gather import LEARN, STOP
from flowsense.nn.inputs import CLOCK, ENDED, Floats, Ints
from flowsense.nn.windows import Batch, Draws, Pool, Segments


class Ended(NamedTuple):
    """The n tokens of one frame, in order."""

    x: Floats  # (n, 2, D) last row, mean
    at: NDArray[np.float64]  # (n,) seconds, when the last row was
    row: Ints  # (n,) place of the first row after it
    begin: Ints  # (n,) place where its run of rows begins


class Frames:
    """Batches of x (B, N, D), tokens of each frame before the rows; and how many are whole.

    Of each frame with a band of n tokens: n last rows, then n means, whose clock says how long
    before the last row of the stretch, and whether there is one. Then the rows. The second input
    (B, rows, frames) counts those of them that were whole before each row.
    """

    def __init__(self, segments: Segments, bands: tuple[int, ...]) -> None:
        self.segments, self.bands = segments, bands
        pool = segments.pool
        self.time = np.cumsum(pool.x[:, -CLOCK], dtype=np.float64)
        self.ended = [ended(pool, self.time, j) for j in range(len(bands))]

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """A batch of stretches to learn from."""
        of = self.segments.learn
        return self.batch(of, of.some(size, rng), LEARN)

    def held(self, size: int, most: int) -> Iterator[Batch]:
        """The same stretches to stop on at every call, about `most` rows of answers; maybe none."""
        of = self.segments.stop
        for ends in of.same(size, most // self.segments.asked):
            yield self.batch(of, ends, STOP)

    def batch(self, of: Draws, ends: Ints, role: int) -> Batch:
        rows = self.segments.batch(of, ends, role)
        place = ends[:, None] + np.arange(1 - self.segments.length, 1)
        parts, whole = list[Floats](), list[Floats]()
        for band, found in zip(self.bands, self.ended, strict=True):
            last = np.searchsorted(found.row, ends)
            parts.append(self.tokens(found, last, band, ends))
            before = np.searchsorted(found.row, place) - last[:, None] + band
            whole.append(np.maximum(before, 0).astype(np.float32))
        x = np.concatenate([*parts, rows.inputs[0]], axis=1)
        return Batch((x, np.stack(whole, axis=-1)), rows.answers)

    def tokens(self, found: Ended, last: Ints, band: int, ends: Ints) -> Floats:
        """(B, 2 band, D) the `band` tokens before number `last` (B,)."""
        which = last[:, None] + np.arange(-band, 0)
        there = which >= 0
        which = np.maximum(which, 0)
        if not len(found.row):
            return np.zeros((len(ends), 2 * band, self.segments.pool.x.shape[1]), np.float32)
        there &= found.begin[which] == self.segments.pool.begin[ends][:, None]
        x = found.x[which].transpose(0, 2, 1, 3) * there[:, None, :, None]
        ago = (self.time[ends][:, None] - found.at[which]) * there
        x[..., -CLOCK], x[..., 1 - CLOCK] = ago[:, None], there[:, None]
        return np.asarray(x.reshape(len(ends), 2 * band, -1), np.float32)


def ended(pool: Pool, time: NDArray[np.float64], j: int) -> Ended:
    """Of frame j of the clock: 0 seconds, 1 minutes."""
    place = np.arange(len(pool.row))
    first = place == pool.begin
    new = (pool.x[:, j + 1 - CLOCK] > ENDED) & ~first
    row = np.flatnonzero(new)
    starts = np.flatnonzero(new | first)  # of running tokens
    count = np.diff(np.r_[starts, len(place)])
    mean = np.add.reduceat(pool.x, starts, axis=0) / count[:, None].astype(np.float32)
    which = np.searchsorted(starts, row) - 1
    x = np.stack([pool.x[row - 1], mean[which]], axis=1)
    return Ended(x, time[row - 1], row, pool.begin[row])
