"""What each column adds to a forest's answer: SHAP values, exactly, from the arrays alone.

A leaf is a conjunction of intervals, one for each column on the way to it, and the Shapley values
of a conjunction are found one by one (Mitchell, Frank & Holmes 2022, GPUTreeShap); a column that is
not known takes each way as often as the rows of training did (Lundberg et al. 2020, algorithm 2,
the path-dependent expectation that XGBoost and LightGBM compute).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled, kernel, records
from flowsense.model.forest import Forest, Ints
from flowsense.model.sides import Floats

PART = np.dtype(  # of the conjunction: what of a leaf's way asks one column
    [
        *(("column", "i8"), ("low", "f8"), ("high", "f8"), ("missing", "f8")),
        *(("share", "f8"), ("inside", "f8"), ("weight", "f8")),
    ]
)


@kernel
def way(node: Any, numbers: Any, parent: Any, leaf: int, parts: Any) -> Any:
    """Write the parts of a leaf's conjunction; -> how many, and the share of rows that it holds."""
    m, at, chance = 0, leaf, 1.0
    while parent[at] >= 0:
        up, e = parent[at], 0
        while e < m and parts[e].column != node[up, 0]:
            e += 1
        if e == m:
            parts[e].column, parts[e].share, parts[e].missing = node[up, 0], 1.0, 1.0
            parts[e].low, parts[e].high = -np.inf, np.inf
            m += 1
        if node[up, 1] == at:
            parts[e].high = min(parts[e].high, numbers[up, 0])
        else:
            parts[e].low = max(parts[e].low, numbers[up, 0])
        if node[up, 3] != at:
            parts[e].missing = 0.0
        parts[e].share *= numbers[at, 1] / numbers[up, 1]
        chance *= numbers[at, 1] / numbers[up, 1]
        at = up
    return m, chance


@kernel
def extend(X: Any, i: int, parts: Any, m: int) -> None:
    """Weigh the subsets of the parts by their size, for row i."""
    parts[0].weight = 1.0
    for e in range(m):
        x = X[i, parts[e].column]
        known = 1.0 if parts[e].low <= x < parts[e].high else 0.0
        parts[e].inside = parts[e].missing if x != x else known
        parts[e + 1].weight = 0.0
        for j in range(e, -1, -1):
            w = parts[j].weight / (e + 2)
            parts[j + 1].weight += parts[e].inside * w * (j + 1)
            parts[j].weight = parts[e].share * w * (e + 1 - j)


@kernel
def without(parts: Any, m: int, e: int) -> float:
    """The sum of these weights with part e taken out again."""
    total, rest, inside, share = 0.0, parts[m].weight, parts[e].inside, parts[e].share
    for j in range(m - 1, -1, -1):
        if inside != 0.0:
            w = rest * (m + 1) / (j + 1)
            rest = parts[j].weight - w * share * (m - j) / (m + 1)
        else:
            w = parts[j].weight * (m + 1) / (share * (m - j))
        total += w
    return total


@compiled(
    (
        array(np.float32, 2, readonly=True),
        array(np.int32, 2, readonly=True),
        array(np.float64, 2, readonly=True),
        array(np.int64, readonly=True),
        array(np.int64, readonly=True),
        array(PART),
        array(np.float64, 2),
    )
)
def attribute(
    X: Any, node: Any, numbers: Any, parent: Any, leaves: Any, parts: Any, out: Any
) -> None:
    """Add to out (n, F + 1) the SHAP values of X (n, F), NaN where missing; last the expectation.

    numbers (N, 2): value and cover of each node; parent (N,): -1 at a root; parts: room for one
    more than the deepest leaf asks.
    """
    for leaf in leaves:
        m, chance = way(node, numbers, parent, leaf, parts)
        for i in range(len(X)):
            out[i, X.shape[1]] += numbers[leaf, 0] * chance
            extend(X, i, parts, m)
            for e in range(m):
                more = (parts[e].inside - parts[e].share) * numbers[leaf, 0]
                out[i, parts[e].column] += without(parts, m, e) * more


def contributions(forest: Forest, trees: Ints, X: NDArray[np.float32]) -> Floats:
    """(n, F + 1) SHAP values of the sum over these trees (t, 3); the last is its expectation.

    The trees are neighbours in the forest, as those of one head are.
    """
    out = np.zeros((len(X), X.shape[1] + 1))
    if not len(trees):
        return out
    after = np.searchsorted(forest.tree[:, 0], trees[-1, 0], "right")
    first = int(trees[0, 0])
    end = int(forest.tree[after, 0]) if after < len(forest.tree) else len(forest.value)
    node = np.ascontiguousarray(forest.node[first:end] - np.array([0, first, first, first]))
    place = np.arange(len(node))
    leaf = node[:, 1] == place
    parent = np.full(len(node), -1)
    for side in (1, 2):
        parent[node[~leaf, side]] = place[~leaf]
    numbers = np.stack([forest.value[first:end], forest.cover[first:end]], axis=1)
    parts = records(np.zeros(int(trees[:, 1].max()) + 1, PART))
    attribute(X, node.astype(np.int32), numbers, parent, np.flatnonzero(leaf), parts, out)
    return out
