"""The typed graph that a net reads: who hears of whom at an instant, and what of them.

Nodes are exchanges, strategies and assets, in this order. A node hears of at most `SLOTS` others,
so the graph of any number of instruments is a table of fixed width. Edges are of three types:
correlation (two assets, beyond chance), arbitrage (the same symbol elsewhere) and liquidity (an
asset and its exchange). A strategy is a stream of forecasts of another model, a column whose name
begins with `STRATEGY`: P(up) - P(down), known when it is read like any observation.
"""

from math import asinh, sqrt
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.features.pairs import CHANCE, FEWEST, KEEP, LAGS, PAIR, correlation, rows_worth
from flowsense.features.related import earlier
from flowsense.model.graph.rolling import NODES, Rolling, observe
from flowsense.schema import Instrument
from flowsense.tape import FeatureSpec

NEAR = 8  # assets that one node hears of
SLOTS = NEAR + 2  # itself, these, its exchange; then one for each strategy
STRATEGY = "forecast/"
HERE, TOGETHER, LEAD, LAG, CORRELATION, ARBITRAGE, LIQUIDITY, BASIS, SAID, COMING = range(10)
WITHIN = (2, 5, LAGS)  # rows from now; COMING and the next ones hold what arrives then
EDGE = COMING + len(WITHIN)  # numbers of an edge; LIQUIDITY: share of the exchange's moves
SIGN = np.ones(EDGE, np.float32)  # in the mirror
SIGN[BASIS:] = -1
EXCHANGE_NODE, STRATEGY_NODE, ASSET_NODE, PRESENT = range(4)
KINDS = 4  # numbers of a node
Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


class Names(NamedTuple):
    """What is known of K assets before anything happens."""

    venue: Ints  # (K,) number of its exchange, by name
    symbol: Ints  # (K,) likewise

    @property
    def exchanges(self) -> int:
        return int(self.venue.max(initial=-1)) + 1


class Told(NamedTuple):
    """What is remembered of K assets and S strategies, flat."""

    node: NDArray[Any]  # (K,) NODES
    pair: NDArray[Any]  # (K, K) PAIR
    busy: NDArray[np.float64]  # (K,) moves of the mid, the older the less
    said: NDArray[np.float64]  # (K, S) last word of each strategy of each asset
    worth: NDArray[np.float64]  # (3, K, S) sums of squares of words and returns, and of products

    @classmethod
    def empty(cls, k: int, strategies: int) -> "Told":
        zeros = (np.zeros(shape) for shape in (k, (k, strategies), (3, k, strategies)))
        return cls(*Rolling.empty(k), *zeros)

    def copy(self) -> "Told":
        rolling = Rolling(self.node, self.pair).copy()
        return Told(*rolling, self.busy.copy(), self.said.copy(), self.worth.copy())


def names(instruments: tuple[Instrument, ...]) -> Names:
    """Of assets in the order of their nodes."""
    both = ([i.venue for i in instruments], [i.symbol for i in instruments])
    numbers = (np.unique(np.array(x, np.str_), return_inverse=True)[1] for x in both)
    return Names(*(n.astype(np.int64) for n in numbers))


def strategies(spec: FeatureSpec) -> Ints:
    """(S,) columns that are words of strategies; not their ages."""
    return np.array(
        [
            j
            for j, name in enumerate(spec.columns)
            if name.startswith(STRATEGY) and not name.endswith("_age")
        ],
        np.int64,
    )


def hear(told: Told, ts: int, slots: Ints, quote: NDArray[Any], words: Floats) -> None:
    """The next instant, in place: which assets (m,) have a row, QUOTE (m,) of it, words (m, S)."""
    observe(Rolling(told.node, told.pair), ts, slots, quote)
    back = told.node["past"][:, 0]
    known = np.isfinite(back)
    told.busy[:] = KEEP * told.busy + (known & (back != 0))
    if words.shape[1]:
        move = np.where(known, back, 0.0)[:, None]
        for k, x in enumerate((told.said**2, move**2, told.said * move)):
            told.worth[k] = KEEP * told.worth[k] + np.where(known[:, None], x, 0.0)
        told.said[slots] = np.clip(words, -1, 1)


@kernel
def strength(P: Record, i: int, j: int) -> float:
    """How many deviations of chance the closest tie of two is away from none."""
    p, q = P[i, j], P[j, i]
    if p.weight < FEWEST:
        return 0.0
    lead, back = abs(p.cross[earlier(p)]), abs(q.cross[earlier(q)])
    scale = p.own * q.own
    if scale <= 0.0:
        return 0.0
    most: float = max(max(lead, back), abs(p.cross[0]))
    return most / sqrt(scale) * sqrt(rows_worth(p))


@kernel
def arriving(p: Record, q: Record, leader: Record, out: Record) -> None:
    """The leader's last moves x the slopes at lags that they have not reached, by when.

    In deviations of the follower's returns of one row; only slopes beyond chance count.
    """
    least, scale = CHANCE / sqrt(rows_worth(p)), sqrt(p.own / p.weight)
    for lag in range(1, LAGS + 1):
        if abs(correlation(p, q, lag)) <= least:
            continue
        for age in range(lag):
            x, k = leader.past[age], 0
            while WITHIN[k] < lag - age:
                k += 1
            if x == x:
                out[k] += p.cross[lag] / q.own * x / scale


@kernel
def describe(S: Record, P: Record, i: int, j: int, tied: int, e: Record) -> None:
    """What asset i hears of asset j: e (EDGE,)."""
    p, q = P[i, j], P[j, i]
    e[HERE], e[ARBITRAGE] = 1.0, tied
    if p.weight < FEWEST or p.own <= 0.0 or q.own <= 0.0:
        return
    at = earlier(p)
    e[TOGETHER], e[LEAD], e[LAG] = correlation(p, q, 0), correlation(p, q, at), at / LAGS
    arriving(p, q, S[j], e[COMING:])
    left = p.spread * q.spread - p.tied * p.tied
    if left > 1e-9 * p.spread * q.spread:
        off = S[i].level - p.centre - p.tied / q.spread * (S[j].level - q.centre)
        e[BASIS] = asinh(off / sqrt(left / q.spread))
    e[CORRELATION] = 1.0 if strength(P, i, j) > CHANCE else 0.0


@compiled(
    types.void(
        array(NODES),
        array(PAIR, 2),
        array("i8", 2),
        array("i8", 2),
        array("f4", 3),
        array("f8"),
    ),
    brief=True,
)
def ties(S: Record, P: Record, names: Record, to: Record, edge: Record, score: Record) -> None:
    """Each asset's closest ones: those of the same symbol, then those beyond chance.

    names (2, K) venue and symbol; to (K, M) of -1 and edge (K, M, EDGE) of 0 get slots 1 .. NEAR,
    assets counted from 0; score (NEAR,) scratch.
    """
    for i in range(len(S)):
        found = 0
        for j in range(len(S)):
            twin = i != j and names[0, i] != names[0, j] and names[1, i] == names[1, j]
            x = strength(P, i, j) if i != j else 0.0
            if i == j or (x <= CHANCE and not twin):
                continue
            x += 1e6 * twin
            if found == NEAR and x <= score[NEAR - 1]:
                continue
            found = min(found + 1, NEAR)
            k = found - 1
            while k > 0 and score[k - 1] < x:
                score[k], to[i, k + 1] = score[k - 1], to[i, k]
                k -= 1
            score[k], to[i, k + 1] = x, j
        for k in range(1, found + 1):
            describe(S, P, i, to[i, k], 1 if score[k - 1] >= 1e6 else 0, edge[i, k])


def graph(told: Told, known: Names) -> tuple[Ints, Floats]:
    """index (N, M) of the nodes that each node hears of, and edge (N, M, EDGE).

    Where there is none, index is 0 and HERE is 0. Slot 0 is the node itself.
    """
    k, s = told.said.shape
    first = known.exchanges + s
    index = np.full((first + k, SLOTS + s), -1)
    edge = np.zeros((*index.shape, EDGE), np.float32)
    table, score = np.stack(known), np.zeros(NEAR)
    ties(records(told.node), records(told.pair), table, index[first:], edge[first:], score)
    index[first:][index[first:] >= 0] += first
    index[:, 0] = np.arange(first + k)
    share = of_exchanges(told, known, first, index, edge)
    index[first:, NEAR + 1] = known.venue
    edge[first:, NEAR + 1, LIQUIDITY] = share
    if s:
        scale = np.sqrt(np.maximum(told.worth[0] * told.worth[1], 1e-12))
        index[first:, SLOTS:] = known.exchanges + np.arange(s)
        edge[first:, SLOTS:, TOGETHER] = np.clip(told.worth[2] / scale, -1, 1)
        edge[first:, SLOTS:, SAID] = told.said
    edge[..., HERE] = index >= 0
    return np.maximum(index, 0), edge


def of_exchanges(told: Told, known: Names, first: int, index: Ints, edge: Floats) -> Floats:
    """Each exchange hears of its busiest assets. -> (K,) share of each in the moves of its own."""
    total = np.bincount(known.venue, told.busy, known.exchanges)[known.venue]
    share = np.divide(told.busy, total, out=np.zeros_like(total), where=total > 0)
    for x in range(known.exchanges):
        mine = np.flatnonzero(known.venue == x)
        busiest = mine[np.argsort(-share[mine], kind="stable")][:NEAR]
        index[x, 1 : len(busiest) + 1] = first + busiest
        edge[x, 1 : len(busiest) + 1, LIQUIDITY] = share[busiest]
    return share.astype(np.float32)


def kinds(known: Names, strategies: int, here: Floats) -> Floats:
    """(N, KINDS) which kind each node is; here (K,) 1 where an asset has a row now."""
    first = known.exchanges + strategies
    out = np.zeros((first + len(here), KINDS), np.float32)
    out[: known.exchanges, EXCHANGE_NODE] = 1.0
    out[known.exchanges : first, STRATEGY_NODE] = 1.0
    out[first:, ASSET_NODE], out[first:, PRESENT] = 1.0, here
    return out
