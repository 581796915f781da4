"""Split, fit and score together: no training row may know a test row, shuffled labels no skill.

A pipeline that is given labels shuffled in time has nothing to learn: what it still gets right
beyond chance, it has from the test rows. Chance is what the same forecasts get right against the
same test labels, moved on in time by random amounts, so runs of equal labels stay runs.
Lopez de Prado 2018, ch. 7 (overlap and purging).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import DOWN, FLAT, UP, Forecast
from flowsense.labels import Labels
from flowsense.model import Model
from flowsense.schema import SECOND
from flowsense.testing.leaks.findings import Finding, found
from flowsense.testing.leaks.models import BUDGET
from flowsense.train.config import RunConfig
from flowsense.train.dataset import Dataset
from flowsense.train.material import material
from flowsense.train.schemes import Spans, cut
from flowsense.train.split import Split

PURGED, SHUFFLED = "purged", "shuffled"
SCHEMES = ("walk-forward", "time-series:3", "monte-carlo:3", "cpcv:4/2")
EMBARGO = 5 * SECOND  # of the schemes that train behind a test block, in a stream of minutes
MOVES = 200  # random amounts by which test labels are moved on
SURE, SIZE = 4.0, 0.03  # deviations above chance, and of accuracy, that both must be passed
FEWEST = 100  # test rows that moved
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Forecasts(NamedTuple):
    """What a pipeline says of all rows of a recording, and which of them it tests."""

    forecast: Forecast
    test: Bools  # (n, T)


Pipeline = Callable[[Dataset, int], Forecasts]  # a recording with its labels, and a seed


def trained(model: Model[Any]) -> Pipeline:
    """The pipeline of `flowsense run`: cut in time, purged, fitted, folded over the test rows."""

    def work(data: Dataset, seed: int) -> Forecasts:
        of = material(data, (), RunConfig(targets=data.labels.targets))
        fold = of.folds[-1]
        fitted = model.fit(of.learn, of.fit_labels(fold), seed=seed, budget=BUDGET)
        return Forecasts(of.forecast(fitted, fold), fold.test)

    return work


def check_shuffled(what: str, pipeline: Pipeline, data: Dataset, seed: int = 0) -> Finding:
    """With labels shuffled in time no pipeline is right more often than chance."""
    rng = np.random.default_rng(seed)
    labels = shuffled(data, rng)

    def law() -> str:
        forecast, test = pipeline(replace(data, labels=labels), seed)
        said = list[str]()
        for j, target in enumerate(forecast.targets):
            t = labels.targets.index(target)
            p = forecast.proba[:, j].astype(np.float64)
            side = np.sign(p[:, UP] - p[:, DOWN])
            rows = test[:, j] & labels.valid[:, t]
            if not target.directed or (labels.y[rows, t] != FLAT).sum() < FEWEST:
                continue
            accuracy, chance, spread = against_chance(side, labels.y[:, t], rows, data, rng)
            words = f"{target} {accuracy:.3f} where {chance:.3f} +- {spread:.3f} is chance"
            far = accuracy - chance > max(SURE * spread, SIZE)
            assert not far, f"labels shuffled in time are told right: {words}"
            said.append(words)
        return said[0] if said else "not judged: too few test rows move"

    return found(SHUFFLED, what, law)


def shuffled(data: Dataset, rng: np.random.Generator) -> Labels:
    """Blocks of ten horizons change places; what lies in one block stays side by side."""
    ts, order = data.ts, np.arange(len(data))
    length = 10 * max(t.horizon_ns for t in data.labels.targets)
    place = rng.permutation(int(np.ptp(ts)) // length + 1)[(ts - ts[0]) // length]
    for who in np.unique(data.instrument):
        mine = np.flatnonzero(data.instrument == who)
        order[mine] = mine[np.argsort(place[mine], kind="stable")]
    columns = {name: getattr(data.labels, name)[order] for name in ("y", "move", "valid", "weight")}
    return data.labels._replace(**columns)


def against_chance(
    side: NDArray[np.float64],
    y: NDArray[np.float32],
    rows: Bools,
    data: Dataset,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Accuracy of the side on moved rows; its mean and deviation with labels moved on in time."""
    parts = [np.flatnonzero(rows & (data.instrument == who)) for who in np.unique(data.instrument)]

    def accuracy(share: float) -> float:
        hits = moved = 0.0
        for mine in parts:
            real = np.roll(y[mine], int(share * len(mine))) - FLAT
            there = real != 0
            hits += float((0.5 + 0.5 * side[mine] * real)[there].sum())
            moved += float(there.sum())
        return hits / max(moved, 1.0)

    many = np.array([accuracy(share) for share in rng.uniform(0.05, 0.95, MOVES)])
    return accuracy(0.0), float(many.mean()), float(many.std())


def check_schemes(
    data: Dataset, schemes: tuple[str, ...] = SCHEMES, seed: int = 0
) -> list[Finding]:
    """`check_purged` of every validation scheme that the recording is long enough for."""
    ts, known_at, out = data.ts, data.labels.known_at, list[Finding]()
    for scheme in schemes:
        try:
            folds = cut(scheme, ts, known_at, Spans(embargo_ns=EMBARGO, seed=seed))
        except InputError:
            out.append(Finding(PURGED, scheme, False, "not judged: the recording is too short"))
        else:
            out.append(check_purged(scheme, folds, ts, known_at))
    return out


def check_purged(what: str, folds: tuple[Split, ...], ts: Ints, known_at: Ints) -> Finding:
    """No label that a fit or a choice reads overlaps one of a later use: spans [T, known_at]."""

    def law() -> str:
        rows = 0
        for k, fold in enumerate(folds, 1):
            for early, late in (("train", "test"), ("validation", "test"), ("train", "validation")):
                for t in range(known_at.shape[1]):
                    a, b = getattr(fold, early)[:, t], getattr(fold, late)[:, t]
                    row = overlapping(ts, known_at[:, t], a, b)
                    rows += int(a.sum())
                    assert row is None, (
                        f"fold {k}: row {row} of {early}, {ts[row]}, has a label known at "
                        f"{known_at[row, t]}, which overlaps those of {late}"
                    )
        return f"{len(folds)} folds, {rows} spans"

    return found(PURGED, what, law)


def overlapping(ts: Ints, known_at: Ints, a: Bools, b: Bools) -> int | None:
    """The first row of a (n,) whose label shares time with that of a row of b. ts ascending."""
    mine, begin = np.flatnonzero(a), ts[b]
    if not len(begin):
        return None
    end = np.maximum.accumulate(known_at[b])
    after = np.searchsorted(begin, ts[mine])  # of b, those that begin before
    inside = np.searchsorted(begin, known_at[mine], "right") > after
    reached = (after > 0) & (end[np.maximum(after - 1, 0)] >= ts[mine])
    bad = mine[inside | reached]
    return int(bad[0]) if len(bad) else None
