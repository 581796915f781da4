"""Trees whose leaves hold one number per class, as arrays, and the loop that asks them.

The same numbers in the same order of addition as scikit-learn's forests. Breiman 2001.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.errors import InputError
from flowsense.model.sides import Floats

BLOCK = 256  # rows that walk one tree together: they and the tree stay in cache
LEAF = -1


class Leaves(NamedTuple):
    """Trees behind each other."""

    node: NDArray[np.int32]  # (N, 4) column, left, right, child of a missing value; LEAF, its place
    value: NDArray[np.float32]  # (N,) left if below
    table: Floats  # (L, C) of each leaf
    root: NDArray[np.int64]  # (trees,) node


@compiled(
    (
        array(np.float32, 2, readonly=True),
        array(np.int32, 2, readonly=True),
        array(np.float32, readonly=True),
        array(np.float64, 2, readonly=True),
        array(np.int64, readonly=True),
        array(np.float64, 2),
    )
)
def climb(X: Any, node: Any, value: Any, table: Any, root: Any, out: Any) -> None:
    """Add to out (n, C) the leaf of every tree for X (n, F), NaN where missing."""
    for first in range(0, len(X), BLOCK):
        end = min(first + BLOCK, len(X))
        for t in range(len(root)):
            for i in range(first, end):
                at = root[t]
                while node[at, 0] >= 0:
                    x = X[i, node[at, 0]]
                    if x != x:
                        at = node[at, 3]
                    elif x < value[at]:
                        at = node[at, 1]
                    else:
                        at = node[at, 2]
                for c in range(out.shape[1]):
                    out[i, c] += table[node[at, 1], c]


def mean(trees: Leaves, X: NDArray[np.float32]) -> Floats:
    """(n, C) over the trees."""
    out = np.zeros((len(X), trees.table.shape[1]))
    climb(X, trees.node, trees.value, trees.table, trees.root, out)
    return out / len(trees.root)


def above(threshold: Floats) -> NDArray[np.float32]:
    """The smallest float32 above each: ``x <= threshold`` of a float32 x is ``x < above``."""
    near = threshold.astype(np.float32)
    return np.where(near > threshold, near, np.nextafter(near, np.float32(np.inf)))


def check(trees: Leaves, columns: int) -> None:
    """Raises InputError for arrays that a walk could leave, or never end in."""
    column, left, right, missing = trees.node.T.astype(np.int64)
    at, leaf = np.arange(len(column)), column == LEAF
    inside = [(at < c) & (c < len(at)) for c in (left, right, missing)]
    good = np.where(leaf, (left >= 0) & (left < len(trees.table)), np.all(inside, axis=0))
    good &= leaf | ((column >= 0) & (column < columns))
    starts = (trees.root >= 0) & (trees.root < len(at))
    if not (good.all() and starts.all() and len(trees.root) and len(trees.value) == len(at)):
        raise InputError("the trees of this model do not hang together: train it again")
