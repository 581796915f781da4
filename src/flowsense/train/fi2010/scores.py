"""Macro-F1 of nets by horizon, beside the rules of `nulls` and the figures of others."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate import significance
from flowsense.evaluate.classes import confusion, macro_f1
from flowsense.evaluate.scores import Floats
from flowsense.model import Budget
from flowsense.models import build
from flowsense.nn.net import Net
from flowsense.schema import SECOND
from flowsense.train.fi2010.nulls import calls, walk
from flowsense.train.fi2010.stretches import said
from flowsense.train.fi2010.table import UNKNOWN, Fold

PUBLISHED = {  # macro-F1 on days 8-10 of FI-2010, as Berti & Kasneci 2025 and its sources print it
    "mlplob": {10: 0.8164, 20: 0.8488, 50: 0.9139, 100: 0.9262},
    "tlob": {10: 0.8155, 20: 0.8268, 50: 0.9003, 100: 0.9281},
    "binctabl": {10: 0.811, 20: 0.715, 50: 0.877, 100: 0.921},
    "deeplob": {10: 0.711, 20: 0.624, 50: 0.754, 100: 0.776},  # run again by others
}
Ints = NDArray[np.int64]


class Score(NamedTuple):
    """Of one net at one horizon of one fold; shares, not percent."""

    fold: str
    model: str
    horizon: int  # events
    rows: int
    macro_f1: float  # of the most likely class
    even_f1: float  # of the class most likely for its share of the rows to learn from
    accuracy: float
    interval: tuple[float, float] | None  # of the macro-F1: stationary block bootstrap, 95 %
    nulls: dict[str, float]  # macro-F1 of rules on the same rows
    walk: float | None  # of the past mean on random walks; None for classes that were given
    published: float | None  # of days 8-10 of FI-2010, not ours; None of a recording
    numbers: int  # weights of the net
    trained_s: float
    why: str  # its training ended


def net(name: str, published: bool) -> Net:
    """By the name of a window net of the book. Raises InputError."""
    if name not in PUBLISHED:
        raise InputError(f"model {name!r}: known are {', '.join(PUBLISHED)}")
    unfitted: Any = build(name, book=True)
    made: Net = unfitted.published() if published else unfitted
    return made


def scores(fold: Fold, name: str, *, published: bool, seed: int, budget: Budget) -> Iterator[Score]:
    """One net for all horizons of the fold. Raises InputError."""
    found = said(net(name, published), fold, seed=seed, budget=budget)
    for j, k in enumerate(fold.table.horizons):
        y = fold.table.y[found.at, j].astype(np.int64)
        known = y != UNKNOWN
        at, y = found.at[known], y[known]
        if not len(at):
            raise InputError(f"{fold.name}: no row to test on has a class at {k} events: give more")
        call = found.p[known, j].argmax(axis=1)
        counts = confusion(call, y)
        nulls = {rule: float(macro_f1(confusion(c, y))) for rule, c in calls(fold, at, j).items()}
        yield Score(
            fold.name,
            name,
            k,
            len(y),
            float(macro_f1(counts)),
            float(macro_f1(confusion(even(found.p[known, j], fold, j), y))),
            float((call == y).mean()),
            interval(call, y, k // fold.table.every, seed),
            nulls,
            walk(fold, at, j, seed),
            None if fold.table.rule else PUBLISHED[name].get(k),
            found.numbers,
            found.trained.seconds,
            found.trained.why,
        )


def even(p: Floats, fold: Fold, j: int) -> Ints:
    """(n,) the class that is called where all came alike often."""
    y = fold.table.y[fold.learn, j]
    share = np.bincount(y[y != UNKNOWN], minlength=3) + 1.0
    return np.asarray((p / share).argmax(axis=1))


def interval(call: Ints, y: Ints, rows: int, seed: int) -> tuple[float, float] | None:
    """Of the macro-F1; rows count as seconds, so that a block is max(10 horizons, 60 rows)."""
    drawn = significance.blocks(np.arange(len(y)) * SECOND, rows * SECOND, seed=seed)
    if drawn is None:
        return None
    cells: Floats = np.eye(9)[3 * y + call]
    return significance.interval(macro_f1(drawn.sums(cells).reshape(-1, 3, 3)))
