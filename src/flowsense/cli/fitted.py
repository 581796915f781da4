"""A fitted model that a command names, and a recording with the columns that it reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowsense.cli import reading
from flowsense.cli.trading import suits
from flowsense.errors import InputError

if TYPE_CHECKING:
    from flowsense.model.calibrated import Calibrated
    from flowsense.tape import FeatureSpec
    from flowsense.train.read import Recording


def checkpoint(given: Path) -> Path:
    """The model that is named, or the one that a run chose. Raises InputError."""
    from flowsense.train.shelf import chosen

    return chosen(given)


def opened(
    asked: Mapping[str, Any], sources: list[str], place: Path
) -> tuple["Calibrated", "Recording"]:
    """The model, and the recording with the columns that it reads. Raises InputError."""
    from flowsense.train.shelf import load_model

    fitted, spec = load_model(place)
    recording = recorded(asked, sources, place, spec)
    suits(asked, recording.instruments)
    return fitted, recording


def recorded(
    asked: Mapping[str, Any], sources: list[str], place: Path, spec: "FeatureSpec"
) -> "Recording":
    """With these columns, of the model that lies there. Raises InputError."""
    from flowsense.train.read import read

    families = tuple(name for name, _ in spec.versions)
    options = reading.options(asked) | {"families": families, "clocks": spec.clocks}
    recording = read(sources, **options)
    reads(place, families, recording)
    return recording


def reads(place: Path, families: tuple[str, ...], recording: "Recording") -> None:
    """Raises InputError where the recording holds nothing of what the model's columns are of."""
    from flowsense.features.catalogue import split
    from flowsense.sources import Broad, chunks
    from flowsense.train.read import bars_alone

    of, source = split(families), recording.source
    booked = (*of.events, *of.plain)
    if bars_alone(source):
        if booked and not of.bars:
            raise InputError(
                f"{source.name}: holds bars alone, and {place.name} reads a book "
                f"({booked[0]}): name a recording of the book"
            )
    elif of.bars and not booked:
        told = isinstance(source, Broad) and any(len(chunk.bars) for chunk in chunks(source))
        if not told:
            raise InputError(
                f"{source.name}: holds no bars, and {place.name} reads nothing else: name candles"
            )


def from_time(asked: str | None, model: Path) -> int:
    """ns from which orders are sent: as asked, or where what the last fold scored begins."""
    from flowsense.cli.settings import moment

    if asked is not None:
        return moment(asked)
    import numpy as np
    import pyarrow.parquet as pq

    run = model if (model / "metrics.json").is_file() else model.parent.parent
    files = sorted((run / "forecasts").glob("*.parquet"))
    if not files:
        raise InputError(f"{model}: nobody knows what it was fitted on: give --start")
    rows = [pq.read_table(file, columns=["ts", "fold"]) for file in files]
    ts, fold = (
        np.concatenate([table[name].cast("int64").to_numpy() for table in rows])
        for name in ("ts", "fold")
    )
    return int(ts[fold == fold.max()].min())
