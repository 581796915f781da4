"""What a run would take, from the first seconds of its recordings: nothing is assumed."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from flowsense.ensemble import Heard
from flowsense.ensemble.fallback import Fallback
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels
from flowsense.schema import NEVER, QUOTE, SECOND, WHOLE, Events, Instrument, zeros
from flowsense.sources.position import Position
from flowsense.sources.recorded import Recorded
from flowsense.train.dataset import Dataset, prepare, unmet
from flowsense.train.read import Recording
from flowsense.wall import Stopwatch

ENOUGH = 1.0  # seconds of reading
STEPS = 8  # by which the position in the files has moved: readers take a block at a time
COPIES = 4  # of the rows, at most at once: a fit joins them, scales them, keeps what it learns from
CHOICE = 0.05  # of the rows that are learned from, by which an ensemble is chosen
FEW, DRAWN = 200, 2_000  # rows by which it is measured
SAID = 17  # bytes of one forecast: three chances, a value, whether it is ready
LOADED = 350_000_000  # bytes of the process before it reads anything


class Estimate(NamedTuple):
    """Of one recording."""

    share: float  # of the recording that was read for this; 1.0: all of it
    events: int
    rows: int
    seconds: float  # to read it and make its rows
    bytes: int  # of memory for its rows at the peak of a fit, LOADED apart


class First:
    """A source that ends after some seconds of reading, once it is known how much is left."""

    def __init__(self, recording: Recording, seconds: float) -> None:
        self.recording, self.seconds = recording, seconds
        self.share = 1.0  # that was read, after a pass

    @property
    def name(self) -> str:
        return self.recording.source.name

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self.recording.instruments

    def __iter__(self) -> Iterator[Events]:
        """Position moves by blocks that readers take ahead, so that its pace counts, not itself."""
        watch, position, events = Stopwatch(), position_in(self.recording), 0
        marks: list[tuple[int, float]] = []
        for chunk in watch.over(self.recording.source):
            yield chunk
            events += len(chunk)
            at = position(events)
            if at is not None and (not marks or at > marks[-1][1]):
                marks.append((events, at))
            if watch.seconds > self.seconds and len(marks) > STEPS:
                (some, start), (more, end) = marks[0], marks[-1]
                self.share = min(events * (end - start) / (more - some), 1.0)
                return
        self.share = 1.0


def position_in(recording: Recording) -> Callable[[int], float | None]:
    """The share of the recording that is behind so many events; None: it cannot be told."""
    if isinstance(recording.source, Recorded):
        total = pq.read_metadata(recording.source.path).num_rows
        return lambda events: events / total
    files = Position(recording.files)
    return lambda _: files.share()


def estimate(
    recording: Recording,
    targets: tuple[Target, ...],
    seconds: float = ENOUGH,
    *,
    start: int = 0,
    end: int = NEVER,
) -> Estimate:
    """Reads for about so many seconds; all of it where that gives no row, or no pace to go by.

    Of the rows those in [start, end) are counted; what comes after them is not read. Raises
    InputError, also where none can be there.
    """
    first = First(recording, seconds)
    try:
        data = prepare(first, recording.spec, targets)
    except InputError:
        if first.share == 1.0:
            raise
        first = First(recording, float("inf"))
        data = prepare(first, recording.spec, targets)
    begins, last = int(data.ts[0]), int(data.ts[-1])
    if end <= begins or (first.share == 1.0 and start > last):
        raise InputError(unmet(begins, last, end))
    span = max((last - begins) / first.share, 1.0)
    until = min((end - begins) / span, 1.0)  # shares of the time that rows span
    inside = max(until - max(start - begins, 0) / span, 0.0)
    times, cost = until / first.share, sum(c.seconds for c in data.cost.values())
    return Estimate(
        first.share,
        round(data.events * times),
        round(len(data) * inside / first.share),
        cost * times,
        round(held(data) * times * COPIES),
    )


def held(data: Dataset) -> int:
    """Bytes of rows and labels."""
    arrays: list[NDArray[np.generic]] = [a for tape in data.tapes for r in tape.rows for a in r]
    return sum(a.nbytes for a in (*arrays, *(x for x in data.labels if isinstance(x, np.ndarray))))


class Hearing(NamedTuple):
    """Of an ensemble."""

    seconds: float  # to fit it once
    bytes: int  # of what its members say of all rows, and it


def hearing(models: int, targets: tuple[Target, ...], rows: int, tests: int) -> Hearing:
    """What an ensemble of so many models takes, by one that hears drawn forecasts of a few rows.

    rows are those that are learned from, tests those beside them.
    """
    n, kept = max(min(DRAWN, round(rows * CHOICE)), 1), rows * CHOICE
    told = labelled(targets, n)
    taught, watch = drawn(models, targets, n), Stopwatch()
    Fallback().fit(drawn(models, targets, FEW), labelled(targets, FEW))  # loads what it needs
    with watch, threadpool_limits(1, "blas"):
        Fallback().fit(taught, told)
    size = SAID * len(targets) * (models + 1) * (rows + tests)
    return Hearing(watch.seconds * kept / n, size)


def drawn(models: int, targets: tuple[Target, ...], n: int) -> Heard:
    """Forecasts that say nothing."""
    rng, names = np.random.default_rng(0), tuple(f"model {k}" for k in range(models))
    shape, ready = (n, len(targets)), np.ones((n, len(targets)), np.bool_)
    said = tuple(
        Forecast(
            targets,
            rng.dirichlet(np.ones(3), shape).astype(np.float32),
            rng.normal(size=shape).astype(np.float32),
            ready,
        )
        for _ in names
    )
    none, ts, quote = np.zeros((n, 0), np.float32), SECOND * np.arange(n), zeros(QUOTE, n)
    quote["ts"], quote["mid2"], quote["state"] = ts - 1, rng.integers(1_000, 1_100, n), WHOLE
    return Heard(names, said, ts, np.zeros(n, np.int64), none, quote)


def labelled(targets: tuple[Target, ...], n: int) -> Labels:
    """Outcomes of them, drawn too."""
    shape = (n, len(targets))
    y = np.random.default_rng(1).integers(0, 3, shape).astype(np.float32)
    known = np.repeat(SECOND * np.arange(1, n + 1)[:, None], len(targets), axis=1)
    return Labels(targets, y, y - 1, known, np.ones(shape, np.bool_), np.ones(shape, np.float32))
