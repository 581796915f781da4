"""Fitted trees as arrays, and the loop that asks them: no library is needed to predict.

`model.trees_read` makes them of what XGBoost, LightGBM and scikit-learn have grown.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.model.sides import Floats

Ints = NDArray[np.int64]
BLOCK = 64  # rows that walk together: they and a tree stay in the first-level cache


class Tree(NamedTuple):
    """One tree; children are places in these arrays, -1 at a leaf."""

    column: Ints  # (N,)
    left: Ints  # (N,)
    right: Ints  # (N,)
    missing: Ints  # (N,) child of a missing value
    value: Floats  # (N,) left if below it; of a leaf, what it adds
    cover: Floats  # (N,) rows that it was grown on, by weight


class Forest(NamedTuple):
    """Trees of all heads behind each other, in order of heads; a leaf is its own child."""

    node: NDArray[np.int32]  # (N, 4) column, left, right, child of a missing value
    value: Floats  # (N,)
    cover: Floats  # (N,)
    tree: Ints  # (trees, 3) first node, depth, head

    def of(self, first: int, end: int) -> Ints:
        """(t, 3) the trees of these heads, counted from the first of them."""
        a, b = np.searchsorted(self.tree[:, 2], (first, end))
        return np.asarray(self.tree[a:b] - np.array([0, 0, first]))


def planted(heads: Sequence[Sequence[Tree]]) -> Forest:
    """The trees of each head."""
    nodes, values, covers = [np.zeros((0, 4), np.int32)], [np.zeros(0)], [np.zeros(0)]
    trees, at = list[tuple[int, int, int]](), 0
    for head, grown in enumerate(heads):
        for tree in grown:
            place, leaf = np.arange(len(tree.left)), tree.left < 0
            children = [np.where(leaf, place, c) + at for c in tree[1:4]]
            column = np.where(leaf, 0, tree.column)
            nodes.append(np.stack([column, *children], axis=1).astype(np.int32))
            values.append(tree.value)
            covers.append(tree.cover)
            trees.append((at, depth(tree), head))
            at += len(leaf)
    node, value, cover = np.concatenate(nodes), np.concatenate(values), np.concatenate(covers)
    return Forest(node, value, cover, np.array(trees, np.int64).reshape(-1, 3))


def depth(tree: Tree) -> int:
    """Questions on the longest way down."""
    asked, found = np.flatnonzero(tree.left[:1] >= 0), 0
    while len(asked):
        below = np.concatenate([tree.left[asked], tree.right[asked]])
        asked, found = below[tree.left[below] >= 0], found + 1
    return found


@compiled(
    (
        array(np.float32, 2, readonly=True),
        array(np.int32, 2, readonly=True),
        array(np.float64, readonly=True),
        array(np.int64, 2, readonly=True),
        array(np.float32, 2),
        array(np.int64),
        array(np.float64, 2),
    )
)
def walk(X: Any, node: Any, value: Any, tree: Any, block: Any, at: Any, out: Any) -> None:
    """Add to out (n, heads) what trees say of X (n, F), NaN where missing; block (BLOCK, F).

    All rows of a block take one step down together, so that none waits for the other; those at
    a leaf stay there.
    """
    for first in range(0, len(X), len(block)):
        m = min(len(block), len(X) - first)
        for i in range(m):
            for c in range(X.shape[1]):
                block[i, c] = X[first + i, c]
        for t in range(len(tree)):
            for i in range(m):
                at[i] = tree[t, 0]
            for _ in range(tree[t, 1]):
                for i in range(m):
                    k = at[i]
                    x = block[i, node[k, 0]]
                    at[i] = node[k, 2 + int(x != x) - int(x < value[k])]
            for i in range(m):
                out[first + i, tree[t, 2]] += value[at[i]]


def margins(forest: Forest, trees: Ints, heads: int, X: NDArray[np.float32]) -> Floats:
    """(n, heads) sums over these trees (t, 3) in their order."""
    out, most = np.zeros((len(X), heads)), min(BLOCK, len(X))
    block, at = np.zeros((most, X.shape[1]), np.float32), np.zeros(most, np.int64)
    if most:
        walk(X, forest.node, forest.value, trees, block, at, out)
    return out
