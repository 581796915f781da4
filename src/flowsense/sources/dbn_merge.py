"""Several DBN files as one stream of messages: those that overlap in time are merged by it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.schema import NEVER
from flowsense.sources.dbn_files import pieces
from flowsense.sources.dbn_messages import Batch
from flowsense.sources.dbn_survey import File


class Cursor:
    """How far a file has been read: its batches that are not merged yet."""

    def __init__(self, file: File, size: int) -> None:
        self.batches, self.latest, self.ended = pieces(file.metadata.path, size), 0, False
        self.held = list[Batch]()

    @property
    def last(self) -> int:
        return int(self.held[-1].messages["ts_recv"][-1]) if self.held else -1

    @property
    def limit(self) -> int:
        """What is still to come is not before this."""
        return NEVER if self.ended else self.last

    def read_past(self, ts: int) -> None:
        """Until a message after ts is held, or there is no more."""
        while not self.ended and self.last <= ts:
            piece = next(self.batches, None)
            if piece is None:
                self.ended = True
            elif len(m := piece.batch.messages):
                m["ts_recv"] = np.maximum.accumulate(np.maximum(m["ts_recv"], self.latest))
                self.latest = int(m["ts_recv"][-1])
                self.held.append(piece.batch)

    def take(self, before: int) -> list[Batch]:
        """What is held and earlier than that."""
        ends = [int(np.searchsorted(b.messages["ts_recv"], before)) for b in self.held]
        taken = [b.take(slice(end)) for b, end in zip(self.held, ends, strict=True) if end]
        self.held = [
            b.take(slice(end, None))
            for b, end in zip(self.held, ends, strict=True)
            if end < len(b.messages)
        ]
        return taken


def merged(files: list[File], size: int) -> Iterator[Batch]:
    """At equal times in order of the files. Raises InputError."""
    waiting = sorted((f for f in files if f.first < NEVER), key=lambda f: f.first)
    ranks = {id(file): rank for rank, file in enumerate(files)}
    reading = list[tuple[int, Cursor]]()
    while waiting or reading:
        while waiting and waiting[0].first <= min((c.limit for _, c in reading), default=NEVER):
            file = waiting.pop(0)
            cursor = Cursor(file, size)
            cursor.read_past(file.first)
            reading = sorted([*reading, (ranks[id(file)], cursor)], key=lambda pair: pair[0])
        before = min(c.limit for _, c in reading)
        if len(reading) == 1 and (not waiting or waiting[0].first > before):
            before += 1  # nothing else is of that time
        parts = [part for _, c in reading for part in c.take(before)]
        for _, c in reading:
            c.read_past(before)
        reading = [(rank, c) for rank, c in reading if c.held]
        if parts:
            yield parts[0] if len(parts) == 1 else joined(parts)


def joined(parts: list[Batch]) -> Batch:
    """One batch in order of time."""
    messages: NDArray[Any] = np.concatenate([part.messages for part in parts])
    books = np.cumsum([0, *(len(part.books) for part in parts)])
    bars = np.cumsum([0, *(len(part.bars) for part in parts)])
    start = 0
    for k, part in enumerate(parts):
        mine = messages[start : start + len(part.messages)]
        mine["row"] += np.where(part.barred, bars[k], books[k])
        start += len(mine)
    order = np.argsort(messages["ts_recv"], kind="stable")
    return Batch.of(messages[order], [p.books for p in parts], [p.bars for p in parts])
