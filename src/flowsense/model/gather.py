"""The rows that a fit reads, drawn before the stream is: one pass, and no more in memory."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.labels import Labels
from flowsense.model.sides import moved
from flowsense.tape import Reader, Rows

Ints = NDArray[np.int64]
LARGEST = 1 << 27  # bytes of the columns of all rows drawn: 230,000 rows of 146 columns
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

    def share_of_moves(self, target: int) -> float:
        """Of all that was learned from; one row of each kind more, so that it is never 0 or 1."""
        learned = self.role[:, target] == LEARN
        w, moves = self.weight[learned, target], moved(self.y[learned, target])
        return float((w[moves].sum() + 1.0) / (w.sum() + 2.0))


class Draw(NamedTuple):
    """Rows of one target that were drawn for one use, in order, and how many each stands for."""

    target: int
    use: int
    rows: Ints
    weight: float


def gather(reader: Reader, labels: Labels, most: int, seed: int) -> Gathered:
    """Draw valid rows at random: of each target and instrument about `most` moved ones.

    Half as many flat ones, and a quarter of either to stop on. A magnitude has no flat rows. Where
    all that is drawn would take more than `LARGEST` bytes, fewer are drawn, of each alike.
    """
    wide = np.dtype(np.float32).itemsize * max(len(reader.spec.columns), 1)
    each = most * len(reader.instruments)
    draws, used = draw(labels, each, seed)
    while (taken := int(used.sum()) * wide) > LARGEST:
        each = int(each * LARGEST / taken * 0.99)
        draws, used = draw(labels, each, seed)
    rows = np.flatnonzero(used)
    role = np.zeros((len(rows), labels.y.shape[1]), np.int8)
    weight = np.zeros(role.shape, np.float32)
    for j, use, kept, stands in draws:
        places = np.searchsorted(rows, kept)
        role[places, j], weight[places, j] = use, stands
    y, size = labels.y[rows], np.abs(labels.move[rows])
    X = np.zeros((len(rows), len(reader.spec.columns)), np.float32)
    instrument, first, at = np.zeros(len(rows), np.int64), 0, 0
    for tape in reader:
        every = tape.rows[0]
        here = np.flatnonzero(used[first : first + len(every.ts)])
        X[at : at + len(here)] = present(every, here)
        instrument[at : at + len(here)] = every.instrument[here]
        first, at = first + len(every.ts), at + len(here)
    return Gathered(X, instrument, y, size, role, weight)


def draw(labels: Labels, each: int, seed: int) -> tuple[list[Draw], NDArray[np.bool_]]:
    """Of each target about `each` moved rows, and (n,) which rows were drawn for any."""
    rng, found = np.random.default_rng(seed), list[Draw]()
    used = np.zeros(len(labels.y), np.bool_)
    stop = np.zeros_like(labels.valid) if labels.stop is None else labels.stop
    for j, target in enumerate(labels.targets):
        moves = np.asarray(moved(labels.y[:, j]) | (target.kind == "magnitude"))
        for use, block, few in ((LEARN, ~stop[:, j], 1), (STOP, stop[:, j], 4)):
            valid = labels.valid[:, j] & block
            for group, share in ((valid & moves, 1), (valid & ~moves, 2)):
                rows = np.flatnonzero(group)
                kept = drawn(rows, each // (few * share), rng)
                used[kept] = True
                found.append(Draw(j, use, kept, len(rows) / max(len(kept), 1)))
    return found, used


def learned(labels: Labels) -> NDArray[np.bool_]:
    """(n, T) labels to learn from: valid, and not kept to stop on."""
    return labels.valid if labels.stop is None else labels.valid & ~labels.stop


def drawn(rows: Ints, most: int, rng: np.random.Generator) -> Ints:
    """At most so many of them, in order."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def present(rows: Rows, which: Ints | slice = slice(None)) -> NDArray[np.float32]:
    """(m, F) of these rows, NaN where missing."""
    X = np.where(rows.valid[which], rows.X[which], np.float32(np.nan))
    return np.ascontiguousarray(X, np.float32)
