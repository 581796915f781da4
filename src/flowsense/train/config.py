"""What a run is asked to do, decoded once."""

from dataclasses import dataclass
from typing import Literal, get_args

from flowsense.errors import InputError
from flowsense.features.catalogue import CLOCKS, DEFAULT
from flowsense.forecast import Target
from flowsense.schema import DAY, NEVER, SECOND
from flowsense.train.schemes import parse
from flowsense.train.split import EMBARGO

Part = Literal["train", "validation", "test"]
HORIZONS = ("100ms", "500ms", "1s", "5s", "30s")
TARGETS = tuple(Target.parse(f"{kind}@{h}") for kind in ("mid", "ofi") for h in HORIZONS)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Everything but the recordings. The defaults are those of ``flowsense run``."""

    models: tuple[object, ...] = ("fast",)  # names, fast, all, or estimators: `models.asked`
    families: tuple[str, ...] = DEFAULT
    clocks: tuple[str, ...] = CLOCKS
    targets: tuple[Target, ...] = TARGETS
    validation: str = "walk-forward"  # of `train.schemes`, where no test files are given
    split: Part = "test"  # the part that is scored, where no test files are given
    epochs: int = 1_000  # at most, of one fit; of trees and iterations likewise
    budget_s: float = 180.0  # for all fits and forecasts of one model
    seed: int = 0
    train_ns: int = 60 * DAY  # walk-forward windows, where the recording holds two
    test_ns: int = 7 * DAY
    embargo_ns: int = EMBARGO  # around test blocks that are trained behind as well
    start: int = 0  # ns UTC; rows before it are not used
    end: int = NEVER
    unscored_ns: int = 120 * SECOND  # of each test file, from its first row

    def __post_init__(self) -> None:
        if self.split not in get_args(Part):
            raise InputError(f"split {self.split!r}: write {', '.join(get_args(Part))}")
        parse(self.validation)
        if self.start >= self.end:
            raise InputError(f"start {self.start} is not before end {self.end}: swap them")
        for name in ("epochs", "budget_s", "train_ns", "test_ns"):
            if getattr(self, name) <= 0:
                raise InputError(f"{name} {getattr(self, name)}: must be above 0")
        for name in ("seed", "unscored_ns", "embargo_ns"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} {getattr(self, name)}: must not be negative")
