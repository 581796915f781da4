"""The table of side forecasts on one LOBSTER morning, made again by its own rule.

Boundaries every 100 ms from 09:32:00.0 to 14:29:00.0 New York; the first 70 % train (purged by
what is known at their end); of the next 10 % the first half stops fits and the second chooses the
model; the last 20 % are scored once, on rows where the target moves. The marks are what plain
boosted trees reached on hand-made features (XGBoost, depth 5, rate .05). GOOG, AMZN and AAPL are
read together, so that each knows its partners. A score is below its mark where its whole interval
is, above where its whole interval is above.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.bench import Result, recordings
from flowsense.errors import InputError
from flowsense.evaluate.scores import COVERAGES, conviction, hits, side_loss
from flowsense.evaluate.significance import Blocks, blocks, interval
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
TRAIN, CHOOSE, TEST = 0.7, 0.75, 0.8  # shares of the boundaries, from the first
SYMBOLS = ("GOOG", "AMZN", "AAPL")  # the last is a partner alone
HORIZONS = ("100ms", "500ms", "1s", "5s")
MODELS = ("pool", "xgboost", "lightgbm", "antisymmetric", "logistic")
NULL = "vote"
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
    above_vote: dict[str, float]  # its score minus that of the vote null, each on its own rows
    above_vote_ci95: dict[str, tuple[float, float] | None]  # paired


def run(models: tuple[str, ...] = MODELS, *, seed: int = 0) -> Result:
    """Every cell of the table beside its mark. Raises InputError where the recordings are not.

    `ratio` compares what is above one half, of the chosen model with the marks, over all cells.
    """
    data = market()
    fit, choose, scored = split(data)
    said = {
        name: forecast(build(name).fit(data, fit, seed=seed, budget=Budget()), data)
        for name in (*models, NULL)
    }
    best = min(models, key=lambda name: surprise(said[name], choose))
    cells = {name: cells_of(data, said, scored, name, seed) for name, _ in marked()}
    marks = dict(marked())
    ours = np.array([[c[best].scores[k] for k in CELLS] for c in cells.values()])
    theirs = np.array([marks[name][1] for name in cells])
    metrics: dict[str, Any] = {
        name: {model: cell._asdict() for model, cell in found.items()}
        for name, found in cells.items()
    }
    for word, stands in (("above_mark", above), ("below_mark", below)):
        metrics[word] = [f"{n} {k}" for n, c in cells.items() for k in stands(c[best], marks[n])]
    metrics["chosen"] = best
    baseline = {
        "name": "XGBoost, depth 5, rate .05, on hand-made features (table of marks)",
        **{
            name: {"rows": n, "scores": dict(zip(CELLS, m, strict=True))}
            for name, (n, m) in marks.items()
        },
    }
    return Result("evidence", metrics, baseline, float((ours - 0.5).mean() / (theirs - 0.5).mean()))


def market() -> Dataset:
    """Rows of all symbols, each beside the others. Raises InputError."""
    targets = tuple(Target.parse(f"{kind}@{h}") for kind in ("mid", "ofi") for h in HORIZONS)
    source = open_source([str(recording(symbol)) for symbol in SYMBOLS])
    return prepare(source, spec(), targets, start=FIRST, end=LAST + 1)


def surprise(said: Forecast, choose: Labels) -> float:
    """Mean log-loss of the side over the targets, on the rows that choose."""
    losses = [
        side_loss(said.proba[rows, j].astype(np.float64), choose.y[rows, j].astype(np.int64))
        for j, rows in enumerate(choose.valid.T)
    ]
    return float(np.mean([x for x in losses if x is not None]))


def cells_of(
    data: Dataset, said: dict[str, Forecast], scored: Labels, name: str, seed: int
) -> dict[str, Cell]:
    """Every model in one cell, beside the null."""
    symbol, target = name.split()
    j = scored.targets.index(Target.parse(target))
    who = [i.symbol for i in data.instruments].index(symbol)
    rows = np.flatnonzero(scored.valid[:, j] & (data.instrument == who))
    y = scored.y[rows, j].astype(np.int64)
    drawn = blocks(data.ts[rows], scored.targets[j].horizon_ns, seed=seed)
    each = {m: Beside.of(f.proba[rows, j].astype(np.float64), y, drawn) for m, f in said.items()}
    return {model: cell(one, each[NULL]) for model, one in each.items()}


class Beside(NamedTuple):
    """A model on the rows of a cell: scores, and the same of every draw of blocks."""

    rows: int
    scores: dict[str, float]
    side_balanced: float
    drawn: dict[str, NDArray[np.float64]]  # (draws,) empty where the span is too short

    @classmethod
    def of(cls, p: NDArray[np.float64], y: NDArray[np.int64], drawn: Blocks | None) -> "Beside":
        """By side, over the moved rows; blocks are of the time of all valid test rows."""
        moves, right, scores, again = y != FLAT, hits(p, y), {}, {}
        for name, share in zip(CELLS, COVERAGES, strict=True):
            taken = most_convinced(conviction(p), moves, share)
            scores[name] = float(right[taken].mean())
            both = np.stack([right * taken, taken], axis=1).astype(np.float64)
            sums = drawn.sums(both) if drawn else np.zeros((0, 2))
            again[name] = sums[:, 0] / np.maximum(sums[:, 1], 1.0)
        up = p[:, 2] > p[:, 0]
        sides = [right[moves & side].mean() for side in (up, ~up) if (moves & side).any()]
        return cls(int(moves.sum()), scores, float(np.mean(sides)), again)


def cell(one: Beside, null: Beside) -> Cell:
    """Intervals from the same draws for both."""

    def bounds(draws: NDArray[np.float64]) -> tuple[float, float] | None:
        return interval(draws) if len(draws) else None

    return Cell(
        one.rows,
        one.scores,
        one.side_balanced,
        {k: bounds(one.drawn[k]) for k in CELLS},
        {k: one.scores[k] - null.scores[k] for k in CELLS},
        {k: bounds(one.drawn[k] - null.drawn[k]) for k in CELLS},
    )


def recording(symbol: str) -> Path:
    """Of FLOWSENSE_DATA, by default beside the repository. Raises InputError."""
    folder = recordings() / "lobster"
    found = sorted(folder.glob(f"{symbol}_2012-06-21_34200000_52200000_message_*"))
    if not found:
        raise InputError(f"{folder}: no recording of {symbol} on 2012-06-21: set FLOWSENSE_DATA")
    return found[-1]


def split(data: Dataset) -> tuple[Labels, Labels, Labels]:
    """Labels to fit and stop on, and labels valid only on rows that choose, or are scored."""
    boundaries = (LAST - FIRST) // STEP + 1
    train, half, stop = (FIRST + int(boundaries * x) * STEP for x in (TRAIN, CHOOSE, TEST))
    labels, ts = data.labels, data.ts[:, None]
    fitted = (ts < train) & (labels.known_at <= train)
    stopped = (ts >= train) & (ts < half) & (labels.known_at <= half)
    chosen = (ts >= half) & (ts < stop) & (labels.known_at <= stop)
    choose = labels._replace(valid=labels.valid & chosen)
    scored = labels._replace(valid=labels.valid & (ts >= stop))
    return labels.to_fit(fitted, stopped), choose, scored


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
    return [k for k, level, (_, high) in bounded(cell, mark) if high < level]


def above(cell: Cell, mark: tuple[int, Marks]) -> list[str]:
    """The scores whose whole interval lies above the mark."""
    return [k for k, level, (low, _) in bounded(cell, mark) if low > level]


def bounded(
    cell: Cell, mark: tuple[int, Marks]
) -> Iterator[tuple[str, float, tuple[float, float]]]:
    for k, level in zip(CELLS, mark[1], strict=True):
        if (bounds := cell.ci95[k]) is not None:
            yield k, level, bounds
