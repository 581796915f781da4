"""Fitted scikit-learn estimators as plain arrays: what a checkpoint holds, and what predicts.

Lines and trees can be written so; whatever is, was asked the same rows as its estimator and said
the same. No scikit-learn object is stored, and none is needed to predict.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.model.leaves import LEAF, Leaves, above, check, mean
from flowsense.model.sides import Floats, sigmoid
from flowsense.model.terms import weigh

ALIKE = 1e-6  # of a probability, or of a size by its own scale
ITSELF, SIGMOID, SOFTMAX, EACH = range(4)  # what becomes of the sums of a line


class Line(NamedTuple):
    """Sums of columns; a line of two classes has one sum."""

    weight: Floats  # (F, H)
    offset: Floats  # (H,)
    link: NDArray[np.int64]  # (1,)


Stored = Line | Leaves
KINDS: tuple[type[Line] | type[Leaves], ...] = (Line, Leaves)


@runtime_checkable
class Straight(Protocol):
    coef_: Any
    intercept_: Any


@runtime_checkable
class Wooden(Protocol):
    tree_: Any


@runtime_checkable
class Grove(Protocol):
    estimators_: Any


@runtime_checkable
class Chain(Protocol):
    steps: Any


@runtime_checkable
class Scaler(Protocol):
    mean_: Any
    scale_: Any


def says(stored: Stored, X: NDArray[np.float32]) -> Floats:
    """(n, C) probabilities, or (n, 1) sizes, of rows (n, F); each row by itself."""
    if isinstance(stored, Leaves):
        return mean(stored, X)
    out = np.zeros((len(X), len(stored.offset)))
    place = np.zeros(len(X), np.int64)
    weigh(X, place, stored.weight[None], stored.offset[None], out)
    return linked(out, int(stored.link[0]))


def linked(sums: Floats, link: int) -> Floats:
    if link == SIGMOID:
        up = sigmoid(sums)
        return np.concatenate([1 - up, up], axis=1)
    if link == SOFTMAX:
        raised = np.exp(sums - sums.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))
    if link == EACH:
        each = sigmoid(sums)
        return np.asarray(each / np.maximum(each.sum(axis=1, keepdims=True), 1e-300))
    return sums


def stored(estimator: object, X: NDArray[np.float32], expected: Floats) -> Stored | None:
    """Arrays that say `expected` (n, C) of X; None where none of those known to us do."""
    scale = np.maximum(np.abs(expected), 1.0)
    for found in candidates(estimator, X.shape[1]):
        said = says(found, X)
        if said.shape == expected.shape and (np.abs(said - expected) <= ALIKE * scale).all():
            return found
    return None


def candidates(estimator: object, columns: int) -> Iterator[Stored]:
    """What the estimator may be, by the numbers that it carries."""
    centre, scale, last = np.zeros(columns), np.ones(columns), estimator
    if isinstance(estimator, Chain):
        *before, (_, last) = estimator.steps
        for _, step in before:
            if step in (None, "passthrough"):
                continue
            if not isinstance(step, Scaler) or step.mean_ is None or step.scale_ is None:
                return
            centre, scale = centre + step.mean_ * scale, scale * step.scale_
    if isinstance(last, Straight):
        weight = np.atleast_2d(np.asarray(last.coef_, np.float64)).T / scale[:, None]
        weight = np.ascontiguousarray(weight)
        offset = np.broadcast_to(np.asarray(last.intercept_, np.float64), weight.shape[1:])
        for link in (SIGMOID, SOFTMAX, EACH, ITSELF):
            yield Line(weight, offset - centre @ weight, np.array([link]))
    elif last is estimator and isinstance(last, Wooden):
        yield planted([last.tree_])
    elif last is estimator and isinstance(last, Grove):
        trees = list(np.ravel(np.asarray(last.estimators_, object)))
        if trees and all(isinstance(tree, Wooden) for tree in trees):
            yield planted([tree.tree_ for tree in trees])


def planted(trees: list[Any]) -> Leaves:
    """scikit-learn's trees; a classifier's leaves as shares."""
    nodes, values, tables, roots, at, leaves = [], [], [], list[int](), 0, 0
    for tree in trees:
        leaf = tree.children_left < 0
        to_left = tree.missing_go_to_left.astype(np.bool_)
        missing = np.where(to_left, tree.children_left, tree.children_right)
        children = np.stack([tree.children_left, tree.children_right, missing], axis=1) + at
        children[leaf] = (leaves + np.cumsum(leaf) - 1)[leaf, None]
        column = np.where(leaf, LEAF, tree.feature)
        nodes.append(np.c_[column, children].astype(np.int32))
        values.append(above(np.where(leaf, 0.0, tree.threshold)))
        table = tree.value[leaf, 0]
        tables.append(table / table.sum(axis=1, keepdims=True) if table.shape[1] > 1 else table)
        roots.append(at)
        at, leaves = at + len(leaf), leaves + int(leaf.sum())
    node, value, table = np.concatenate(nodes), np.concatenate(values), np.concatenate(tables)
    return Leaves(node, value, np.ascontiguousarray(table), np.array(roots, np.int64))


def load(params: dict[str, NDArray[Any]], prefix: str, columns: int) -> Stored | None:
    """Of the arrays whose names begin so; None where there are none. Raises InputError."""
    for kind in KINDS:
        if f"{prefix}{kind._fields[0]}" in params:
            arrays = (params[f"{prefix}{name}"] for name in kind._fields)
            found = kind(*map(np.ascontiguousarray, arrays))
            if isinstance(found, Leaves):
                check(found, columns)
            elif found.weight.shape != (columns, len(found.offset)):
                raise InputError("the weights of this model are not of its columns: train it again")
            return found
    return None
