"""Moments of every pair of instruments, one instant after another. See `features.pairs`."""

from math import nan
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, records
from flowsense.errors import InputError
from flowsense.features.pairs import LAGS, NODE, PAIR, advance, arrive, learn
from flowsense.schema import QUOTE

NODES = np.dtype([*NODE])


class Rolling(NamedTuple):
    """All that is remembered of K instruments."""

    node: NDArray[Any]  # (K,) NODES
    pair: NDArray[Any]  # (K, K) PAIR

    @classmethod
    def empty(cls, k: int) -> "Rolling":
        return cls(np.zeros(k, NODES), np.zeros((k, k), PAIR))

    def copy(self) -> "Rolling":
        """Views as our dtypes, which dispatch knows."""
        return Rolling(self.node.copy().view(NODES), self.pair.copy().view(PAIR))


@compiled(
    types.void(array(NODES), array(PAIR, 2), types.int64, array("i8"), array(QUOTE, readonly=True)),
    brief=True,
)
def step(node: Record, pair: Record, ts: int, who: Record, quote: Record) -> None:
    steady = advance(node, ts)
    for r in range(len(who)):
        arrive(node[who[r]], quote[r], nan, steady)
    learn(pair, node)


@compiled(types.void(array(NODES), array(PAIR, 2), array("f8", 2, readonly=True)))
def feed(node: Record, pair: Record, moves: Record) -> None:
    for r in range(len(moves)):
        for i in range(len(node)):
            s = node[i]
            for k in range(LAGS, 0, -1):
                s.past[k] = s.past[k - 1]
            s.past[0] = moves[r, i]
            if moves[r, i] == moves[r, i]:
                s.level += moves[r, i]
        learn(pair, node)


def spans(moves: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(n, K) returns over the last `width` rows; NaN where one of them is not known.

    Where a mid follows its price late and bounces, returns of single rows hide what longer ones
    tell (Epps 1979): give these to `follow`, and the width to `links`.
    """
    out, total = np.full(moves.shape, np.nan), np.cumsum(np.nan_to_num(moves), axis=0)
    gone = np.cumsum(np.isnan(moves), axis=0)
    total, gone = (np.concatenate([np.zeros_like(x[:1]), x]) for x in (total, gone))
    whole = gone[width:] == gone[:-width]
    out[width - 1 :][whole] = (total[width:] - total[:-width])[whole]
    return out


def observe(rolling: Rolling, ts: int, who: NDArray[np.int64], quote: NDArray[Any]) -> None:
    """The next instant, in place: who (m,) has a row, quote (m,) QUOTE its touch."""
    node, pair = (records(a) for a in rolling)
    step(node, pair, ts, who, records(quote.view(QUOTE)))


def follow(rolling: Rolling, moves: NDArray[np.float64]) -> None:
    """Rows of returns (n, K) at once, in place; NaN where one is not known. Raises InputError."""
    if moves.ndim != 2 or moves.shape[1] != len(rolling.node) or np.isinf(moves).any():
        wanted = f"(n, {len(rolling.node)}) finite or NaN"
        raise InputError(f"returns of shape {moves.shape}: give {wanted}, a column per instrument")
    node, pair = (records(a) for a in rolling)
    feed(node, pair, np.ascontiguousarray(moves, np.float64))
