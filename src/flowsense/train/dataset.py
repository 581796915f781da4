"""A recording folded once: its rows and labels in memory, as a Reader that any model can fit."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.fold import Chunks, Fold
from flowsense.features.fold import join as join_rows
from flowsense.forecast import Forecast, Target
from flowsense.labels import Labels, join
from flowsense.labels.stages import Stages
from flowsense.model import Model
from flowsense.schema import EVENT, NEVER, Instrument, Quotes, checked, zeros
from flowsense.tape import FeatureSpec, Tape
from flowsense.train.progress import Progress, silent
from flowsense.wall import Stopwatch

NO_EVENTS = zeros(EVENT)


class Cost(NamedTuple):
    """What one stage took."""

    seconds: float
    events: int
    rows: int


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
        of = blake2b(digest_size=16)
        for tape in self.tapes:
            for column in tape.rows[0][:4]:
                of.update(column.tobytes())
        return of.hexdigest()


def prepare(
    source: Chunks,
    spec: FeatureSpec,
    targets: tuple[Target, ...],
    *,
    start: int = 0,
    end: int = NEVER,
    progress: Progress = silent,
    quotes: list[Quotes] | None = None,
) -> Dataset:
    """Fold a source into rows and labels. Rows outside [start, end) are kept but never valid.

    Every quote goes to `quotes`, where it is given. Raises InputError where no row falls due, or
    none of [start, end).
    """
    fold, stage = Fold(spec, source.instruments), Stages(targets)
    pending, tapes, labels = stage.init(), list[Tape](), list[Labels]()
    reading, folding, events, told = Stopwatch(), Stopwatch(), 0, 0
    for chunk in reading.over(source):
        with folding:
            for tape in fold.push(checked(chunk, len(source.instruments))):
                pending, done = stage.fold(pending, tape)
                labels.append(done)
                told += len(tape.quotes)
                if quotes is not None:
                    quotes.append(tape.quotes)
                tapes.append(without_events(tape, events))
                events += len(tape.events)
        progress("reading", events, None)
        if len(chunk) and int(chunk["ts_recv"][-1]) >= end + stage.longest:
            break
    labels.append(stage.close(pending))
    joined = merged(tapes)
    rows = sum(len(t.rows[0].ts) for t in joined)
    cost = {"read": Cost(reading.seconds, events, 0), "rows": Cost(folding.seconds, events, rows)}
    if rows == 0:
        raise InputError(f"{events} events give no row: no instrument has a book long enough")
    name, table = source.name, source.instruments
    found = Dataset(spec, table, joined, join(labels), events, told, cost, name)
    inside = (found.ts >= start) & (found.ts < end)
    if not inside.any():
        raise InputError("no row lies between start and end: widen them")
    bounded = found.labels._replace(valid=found.labels.valid & inside[:, None])
    return replace(found, labels=bounded)


def without_events(tape: Tape, before: int) -> Tape:
    """Rows alone, their `event` counted from the start of the stream."""
    rows = tuple(r._replace(event=r.event + before) for r in tape.rows)
    return tape._replace(events=NO_EVENTS, quotes=tape.quotes[:0], rows=rows)


def merged(tapes: list[Tape], least: int = 8_192) -> tuple[Tape, ...]:
    """The same rows in fewer tapes; none is shorter than `least` rows but the last."""
    out, held, rows = list[Tape](), list[Tape](), 0
    for tape in tapes:
        held.append(tape)
        rows += len(tape.rows[0].ts)
        if rows >= least:
            out.append(one(held))
            held, rows = [], 0
    return (*out, one(held)) if held else tuple(out)


def one(tapes: list[Tape]) -> Tape:
    """Consecutive tapes without events as one; rows keep their instants apart by `event`."""
    clocks = zip(*(t.rows for t in tapes), strict=True)
    return tapes[0]._replace(rows=tuple(join_rows(list(parts)) for parts in clocks))


def forecast(model: Model[object], data: Dataset, *, start: int = 0, end: int = NEVER) -> Forecast:
    """Of all n rows in order, from an empty state; silent outside [start, end) of time.

    Only the tapes that overlap the span are read: begin early enough to warm the model up.
    """
    state, parts = model.init(data.instruments), list[Forecast]()
    for tape in data.tapes:
        ts = tape.rows[0].ts
        if len(ts) == 0:
            continue
        if ts[-1] < start or ts[0] >= end:
            parts.append(nothing(model.targets, len(ts)))
        else:
            state, said = model.predict(state, tape)
            parts.append(said)
    return chained(parts)


def nothing(targets: tuple[Target, ...], n: int) -> Forecast:
    """n rows on which a model is not ready."""
    shape = (n, len(targets))
    third = np.full((*shape, 3), 1 / 3, np.float32)
    return Forecast(targets, third, np.zeros(shape, np.float32), np.zeros(shape, np.bool_))


def chained(parts: list[Forecast]) -> Forecast:
    """Consecutive forecasts as one, without what they carry beside."""
    proba, value, ready = (
        np.concatenate([getattr(p, k) for p in parts]) for k in ("proba", "value", "ready")
    )
    return Forecast(parts[0].targets, proba, value, ready)
