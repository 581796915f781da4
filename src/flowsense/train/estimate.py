"""What a run would take, from the first seconds of its recordings: nothing is assumed."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.schema import Events, Instrument
from flowsense.sources.position import Position
from flowsense.train.dataset import Dataset, prepare
from flowsense.train.read import Recording
from flowsense.wall import Stopwatch

ENOUGH = 1.0  # seconds of reading
COPIES = 4  # of the rows, at most at once: a fit joins them, scales them, keeps what it learns from
LOADED = 350_000_000  # bytes of the process before it reads anything


class Estimate(NamedTuple):
    """Of one recording. Numbers are None where its share that was read cannot be told."""

    share: float | None  # of the recording that was read for this; 1.0: all of it
    events: int | None
    rows: int | None
    seconds: float | None  # to read it and make its rows
    bytes: int | None  # of memory for its rows at the peak of a fit, LOADED apart


class First:
    """A source that ends once reading has taken some seconds."""

    def __init__(self, recording: Recording, seconds: float) -> None:
        self.recording, self.seconds = recording, seconds
        self.share: float | None = None

    @property
    def name(self) -> str:
        return self.recording.source.name

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self.recording.instruments

    def __iter__(self) -> Iterator[Events]:
        watch, position, events = Stopwatch(), Position(self.recording.files), 0
        for chunk in watch.over(self.recording.source):
            yield chunk
            events += len(chunk)
            share = position.share()  # while the files are open
            if watch.seconds > self.seconds:
                self.share = counted(self.recording, events) or share
                return
        self.share = 1.0


def counted(recording: Recording, events: int) -> float | None:
    """The share by rows, where all files say how many they have."""
    if not all(path.suffix in (".parquet", ".pq") for path in recording.files):
        return None
    rows = sum(pq.read_metadata(path).num_rows for path in recording.files)
    return min(events / rows, 1.0) if rows else None


def estimate(
    recording: Recording, targets: tuple[Target, ...], seconds: float = ENOUGH
) -> Estimate:
    """Reads for about so many seconds, all of it where that gives no row. Raises InputError."""
    first = First(recording, seconds)
    try:
        data = prepare(first, recording.spec, targets)
    except InputError:
        if first.share == 1.0:
            raise
        first = First(recording, float("inf"))
        data = prepare(first, recording.spec, targets)
    if first.share is None:
        return Estimate(None, None, None, None, None)
    times = 1 / first.share
    cost = sum(c.seconds for c in data.cost.values())
    return Estimate(
        first.share,
        round(data.events * times),
        round(len(data) * times),
        cost * times,
        round(held(data) * times * COPIES),
    )


def held(data: Dataset) -> int:
    """Bytes of rows and labels."""
    arrays: list[NDArray[np.generic]] = [a for tape in data.tapes for r in tape.rows for a in r]
    return sum(a.nbytes for a in (*arrays, *(x for x in data.labels if isinstance(x, np.ndarray))))
