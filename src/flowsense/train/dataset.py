"""A recording folded once: its rows and labels in memory, as a Reader that any model can fit."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels, join
from flowsense.model import Model
from flowsense.schema import NEVER, QUOTE, SECOND, Instrument, Quotes, zeros
from flowsense.sources import Told, chunks
from flowsense.store.room import Room
from flowsense.tape import FeatureSpec, Tape
from flowsense.train.folding import Folding, merged
from flowsense.train.progress import Progress, silent
from flowsense.wall import Stopwatch

DIGESTED = ("ts", "instrument", "X", "valid")  # of the rows
SAID: tuple[tuple[tuple[int, ...], Any], ...] = (
    ((3,), np.float32),
    ((), np.float32),
    ((), np.bool_),
)
MEMORY = Room()


class Cost(NamedTuple):
    """What one stage took."""

    seconds: float
    events: int
    rows: int
    memory: int = 0  # bytes that the process held at its peak; 0: not told


class Data(Protocol):
    """Rows and labels, wherever they lie: a Reader whose rows can be found by time."""

    @property
    def spec(self) -> FeatureSpec: ...
    @property
    def instruments(self) -> tuple[Instrument, ...]: ...
    @property
    def name(self) -> str: ...  # of what was read
    @property
    def options(self) -> dict[str, str]: ...  # how it was read
    @property
    def told(self) -> Quotes: ...  # all, where they were kept
    @property
    def holds_events(self) -> bool: ...  # for models that read them
    @property
    def labels(self) -> Labels: ...
    @property
    def events(self) -> int: ...  # read to make it
    @property
    def cost(self) -> dict[str, Cost]: ...
    @property
    def ts(self) -> NDArray[np.int64]: ...  # (n,) of the decision rows
    @property
    def instrument(self) -> NDArray[np.int64]: ...  # (n,)
    @property
    def mid(self) -> NDArray[np.float64]: ...  # (n,) ticks, as of each row
    @property
    def digest(self) -> str: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Tape]: ...
    def between(self, start: int, end: int) -> Iterator[tuple[int, Tape]]: ...
    def release(self) -> None: ...


def digest(data: Iterable[Tape]) -> str:
    """Of every row, however they are cut into tapes."""
    parts = [blake2b(digest_size=16) for _ in DIGESTED]
    for tape in data:
        for part, name in zip(parts, DIGESTED, strict=True):
            part.update(np.ascontiguousarray(getattr(tape.rows[0], name)).data)
    return blake2b(b"".join(part.digest() for part in parts), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Dataset:
    """A Reader. `start` and `end` bound the rows that may be trained on or scored."""

    spec: FeatureSpec
    instruments: tuple[Instrument, ...]
    tapes: tuple[Tape, ...]
    labels: Labels
    events: int  # read to make it
    quotes: int
    cost: dict[str, Cost] = field(default_factory=dict)
    name: str = ""  # of what was read
    options: dict[str, str] = field(default_factory=dict)  # how it was read
    until: int = 0  # ns, of the last event
    told: Quotes = field(default_factory=lambda: zeros(QUOTE))  # all, where they were kept
    holds_events: bool = False

    def __iter__(self) -> Iterator[Tape]:
        return iter(self.tapes)

    def __len__(self) -> int:
        return len(self.labels.y)

    @property
    def ts(self) -> NDArray[np.int64]:
        """(n,) of the decision rows."""
        return self._column("ts")

    @property
    def instrument(self) -> NDArray[np.int64]:
        """(n,)"""
        return self._column("instrument")

    @property
    def X(self) -> NDArray[np.float32]:
        """(n, F) a copy; 0 where not `valid`."""
        return self._column("X")

    @property
    def valid(self) -> NDArray[np.bool_]:
        """(n, F)"""
        return self._column("valid")

    @property
    def mid(self) -> NDArray[np.float64]:
        """(n,) ticks, as of each row."""
        return np.concatenate([t.rows[0].quote["mid2"] for t in self.tapes]) / 2

    def _column(self, name: str) -> NDArray[Any]:
        return np.concatenate([getattr(t.rows[0], name) for t in self.tapes])

    @property
    def digest(self) -> str:
        """Of every row: the same data and configuration give the same digest."""
        return digest(self)

    def between(self, start: int, end: int) -> Iterator[tuple[int, Tape]]:
        """The tapes with a row in [start, end), and which row of all is the first of each."""
        at = 0
        for tape in self.tapes:
            ts = tape.rows[0].ts
            if len(ts) and ts[-1] >= start and ts[0] < end:
                yield at, tape
            at += len(ts)

    def release(self) -> None:
        """Nothing to give back: rows lie in memory."""


def prepare(
    source: Told,
    spec: FeatureSpec,
    targets: tuple[Target, ...],
    *,
    start: int = 0,
    end: int = NEVER,
    progress: Progress = silent,
    quotes: bool = False,
    events: bool = False,
) -> Dataset:
    """Fold a source into rows and labels. Rows outside [start, end) are kept but never valid.

    With `quotes`, and with targets that need them, every quote is kept; with `events`, every
    event, for models that read them. Raises InputError where no row falls due, or none of
    [start, end).
    """
    of = Folding(spec, source.instruments, targets, start, end, keep=events)
    tapes, labels, told = list[Tape](), list[Labels](), [zeros(QUOTE)]
    kept = quotes or needs_quotes(targets)
    reading, folding = Stopwatch(), Stopwatch()
    for chunk in reading.over(chunks(source)):
        with folding:
            for step in of.push(chunk):
                tapes.append(step.tape)
                labels.append(step.labels)
                if kept:
                    told.append(step.quotes)
        progress("reading", of.events, None)
        if of.enough(chunk.events):
            break
    labels.append(of.close())
    ensure_rows(of)
    cost = {
        "read": Cost(reading.seconds, of.events, 0),
        "rows": Cost(folding.seconds, of.events, of.rows),
    }
    name, table = source.name, source.instruments
    return Dataset(
        spec,
        table,
        merged(tapes),
        join(labels),
        of.events,
        of.quotes,
        cost,
        name,
        until=int(of.pending.now[0]),
        told=np.concatenate(told),
        holds_events=events,
    )


def needs_quotes(targets: tuple[Target, ...]) -> bool:
    """Whether the nulls of a target are made of quotes: that of a smoothed label is."""
    return any(target.kind == "smoothed" for target in targets)


def ensure_rows(of: Folding) -> None:
    """Raises InputError where there is nothing to learn from."""
    if of.rows == 0:
        raise InputError(f"{of.events} events give no row: no instrument has a book long enough")
    if of.inside == 0:
        first, last = of.span.tolist()
        raise InputError(unmet(first, last, of.end))


def unmet(first: int, last: int, end: int) -> str:
    """Where the rows are, ns, when none lies between start and end."""
    begins, ends = (f"{np.datetime64(ts // SECOND, 's')}Z" for ts in (first, last))
    span = f"begins at {begins}" if end <= first else f"is from {begins} to {ends}"
    return f"no row lies between start and end: the recording {span}, UTC: widen them"


def forecasts(
    model: Model[Any], data: Data, start: int = 0, end: int = NEVER
) -> Iterator[tuple[int, Forecast]]:
    """From an empty state, the first row of each tape that overlaps [start, end), and what is said.

    Begin early enough to warm the model up.
    """
    state = model.init(data.instruments)
    for first, tape in data.between(start, end):
        state, said = model.predict(state, tape)
        yield first, said


def forecast(model: Model[Any], data: Data, *, start: int = 0, end: int = NEVER) -> Forecast:
    """Of all n rows in order, from an empty state; silent outside [start, end) of time."""
    said = nothing(model.targets, len(data))
    for first, part in forecasts(model, data, start, end):
        put(said, slice(first, first + len(part.ready)), part)
    return said


def put(said: Forecast, rows: slice | NDArray[np.int64], part: Forecast) -> None:
    """Write what is said of these rows, without what it carries beside."""
    said.proba[rows], said.value[rows], said.ready[rows] = part.proba, part.value, part.ready


def nothing(targets: tuple[Target, ...], n: int) -> Forecast:
    """n rows on which a model is not ready."""
    said = unsaid(targets, n)
    said.proba[:] = np.float32(1 / 3)
    return said


def unsaid(targets: tuple[Target, ...], n: int, room: Room = MEMORY) -> Forecast:
    """n rows that nothing was asked of: zeros, which take no memory until they are written.

    Target by target, as they are scored; one array holds all, as there may be thousands of these.
    """
    sizes = [n * len(targets) * math.prod(more) * np.dtype(kind).itemsize for more, kind in SAID]
    parts = np.split(room.zeros((sum(sizes),), np.uint8), np.cumsum(sizes)[:-1])
    proba, value, ready = (
        part.view(kind).reshape(len(targets), n, *more).swapaxes(0, 1)
        for part, (more, kind) in zip(parts, SAID, strict=True)
    )
    return Forecast(targets, proba, value, ready)


def chained(parts: list[Forecast]) -> Forecast:
    """Consecutive forecasts as one, without what they carry beside."""
    proba, value, ready = (
        np.concatenate([getattr(p, k) for p in parts]) for k in ("proba", "value", "ready")
    )
    return Forecast(parts[0].targets, proba, value, ready)
