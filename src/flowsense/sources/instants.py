"""Records in chunks that part nothing: what is of one time, or one message, stays whole."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowsense.schema import LAST, Bars, Events, Observations

Ints = NDArray[np.int64]
R = TypeVar("R", bound=NDArray[Any])
CHUNK = 4096  # records: what fits the second-level cache


def instants(groups: Iterator[Bars | Observations], size: int = CHUNK) -> Iterator[Bars]:
    """The same records, in order of `ts_recv`, in chunks of about `size` that end with a time."""
    return cut(groups, lambda r: np.flatnonzero(r["ts_recv"][1:] != r["ts_recv"][:-1]) + 1, size)


def whole(groups: Iterator[Events], size: int = CHUNK) -> Iterator[Events]:
    """The same events in chunks of about `size`, none of which ends inside a message."""
    return cut(groups, lambda events: np.flatnonzero(events["bits"] & LAST) + 1, size)


def cut(groups: Iterator[R], ends_of: Callable[[R], Ints], size: int) -> Iterator[R]:
    """Where `ends_of` the records so far lets them, as soon as a chunk has `size`."""
    held: R | None = None
    for group in groups:
        records: Any = group if held is None else np.concatenate([held, group]).view(group.dtype)
        ends, start = ends_of(records), 0
        while len(ends) and ends[-1] - start >= size:
            stop = int(ends[np.searchsorted(ends, start + size)])
            yield records[start:stop]
            start = stop
        held = records[start:].copy()
    if held is not None and len(held):
        yield held


def repeated(records: Bars | Observations, fields: tuple[str, ...]) -> int | None:
    """The first record that agrees with one before it in all of the fields."""
    columns = [records[name] for name in fields]
    order = np.lexsort(columns[::-1])
    same = np.ones(max(len(records) - 1, 0), np.bool_)
    for column in columns:
        same &= np.diff(column[order]) == 0
    again = order[1:][same]
    return int(again.min()) if len(again) else None
