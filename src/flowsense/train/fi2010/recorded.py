"""A recording labelled as FI-2010 is: the mean mid of the next k events, and a threshold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.clock import step_of
from flowsense.labels.path import BASIS_POINT
from flowsense.nn.inputs import nothing_seen, numbers
from flowsense.schema import WHOLE
from flowsense.train.fi2010.table import UNKNOWN, Classes, Fold, Rule, Table, cut
from flowsense.train.read import read

FAMILIES = ("calendar",)  # of which nothing is read; a reader has some
LEARN, STOP = 0.7, 0.8  # of the rows fit, and up to here stop early; the rest tests
Ints = NDArray[np.int64]


def fold(
    paths: Sequence[str | Path], horizons: tuple[int, ...], rule: Rule, clock: str = "events:1"
) -> Fold:
    """70 / 10 / 20 in time; inputs in deviations of the first part.

    Rows are whole books, every event's or every N-th's. Raises InputError for other clocks, for
    several instruments, and for horizons that are not whole rows.
    """
    if step_of(clock):
        raise InputError(f"clock {clock}: labels of k events need rows of events, like events:1")
    every = int(clock.partition(":")[2])
    if any(k % every for k in horizons):
        raise InputError(f"clock {clock}: horizons must be multiples of {every} events")
    reader = read(list(paths), families=FAMILIES, clocks=(clock,))
    if len(reader.instruments) != 1:
        symbols = ", ".join(i.symbol for i in reader.instruments)
        raise InputError(f"{symbols}: name the recording of one instrument")
    seen, parts, quotes = nothing_seen(1), [], []
    for tape in reader:
        rows = tape.rows[0]
        seen, raw = numbers(rows, True, seen)
        parts.append(raw)
        quotes.append(rows.quote)
    raw, quote = np.concatenate(parts), np.concatenate(quotes)
    mid = quote["mid2"] / 2
    run = np.cumsum(np.diff(quote["breaks"], prepend=0) != 0)
    run[quote["state"] != WHOLE] = UNKNOWN
    y = np.stack([classes(mid, run, k // every, rule) for k in horizons], axis=1)
    n = len(raw)
    table = Table(standardised(raw, round(LEARN * n)), y, mid, horizons, every, rule)
    return cut(reader.instruments[0].symbol, table, round(LEARN * n), round(STOP * n))


def standardised(raw: NDArray[np.float32], learn: int) -> NDArray[np.float32]:
    """Deviations of the first `learn` rows; what is missing is 0."""
    of = raw[:learn].astype(np.float64)
    there = np.isfinite(of)
    count = np.maximum(there.sum(axis=0), 1)
    mean = np.where(there, of, 0).sum(axis=0) / count
    spread = np.sqrt((np.where(there, of - mean, 0) ** 2).sum(axis=0) / count)
    scale = np.where(spread > 0, 1 / np.where(spread > 0, spread, 1), 0)
    return np.asarray(np.nan_to_num((raw - mean) * scale, nan=0.0), np.float32)


def classes(mid: NDArray[np.float64], run: Ints, k: int, rule: Rule) -> Classes:
    """(n,) of mids (n,) k rows ahead; UNKNOWN where the k rows around are not all of one run.

    DeepLOB, eq. 3 (against now) and 4 (against the mean of the last k, this row too).
    """
    move, known = moves(mid, k, rule.past)
    n, first = len(mid), k - 1 if rule.past else 0
    at = np.arange(first, n - k)
    changed = np.r_[0, np.cumsum(np.diff(run) != 0)]
    known[at] &= (changed[at + k] == changed[at - first]) & (run[at] != UNKNOWN)
    side = np.sign(move) * (np.abs(move) > rule.bp * BASIS_POINT)
    return np.where(known, side + 1, UNKNOWN).astype(np.int8)


def moves(
    mid: NDArray[np.float64], k: int, past: bool
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(n,) of the mean of the next k mids above now, or the mean of the last k, as a share of it.

    False where there are not so many.
    """
    n = len(mid)
    move, known = np.zeros(n), np.zeros(n, np.bool_)
    first = k - 1 if past else 0
    if n - k <= first:
        return move, known
    mean = means(mid, k)
    at = np.arange(first, n - k)
    base = mean[at - k + 1] if past else mid[at]
    move[at], known[at] = mean[at + 1] / base - 1, True
    return move, known


def means(x: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    """(n - k + 1,) of each run of k."""
    total = np.r_[0.0, np.cumsum(x - x[0])]
    return np.asarray(x[0] + (total[k:] - total[:-k]) / k)
