"""The table of side forecasts on one LOBSTER morning, made again by its own rule.

Boundaries every 100 ms from 09:32:00.0 to 14:29:00.0 New York; the first 70 % train (purged by
what is known at their end), the next 10 % stop, the last 20 % are scored once, on rows where the
target moves. The marks are what plain boosted trees reached on hand-made features (XGBoost,
depth 5, rate .05). A score is below its mark where its whole interval is.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result, recordings
from flowsense.errors import InputError
from flowsense.evaluate.scores import COVERAGES, conviction, hits
from flowsense.evaluate.significance import blocks, interval
from flowsense.features.catalogue import spec
from flowsense.forecast import FLAT, Forecast, Target
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.models import build
from flowsense.schema import MILLISECOND, SECOND
from flowsense.sources.open import open_source
from flowsense.train.dataset import Dataset, forecast, prepare

MIDNIGHT = 1_340_251_200 * SECOND  # 2012-06-21 00:00 in New York
FIRST, LAST = MIDNIGHT + 34_320 * SECOND, MIDNIGHT + 52_140 * SECOND
STEP = 100 * MILLISECOND
TRAIN, STOP = 0.7, 0.8  # shares of the boundaries, from the first
HORIZONS = ("100ms", "500ms", "1s", "5s")
MODELS = ("xgboost", "antisymmetric", "logistic", "vote")
CELLS = ("accuracy", "50%", "25%", "10%")

Marks = tuple[float, float, float, float]
MARKS: dict[tuple[str, str], tuple[tuple[int, Marks], ...]] = {
    ("GOOG", "mid"): (
        (1_181, (0.662, 0.731, 0.784, 0.790)),
        (5_126, (0.652, 0.727, 0.775, 0.811)),
        (9_228, (0.651, 0.721, 0.774, 0.815)),
        (25_548, (0.627, 0.696, 0.741, 0.770)),
    ),
    ("AMZN", "mid"): (
        (1_556, (0.611, 0.686, 0.761, 0.795)),
        (6_144, (0.589, 0.661, 0.721, 0.787)),
        (9_972, (0.566, 0.605, 0.688, 0.761)),
        (23_293, (0.566, 0.627, 0.674, 0.733)),
    ),
    ("GOOG", "ofi"): (
        (1_907, (0.597, 0.651, 0.694, 0.728)),
        (7_597, (0.594, 0.641, 0.665, 0.675)),
        (12_939, (0.600, 0.644, 0.686, 0.677)),
        (28_848, (0.578, 0.626, 0.600, 0.653)),
    ),
    ("AMZN", "ofi"): (
        (2_338, (0.565, 0.620, 0.672, 0.684)),
        (8_753, (0.566, 0.608, 0.651, 0.729)),
        (13_706, (0.546, 0.594, 0.637, 0.697)),
        (27_854, (0.511, 0.561, 0.611, 0.636)),
    ),
}


class Cell(NamedTuple):
    """One model on one target of one symbol."""

    rows: int  # moved test rows
    scores: dict[str, float]
    side_balanced: float
    ci95: dict[str, tuple[float, float] | None]


def run(models: tuple[str, ...] = MODELS, *, seed: int = 0) -> Result:
    """Every cell of the table beside its mark. Raises InputError where the recordings are not.

    `ratio` compares what is above one half, of our boosted trees with the marks, over all cells.
    """
    cells = {
        f"{symbol} {target}": {
            name: score(data, said, labels, j, seed) for name, said in forecasts.items()
        }
        for symbol, data, labels, forecasts in each(models, seed)
        for j, target in enumerate(labels.targets)
    }
    marks = dict(marked())
    ours = np.array([[c[models[0]].scores[k] for k in CELLS] for c in cells.values()])
    theirs = np.array([marks[name][1] for name in cells])
    metrics: dict[str, Any] = {
        name: {model: cell._asdict() for model, cell in found.items()}
        for name, found in cells.items()
    }
    metrics["below_mark"] = [
        f"{name} {k}" for name, found in cells.items() for k in below(found[models[0]], marks[name])
    ]
    baseline = {
        "name": "XGBoost, depth 5, rate .05, on hand-made features (table of marks)",
        **{
            name: {"rows": n, "scores": dict(zip(CELLS, m, strict=True))}
            for name, (n, m) in marks.items()
        },
    }
    return Result("evidence", metrics, baseline, float((ours - 0.5).mean() / (theirs - 0.5).mean()))


def each(
    models: tuple[str, ...], seed: int
) -> Iterator[tuple[str, Dataset, Labels, dict[str, Forecast]]]:
    """Symbol by symbol: rows, the labels of the scored rows, and every model's forecasts."""
    targets = tuple(Target.parse(f"{kind}@{h}") for kind in ("mid", "ofi") for h in HORIZONS)
    for symbol in ("GOOG", "AMZN"):
        data = prepare(open_source([recording(symbol)]), spec(), targets, start=FIRST, end=LAST + 1)
        fit, scored = split(data)
        forecasts = {}
        for name in models:
            model = build(name).fit(data, fit, seed=seed, budget=Budget())
            forecasts[name] = forecast(model, data)
        yield symbol, data, scored, forecasts


def recording(symbol: str) -> Path:
    """Of FLOWSENSE_DATA, by default beside the repository. Raises InputError."""
    folder = recordings() / "lobster"
    found = sorted(folder.glob(f"{symbol}_2012-06-21_34200000_52200000_message_*"))
    if not found:
        raise InputError(f"{folder}: no recording of {symbol} on 2012-06-21: set FLOWSENSE_DATA")
    return found[-1]


def split(data: Dataset) -> tuple[Labels, Labels]:
    """Labels to fit and stop on, and labels valid only on the scored rows."""
    boundaries = (LAST - FIRST) // STEP + 1
    train, stop = (FIRST + int(boundaries * share) * STEP for share in (TRAIN, STOP))
    labels, ts = data.labels, data.ts[:, None]
    fitted = (ts < train) & (labels.known_at <= train)
    stopped = (ts >= train) & (ts < stop) & (labels.known_at <= stop)
    scored = labels._replace(valid=labels.valid & (ts >= stop))
    return labels.to_fit(fitted, stopped), scored


def score(data: Dataset, said: Forecast, labels: Labels, j: int, seed: int) -> Cell:
    """By side, over the moved rows; intervals from blocks of time of all valid test rows."""
    rows = np.flatnonzero(labels.valid[:, j])
    y = labels.y[rows, j].astype(np.int64)
    p = said.proba[rows, j].astype(np.float64)
    moves, right = y != FLAT, hits(p, y)
    drawn = blocks(data.ts[rows], labels.targets[j].horizon_ns, seed=seed)
    scores, ci95 = {}, {}
    for name, share in zip(CELLS, COVERAGES, strict=True):
        taken = most_convinced(conviction(p), moves, share)
        scores[name] = float(right[taken].mean())
        both = np.stack([right * taken, taken], axis=1).astype(np.float64)
        sums = drawn.sums(both) if drawn else np.zeros((0, 2))
        ci95[name] = interval(sums[:, 0] / np.maximum(sums[:, 1], 1.0)) if drawn else None
    up = p[:, 2] > p[:, 0]
    sides = [right[moves & side].mean() for side in (up, ~up) if (moves & side).any()]
    return Cell(int(moves.sum()), scores, float(np.mean(sides)), ci95)


def most_convinced(
    strength: NDArray[np.float64], moves: NDArray[np.bool_], share: float
) -> NDArray[np.bool_]:
    """That share of the moved rows, the earlier first where two are equally convinced."""
    at = np.flatnonzero(moves)
    order = at[np.argsort(-strength[at], kind="stable")]
    taken = np.zeros(len(moves), np.bool_)
    taken[order[: max(1, round(share * len(at)))]] = True
    return taken


def marked() -> Iterator[tuple[str, tuple[int, Marks]]]:
    for (symbol, kind), row in MARKS.items():
        for horizon, mark in zip(HORIZONS, row, strict=True):
            yield f"{symbol} {kind}@{horizon}", mark


def below(cell: Cell, mark: tuple[int, Marks]) -> list[str]:
    """The scores whose whole interval lies below the mark."""
    return [
        k
        for k, level in zip(CELLS, mark[1], strict=True)
        if (bounds := cell.ci95[k]) is not None and bounds[1] < level
    ]
