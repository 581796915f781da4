"""Windows of a table to learn from, and the forecasts of a net that has: three classes a row."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import FLAT, UP
from flowsense.model import Budget
from flowsense.model.sides import sigmoid
from flowsense.nn.heads import MOVE, SIDE
from flowsense.nn.net import Net, Shape, needs_torch
from flowsense.nn.windows import Answers, Batch
from flowsense.train.fi2010.table import UNKNOWN, Fold, Table

PASS = 4  # looks at the rows to stop on, per pass over those to learn from
ROWS = 512  # forecast at once
Ints = NDArray[np.int64]


class Stretches:
    """Windows of `history` rows; every row weighs 1.

    Side and move are asked so that their losses sum to the cross-entropy of the three classes:
    log P(up) is log P(moves) + log P(up | moves).
    """

    def __init__(self, fold: Fold, history: int) -> None:
        """Raises InputError where a part has no whole window with a class."""
        self.table, self.history = fold.table, history
        self.learn, self.stop = (
            ends(fold.table, part, history) for part in (fold.learn, fold.stop)
        )
        if not len(self.learn) or not len(self.stop):
            raise InputError(
                f"{fold.name}: no {history} rows behind each other: give more, or a smaller history"
            )

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        return self.batch(rng.choice(self.learn, size))

    def held(self, size: int, most: int) -> Iterator[Batch]:
        some = self.stop[:: max(len(self.stop) // most, 1)]
        for first in range(0, len(some), size):
            yield self.batch(some[first : first + size])

    def batch(self, at: Ints) -> Batch:
        y = self.table.y[at]
        known, moved = y != UNKNOWN, (y != UNKNOWN) & (y != FLAT)
        told = {"up": y == UP, "moved": moved, "side_weight": moved, "move_weight": known}
        rest = dict.fromkeys(Answers._fields, np.zeros(y.shape))  # 0: not asked
        answers = Answers(**{k: np.asarray(v, np.float32) for k, v in (rest | told).items()})
        return Batch((windows(self.table, at, self.history),), answers)


def ends(table: Table, part: slice, history: int) -> Ints:
    """Rows of a part with some class, at the end of a window that lies in it."""
    known = (table.y[part] != UNKNOWN).any(axis=1)
    known[: history - 1] = False
    return np.asarray(np.flatnonzero(known) + part.start)


def windows(table: Table, at: Ints, history: int) -> NDArray[np.float32]:
    """(B, H, D)"""
    return np.asarray(table.x[at[:, None] + np.arange(1 - history, 1)])


class Said(NamedTuple):
    """Of one net on the test rows of one fold."""

    at: Ints  # (n,) rows
    p: NDArray[np.float64]  # (n, K, 3) down, flat, up
    trained: Any  # loop.Trained
    numbers: int  # weights of the net


def said(net: Net, fold: Fold, *, seed: int, budget: Budget) -> Said:
    """Learns on two parts, forecasts the third, all horizons by one net with an output for each.

    The net is as it is, without its mirror image. Raises InputError where PyTorch is not installed.
    """
    fitting, torch = (needs_torch(m, "fi2010") for m in ("flowsense.nn.fitting", "torch"))
    data = Stretches(fold, net.history)
    look = math.ceil(len(data.learn) / net.batch / PASS)
    net = replace(net, epochs=budget.steps, epoch=look)
    width = fold.table.x.shape[1]
    with fitting.repeatable(seed):
        module = net.module(Shape(width, net.history, len(fold.table.horizons)))
        trained = fitting.train(
            module,
            data,
            fitting.course(net),
            seed=seed,
            epochs=budget.steps,
            seconds=budget.seconds,
        )
        at = ends(fold.table, fold.test, net.history)
        parts = (at[k : k + ROWS] for k in range(0, len(at), ROWS))
        with torch.no_grad():
            out = [
                module(torch.from_numpy(windows(fold.table, part, net.history))).numpy()
                for part in parts
            ]
    count = sum(p.numel() for p in module.parameters())
    return Said(at, three(np.concatenate(out)), trained, count)


def three(out: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, K, 3) of what a net says of side, move and size, (n, K, 3)."""
    up, move = (sigmoid(out[..., k].astype(np.float64)) for k in (SIDE, MOVE))
    return np.stack([move * (1 - up), 1 - move, move * up], axis=-1)
