"""The windows that a fit learns from, of all instruments, each in its own deviations."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.model.hmm.chain import Floats, Ints
from flowsense.model.hmm.fit import Sequences
from flowsense.model.hmm.windows import Windows, standardise, watched
from flowsense.tape import Reader


class Told(NamedTuple):
    """m windows or holes in the order of the stream."""

    instrument: Ints  # (m,)
    used: NDArray[np.bool_]  # (m,) a window, at a row to learn from
    raw: Floats  # (m, D)


class Gathered(NamedTuple):
    """What the windows to learn from say, instrument by instrument."""

    sequences: Sequences
    key: Floats  # (n,) grows with volatility
    scale: Floats  # (instruments + 1,) deviation of a window's return; the last for others


def told(reader: Reader, learned: NDArray[np.bool_], step_ns: int, numbers: int) -> Told:
    """All windows of one pass; learned (n,) rows."""
    count, first, parts = len(reader.instruments), 0, list[Told]()
    state = Windows.of(step_ns, np.arange(count), np.zeros(1))
    for tape in reader:
        rows = tape.rows[0]
        what, raw = watched(state, rows, numbers)
        at = np.flatnonzero(what)
        used = (what[at] == 1) & learned[first + at]
        parts.append(Told(rows.instrument[at], used, raw[at]))
        first += len(rows.ts)
    return Told(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def gather(of: Told, instruments: int) -> Gathered:
    """Raises InputError where no mid ever moves."""
    scale, parts, news = np.zeros(instruments + 1), list[Floats](), list[NDArray[np.bool_]]()
    every = [np.flatnonzero(of.instrument == i) for i in range(instruments)]
    for i, mine in enumerate(every):
        returns = of.raw[mine[of.used[mine]], 0]
        scale[i] = np.sqrt(np.mean(returns**2)) if len(returns) else 0.0
    moves = scale[:-1] > 0
    if not moves.any():
        raise InputError("regimes: the mid never moves on the rows to learn from: give more of it")
    usual = float(np.exp(np.log(scale[:-1][moves]).mean()))
    scale[~np.r_[moves, False]] = usual
    for i, mine in enumerate(every):
        used = of.used[mine]
        x = of.raw[mine]
        standardise(x, used.astype(np.int64), np.full(len(x), scale[i]))
        parts.append(x[used])
        news.append(~np.r_[False, used[:-1]][used])
    x = np.concatenate(parts)
    return Gathered(Sequences.of(x, np.concatenate(news)), x[:, 1].copy(), scale)
