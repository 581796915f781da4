"""Fitted models on disk, one checkpoint per name and fold, each whole or not there at all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from flowsense.errors import InputError
from flowsense.evaluate.stability import Reference
from flowsense.features.catalogue import spec
from flowsense.model import Model
from flowsense.model.calibrated import Calibrated
from flowsense.model.estimator import Estimator, unstorable
from flowsense.models.settings import kind_of, parts, rebuilt, settings
from flowsense.store import checkpoint
from flowsense.store.atomic import current
from flowsense.store.checkpoint import CheckpointError
from flowsense.tape import FeatureSpec
from flowsense.train.dataset import Cost, Data
from flowsense.train.material import Material
from flowsense.train.reference import reference

COST = "fit"  # its name among the metrics of a checkpoint
REFERENCE = "reference.npz"  # its name among the files of one


class Found(NamedTuple):
    model: Calibrated
    cost: Cost


class Kept(NamedTuple):
    """A checkpoint."""

    model: Calibrated
    manifest: checkpoint.Manifest
    reference: Reference | None  # what its columns were distributed like, where enough was known


@dataclass(frozen=True)
class Shelf:
    """``checkpoints/NAME`` of the last fold, ``folds/K/NAME`` of those before it."""

    folder: Path
    of: Material
    seed: int

    def place(self, name: str, k: int) -> Path:
        last = k == len(self.of.folds) - 1
        return self.folder / (f"checkpoints/{name}" if last else f"folds/{k + 1}/{name}")

    def load(self, name: str, k: int, asked: Model[Any]) -> Found | None:
        """None where it is not fitted yet. Raises CheckpointError for damage, and for what differs.

        `asked` is the model that is to lie there, fitted.
        """
        place = self.place(name, k)
        if not current(place).exists():
            return None
        manifest, params, _ = checkpoint.load(place, self.of.learn.spec.digest)
        if (manifest.model, manifest.config) != (kind_of(asked), settings(asked)):
            raise CheckpointError(f"{place}: is of another model or of other settings: remove it")
        model = Calibrated(rebuilt(manifest.model, manifest.config)).load(params)
        if model.targets != self.of.labels.targets:
            raise CheckpointError(f"{place}: is of other targets: remove it")
        return Found(model, Cost(*manifest.metrics[COST]))

    def save(self, name: str, k: int, model: Calibrated, cost: Cost) -> None:
        """It is done when this returns. Raises InputError for what no checkpoint can hold."""
        if why := unstored(model):
            raise InputError(f"{name}: {why}: `flowsense run` can use it")
        save_model(self.of, k, model, self.place(name, k), self.seed, {COST: list(cost)})


def save_model(
    of: Material,
    k: int,
    fitted: Calibrated,
    folder: Path,
    seed: int,
    metrics: dict[str, Any],
) -> None:
    """What was fitted on fold k."""
    trained = of.index.ts[of.folds[k].train.any(axis=1)]
    keep(folder, fitted, of.learn, (int(trained.min()), int(trained.max()) + 1), seed, metrics)


def keep(
    folder: Path,
    fitted: Calibrated,
    data: Data,
    trained: tuple[int, int],
    seed: int,
    metrics: dict[str, Any],
) -> None:
    """A checkpoint of what has learned from the rows of `trained`, ns, [first, last)."""
    manifest = checkpoint.Manifest(
        model=kind_of(fitted.model),
        config=settings(fitted.model),
        spec=data.spec,
        targets=fitted.targets,
        instruments=data.instruments,
        trained=trained,
        seed=seed,
        metrics=metrics,
    )
    known = reference(data, trained)
    files = {} if known is None else {REFERENCE: checkpoint.pack(known.arrays())}
    checkpoint.save(folder, manifest, fitted.params(), files)


def load_model(folder: str | Path) -> tuple[Calibrated, FeatureSpec]:
    """A fitted model of a run's `checkpoints`, and the features that it reads.

    Raises CheckpointError for what is damaged or of another version, before it is parsed.
    """
    kept = fitted(Path(folder))
    return kept.model, kept.manifest.spec


def fitted(folder: Path) -> Kept:
    """The same, and all that is known of it. Raises CheckpointError."""
    manifest, params, files = checkpoint.load(folder)
    now = spec(tuple(f for f, _ in manifest.spec.versions), manifest.spec.clocks)
    if now.digest != manifest.spec.digest:
        raise CheckpointError(f"{folder}: was trained on features that have changed: train again")
    model = Calibrated(rebuilt(manifest.model, manifest.config)).load(params)
    return Kept(model, manifest, known(folder, files, len(now.columns)))


def known(folder: Path, files: dict[str, bytes], columns: int) -> Reference | None:
    """Raises CheckpointError for what is none."""
    if REFERENCE not in files:
        return None
    try:
        return Reference.load(checkpoint.unpack(files[REFERENCE]), columns)
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: {REFERENCE} {error}") from error


def chosen(given: Path) -> Path:
    """The checkpoint that is named, or the one that a run chose. Raises InputError."""
    if (given / "manifest.json").is_file() and not (given / "metrics.json").is_file():
        return given
    metrics = given / "metrics.json"
    if not metrics.is_file():
        raise InputError(f"{given}: is neither a run nor one of its checkpoints: name one")
    place = given / "checkpoints" / str(orjson.loads(metrics.read_bytes())["chosen"])
    if not place.is_dir():
        raise InputError(f"{given}: its choice was not saved: name one of its checkpoints")
    return place


def unstored(model: Model[Any]) -> str:
    """Why no checkpoint can hold it, or a part of it; empty where one can."""
    if isinstance(model, Calibrated):
        return unstored(model.model)
    if isinstance(model, Estimator):
        return "" if model.storable else unstorable(model.name)
    if not kind_of(model):
        return (
            f"{type(model).__name__}: is not registered, so no checkpoint of it is kept; name it "
            "as an entry point of flowsense.models"
        )
    return next(filter(None, map(unstored, parts(model))), "")
