"""Every check of everything that is asked for, one finding after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowsense.errors import InputError
from flowsense.features.catalogue import CLOCKS, DEFAULT, MORE, spec
from flowsense.features.observed import PREFIX
from flowsense.forecast import Target
from flowsense.labels.stages import OUTCOMES, Stages
from flowsense.model import Model
from flowsense.models import MODELS
from flowsense.registry import load as load_named
from flowsense.registry import names
from flowsense.schema import MILLISECOND
from flowsense.sources import Told
from flowsense.testing.leaks.columns import check_columns
from flowsense.testing.leaks.findings import Finding
from flowsense.testing.leaks.future import check_families
from flowsense.testing.leaks.knowledge import check_stamps
from flowsense.testing.leaks.labels import check_label
from flowsense.testing.leaks.market import chunk_of
from flowsense.testing.leaks.models import BUDGET, check_fit, check_model_future, learning
from flowsense.testing.leaks.pipeline import check_schemes, check_shuffled, trained
from flowsense.testing.leaks.table import beside, load
from flowsense.testing.streams import Recording, tape_of
from flowsense.train.dataset import prepare
from flowsense.train.progress import Progress, silent

MEMORY_OF_THE_PAST = ("smoothed",)  # kinds that `walk` calls a leak, and rightly
HORIZON = 500 * MILLISECOND
EVENTS = 40_000  # of a recording that are looked at, about
STREAM, LABELLED, LEARNED, FORECAST = 4_000, 2_000, 9_000, 1_500  # events that each check reads
ROWS = 300  # at least, for the fits
CLOCK_OF_EVENTS = "events:7"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is judged. The defaults are everything that is registered, here and elsewhere."""

    families: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    points: int = 100  # after which features and forecasts get another future
    seed: int = 0


def every_family() -> tuple[str, ...]:
    return tuple(dict.fromkeys((*DEFAULT, *MORE, *names("feature", {}))))


def every_target() -> tuple[Target, ...]:
    """One of each kind but those that are there for comparison only."""
    return tuple(Target(k, HORIZON) for k in OUTCOMES if k not in MEMORY_OF_THE_PAST)  # type: ignore[arg-type]


def judge_code(
    recording: Recording, asked: Asked = Asked(), progress: Progress = silent
) -> Iterator[Finding]:
    """The stream's stamps, then families, labels, splits and models on it.

    Raises InputError for names that do not exist and recordings that are too short.
    """
    families = asked.families or every_family()
    observed = tuple(PREFIX + kind for kind in recording.kinds)
    features = spec(tuple(dict.fromkeys((*families, *observed))), (*CLOCKS, CLOCK_OF_EVENTS))
    targets = asked.targets or every_target()
    learners = [(name, tiny(name, bool(asked.models))) for name in asked.models or every_model()]
    progress("stream", 0, None)
    instruments = recording.instruments
    yield from check_stamps(instruments, chunk_of(recording, EVENTS))
    progress("families", 0, None)
    stream = chunk_of(recording, STREAM)
    yield from check_families(features, instruments, stream, asked.points, asked.seed)
    for k, target in enumerate(targets):
        progress(f"label {target}", k, len(targets))
        yield from check_label(target, instruments, chunk_of(recording, LABELLED), asked.seed)
    yield from check_learners(recording, learners, targets, asked, progress)


def check_learners(
    recording: Recording,
    learners: list[tuple[str, Model[Any] | str]],
    targets: tuple[Target, ...],
    asked: Asked,
    progress: Progress = silent,
) -> Iterator[Finding]:
    """Validation schemes, then each model: its forecasts, its fit, and the pipeline around it."""
    features, seed = spec(), asked.seed
    progress("splits", 0, None)
    data = prepare(recording, features, targets)
    if len(data) < ROWS:
        raise InputError(f"{recording.name}: {len(data)} rows are too few to fit on: record longer")
    yield from check_schemes(data, seed=seed)
    instruments = recording.instruments
    some = learning(features, instruments, chunk_of(recording, LEARNED), Stages(targets))
    tape = tape_of(features, instruments, chunk_of(recording, FORECAST))
    for k, (name, model) in enumerate(learners):
        progress(f"model {name}", k, len(learners))
        if isinstance(model, str):
            yield Finding("fit", name, False, f"not judged: {model}")
            continue
        fitted = model.fit(some, some.labels, seed=seed, budget=BUDGET)
        yield from check_model_future(name, fitted, tape, asked.points, seed)
        yield from check_fit(name, model, some, seed)
        yield check_shuffled(name, trained(model), data, seed)


def every_model() -> tuple[str, ...]:
    return names("model", MODELS)


def tiny(name: str, named: bool) -> Model[Any] | str:
    """The tiny configuration; where nobody asked for the model, why it cannot be built."""
    try:
        found: Model[Any] = load_named("model", name, MODELS).tiny()
    except InputError as error:
        if named:
            raise
        return str(error)
    return found


def judge_table(path: Path, prices: Told, families: tuple[str, ...] = ()) -> list[Finding]:
    """The columns of a Parquet file beside all that the prices give. Raises InputError."""
    table = load(path, prices.instruments)
    return check_columns(table, beside(table, prices, families or every_family()))
