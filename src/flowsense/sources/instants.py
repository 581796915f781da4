"""Bars and observations in chunks that hold all of an instant: what is of one time stays whole."""

from collections.abc import Iterator

import numpy as np

from flowsense.schema import Bars, Observations

CHUNK = 4096  # records: what fits the second-level cache


def instants(groups: Iterator[Bars | Observations], size: int = CHUNK) -> Iterator[Bars]:
    """The same records, in order of `ts_recv`, in chunks of about `size` that end with a time."""
    held: Bars | None = None
    for group in groups:
        records = group if held is None else np.concatenate([held, group]).view(group.dtype)
        ends = np.flatnonzero(records["ts_recv"][1:] != records["ts_recv"][:-1]) + 1
        start = 0
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
