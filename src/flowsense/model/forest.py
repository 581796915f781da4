"""Fitted trees as arrays, and the loop that asks them: no library is needed to predict.

Node for node and in the order of addition what XGBoost does. Chen & Guestrin 2016.
"""

import json
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled

Ints = NDArray[np.int64]
BLOCK = 256  # rows that walk one tree together: they and the tree stay in cache


class Forest(NamedTuple):
    """Trees of all heads behind each other."""

    node: Ints  # (N, 4) column (-1: leaf), left, right, child of a missing value
    value: NDArray[np.float32]  # (N,) threshold (left if below), or what a leaf adds
    root: Ints  # (trees,) node
    head: Ints  # (heads + 1,) edges among the trees


def tree(raw: dict[str, Any], start: int) -> tuple[Ints, NDArray[np.float32]]:
    """One tree of XGBoost's JSON, its first node at `start`."""
    left, right = (np.array(raw[k], np.int64) for k in ("left_children", "right_children"))
    leaf = left < 0
    column = np.where(leaf, -1, np.array(raw["split_indices"], np.int64))
    missing = np.where(np.array(raw["default_left"], np.bool_), left, right)
    children = (np.where(leaf, 0, c + start) for c in (left, right, missing))
    return np.stack([column, *children], axis=1), np.array(raw["split_conditions"], np.float32)


def forest(models: list[bytes]) -> Forest:
    """Of XGBoost models in JSON (``save_raw("json")``), one head each; b"" has no tree."""
    nodes, values = [np.zeros((0, 4), np.int64)], [np.zeros(0, np.float32)]
    roots, heads, at = list[int](), [0], 0
    for text in models:
        boosted = json.loads(text)["learner"]["gradient_booster"]["model"] if text else {}
        for raw in boosted.get("trees", []):
            node, value = tree(raw, at)
            roots.append(at)
            nodes.append(node)
            values.append(value)
            at += len(value)
        heads.append(len(roots))
    node, value = np.concatenate(nodes), np.concatenate(values)
    return Forest(node, value, np.array(roots, np.int64), np.array(heads, np.int64))


@compiled(
    (
        array(np.float32, 2, readonly=True),
        array(np.int64, 2, readonly=True),
        array(np.float32, readonly=True),
        array(np.int64, readonly=True),
        array(np.int64),
        array(np.float32),
    )
)
def walk(X: Any, node: Any, value: Any, root: Any, rows: Any, out: Any) -> None:
    """Add to out (n,) what the trees at `root` say of X[rows] (n, F), NaN where missing."""
    for first in range(0, len(rows), BLOCK):
        end = min(first + BLOCK, len(rows))
        for t in range(len(root)):
            for i in range(first, end):
                at = root[t]
                while node[at, 0] >= 0:
                    x = X[rows[i], node[at, 0]]
                    if x != x:
                        at = node[at, 3]
                    elif x < value[at]:
                        at = node[at, 1]
                    else:
                        at = node[at, 2]
                out[i] += value[at]


def margin(forest: Forest, head: int, X: NDArray[np.float32], rows: Ints) -> NDArray[np.float32]:
    """(n,) sum over the trees of one head, of X[rows]."""
    out = np.zeros(len(rows), np.float32)
    root = forest.root[forest.head[head] : forest.head[head + 1]]
    walk(X, forest.node, forest.value, root, rows, out)
    return out
