"""Runs of rows kept in memory once, and random stretches of them to learn from.

Rows to learn from and rows to stop on are never of one stretch's loss by accident: each row and
target carries its own role. Rows where something moves are drawn more often, and weigh less.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import UP
from flowsense.labels import Labels
from flowsense.model.gather import LEARN, STOP, UNUSED
from flowsense.model.sides import magnitudes
from flowsense.nn.heads import Scale, moves, sizes
from flowsense.nn.inputs import Floats, Inputs, Ints, nothing_seen, read
from flowsense.tape import Reader

LARGEST = 1 << 28  # bytes of the inputs that are kept
BLOCK = 2_048  # consecutive rows of an instrument that are kept or left out together
FEWEST = 50  # rows to learn from
QUESTIONS = 3  # side, move, size: as many weights stand last among answers
BUSY = 0.5  # share of the draws that go to rows where something moves


class Answers(NamedTuple):
    """Of rows (..., T): what came, and how much each question of it counts. 0: not asked."""

    up: Floats  # 1 where it went up
    moved: Floats  # 1 where it moved
    size: Floats  # |move| in those of its instrument
    base: Floats  # log-odds of a move, of its instrument
    offset: Floats  # log-odds of up that another model gives, to be added to
    side_weight: Floats
    move_weight: Floats
    size_weight: Floats

    def at(self, rows: Ints, weight: Floats) -> "Answers":
        """Those of these rows; each question counts as much as before, times weight (..., T)."""
        found = [column[rows] for column in self]
        return Answers(*found[:-QUESTIONS], *(w * weight for w in found[-QUESTIONS:]))


class Batch(NamedTuple):
    """What a module is called with, and the answers to what it says (..., T, 3)."""

    inputs: tuple[NDArray[np.float32], ...]
    answers: Answers


class Pool(NamedTuple):
    """m rows of n, those of one instrument together and in order."""

    x: Floats  # (m, D)
    row: Ints  # (m,) of the labels
    who: Ints  # (m,) instrument
    begin: Ints  # (m,) place of the first row of the same run: rows between them are all here
    answers: Answers  # (m, T) with weights of 1 / expected, for a draw of all rows alike
    role: NDArray[np.int8]  # (m, T) LEARN, STOP or UNUSED
    busy: Floats  # (m,) how much moves, 1 on average over rows to learn from


def collect(
    reader: Reader,
    labels: Labels,
    inputs: Inputs,
    who: Ints,
    scale: Scale,
    *,
    length: int,
    seed: int,
) -> Pool:
    """One pass. Where all rows would take more than `LARGEST` bytes, blocks of them are drawn.

    `length` rows of the same instrument lie before every row that is kept for its answer, where
    there are so many. Raises InputError for too few rows to learn from.
    """
    used = np.asarray(labels.valid.any(axis=1))
    most = LARGEST // (inputs.width * np.dtype(np.float32).itemsize)
    keep = kept(used, who, length, most, np.random.default_rng(seed))
    rows = np.flatnonzero(keep)
    rows = rows[np.argsort(who[rows], kind="stable")]
    into = np.zeros(len(who), np.int64)
    into[rows] = np.arange(len(rows))
    x = np.zeros((len(rows), inputs.width), np.float32)
    seen, first = nothing_seen(len(reader.instruments)), 0
    for tape in reader:
        part = tape.rows[0]
        here = slice(first, first + len(part.ts))
        seen, found = read(inputs, part, part.instrument, seen)
        x[into[here][keep[here]]] = found[keep[here]]
        first = here.stop
    role = roles(labels)[rows]
    if (role == LEARN).any(axis=1).sum() < FEWEST:
        n = int((role == LEARN).any(axis=1).sum())
        raise InputError(f"{n} rows to learn from: a net needs {FEWEST}: give a longer recording")
    answers, busy = answered(labels, rows, who[rows], role, scale)
    return Pool(x, rows, who[rows], begins(rows, who), answers, role, busy)


def roles(labels: Labels) -> NDArray[np.int8]:
    """(n, T) what a label is for."""
    role = np.where(labels.valid, LEARN, UNUSED).astype(np.int8)
    if labels.stop is not None:
        role[labels.valid & labels.stop] = STOP
    return role


def kept(
    used: NDArray[np.bool_], who: Ints, length: int, most: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """(n,) rows of blocks with rows that are used, drawn at random up to `most` rows in all."""
    block = np.zeros(len(who), np.int64)  # number of the block that each row is in
    count = 0
    for k in np.unique(who):
        mine = np.flatnonzero(who == k)
        block[mine] = count + np.arange(len(mine)) // BLOCK
        count = int(block[mine[-1]]) + 1
    wanted = np.unique(block[used])
    if len(wanted) * BLOCK > most:
        wanted = rng.choice(wanted, max(most // (BLOCK + length), 1), replace=False)
    chosen = np.isin(block, wanted)
    for k in np.unique(who):  # and what each is forecast from
        mine = np.flatnonzero(who == k)
        ahead = np.flatnonzero(np.diff(chosen[mine].astype(np.int8)) == 1) + 1
        for start in ahead:
            chosen[mine[max(start - length, 0) : start]] = True
    return chosen


def begins(rows: Ints, who: Ints) -> Ints:
    """(m,) where the run of each row begins; rows (m,) are ordered by instrument, then by time."""
    nth = np.zeros(len(who), np.int64)  # which row of its instrument
    for k in np.unique(who):
        mine = np.flatnonzero(who == k)
        nth[mine] = np.arange(len(mine))
    new = np.r_[True, (np.diff(who[rows]) != 0) | (np.diff(nth[rows]) != 1)]
    return np.asarray(np.maximum.accumulate(np.where(new, np.arange(len(rows)), 0)))


def answered(
    labels: Labels, rows: Ints, who: Ints, role: NDArray[np.int8], scale: Scale
) -> tuple[Answers, Floats]:
    """Of these rows; each question weighs 1 on average over all rows to learn from."""
    move, y = moves(labels)[rows], labels.y[rows]
    sized = magnitudes(labels.targets)
    size = sizes(labels)[rows] / np.maximum(scale.size[who], 1e-12)
    weight = np.where(role != UNUSED, labels.weight[rows], 0).astype(np.float64)
    learn = role == LEARN
    parts = []
    for asked in (move & ~sized, np.broadcast_to(~sized, move.shape), move):
        w = weight * asked
        parts.append(w / np.maximum((w * learn).sum(0) / max(learn.any(1).sum(), 1), 1e-12))
    moving = parts[2].sum(axis=1) / len(labels.targets)
    offset = np.zeros(y.shape) if labels.offset is None else labels.offset[rows]
    columns = (y == UP, move, size, scale.base[who], offset, *parts)
    return Answers(*(np.asarray(c, np.float32) for c in columns)), moving.astype(np.float32)


class Segments:
    """Random stretches of `history` rows to read and, the last `asked` of them, to answer for.

    A window net is asked of the last row alone and says (B, T, 3); a streaming net says
    (B, asked, T, 3) of more.
    """

    def __init__(self, pool: Pool, history: int, asked: int) -> None:
        """Raises InputError where no stretch is so long."""
        self.pool, self.asked, self.length = pool, asked, history + asked - 1
        place = np.arange(len(pool.row))
        long = place - pool.begin + 1 >= self.length
        self.learn, self.stop = (
            self.draws(long, (pool.role == role).any(axis=1)) for role in (LEARN, STOP)
        )
        if not self.learn.any:
            raise InputError(
                f"no instrument has {self.length} rows behind each other to learn from: "
                "give a longer recording, or a smaller history"
            )

    def draws(self, long: NDArray[np.bool_], used: NDArray[np.bool_]) -> "Draws":
        """Of stretches that end on each row: how often, and how much a row then weighs."""
        ends = np.arange(len(used))[long]
        among = windowed(used.astype(np.float64), self.asked)
        some = among[ends] > 0
        ends = ends[some]
        if not len(ends):
            return Draws(ends, np.zeros(0), np.zeros(len(used), np.float32))
        interest = windowed(np.where(used, self.pool.busy, 0.0), self.asked)[ends]
        often = frequencies(among[ends], interest)
        whole = np.zeros(len(used))
        whole[ends] = often
        seen = windowed(whole[::-1], self.asked)[::-1]  # by the stretches that end after it
        share = np.where(used & (seen > 0), 1 / np.maximum(seen * used.sum(), 1e-300), 0.0)
        return Draws(ends, np.cumsum(often), share.astype(np.float32))

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """A batch of stretches to learn from."""
        return self.batch(self.learn, self.learn.some(size, rng), LEARN)

    def held(self, size: int, most: int) -> Iterator[Batch]:
        """The same stretches to stop on at every call, about `most` rows of answers; maybe none."""
        for ends in self.stop.same(size, most // self.asked):
            yield self.batch(self.stop, ends, STOP)

    def batch(self, of: "Draws", ends: Ints, role: int) -> Batch:
        place = ends[:, None] + np.arange(1 - self.length, 1)
        at = place[:, -1] if self.asked == 1 else place[:, -self.asked :]
        weight = (self.pool.role[at] == role) * of.share[at][..., None]
        return Batch((self.pool.x[place],), self.pool.answers.at(at, weight))


class Draws(NamedTuple):
    """Places that a stretch may end on, and how it is drawn."""

    ends: Ints  # (k,)
    often: NDArray[np.float64]  # (k,) summed probabilities
    share: Floats  # (m,) weight of a row, so that all count alike: 1 / how often it is drawn

    @property
    def any(self) -> bool:
        return len(self.ends) > 0

    def some(self, size: int, rng: np.random.Generator) -> Ints:
        """`size` of the ends."""
        u = rng.random(size) * self.often[-1]
        return np.asarray(self.ends[np.minimum(np.searchsorted(self.often, u), len(self.ends) - 1)])

    def same(self, size: int, many: int) -> Iterator[Ints]:
        """The same `many` ends at every call, rising, `size` at a time; maybe none."""
        if self.any:
            ends = np.sort(self.some(max(many, 1), np.random.default_rng(0)))
            for a, b in pairwise([*range(0, len(ends), size), len(ends)]):
                yield ends[a:b]


def frequencies(
    count: NDArray[np.floating | np.integer], interest: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(k,) chances to be drawn: `BUSY` of them by what moves there, the rest by how many rows."""
    even = count / count.sum()
    busy = interest / interest.sum() if interest.sum() > 0 else even
    return np.asarray((1 - BUSY) * even + BUSY * busy, np.float64)


def windowed(x: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """(m,) sum of each value and the n - 1 before it."""
    total = np.r_[0.0, np.cumsum(x)]
    at = np.arange(len(x)) + 1
    return np.asarray(np.maximum(total[at] - total[np.maximum(at - n, 0)], 0.0))
