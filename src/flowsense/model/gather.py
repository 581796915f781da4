"""The rows that a fit reads, drawn before the stream is: one pass, and no more in memory."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.labels import Labels
from flowsense.model.sides import moved
from flowsense.tape import Reader, Rows

Ints = NDArray[np.int64]
UNUSED, LEARN, STOP = range(3)  # what a drawn row is for


class Gathered(NamedTuple):
    """m rows drawn out of n, with what was drawn for each of T targets."""

    X: NDArray[np.float32]  # (m, F) NaN where missing
    instrument: Ints  # (m,)
    y: NDArray[np.float32]  # (m, T)
    size: NDArray[np.float32]  # (m, T) |move|
    role: NDArray[np.int8]  # (m, T) LEARN, STOP or UNUSED
    weight: NDArray[np.float32]  # (m, T) rows that each stands for; flat ones are thinned most

    def part(self, instrument: int, target: int, role: int) -> Ints:
        """Places of the rows of one instrument that were drawn for this."""
        return np.flatnonzero((self.instrument == instrument) & (self.role[:, target] == role))


def gather(reader: Reader, labels: Labels, most: int, seed: int) -> Gathered:
    """Draw valid rows at random: of each target and instrument about `most` moved ones.

    Half as many flat ones, and a quarter of either to stop on. A magnitude has no flat rows.
    """
    rng = np.random.default_rng(seed)
    role = np.zeros(labels.y.shape, np.int8)
    weight = np.zeros(labels.y.shape, np.float32)
    stop = np.zeros_like(labels.valid) if labels.stop is None else labels.stop
    for j, target in enumerate(labels.targets):
        moves = np.asarray(moved(labels.y[:, j]) | (target.kind == "magnitude"))
        for use, block, few in ((LEARN, ~stop, 1), (STOP, stop, 4)):
            valid = labels.valid[:, j] & block[:, j]
            for group, share in ((valid & moves, 1), (valid & ~moves, 2)):
                found = np.flatnonzero(group)
                kept = drawn(found, most * len(reader.instruments) // (few * share), rng)
                role[kept, j], weight[kept, j] = use, len(found) / max(len(kept), 1)
    used = np.asarray(role.any(axis=1))
    X, instrument, at = list[NDArray[np.float32]](), list[Ints](), 0
    for tape in reader:
        rows = tape.rows[0]
        here = np.flatnonzero(used[at : at + len(rows.ts)])
        X.append(present(rows, here))
        instrument.append(rows.instrument[here])
        at += len(rows.ts)
    y, size = labels.y[used], np.abs(labels.move[used])
    told = np.concatenate(X), np.concatenate(instrument)
    return Gathered(*told, y, size, role[used], weight[used])


def drawn(rows: Ints, most: int, rng: np.random.Generator) -> Ints:
    """At most so many of them, in order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def present(rows: Rows, which: Ints | slice = slice(None)) -> NDArray[np.float32]:
    """(m, F) of these rows, NaN where missing."""
    X = np.where(rows.valid[which], rows.X[which], np.float32(np.nan))
    return np.ascontiguousarray(X, np.float32)
