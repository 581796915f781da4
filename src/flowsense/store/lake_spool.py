"""Records of many instruments, sorted by instrument on disk in memory that does not grow."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.store.lake_parts import PLACED, Placed

RUN = 1 << 17  # records in memory before they go to disk


class Run(NamedTuple):
    """Consecutive records on disk, those of each instrument together."""

    offset: int  # bytes
    instruments: NDArray[Any]  # (k,) rising
    starts: NDArray[Any]  # (k + 1,) records


class Spool:
    """Of one kind. The file has no name, so that nothing of it outlives the process."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.dtype, self.folder = PLACED[kind], folder
        self.rows, self.last = 0, -(2**63)
        self.held: list[Placed] = []
        self.waiting = 0
        self.runs: list[Run] = []
        self.file: Any = None

    def add(self, records: NDArray[Any], position: int) -> None:
        """Records with consecutive positions; later calls have later ones. Raises OSError."""
        if len(records) == 0:
            return
        placed = np.empty(len(records), self.dtype)
        placed["position"] = np.arange(position, position + len(records))
        placed["record"] = records
        self.held.append(placed)
        self.rows, self.last = self.rows + len(records), int(records["ts_recv"][-1])
        self.waiting += len(records)
        if self.waiting >= RUN:
            self.flush()

    def flush(self) -> None:
        if not self.held:
            return
        rows = np.concatenate(self.held)
        self.held, self.waiting = [], 0
        who = rows["record"]["instrument"]
        if who.min() != who.max():
            rows = rows[np.argsort(who, kind="stable")]
        if self.file is None:
            self.file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115  see close
        offset = self.file.seek(0, os.SEEK_END)
        self.file.write(rows.view(np.uint8).data)
        self.file.flush()
        found, starts = np.unique(rows["record"]["instrument"], return_index=True)
        self.runs.append(Run(offset, found, np.r_[starts, len(rows)]))

    def instruments(self) -> list[int]:
        """Of which there are records. Raises OSError."""
        self.flush()
        found: set[int] = set().union(*(run.instruments.tolist() for run in self.runs))
        return sorted(found)

    def of(self, instrument: int, size: int) -> Iterator[Placed]:
        """The records of an instrument, `size` at a time. Raises OSError."""
        held, n = list[Placed](), 0
        for run in self.runs:
            k = int(np.searchsorted(run.instruments, instrument))
            if k == len(run.instruments) or run.instruments[k] != instrument:
                continue
            held.append(self.read(run, k))
            n += len(held[-1])
            if n >= size:
                rows = np.concatenate(held)
                full = n - n % size
                yield from np.split(rows[:full], range(size, full, size))
                held, n = [rows[full:]], n - full
        if n:
            yield np.concatenate(held)

    def close(self) -> None:
        if self.file is not None:
            with suppress(OSError):  # of what a full disk did not take
                self.file.close()

    def read(self, run: Run, k: int) -> Placed:
        start, end = (int(at) * self.dtype.itemsize for at in run.starts[k : k + 2])
        data = os.pread(self.file.fileno(), end - start, run.offset + start)
        return np.frombuffer(data, self.dtype)
