"""Per-row numbers whose sums are the scores: whole, in part, or resampled, by the same formulas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.evaluate import classes, scores, significance
from flowsense.evaluate.scores import COVERAGES, Bools, Classes, Floats, number, ratio
from flowsense.forecast import FLAT, Kind

Sums = Mapping[str, Floats]  # each (...)
CELLS = tuple(f"cell{k}" for k in range(9))


@dataclass(frozen=True, slots=True)
class Tally:
    """Columns by name, one number a row; what is yes or no takes a byte."""

    columns: Mapping[str, NDArray[Any]]  # (n,) each

    @property
    def total(self) -> Sums:
        return {name: x.sum(dtype=np.float64) for name, x in self.columns.items()}

    def of_rows(self, which: Bools) -> "Tally":
        return Tally({name: x[which] for name, x in self.columns.items()})

    def resampled(self, blocks: significance.Blocks) -> Sums:
        return {name: blocks.sum(x) for name, x in self.columns.items()}


@dataclass(frozen=True, slots=True)
class Calls:
    """What a forecast of three classes comes to, before anything is summed."""

    counts: Bools  # (n,) the row is one of n: it moved; every row of a regime
    right: Floats  # (n,) 1, 0.5 or 0
    strength: Floats  # (n,) conviction; probability of the called class of a regime
    side: Classes  # (n,) -1, 0, 1; zeros of a regime

    @classmethod
    def of(cls, kind: Kind, p: Floats, y: Classes) -> "Calls":
        if kind == "regime":
            right = (classes.called(p) == y).astype(float)
            return cls(np.ones(len(y), np.bool_), right, p.max(axis=1), np.zeros_like(y))
        return cls(y != FLAT, scores.hits(p, y), scores.conviction(p), scores.side(p))

    def of_rows(self, which: Bools) -> "Calls":
        return Calls(self.counts[which], self.right[which], self.strength[which], self.side[which])

    def coverage(self) -> dict[str, float | None]:
        """Accuracy at each share of the counted rows, by strength."""
        taken = {str(share): self.chosen(share) for share in COVERAGES}
        return {share: number(ratio((w * self.right).sum(), w.sum())) for share, w in taken.items()}

    def chosen(self, share: float) -> Floats:
        """(n,) weight of each row among the share of counted rows with the most strength."""
        weight = np.zeros(len(self.counts))
        weight[self.counts] = scores.most(self.strength[self.counts], share)
        return weight


def directions(
    calls: Calls, p: Floats, y: Classes, value: NDArray[np.floating], move: NDArray[np.floating]
) -> Tally:
    """The columns of a forecast of three classes.

    The rows that a coverage takes, and ranks, are those of the whole sample in every
    resample: what the interval of a coverage leaves out is the wobble of its threshold.
    """
    up = (1 + calls.side) / 2 * calls.counts
    rose = y > FLAT
    columns: dict[str, NDArray[Any]] = {
        "n": calls.counts,
        "right": calls.right * calls.counts,
        "up": up,
        "up_right": up * rose,
        "down": calls.counts - up,
        "down_right": (calls.counts - up) * ~rose,
        "rows": np.ones(len(y), np.bool_),
        "surprise": scores.surprise(p, y),
        "squares": scores.squares(p, y),
    }
    cell = 3 * y + classes.called(p)
    columns |= {name: cell == k for k, name in enumerate(CELLS)}
    columns |= _correlation(value, move)
    for share in COVERAGES:
        weight = calls.chosen(share)
        columns |= {f"taken{share}": weight, f"taken_right{share}": weight * calls.right}
    return Tally(columns)


def magnitudes(value: NDArray[np.floating], y: NDArray[np.floating]) -> Tally:
    """The columns of a forecast of a size."""
    error = value.astype(float) - y
    columns = {"rows": np.ones(len(y), np.bool_), "error": np.abs(error), "squares": error**2}
    return Tally(columns | _correlation(value, y))


def direction_scores(s: Sums) -> dict[str, Floats]:
    """Every score of three classes from sums of any shape, NaN where undefined."""
    cells = np.stack([s[name] for name in CELLS], axis=-1)
    counts = cells.reshape(*cells.shape[:-1], 3, 3)
    balanced = (ratio(s["up_right"], s["up"]) + ratio(s["down_right"], s["down"])) / 2
    found = {
        "accuracy": ratio(s["right"], s["n"]),
        "side_balanced": balanced,
        "balanced_accuracy": classes.balanced_accuracy(counts),
        "macro_f1": classes.macro_f1(counts),
        "mcc": classes.mcc(counts),
        "log_loss": ratio(s["surprise"], s["rows"]),
        "brier": ratio(s["squares"], s["rows"]),
        "ic": _ic(s),
    }
    taken = {share: ratio(s[f"taken_right{share}"], s[f"taken{share}"]) for share in COVERAGES}
    return found | {f"coverage@{share}": x for share, x in taken.items()}


def magnitude_scores(s: Sums) -> dict[str, Floats]:
    """mae, rmse and ic from sums of any shape."""
    mae, mean_square = ratio(s["error"], s["rows"]), ratio(s["squares"], s["rows"])
    return {"mae": mae, "rmse": np.sqrt(mean_square), "ic": _ic(s)}


def mean_defined(found: Sequence[Floats]) -> Floats:
    """Mean over the runs in which the score is defined, NaN where none."""
    x = np.array(found)
    there = np.isfinite(x)
    return ratio(x[there].sum(), there.sum())


def _ic(s: Sums) -> Floats:
    """Pearson's correlation of the ranks."""
    x, y, n = s["x"], s["y"], np.maximum(s["rows"], 1)
    spread = np.maximum(s["xx"] - x * x / n, 0) * np.maximum(s["yy"] - y * y / n, 0)
    return ratio(s["xy"] - x * y / n, np.sqrt(spread))


def _correlation(value: NDArray[np.floating], move: NDArray[np.floating]) -> dict[str, Floats]:
    """Ranks are centred once, over the whole sample."""
    a, b = scores.centred_ranks(value), scores.centred_ranks(move)
    return {"x": a, "y": b, "xx": a * a, "yy": b * b, "xy": a * b}
