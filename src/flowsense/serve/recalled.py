"""A prediction of a recording, as of a time, and why it is what it is.

The recording is given to the model from its beginning. Where one of a live session says that
another model took over, so did the one that is asked: it is told what that one was told.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import Chunk, Instrument
from flowsense.serve import Explanation
from flowsense.serve.explaining import explained
from flowsense.serve.replayed import Served, served
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import Bench, Loaded


def recalled(
    bench: Bench, loaded: Loaded, recording: Iterable[Chunk], instrument: int, at: int
) -> Explanation:
    """Of the newest row of an instrument at or before a time, ns UTC.

    `sequence` counts rows from the beginning of the recording, as a pipeline that it is of did.
    Raises InputError where the recording has no such row.
    """
    span, told, found = Span(recording), 0, None
    for one in served(bench, lambda _: loaded, span):
        rows = one.decided.tape.rows[0]
        mine = np.flatnonzero((rows.instrument == instrument) & (rows.ts <= at))
        if len(mine):
            found = one, int(mine[-1]), told
        told += len(rows.ts)
        if len(rows.ts) and rows.ts[-1] > at:
            break
    if not span.holds(at):
        raise InputError(span.outside(at))
    if found is None:
        name = bench.table[instrument].symbol
        known = "nothing of it was known yet, give a later time"
        raise InputError(f"{name} has no row at or before {moment(at)}: {known}")
    return why(bench.table, *found)


def why(table: tuple[Instrument, ...], one: Served, r: int, before: int) -> Explanation:
    """Of row r of a tape, so many rows behind the first."""
    decisions = one.loaded.decisions
    version = one.loaded.about.version
    said = predictions(one.decided, table, decisions.risk, before + 1, version)
    return explained(said[r], one.decided, r, one.loaded)


class Span:
    """Chunks as they pass, and from when to when they are."""

    def __init__(self, recording: Iterable[Chunk]) -> None:
        self.recording = recording
        self.first = self.last = -1

    def __iter__(self) -> Iterator[Chunk]:
        for chunk in self.recording:
            ends = [x["ts_recv"][[0, -1]] for x in chunk if len(x)]
            if ends and self.first < 0:
                self.first = int(min(end[0] for end in ends))
            self.last = max([self.last, *(int(end[1]) for end in ends)])
            yield chunk

    def holds(self, ts: int) -> bool:
        return self.first <= ts <= self.last

    def outside(self, ts: int) -> str:
        for _ in self:  # to its end, which nobody has asked for yet
            pass
        span = f"it is from {moment(self.first)} to {moment(self.last)}"
        return f"{moment(ts)} lies outside of the recording: {span}"


def moment(ts: int) -> str:
    """ns UTC as ``2024-08-08T09:30:00.100000000Z``."""
    return f"{np.datetime64(ts, 'ns')}Z"
