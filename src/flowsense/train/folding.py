"""Records in, rows and their labels out: all that preparing a recording remembers in between."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.features.fold import Fold
from flowsense.features.fold import join as join_rows
from flowsense.forecast import Target
from flowsense.labels import Labels
from flowsense.labels.stages import Stages
from flowsense.schema import NEVER, Chunk, Events, Instrument, Quotes, checked
from flowsense.sources import NO_EVENTS
from flowsense.tape import FeatureSpec, Tape

LEAST = 8_192  # rows of a tape that is kept
Arrays = dict[str, NDArray[Any]]


class Step(NamedTuple):
    tape: Tape  # without quotes; where events are not kept, their count goes on in `event`
    quotes: Quotes
    labels: Labels  # of the rows whose horizons have passed meanwhile, in order of rows


class Folding:
    """Rows outside [start, end) are kept, but their labels are never valid."""

    def __init__(
        self,
        spec: FeatureSpec,
        instruments: tuple[Instrument, ...],
        targets: tuple[Target, ...],
        start: int = 0,
        end: int = NEVER,
        *,
        keep: bool = False,
    ) -> None:
        """`keep` events too, for models that read them."""
        self.fold, self.stage = Fold(spec, instruments), Stages(targets)
        self.start, self.end, self.keep = start, end, keep
        self.pending = self.stage.init()
        self.events = self.quotes = self.rows = self.inside = 0
        self.beside = np.zeros(2, np.int64)  # bars and observations
        self.span = np.array([NEVER, 0], np.int64)  # of rows, the first and the last
        self.ahead = np.zeros(3, np.int64)  # records of each kind that are pushed already

    def push(self, chunk: Chunk) -> Iterator[Step]:
        """Raises InputError for records that are none."""
        events = checked(chunk.events, len(self.fold.instruments))
        for tape in self.fold.push(events, chunk.bars, chunk.observations):
            ts = np.concatenate([self.pending.ts, tape.rows[0].ts])
            self.pending, labels = self.stage.fold(self.pending, tape)
            kept = tape._replace(quotes=tape.quotes[:0])
            if not self.keep:
                kept = without_events(kept, self.events)
            self.events += len(tape.events)
            self.quotes += len(tape.quotes)
            self.rows += len(tape.rows[0].ts)
            if len(tape.rows[0].ts):
                self.span = np.array([min(self.span[0], tape.rows[0].ts[0]), tape.rows[0].ts[-1]])
            self.inside += int(self._inside(tape.rows[0].ts).sum())
            yield Step(kept, tape.quotes, self._bounded(labels, ts[: len(labels.y)]))
        self.beside += len(chunk.bars), len(chunk.observations)

    def left(self, chunk: Chunk) -> Chunk:
        """What of a chunk from the start of the stream is left to push, after `restore`."""
        parts = []
        for k, records in enumerate(chunk):
            passed = min(int(self.ahead[k]), len(records))
            self.ahead[k] -= passed
            parts.append(records[passed:] if passed else records)
        return Chunk(*parts)

    def close(self) -> Labels:
        """The stream has ended: the labels of the rows that are left."""
        return self._bounded(self.stage.close(self.pending), self.pending.ts)

    def enough(self, events: Events) -> bool:
        """Whether nothing after these events changes a row or a label that may be used."""
        return len(events) > 0 and int(events["ts_recv"][-1]) >= self.end + self.stage.longest

    def _inside(self, ts: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.asarray((ts >= self.start) & (ts < self.end))

    def _bounded(self, labels: Labels, ts: NDArray[np.int64]) -> Labels:
        return labels._replace(valid=labels.valid & self._inside(ts)[:, None])

    def snapshot(self) -> Arrays:
        """Everything that later rows and labels depend on."""
        counts = np.array([self.events, self.quotes, self.rows, self.inside, *self.beside])
        pending = {f"pending/{name}": a for name, a in self.pending._asdict().items()}
        fold = {f"fold/{name}": a for name, a in self.fold.snapshot().items()}
        return fold | pending | {"counts": counts, "span": self.span}

    def restore(self, arrays: Arrays) -> None:
        """Go on where a snapshot was taken; `left` tells what of the stream is still to come.

        Raises InputError where it is of other features.
        """
        fold = {n.removeprefix("fold/"): a for n, a in arrays.items() if n.startswith("fold/")}
        self.fold.restore(fold)
        types = {name: a.dtype for name, a in self.pending._asdict().items()}
        found = {name: arrays[f"pending/{name}"].view(kind) for name, kind in types.items()}
        self.pending = self.pending._replace(**found)
        self.events, self.quotes, self.rows, self.inside, *beside = arrays["counts"].tolist()
        self.beside, self.span = np.array(beside, np.int64), arrays["span"]
        self.ahead = np.array([self.events, *beside], np.int64)


def without_events(tape: Tape, before: int) -> Tape:
    """Rows alone, their `event` counted from the start of the stream."""
    rows = tuple(r._replace(event=r.event + before) for r in tape.rows)
    return tape._replace(events=NO_EVENTS, rows=rows)


def merged(tapes: list[Tape], least: int = LEAST) -> tuple[Tape, ...]:
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
    """Consecutive tapes as one; `event` is counted from the first event that they hold."""
    names = ("events", "bars", "observations")
    held = {n: np.concatenate([getattr(tape, n) for tape in tapes]) for n in names}
    kept: dict[str, Any] = {n: a.view(getattr(tapes[0], n).dtype) for n, a in held.items()}
    before = np.cumsum([0, *(len(tape.events) for tape in tapes)]).tolist()
    moved = (
        [rows._replace(event=rows.event + n) for rows in tape.rows]
        for tape, n in zip(tapes, before, strict=False)
    )
    rows = tuple(join_rows(list(parts)) for parts in zip(*moved, strict=True))
    return tapes[0]._replace(**kept, rows=rows)
