"""Trees of other libraries in our form: which way a value goes is theirs, bit for bit.

Of a float32 x, LightGBM and scikit-learn ask ``x <= threshold`` in float64, which is ``x < above``
of the float64 next above the threshold; XGBoost asks ``x < threshold`` in float32.
"""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.model.forest import Tree
from flowsense.model.sides import Floats

DEFAULT_LEFT, MISSING_IS_NAN = 2, 2  # bits of LightGBM's decision_type, the latter shifted by 2


def of_xgboost(text: bytes) -> list[Tree]:
    """Of a model in JSON (``save_raw("json")``)."""
    boosted = json.loads(text)["learner"]["gradient_booster"]["model"]
    return [xgboost_tree(raw) for raw in boosted["trees"]]


def xgboost_tree(raw: dict[str, Any]) -> Tree:
    left, right, column = (
        np.array(raw[k], np.int64) for k in ("left_children", "right_children", "split_indices")
    )
    missing = np.where(np.array(raw["default_left"], np.bool_), left, right)
    value = np.array(raw["split_conditions"], np.float32).astype(np.float64)
    return Tree(column, left, right, missing, value, np.array(raw["sum_hessian"], np.float64))


def of_lightgbm(text: str) -> list[Tree]:
    """Of a model as text (``model_to_string()``) without splits on categories."""
    return [
        lightgbm_tree(dict(line.split("=", 1) for line in part.splitlines()[1:] if "=" in line))
        for part in text.split("\nend of trees")[0].split("\nTree=")[1:]
    ]


def lightgbm_tree(told: dict[str, str]) -> Tree:
    """Questions come first and the leaves after them. Where no value was missing in training,
    LightGBM takes a missing one for 0."""
    inside = int(told["num_leaves"]) - 1

    def numbers(name: str, kind: type) -> NDArray[Any]:
        return np.array(told[name].split() if told.get(name) else [], kind)

    def child(name: str) -> NDArray[np.int64]:
        to = numbers(name, np.int64)[:inside]
        leaves = np.full(inside + 1, -1)
        return np.append(np.where(to < 0, inside + ~to, to), leaves)

    left, right = child("left_child"), child("right_child")
    threshold, kind = numbers("threshold", float)[:inside], numbers("decision_type", int)[:inside]
    to_left = np.where(kind >> 2 == MISSING_IS_NAN, kind & DEFAULT_LEFT != 0, threshold >= 0.0)
    missing = np.where(np.r_[to_left, np.zeros(inside + 1, np.bool_)], left, right)
    column = np.r_[numbers("split_feature", np.int64)[:inside], np.zeros(inside + 1, np.int64)]
    value = np.r_[above(threshold), numbers("leaf_value", float)]
    counts = [numbers(f"{which}_count", float) for which in ("internal", "leaf")]
    cover = np.r_[counts[0][:inside], counts[1] if inside else np.ones(1)]
    return Tree(column, left, right, missing, value, cover)


def of_sklearn(tree: Any, leaf: Floats) -> Tree:
    """Of a fitted ``tree_``; `leaf` (N,) is what each node would add."""
    left, right = (c.astype(np.int64) for c in (tree.children_left, tree.children_right))
    missing = np.where(tree.missing_go_to_left.astype(np.bool_), left, right)
    value = np.where(left < 0, leaf, above(tree.threshold))
    return Tree(tree.feature, left, right, missing, value, tree.weighted_n_node_samples)


def above(threshold: Floats) -> Floats:
    return np.nextafter(threshold, np.inf)
