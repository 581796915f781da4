"""`train` and `evaluate` apart: a folder of fitted models that grows, and its scores.

``train.json`` says what was asked; each model lies under ``checkpoints/`` as soon as it is
fitted, and is not fitted again. Nulls are learned beside. `evaluate` fits nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.models import ENSEMBLE, asked, unnamed
from flowsense.store.atomic import ensure_writable, replacing
from flowsense.store.room import Room
from flowsense.train.config import RunConfig
from flowsense.train.dataset import Data, prepare
from flowsense.train.estimate import estimate
from flowsense.train.fits import RULES, Bench, Models, ensure_held, reads_events
from flowsense.train.material import material
from flowsense.train.prepared import Prepared
from flowsense.train.preparing import ensure_same, prepare_rows
from flowsense.train.progress import Progress, silent
from flowsense.train.read import RESULTS, Recording
from flowsense.train.run import Run, config_of, models_of, scored, together, told
from flowsense.train.save import write_results
from flowsense.train.shelf import Shelf

PLAN = "train.json"
SMALL = 1 << 24  # bytes of all files: rows of these fit any memory
LARGE = 4_000_000_000  # bytes, as estimated, that rows and fits may take in memory
ENTRIES = 1 << 21  # rows times targets, beyond which arrays of all rows lie in files


@dataclass(frozen=True)
class Plan:
    """What was asked of a folder."""

    rows: tuple[tuple[str, str], ...]  # folder and digest: to learn from, then to test on
    config: RunConfig
    models: Models

    def body(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "kind": "flowsense.training",
            "rows": [list(pair) for pair in self.rows],
            "config": config_of(self.config, self.models),
        }


def load_plan(folder: Path) -> Plan:
    """Raises InputError for a folder that `train` did not write."""
    try:
        body = orjson.loads((folder / PLAN).read_bytes())
        told: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in body["config"].items()
        }
        config = RunConfig(**told | {"targets": tuple(map(Target.parse, told["targets"]))})
        rows = tuple((str(path), str(digest)) for path, digest in body["rows"])
        return Plan(rows, config, models_of(config))
    except OSError as error:
        why = f"{folder / PLAN}: {error.strerror}: name a folder that `flowsense train` made"
        raise InputError(why) from None
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / PLAN}: does not read ({error!r:.80}): train again") from None


def train(
    data: tuple[Prepared, ...],
    config: RunConfig,
    models: Models,
    folder: Path,
    *,
    progress: Progress = silent,
) -> Bench:
    """Fit every model of every fold on the first of `data`; the others are test recordings.

    What lies in the folder is kept, where it was asked for alike; models may be added, and one
    that refuses is not, where a group alone named it. Raises InputError, naming what differs.
    """
    plan = Plan(tuple((place(one, folder), one.digest) for one in data), config, models)
    if (folder / PLAN).exists():
        plan = joined(folder, load_plan(folder), plan)
    elif (folder / RESULTS).exists():
        raise InputError(f"{folder}: holds the results of a run: name another folder")
    spared = unnamed(config.models)
    ensure_held(data, {name: model for name, model in models.items() if name not in spared})
    ensure_writable(folder)
    bench = bench_of(data, plan, folder, progress)
    write_plan(folder, plan)
    bench.learn(asked(RULES) | dict(models))
    if bench.refused:
        kept = {name: one for name, one in plan.models.items() if name not in bench.refused}
        write_plan(folder, replace(plan, models=kept))
    return bench


def write_plan(folder: Path, plan: Plan) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / PLAN) as draft:
        draft.write_bytes(orjson.dumps(plan.body(), option=orjson.OPT_INDENT_2))


def joined(folder: Path, was: Plan, now: Plan) -> Plan:
    """What is asked now, and the models that were asked for before."""
    before, after = ([digest for _, digest in plan.rows] for plan in (was, now))
    ensure_same(folder, {"rows": before}, {"rows": after})
    ensure_same(folder, config_of(was.config, {}), config_of(now.config, {}))
    both = was.models.keys() & now.models.keys()
    texts = ({name: told(name, plan.models[name]) for name in sorted(both)} for plan in (was, now))
    ensure_same(folder, *texts)
    return replace(now, models=dict(was.models) | dict(now.models))


def evaluate(folder: Path, *, progress: Progress = silent) -> Run:
    """Forecast and score what `train` left there, and write the results of a run beside it.

    Raises InputError where rows have moved or changed, or where a fit is missing.
    """
    plan = load_plan(folder)
    data = tuple(Prepared(folder / path) for path, _ in plan.rows)
    for one, (path, digest) in zip(data, plan.rows, strict=True):
        if one.digest != digest:
            raise InputError(f"{folder / path}: other rows than were trained on: train again")
    bench = bench_of(data, plan, folder, progress)
    assert bench.shelf is not None
    for name in (*RULES, *plan.models):
        for k in range(len(bench.of.folds)):
            if not bench.shelf.place(name, k).exists():
                raise InputError(f"{folder}: {name} is not fitted yet: `flowsense train` goes on")
    run = scored(bench, plan.models)
    progress("saving", 0, None)
    if ENSEMBLE in run.fitted:
        cost, last = bench.cost[f"fit {ENSEMBLE}"], len(bench.of.folds) - 1
        bench.shelf.save(ENSEMBLE, last, run.fitted[ENSEMBLE], cost)
    files = {name: sha for one in data for name, sha in one.about.files.items()}
    write_results(run, folder, files)
    return run


@contextmanager
def folded(
    recordings: tuple[Recording, ...], config: RunConfig, beside: Path, progress: Progress = silent
) -> Iterator[tuple[Data, ...]]:
    """Rows and labels of each: in memory, or for a while in a folder `beside` where they are large.

    Raises InputError.
    """
    start, end, events = config.start, config.end, reads_events(models_of(config))
    if not large(recordings, config):
        made = (
            prepare(
                r.source,
                r.spec,
                config.targets,
                start=start,
                end=end,
                events=events,
                progress=progress,
            )
            for r in recordings
        )
        yield tuple(
            replace(one, options=r.options) for one, r in zip(made, recordings, strict=True)
        )
        return
    ensure_writable(beside)
    beside.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".flowsense-", suffix=".draft", dir=beside) as folder:
        yield tuple(
            prepare_rows(
                r,
                config.targets,
                Path(folder) / str(k),
                start=start,
                end=end,
                events=events,
                progress=progress,
            )
            for k, r in enumerate(recordings)
        )


def large(recordings: tuple[Recording, ...], config: RunConfig) -> bool:
    """Whether their rows are better not held in memory; told from their start."""
    if sum(path.stat().st_size for r in recordings for path in r.files) < SMALL:
        return False
    return sum(estimate(r, config.targets).bytes for r in recordings) > LARGE


def ensure_alike(data: tuple[Data, ...]) -> None:
    """Raises InputError where rows cannot be learned from together."""
    learn, *tests = data
    units = {(i.symbol, i.venue): (i.tick, i.lot) for i in learn.instruments}
    for test in tests:
        if test.spec != learn.spec or test.labels.targets != learn.labels.targets:
            raise InputError(f"{test.name}: has other features or targets: prepare it alike")
        for i in test.instruments:
            if units.get((i.symbol, i.venue), (i.tick, i.lot)) != (i.tick, i.lot):
                raise InputError(
                    f"{test.name}: {i.symbol} counts in other ticks or lots than in {learn.name}: "
                    "prepare both with --tick and --lot"
                )


def bench_of(data: tuple[Data, ...], plan: Plan, folder: Path, progress: Progress) -> Bench:
    """Arrays of all rows lie in files of the folder where they are large."""
    ensure_alike(data)
    learn, *tests = data
    folder.mkdir(parents=True, exist_ok=True)
    try:
        of = material(learn, tuple(tests), plan.config, room_for(data, folder))
    except InputError:
        with suppress(OSError):  # of a folder that holds something
            folder.rmdir()
        raise
    shelf = Shelf(folder, of, plan.config.seed)
    return Bench(of, plan.config, progress, together(data), shelf)


def room_for(data: tuple[Data, ...], folder: Path) -> Room:
    """Memory where that is little, else files in the folder."""
    entries = sum(len(one) * len(one.labels.targets) for one in data)
    return Room(folder if entries > ENTRIES else None)


def place(rows: Prepared, folder: Path) -> str:
    """Where rows are, as seen from the folder where they lie in it."""
    found, of = rows.folder.resolve(), folder.resolve()
    return str(found.relative_to(of) if found.is_relative_to(of) else found)
