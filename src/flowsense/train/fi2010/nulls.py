"""Rules without knowledge, on the rows and classes that a net is scored on."""

import numpy as np
from numpy.typing import NDArray

from flowsense.evaluate.classes import confusion, macro_f1
from flowsense.forecast import FLAT
from flowsense.train.fi2010.recorded import classes, means
from flowsense.train.fi2010.table import UNKNOWN, Fold, Table

WALKS = 20
Ints = NDArray[np.int64]


def calls(fold: Fold, at: Ints, j: int) -> dict[str, Ints]:
    """Of each rule the classes that it calls on the rows `at`, for the j-th horizon.

    The most frequent class; the class of k rows before, the latest that is surely known; and the
    side on which the mid stands of its past mean, or the other, as the rows to learn from say.
    """
    table = fold.table
    learn = np.arange(fold.learn.start, fold.learn.stop)
    learn = learn[table.y[learn, j] != UNKNOWN]
    trained = table.y[learn, j].astype(np.int64)
    most = int(np.bincount(trained, minlength=3).argmax())
    before = table.y[np.maximum(at - table.horizons[j], fold.test.start), j].astype(np.int64)
    late = at - table.horizons[j] < fold.test.start
    x = apart(table.mid, rows(table, j))
    far = float(np.quantile(np.abs(x[learn]), (trained == FLAT).mean()))
    turns = [macro_f1(confusion(beyond(s * x[learn], far), trained)) for s in (1, -1)]
    return {
        "majority": np.full(len(at), most),
        "persistence": np.where(late | (before == UNKNOWN), most, before),
        "past mean": beyond(x[at] * (1 if turns[0] >= turns[1] else -1), far),
    }


def walk(fold: Fold, at: Ints, j: int, seed: int) -> float | None:
    """Macro-F1 of the past mean where nothing can be foretold: a mean over random walks.

    Each is the mid of the test rows with every move up or down by the toss of a coin, labelled as
    they are. None for classes that were given.
    """
    table, rng = fold.table, np.random.default_rng(seed)
    if table.rule is None:
        return None
    part = table.mid[fold.test]
    step, here = np.diff(part, prepend=part[:1]), at - fold.test.start
    run, k, found = np.zeros(len(part), np.int64), rows(table, j), []
    for _ in range(WALKS):
        mid = part[0] + np.cumsum(step * rng.choice((-1.0, 1.0), len(step)))
        y = classes(mid, run, table.horizons[j] // table.every, table.rule)[here].astype(np.int64)
        x, y = apart(mid, k)[here][y != UNKNOWN], y[y != UNKNOWN]
        far = float(np.quantile(np.abs(x), (y == FLAT).mean()))
        found.append(float(macro_f1(confusion(beyond(x, far), y))))
    return float(np.mean(found))


def rows(table: Table, j: int) -> int:
    """That a horizon is long; two where it is one, of which no mean could be told apart."""
    return max(table.horizons[j] // table.every, 2)


def apart(mid: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """(n,) the mid less its mean over the last k rows, this one too; fewer at the start."""
    out = np.zeros(len(mid))
    out[k - 1 :] = mid[k - 1 :] - means(mid, k)
    return out


def beyond(x: NDArray[np.float64], far: float) -> Ints:
    """(n,) DOWN, FLAT, UP: flat within `far`."""
    return np.asarray(np.sign(x) * (np.abs(x) > far) + 1, np.int64)
