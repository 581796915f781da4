"""Random instants with the last rows of all instruments, for nets that look across them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.model.gather import LEARN, STOP
from flowsense.nn.inputs import Index, Ints
from flowsense.nn.windows import Batch, Draws, Pool, frequencies


class Instants:
    """Batches of x (B, K, H, D) and who has a row at the instant (B, K); answers (B, K, T).

    Instruments are in the order of the table. Rows before the first of a run are 0, as they are
    when a net begins to forecast; an instrument that is absent has its last rows, and no answer.
    """

    def __init__(self, pool: Pool, index: Index, instruments: int, history: int) -> None:
        """Raises InputError where no instrument has `history` rows behind each other."""
        self.pool, self.history = pool, history
        self.last, self.there = latest(pool, index, instruments)
        back = self.last - np.where(self.last >= 0, pool.begin[self.last], 0) + 1
        full = self.there & (back >= history)
        self.learn, self.stop = (self.draws(full, role) for role in (LEARN, STOP))
        if not self.learn.any:
            raise InputError(
                f"no instrument has {history} rows behind each other to learn from: "
                "give a longer recording, or a smaller history"
            )

    def draws(self, full: NDArray[np.bool_], role: int) -> Draws:
        """Of instants with a row of this role, by how much moves there."""
        used = full & (self.pool.role == role).any(axis=1)[self.last]
        ends = np.flatnonzero(used.any(axis=1))
        share = np.zeros(len(self.last), np.float32)
        if not len(ends):
            return Draws(ends, np.zeros(0), share)
        count = used[ends].sum(axis=1)
        interest = np.where(used, self.pool.busy[self.last], 0.0)[ends].sum(axis=1)
        often = frequencies(count, interest)
        share[ends] = 1 / (often * count.sum())
        return Draws(ends, np.cumsum(often), share)

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """A batch of instants to learn from."""
        return self.batch(self.learn, self.learn.some(size, rng), LEARN)

    def held(self, size: int, most: int) -> Iterator[Batch]:
        """The same instants to stop on at every call, about `most` rows; maybe none."""
        for instants in self.stop.same(size, most // self.last.shape[1]):
            yield self.batch(self.stop, instants, STOP)

    def batch(self, of: Draws, instants: Ints, role: int) -> Batch:
        pool, at, there = self.pool, self.last[instants], self.there[instants]
        place = at[..., None] + np.arange(1 - self.history, 1)
        known = (at[..., None] >= 0) & (place >= pool.begin[at][..., None])
        x = np.where(known[..., None], pool.x[np.maximum(place, 0)], np.float32(0))
        weight = (pool.role[at] == role) * there[..., None] * of.share[instants][:, None, None]
        return Batch((x, there.astype(np.float32)), pool.answers.at(at, weight))


def latest(pool: Pool, index: Index, instruments: int) -> tuple[Ints, NDArray[np.bool_]]:
    """(I, K) place of the last row of each instrument as of each instant; whether it is of it.

    -1 where there was none. Instants without a row in the pool are left out.
    """
    instants, nth = np.unique(index.instant[pool.row], return_inverse=True)
    last = np.full((len(instants), instruments), -1, np.int64)
    last[nth, pool.who] = np.arange(len(pool.row))
    there = last >= 0
    return np.maximum.accumulate(last, axis=0), there
