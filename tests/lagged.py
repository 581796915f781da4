"""Rows of noise, and labels told by one column of some rows before: only a memory finds them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.labels import Labels
from flowsense.schema import BOOK, EVENT, QUOTE, Decimal, Instrument, zeros
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.tape import Rows, Tape

SPEC = spec(("flow",))
LAG = 3  # rows of the same instrument
STEP = 100_000_000  # ns
TARGETS = (Target.parse("mid@100ms"), Target.parse("magnitude@100ms"))
TABLE = tuple(Instrument(s, "toy", Decimal(1, -2), Decimal(1, 0)) for s in ("A", "B"))
SIDE, BUSY = 0, 10  # columns that tell the side, and how much it moves; odd and even


@dataclass(frozen=True)
class Tapes:
    """A Reader of tapes in memory."""

    tapes: tuple[Tape, ...]
    instruments: Any = TABLE
    spec: Any = SPEC

    def __iter__(self):
        return iter(self.tapes)


def rows(instants: int, seed: int = 0, absent: float = 0.2) -> Rows:
    """Two instruments, of which the second is absent now and then."""
    rng = np.random.default_rng(seed)
    there = np.stack([np.ones(instants, np.bool_), rng.random(instants) >= absent], axis=1)
    at, who = np.nonzero(there)
    n = len(at)
    X = rng.normal(0, 1, (n, len(SPEC.columns))).astype(np.float32)
    valid = rng.random(X.shape) > 0.02
    valid[:, [SIDE, BUSY]] = True
    X[~valid] = 0
    event = np.zeros(n, np.int64)
    quote = zeros(QUOTE, n)
    quote["mid2"] = 20_000 + rng.integers(-4, 5, n)
    return Rows((at + 1) * STEP, who.astype(np.int64), X, valid, event, zeros(BOOK, n), quote)


def tape(of: Rows) -> Tape:
    return Tape(zeros(EVENT), NO_BARS, NO_OBSERVATIONS, zeros(QUOTE), (of,), TABLE)


def labels(of: Rows, seed: int = 0) -> Labels:
    """The side of `LAG` rows before, where it is busy there; the last fifth says when to stop."""
    rng, n = np.random.default_rng(seed), len(of.ts)
    told = np.zeros((2, n), np.float32)
    for k in (0, 1):
        mine = np.flatnonzero(of.instrument == k)
        told[:, mine[LAG:]] = of.X[mine[:-LAG]][:, [SIDE, BUSY]].T
    side = np.sign(told[0] + rng.normal(0, 0.3, n)) * (told[1] > -0.3)
    size = np.exp(0.5 * told[1]) * (1 + 4 * of.instrument)
    y = np.stack([side + 1, size], axis=1).astype(np.float32)
    move = np.stack([side * size, size], axis=1).astype(np.float32)
    known = np.repeat(of.ts[:, None] + STEP, 2, axis=1)
    stop = np.repeat((np.arange(n) > 0.8 * n)[:, None], 2, axis=1)
    ones = np.ones((n, 2))
    return Labels(TARGETS, y, move, known, ones > 0, ones.astype(np.float32), stop)


def lagged(instants: int = 2_000, seed: int = 0):
    """A reader of tapes of 100 instants, and its labels."""
    whole = rows(instants, seed)
    edges = whole.instants()[::100].tolist()
    cuts = [*edges, len(whole.ts)] if edges[-1] != len(whole.ts) else edges
    parts = (tape(whole.take(slice(a, b))) for a, b in pairwise(cuts))
    return Tapes(tuple(parts)), labels(whole, seed)
