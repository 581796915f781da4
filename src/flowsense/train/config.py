"""What a run is asked to do, decoded once."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from flowsense.errors import InputError
from flowsense.features.catalogue import CLOCKS, DEFAULT
from flowsense.forecast import Target
from flowsense.registry import unknown
from flowsense.schema import DAY, NEVER, SECOND
from flowsense.sources.periods import period
from flowsense.train.schemes import parse
from flowsense.train.split import EMBARGO

Part = Literal["train", "validation", "test"]
HORIZONS = ("100ms", "500ms", "1s", "5s", "30s")
TARGETS = tuple(Target.parse(f"{kind}@{h}") for kind in ("mid", "ofi") for h in HORIZONS)

SETTLED = ("models", "families", "clocks")
TIMES = {  # options as text: the field that they are, and its unit in ns
    "budget": ("budget_s", SECOND),
    "train_window": ("train_ns", 1),
    "test_window": ("test_ns", 1),
    "embargo": ("embargo_ns", 1),
    "unscored": ("unscored_ns", 1),
}


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


def options_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `RunConfig`. Raises InputError for what is no option, with the closest."""
    found = dict[str, Any]()
    known = [f.name for f in fields(RunConfig) if f.name not in SETTLED]
    for name, value in given.items():
        if name in SETTLED:
            raise InputError(f"{name}: is settled by the recording: give it to `read`")
        if name in TIMES:
            field, unit = TIMES[name]
            if not isinstance(value, str):
                raise InputError(f"{name} {value!r}: write a time, like '5s'")
            found[field] = period(value) if unit == 1 else period(value) / unit
        elif name in known:
            found[name] = value
        else:
            raise InputError(unknown("option", name, (*TIMES, *known)))
    return found
