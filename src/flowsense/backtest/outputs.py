"""Lines that are only ever added: cut back to what is known, compared when they come again."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import orjson
from numpy.typing import NDArray

from flowsense.backtest import FILL, MARK, Result
from flowsense.backtest.ticks import NO_FILLS, NO_MARKS, Backtest, joined
from flowsense.errors import InputError
from flowsense.schema import Instrument, zeros
from flowsense.store.atomic import unwritable
from flowsense.store.journal import write

BLOCK = 1 << 20  # bytes that are looked at at once
MANY = 4096  # records


class Lines:
    """A file of JSON lines, one for each record; where it ends is part of what is saved.

    Records are written field by field, floats so that they read back bit for bit, with the symbol
    of their instrument besides.
    """

    def __init__(
        self, path: Path, dtype: np.dtype[Any], instruments: tuple[Instrument, ...]
    ) -> None:
        self.path, self.dtype, self.instruments = path, dtype, instruments
        self.names = dtype.names or ()
        self.size, self.checksum = 0, 0
        self._file, self._since, self._was = -1, 0, b""

    def there(self) -> bool:
        """Whether anything is written."""
        return self.path.exists() and self.path.stat().st_size > 0

    def check(self, size: int, checksum: int) -> None:
        """Raises InputError where the first so many bytes are not those that were written."""
        found, left = 0, size
        if self.path.exists():
            with self.path.open("rb") as file:
                while left and (data := file.read(min(left, BLOCK))):
                    found, left = crc32(data, found), left - len(data)
        if left or found != checksum:
            raise InputError(f"{self.path}: is not as it was left: begin in another folder")
        self.size, self.checksum = size, checksum

    def open(self) -> None:
        """Cut back to what was checked. What was cut is remembered until `again`."""
        try:
            self.path.parent.mkdir(exist_ok=True)
            self._file = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o644)
            self._since = self.size
            self._was = os.pread(self._file, os.fstat(self._file).st_size, self.size)
            os.ftruncate(self._file, self.size)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def again(self) -> bool:
        """Whether lines that were cut came again as they were."""
        was, self._was = self._was, b""
        return os.pread(self._file, len(was), self._since) == was

    def add(self, records: NDArray[Any]) -> None:
        """Raises InputError where they cannot be written."""
        if not len(records):
            return
        data = b"".join(self._line(record) for record in records)
        try:
            write(self._file, data)
        except OSError as error:
            raise unwritable(self.path, error) from error
        self.size, self.checksum = self.size + len(data), crc32(data, self.checksum)

    def _line(self, record: np.void) -> bytes:
        fields = dict(zip(self.names, record.item(), strict=True))
        if "instrument" in fields:
            fields["symbol"] = self.instruments[fields["instrument"]].symbol
        return orjson.dumps(fields) + b"\n"

    def blocks(self) -> Iterator[NDArray[Any]]:
        """All records, so many at a time."""
        with self.path.open("rb") as file:
            while lines := list(islice(file, MANY)):
                fields = map(orjson.loads, lines)
                told = [tuple(line[name] for name in self.names) for line in fields]
                yield np.array(told, self.dtype)

    def records(self) -> NDArray[Any]:
        """All of them, in memory."""
        return np.concatenate([zeros(self.dtype), *self.blocks()]).view(self.dtype)

    def sync(self) -> None:
        """What was added survives the loss of power from here on."""
        os.fsync(self._file)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1


class Written:
    """What one arm leaves: its executions, and its account by the minute."""

    def __init__(self, folder: Path, instruments: tuple[Instrument, ...]) -> None:
        self.fills = Lines(folder / "fills.jsonl", FILL, instruments)
        self.marks = Lines(folder / "marks.jsonl", MARK, instruments)
        self.files = (self.fills, self.marks)
        self.executed = np.zeros(len(instruments), np.int64)  # (K,) lots, by the lines written

    def open(self) -> None:
        """After the files were checked."""
        for lines in self.files:
            lines.open()
        for fills in self.fills.blocks():
            self._count(fills)

    def take(self, run: Backtest) -> None:
        """All that a run has to tell; it forgets that."""
        fills, marks = joined(run.fills, NO_FILLS), joined(run.marks, NO_MARKS)
        run.fills, run.marks = [NO_FILLS], [NO_MARKS]
        self.fills.add(fills)
        self.marks.add(marks)
        self._count(fills)

    def _count(self, fills: NDArray[Any]) -> None:
        np.add.at(self.executed, fills["instrument"], fills["side"] * fills["lots"])

    def all(self, result: Result) -> Result:
        """The result of a run that forgot, with what it told."""
        marks = self.marks.records()
        marks = np.concatenate([marks[marks["ts"] < result.marks["ts"][0]], result.marks])
        return result._replace(marks=marks.view(MARK), fills=self.fills.records())
