"""Trades in a circle that end with more than they began: negative cycles of -log(rate after fee).

Every simple cycle of at most `longest` trades is found: a path is given up as soon as the cheapest
way home in the trades that are left cannot make it pay. Of longer ones, one for each strongly
connected component that has no shorter one, wherever there is any (Bellman 1958, Ford 1956).
"""

from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from flowsense._jit import Record, array, compiled, kernel
from flowsense.errors import InputError

Floats = NDArray[np.float64]
LEAST = 1e-12  # log gain that is more than rounding


class Cycle(NamedTuple):
    path: tuple[int, ...]  # smallest first; from the last back to the first
    gain: float  # what one unit becomes, less one


@kernel
def on(stack: Record, depth: int, node: int) -> bool:
    k = depth
    while k >= 0 and stack[k, 0] != node:
        k -= 1
    return k >= 0


@kernel
def onward(w: Record, home: Record, stack: Record, spent: Record, depth: int) -> int:
    """The next node worth going to from the end of the path, or n."""
    n, left = len(w), len(stack) - depth - 1  # trades left after that one
    here, start = stack[depth, 0], stack[0, 0]
    to: int = stack[depth, 1] + 1
    while to < n and left > 0:
        if spent[depth] + w[here, to] + home[left, to, start] < -LEAST and not on(stack, depth, to):
            return to
        to += 1
    return n


@compiled(
    types.int64(
        array("f8", 2), array("f8", 3), array("i8", 2), array("f8"), types.int64, array("i8", 2)
    )
)
def search(w: Record, home: Record, stack: Record, spent: Record, start: int, out: Record) -> int:
    """Cycles whose smallest node is `start`, into out (most, M) of -1; -> how many.

    w (n, n); home (M + 1, n, n): least cost of at most so many trades; stack (M, 2): the node of
    each place of the path and the last that was tried from there; spent (M,) cost up to it.
    """
    n, count, depth = len(w), 0, 0
    stack[0, 0], stack[0, 1], spent[0] = start, start, 0.0
    while depth >= 0 and count < len(out):
        if stack[depth, 1] == start and spent[depth] + w[stack[depth, 0], start] < -LEAST:
            for k in range(depth + 1):
                out[count, k] = stack[k, 0]
            count += 1
        to = onward(w, home, stack, spent, depth)
        if to == n:
            depth -= 1
            continue
        stack[depth, 1] = to
        spent[depth + 1] = spent[depth] + w[stack[depth, 0], to]
        depth += 1
        stack[depth, 0], stack[depth, 1] = to, start
    return count


@compiled(types.int64(array("f8", 2), array("f8"), array("i8")))
def relax(w: Record, cost: Record, before: Record) -> int:
    """n passes over all edges; cost (n,) 0, before (n,) -1 -> a node that still gets cheaper."""
    n, last = len(w), -1
    for _ in range(n):
        last = -1
        for i in range(n):
            for j in range(n):
                if cost[i] + w[i, j] < cost[j] - LEAST:
                    cost[j], before[j], last = cost[i] + w[i, j], i, j
        if last < 0:
            return -1
    return last


def costs(rates: Floats, fee: float) -> Floats:
    """(n, n) -log(rate x (1 - fee)); infinite where there is no market. Raises InputError."""
    rates = np.asarray(rates, np.float64)
    if rates.ndim != 2 or rates.shape[0] != rates.shape[1]:
        raise InputError(f"rates of shape {rates.shape}: give a square, rates[i, j] of i in j")
    wrong = np.argwhere(np.isinf(rates) | (rates < 0))
    if len(wrong):
        i, j = wrong[0].tolist()
        raise InputError(f"rates[{i}, {j}] is {rates[i, j]}: give 0 where there is no market")
    if not 0 <= fee < 1:
        raise InputError(f"fee {fee}: give the fraction that one trade costs, 0 or more, below 1")
    out = np.full(rates.shape, np.inf)
    open_ = np.nan_to_num(rates) > 0
    np.fill_diagonal(open_, False)
    out[open_] = -np.log(rates[open_]) - np.log1p(-fee)
    return out


def ways_home(w: Floats, longest: int) -> Floats:
    """(longest + 1, n, n) least cost from i to j in at most so many trades. Floyd 1962, bounded."""
    n = len(w)
    out = np.full((longest + 1, n, n), np.inf)
    out[0][np.diag_indices(n)] = 0.0
    for k in range(longest):
        out[k + 1] = out[k]
        for via in range(n):
            np.minimum(out[k + 1], w[:, via, None] + out[k][None, via], out=out[k + 1])
    return out


def arbitrage(
    rates: Floats, fee: float = 0.0, longest: int = 5, most: int = 1_000
) -> tuple[Cycle, ...]:
    """Cycles that pay, the best first; at most `most` that begin at one node.

    rates (n, n): units of j that a unit of i buys; 0 or NaN without a market. fee: of each trade.
    Raises InputError.
    """
    w = costs(rates, fee)
    n = len(w)
    home, found = ways_home(w, max(longest, 2)), list[Cycle]()
    stack, spent = np.zeros((max(longest, 2), 2), np.int64), np.zeros(max(longest, 2))
    for start in range(n):
        if home[-1, start, start] >= 0:  # no walk that comes back pays
            continue
        out = np.full((most, len(stack)), -1)
        for path in out[: search(w, home, stack, spent, start, out)].tolist():
            found.append(cycle(w, [i for i in path if i >= 0]))
    return tuple(sorted([*found, *longer(w, found)], key=lambda c: (-c.gain, c.path)))


def longer(w: Floats, found: list[Cycle]) -> list[Cycle]:
    """One for each strongly connected component that has one, but none of those found."""
    _, part = connected_components(np.isfinite(w), connection="strong")
    seen = {int(part[c.path[0]]) for c in found}
    out = []
    for k in sorted(set(part.tolist()) - seen):
        inside = np.flatnonzero(part == k)
        path = negative(np.ascontiguousarray(w[np.ix_(inside, inside)]))
        if path:
            out.append(cycle(w, inside[path].tolist()))
    return out


def negative(w: Floats) -> list[int]:
    """A cycle of negative cost, or none. Bellman-Ford; the cycle lies before the last to relax."""
    before = np.full(len(w), -1)
    node = relax(w, np.zeros(len(w)), before)
    if node < 0:
        return []
    for _ in range(len(w)):
        node = int(before[node])
    path = [node]
    while before[path[-1]] != node:
        path.append(int(before[path[-1]]))
    return path[::-1]


def cycle(w: Floats, path: list[int]) -> Cycle:
    """It begins at the smallest of its nodes."""
    at = path.index(min(path))
    path = path[at:] + path[:at]
    cost = sum(w[a, b] for a, b in zip(path, path[1:] + path[:1], strict=True))
    return Cycle(tuple(path), float(np.expm1(-cost)))


def rates_of(
    markets: list[tuple[int, int]], bid: Floats, ask: Floats, n: int
) -> NDArray[np.float64]:
    """(n, n) from markets of base in quote: selling one base gives bid, one quote buys 1 / ask."""
    out = np.zeros((n, n))
    for (base, quote), b, a in zip(markets, bid, ask, strict=True):
        out[base, quote] = max(out[base, quote], b)
        out[quote, base] = max(out[quote, base], 1.0 / a if a > 0 else 0.0)
    return out
