"""Intensities point by point: what excites is a few decayed sums, so a point costs the same always.

`Stream` is for one process in real time. The model of an order book folds whole tapes instead
(`model.hawkes.orders`).
"""

import math
from typing import Any

import numpy as np
from numba import types

from flowsense._jit import array, compiled
from flowsense.model.hawkes.law import following, intensities
from flowsense.simulate.points import Floats, Process, base

TABLE = array(np.float64, 2)
FLOATS = array(np.float64)


@compiled(types.void(TABLE, array(np.int64), FLOATS, types.int64, types.int64))
def step(sums: Any, at: Any, beta: Any, ts: int, kind: int) -> None:
    """Time passes to `ts`, then a point of that kind begins to excite; none if it is negative."""
    gap = max(ts - at[0], 0) * 1e-9
    at[0] = max(ts, at[0])
    for p in range(len(beta)):
        fade = math.exp(-beta[p] * gap)
        for k in range(sums.shape[0]):
            sums[k, p] *= fade
        if kind >= 0:
            sums[kind, p] += beta[p]


@compiled(
    types.void(
        types.Tuple((TABLE, array(np.int64), FLOATS)),
        types.Tuple((TABLE, array(np.float64, 3), array(np.int64))),
        types.int64,
        FLOATS,
        FLOATS,
    )
)
def look(state: Any, process: Any, ts: int, now: Any, out: Any) -> None:
    """now (K + K x P,), out (K,): what the law is linear in, and the intensities, as of `ts`."""
    sums, at, beta = state
    mu, weight, knots = process
    gap, kinds, terms = max(ts - at[0], 0) * 1e-9, len(mu), len(beta)
    for k in range(kinds):
        now[k] = base(mu, knots, k, ts)
        for p in range(terms):
            now[kinds + k * terms + p] = sums[k, p] * math.exp(-beta[p] * gap)
    intensities(now, weight, beta, 0.0, out)


class Stream:
    """The state of one process, from an empty past at `start`, ns."""

    def __init__(self, process: Process, start: int = 0) -> None:
        K, P = len(process.mu), len(process.beta)
        self.process = process
        self.sums, self.at, self.beta = np.zeros((K, P)), np.array([start]), process.beta.copy()
        weight = np.ascontiguousarray(process.weight)
        self._tables = (process.mu.copy(), weight, process.knots.copy())
        self._now, self._out = np.zeros(K + K * P), np.zeros(K)

    def push(self, ts: int, kind: int) -> None:
        """A point; time that falls is taken as standing still."""
        step(self.sums, self.at, self.beta, ts, kind)

    def at_time(self, ts: int) -> Floats:
        """(K,) intensities per second at `ts`, if nothing happened since; the state stays."""
        look((self.sums, self.at, self.beta), self._tables, ts, self._now, self._out)
        return self._out.copy()

    def numbers(self, ts: int) -> Floats:
        """(K + K x P,) baselines and decayed sums at `ts`: what `law.evaluate` reads."""
        look((self.sums, self.at, self.beta), self._tables, ts, self._now, self._out)
        return self._now.copy()

    def next_kind(self, ts: int) -> Floats:
        """(K,) probability that the next point after `ts` is of each kind."""
        K = len(self._out)
        both = np.zeros((1, 2 * K))
        following(self.numbers(ts)[None], self._tables[1], self.beta, both)
        return both[0, K:]
