"""Columns that are kept, by number: what is older makes room, and a hole stays a hole."""

from collections.abc import Sequence

import numpy as np

from flowsense.serve.board import wire
from flowsense.serve.board.columns import Column

TOGETHER = 600  # columns of a frame, at most


class Kept:
    """The last of one instrument."""

    def __init__(self, size: int) -> None:
        self.ring: list[Column | None] = [None] * size
        self.first = self.newest = -1  # that was ever put; -1: none

    def put(self, column: Column) -> None:
        self.first = column.number if self.first < 0 else self.first
        self.ring[column.number % len(self.ring)] = column
        self.newest = max(self.newest, column.number)

    def get(self, first: int, last: int) -> list[Column]:
        """Those kept with numbers from first to last, in order."""
        first = max(first, self.newest - len(self.ring) + 1)
        places = (self.ring[n % len(self.ring)] for n in range(first, min(last, self.newest) + 1))
        return [c for n, c in enumerate(places, first) if c is not None and c.number == n]


def holes(numbers: Sequence[int], first: int, last: int) -> list[tuple[int, int]]:
    """What these, rising, leave out of first to last: first and last of each hole."""
    ends = zip([first - 1, *numbers], [*numbers, last + 1], strict=True)
    return [(a + 1, b - 1) for a, b in ends if b - a > 1]


def frames(columns: Sequence[Column], bucket: int) -> list[bytes]:
    """As they are sent: of one instrument, in order."""
    parts = (columns[k : k + TOGETHER] for k in range(0, len(columns), TOGETHER))
    return [frame(part, bucket) for part in parts]


def frame(columns: Sequence[Column], bucket: int) -> bytes:
    head = np.zeros(1, wire.HEAD)
    head["kind"], head["version"], head["instrument"] = 1, wire.VERSION, columns[0].instrument
    head["count"], head["cells"], head["bucket"] = len(columns), wire.CELLS, bucket
    return head.tobytes() + b"".join(column.data for column in columns)
