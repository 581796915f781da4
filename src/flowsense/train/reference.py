"""What the columns of a training were distributed like, kept with what was fitted to them."""

import numpy as np

from flowsense.evaluate.stability import MOST, Reference, spaced
from flowsense.schema import SECOND
from flowsense.train.dataset import Data

FEWEST = 1_800  # rows, half an hour: as many as are compared with them


def reference(data: Data, trained: tuple[int, int]) -> Reference | None:
    """Of the rows in [start, end), ns, taken as a service takes them: about one a second.

    None where there are fewer than `FEWEST`.
    """
    start, end = trained
    every = max(SECOND, -(-(end - start) // MOST))
    last, X, valid = np.full(len(data.instruments), -1), [], []
    for _, tape in data.between(start, end):
        rows = tape.rows[0]
        inside = rows.take((rows.ts >= start) & (rows.ts < end)) if cut(rows.ts, trained) else rows
        found, last = spaced(inside.ts, inside.instrument, last, every)
        X.append(inside.X[found])
        valid.append(inside.valid[found])
    data.release()
    if sum(map(len, X)) < FEWEST:
        return None
    return Reference.of(np.concatenate(X), np.concatenate(valid))


def cut(ts: "np.ndarray[tuple[int], np.dtype[np.int64]]", trained: tuple[int, int]) -> bool:
    """Whether some of these times lie outside."""
    return bool(ts[0] < trained[0] or ts[-1] >= trained[1])
