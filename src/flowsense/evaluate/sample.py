"""The rows that are scored, gathered once for each target, and what each model said of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate import significance
from flowsense.evaluate.scores import Bools, Floats
from flowsense.forecast import FLAT, Forecast, Target
from flowsense.labels import Labels

Ints = NDArray[np.int64]

SUM = 1e-3  # how far from 1 probabilities may sum


class Masks(Protocol):
    """One fold; (n, T) each. `train.split.Split` is one."""

    @property
    def train(self) -> Bools: ...  # nulls are fixed on these
    @property
    def choose(self) -> Bools: ...  # thresholds are fixed on these
    @property
    def test(self) -> Bools: ...  # these are scored


@dataclass(frozen=True, slots=True)
class Index:
    """Which row is which, in the order of the labels."""

    ts: Ints  # (n,) ns
    instrument: Ints  # (n,)
    symbols: tuple[str, ...]  # by instrument
    regime: Ints | None = None  # (n,) as the filter saw it then, -1 while it did not
    regimes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """The m valid test rows of one target, in time order.

    A row that several folds test is there once for each: blocks of the bootstrap are spans of
    time, which keep its copies together, so that intervals are not narrower for them.
    """

    target: Target
    column: int
    rows: Ints  # (m,) into the labels
    fold: Ints  # (m,)
    path: Ints  # (m,) how many folds before this one tested the row
    chosen: tuple[Ints, ...]  # per fold, valid rows to take thresholds from
    trained: tuple[NDArray[np.float32], ...]  # per fold, y of the valid training rows
    ts: Ints  # (m,)
    instrument: Ints  # (m,)
    y: NDArray[np.float32]  # (m,)
    move: NDArray[np.float32]  # (m,)
    blocks: significance.Blocks | None
    symbols: tuple[str, ...]
    regime: Ints  # (m,) or empty
    regimes: tuple[str, ...]

    @property
    def classes(self) -> Ints:
        """(m,) y of a target with classes."""
        return self.y.astype(np.int64)

    @property
    def counted(self) -> int:
        """The n of the score: rows that moved, of a direction; each once."""
        y = self.y[self.once]
        return int((y != FLAT).sum()) if self.target.directed else len(y)

    @property
    def once(self) -> Bools:
        """(m,) of each row its first test."""
        return np.asarray(self.path == 0)

    @property
    def paths(self) -> int:
        """How often every row was tested; 1 where some were tested more often than others."""
        times = np.bincount(self.path)
        return len(times) if len(times) and (times == times[0]).all() else 1

    def relabelled(self, order: Ints) -> "Sample":
        """The same rows with each other's outcomes, and nothing to resample."""
        return replace(self, y=self.y[order], move=self.move[order], blocks=None)


class Said(NamedTuple):
    """A forecast of the m rows."""

    p: Floats  # (m, 3)
    value: Floats  # (m,)
    silent: int  # rows it was not ready for: they count as ties, so silence buys nothing


def sample(labels: Labels, index: Index, folds: Sequence[Masks], t: int, seed: int) -> Sample:
    """The valid test rows of target t. Raises InputError for a class that is none."""
    valid = labels.valid[:, t]
    tests = [np.flatnonzero(f.test[:, t] & valid) for f in folds]
    rows = np.concatenate([np.zeros(0, np.int64), *tests])
    fold = np.repeat(np.arange(len(folds)), [len(r) for r in tests])
    order = np.argsort(index.ts[rows], kind="stable")
    rows, fold = rows[order], fold[order]
    target, y = labels.targets[t], labels.y[rows, t]
    if target.kind != "magnitude" and not np.isin(y, (0, 1, 2)).all():
        raise InputError(f"{target}: a label that is not 0 (down), 1 (flat) or 2 (up)")
    ts = index.ts[rows]
    return Sample(
        target,
        t,
        rows,
        fold,
        path(rows, fold),
        tuple(np.flatnonzero(f.choose[:, t] & valid) for f in folds),
        tuple(labels.y[f.train[:, t] & valid, t] for f in folds),
        ts,
        index.instrument[rows],
        y,
        labels.move[rows, t],
        significance.blocks(ts, target.horizon_ns, seed=seed),
        index.symbols,
        np.zeros(0, np.int64) if index.regime is None else index.regime[rows],
        index.regimes,
    )


def path(rows: Ints, fold: Ints) -> Ints:
    """(m,) how many folds before `fold` (m,) tested the same row."""
    order = np.lexsort((fold, rows))
    at, out = np.arange(len(rows)), np.zeros(len(rows), np.int64)
    first = np.diff(rows[order], prepend=-1) != 0
    out[order] = at - np.maximum.accumulate(np.where(first, at, 0))
    return out


def said(name: str, forecasts: Sequence[Forecast], of: Sample) -> Said:
    """What one model said, its fold's forecast for each row. Raises InputError."""
    p, value = np.full((len(of.rows), 3), 1 / 3), np.zeros(len(of.rows))
    silent = 0
    for k, forecast in enumerate(forecasts):
        here = np.flatnonzero(of.fold == k)
        p[here], value[here], ready = spoken(name, forecast, of.rows[here], of)
        silent += int((~ready).sum())
    return Said(p, value, silent)


def spoken(name: str, forecast: Forecast, rows: Ints, of: Sample) -> tuple[Floats, Floats, Bools]:
    """p (k, 3), value (k,), ready (k,) of the sample's target at `rows` (k,).

    A third each and 0 where the model was not ready. Raises InputError for what is no number
    and for what are no probabilities (a magnitude's are not looked at).
    """
    ready = forecast.ready[rows, of.column]
    p = np.where(ready[:, None], forecast.proba[rows, of.column], 1 / 3)
    value = np.where(ready, forecast.value[rows, of.column], 0.0)
    wrong = ~np.isfinite(value)
    if of.target.kind != "magnitude":
        wrong |= ~((p >= 0).all(axis=1) & (np.abs(p.sum(axis=1) - 1) < SUM))
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"model {name!r}, {of.target}, row {rows[k]}: p {p[k].tolist()}, value {value[k]}; "
            "give three probabilities that sum to 1 and a finite value"
        )
    return p, value, ready
