"""Scores of the three classes down, flat, up: all are functions of the confusion matrix.

They take stacks of matrices (..., 3, 3), so that a thousand resamples cost one call; NaN
marks a score that no row supports.
"""

import numpy as np
from numpy.typing import NDArray

from flowsense.evaluate.scores import Classes, Floats, number, ratio
from flowsense.forecast import FLAT

NAMES = ("down", "flat", "up")


def called(p: Floats) -> Classes:
    """(n,) the most likely class of p (n, 3); flat where several are as likely."""
    top = p.max(axis=1, keepdims=True)
    return np.where((p == top).sum(axis=1) > 1, FLAT, p.argmax(axis=1))


def confusion(call: Classes, y: Classes) -> NDArray[np.int64]:
    """(3, 3) counts: rows what came, columns what was called; down, flat, up."""
    return np.bincount(3 * y + call, minlength=9).reshape(3, 3)


def precision(counts: NDArray[np.number]) -> Floats:
    """(..., 3) share of the calls of each class that were right."""
    return ratio(_diagonal(counts), counts.sum(axis=-2))


def recall(counts: NDArray[np.number]) -> Floats:
    """(..., 3) share of the rows of each class that were called."""
    return ratio(_diagonal(counts), counts.sum(axis=-1))


def f1(counts: NDArray[np.number]) -> Floats:
    """(..., 3) 2 TP / (2 TP + FP + FN); NaN for a class that neither came nor was called."""
    return ratio(2 * _diagonal(counts), counts.sum(axis=-1) + counts.sum(axis=-2))


def balanced_accuracy(counts: NDArray[np.number]) -> Floats:
    """(...) mean recall of the classes that came. Brodersen et al. 2010."""
    return _mean(recall(counts))


def macro_f1(counts: NDArray[np.number]) -> Floats:
    """(...) mean F1 of the classes that came or were called."""
    return _mean(f1(counts))


def mcc(counts: NDArray[np.number]) -> Floats:
    """(...) Matthews correlation of three classes; NaN where all calls or rows are of one.

    Gorodkin 2004, eq. 8, in sums.
    """
    total = counts.sum(axis=(-2, -1)).astype(float)
    came, calls = counts.sum(axis=-1).astype(float), counts.sum(axis=-2).astype(float)
    both = _diagonal(counts).sum(axis=-1) * total - (came * calls).sum(axis=-1)
    spread = (total**2 - (came**2).sum(axis=-1)) * (total**2 - (calls**2).sum(axis=-1))
    return ratio(both, np.sqrt(np.maximum(spread, 0)))


def per_class(counts: NDArray[np.number]) -> dict[str, dict[str, float | None]]:
    """Precision, recall, F1 and support (rows that came) of each class by name."""
    p, r, f, support = precision(counts), recall(counts), f1(counts), counts.sum(axis=-1)
    return {
        name: {
            "precision": number(p[k]),
            "recall": number(r[k]),
            "f1": number(f[k]),
            "support": int(support[k]),
        }
        for k, name in enumerate(NAMES)
    }


def _diagonal(counts: NDArray[np.number]) -> Floats:
    return np.diagonal(counts, axis1=-2, axis2=-1).astype(float)


def _mean(x: Floats) -> Floats:
    there = np.isfinite(x)
    return ratio(np.where(there, x, 0).sum(axis=-1), there.sum(axis=-1))
