"""What a score prints: the entries of `metrics.json`, field for field. None is "no rows for it"."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import stdev
from typing import Any, Literal

from flowsense.evaluate.calibration import Band
from flowsense.evaluate.scores import Tradable
from flowsense.evaluate.significance import Interval

SCHEMA = 1  # of metrics.json and curves.json; readers refuse another
Number = float | None
Coverage = Mapping[str, Number]  # by share of the counted rows
Intervals = Mapping[str, Interval | None]  # by score; a coverage is "coverage@0.25"
Share = float | Literal["no skill to have"] | None


@dataclass(frozen=True, slots=True)
class Null:
    """A rule with no knowledge, or the ceiling, on the rows of the score it stands beside."""

    n: int
    accuracy: Number
    side_balanced: Number
    balanced_accuracy: Number
    macro_f1: Number
    mcc: Number
    log_loss: Number
    brier: Number
    ic: Number
    coverage: Coverage  # the rows of its own conviction; all rows share one if it has none
    same_rows: Coverage  # the very rows that the model took at each coverage
    difference: Intervals  # model minus this, paired; "same_rows@0.25" too


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one instrument or regime."""

    n: int
    accuracy: Number
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Fold:
    """The rows of one fold's test blocks, or of one path through all rows."""

    start: int  # ts of the first row scored, ns
    end: int  # and of the last
    n: int
    accuracy: Number
    side_balanced: Number
    log_loss: Number
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Score:
    """One model, one target with classes. n, accuracy, side_balanced, coverage: moved rows."""

    n: int
    accuracy: Number
    side_balanced: Number
    share_of_skill: Share
    balanced_accuracy: Number
    macro_f1: Number
    per_class: Mapping[str, Mapping[str, Number]]
    confusion: tuple[tuple[int, ...], ...]  # rows what came, columns what was called
    mcc: Number
    log_loss: Number
    brier: Number
    ece: Number
    ece_band: Band | None
    ic: Number
    coverage: Coverage
    tradable: Mapping[str, Tradable]
    ci95: Intervals
    nulls: Mapping[str, Null]
    ceiling: Null | None
    by_instrument: Mapping[str, Part]
    by_regime: Mapping[str, Part]
    folds: tuple[Fold, ...]
    paths: tuple[Fold, ...]  # of combinatorial folds: each forecasts every row once
    spread: Mapping[str, Number]  # standard deviation over the paths, else over the folds


@dataclass(frozen=True, slots=True)
class SizeNull:
    """A constant or a rule, on the rows of the size it stands beside."""

    n: int
    mae: Number
    rmse: Number
    ic: Number
    difference: Intervals  # model minus this, paired


@dataclass(frozen=True, slots=True)
class SizePart:
    """The rows of one instrument or regime."""

    n: int
    mae: Number
    rmse: Number
    ic: Number


@dataclass(frozen=True, slots=True)
class SizeFold:
    """The rows of one test block; start and end are ts of the first and last, ns."""

    start: int
    end: int
    n: int
    mae: Number
    rmse: Number
    ic: Number


@dataclass(frozen=True, slots=True)
class SizeScore:
    """One model, one magnitude, in ticks, over all valid rows."""

    n: int
    mae: Number
    rmse: Number
    ic: Number
    ci95: Intervals
    nulls: Mapping[str, SizeNull]
    ceiling: SizeNull | None
    by_instrument: Mapping[str, SizePart]
    by_regime: Mapping[str, SizePart]
    folds: tuple[SizeFold, ...]
    paths: tuple[SizeFold, ...]
    spread: Mapping[str, Number]


def spread(parts: Sequence[Fold] | Sequence[SizeFold], names: Sequence[str]) -> dict[str, Number]:
    """Standard deviation of each score over the parts that have it; empty for fewer than two."""
    found = {
        name: [x for part in parts if (x := getattr(part, name)) is not None] for name in names
    }
    return {name: stdev(x) for name, x in found.items() if len(x) > 1}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every model on every target, and what a reader should be warned of."""

    models: Mapping[str, Mapping[str, Score | SizeScore]]  # name, then "mid@500ms"
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, dict[str, Any]]:
        """The "models" of `metrics.json`."""
        return {
            name: {target: asdict(score) for target, score in scores.items()}
            for name, scores in self.models.items()
        }
