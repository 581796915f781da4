"""Columns on disk that grow: .npy files, appended piece by piece, every piece with its SHA-256.

`numpy.load(path, mmap_mode="r")` opens them as well. Pieces are hashed when they are first read,
so that damage is found and never learned from, and windows are read without the rest.
"""

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.store.atomic import sync, unwritable
from flowsense.store.room import Room


class Piece(NamedTuple):
    rows: int
    sha256: str


class Column(NamedTuple):
    """One file: what a row of it is, and the pieces that it was appended in."""

    dtype: np.dtype[Any]
    width: tuple[int, ...]  # shape of one row
    pieces: tuple[Piece, ...] = ()

    @property
    def rows(self) -> int:
        return sum(piece.rows for piece in self.pieces)

    @property
    def size(self) -> int:
        """Bytes of a row."""
        return self.dtype.itemsize * int(np.prod(self.width, dtype=np.int64))


Columns = dict[str, Column]


def header(column: Column, rows: int) -> bytes:
    """As long for any number of rows: numpy leaves room for it to grow."""
    out = BytesIO()
    descr = npy.dtype_to_descr(column.dtype)
    about = {"descr": descr, "fortran_order": False, "shape": (rows, *column.width)}
    npy.write_array_header_1_0(out, about)
    return out.getvalue()


class Writer:
    """Appends to the columns of a folder; what a crash leaves behind the last seal is cut off."""

    def __init__(self, folder: Path, columns: Mapping[str, Column]) -> None:
        """Goes on where `columns` end. Raises InputError where nothing can be written."""
        self.folder, self.columns = folder, dict(columns)
        self.files: dict[str, BinaryIO] = {}
        try:
            for name, column in self.columns.items():
                self.files[name] = self._opened(name, column)
        except OSError as error:
            raise unwritable(folder, error) from error

    def _opened(self, name: str, column: Column) -> BinaryIO:
        path = self.folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("r+b" if path.exists() else "w+b")
        if column.rows == 0:
            file.write(header(column, 0))
        file.truncate(len(header(column, 0)) + column.rows * column.size)
        file.seek(0, os.SEEK_END)
        return file

    def append(self, name: str, values: NDArray[Any]) -> None:
        """One piece more. Raises InputError where it does not fit on the disk."""
        column = self.columns[name]
        data = np.ascontiguousarray(values, column.dtype).tobytes()
        try:
            self.files[name].write(data)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        piece = Piece(len(values), sha256(data).hexdigest())
        self.columns[name] = column._replace(pieces=(*column.pieces, piece))

    def seal(self) -> Columns:
        """Everything so far is on the disk when this returns. Raises InputError."""
        try:
            for name, file in self.files.items():
                file.flush()
                end = file.tell()
                file.seek(0)
                file.write(header(self.columns[name], self.columns[name].rows))
                file.seek(end)
                file.flush()
                os.fsync(file.fileno())
            for folder in {Path(file.name).parent for file in self.files.values()}:
                sync(folder)
        except OSError as error:
            raise unwritable(self.folder, error) from error
        return dict(self.columns)

    def close(self) -> None:
        for file in self.files.values():
            file.close()


class Stored:
    """The columns of a folder as `Writer` left them."""

    def __init__(self, folder: Path, columns: Mapping[str, Column]) -> None:
        """Raises InputError for a file that is missing, cut, or of other columns."""
        self.folder, self.columns = folder, dict(columns)
        self.right: set[tuple[str, int]] = set()  # pieces whose hash was found right
        for name, column in columns.items():
            path, first = self.path(name), header(column, column.rows)
            try:
                with path.open("rb") as file:
                    same = file.read(len(first)) == first
                    size = os.fstat(file.fileno()).st_size
            except OSError as error:
                raise InputError(f"{path}: {error.strerror}: prepare the rows again") from None
            expected = len(first) + column.rows * column.size
            if not same or size != expected:
                what = f"has {size} bytes, not {expected}" if same else "is of other columns"
                raise InputError(f"{path}: {what}: prepare the rows again")

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"

    def whole(self, name: str, room: Room) -> NDArray[Any]:
        """All rows of a column, every piece checked. Raises InputError on damage."""
        column = self.columns[name]
        for _ in self.read(name):
            pass
        shape = (column.rows, *column.width)
        return room.opened(self.path(name), column.dtype, shape, len(header(column, 0)))

    def read(self, name: str) -> Iterator[NDArray[Any]]:
        """Its pieces one after the other."""
        at = 0
        for k, piece in enumerate(self.columns[name].pieces):
            yield self.piece(name, k, at)
            at += piece.rows

    def piece(self, name: str, k: int, first: int) -> NDArray[Any]:
        """The rows of piece k, which begins at row `first`. Raises InputError on damage."""
        column = self.columns[name]
        rows, expected = column.pieces[k]
        if rows == 0:
            return np.zeros((0, *column.width), column.dtype)
        offset = len(header(column, 0)) + first * column.size
        file = np.memmap(self.path(name), column.dtype, "c", offset, (rows, *column.width))
        found = np.asarray(file).view(column.dtype)
        if (name, k) not in self.right:
            if sha256(found.reshape(-1).view(np.uint8).data).hexdigest() != expected:
                raise InputError(
                    f"{self.path(name)}: is damaged at row {first}: prepare the rows again"
                )
            self.right.add((name, k))
        return found


def encode(columns: Mapping[str, Column]) -> dict[str, list[list[Any]]]:
    """The pieces of each, as JSON holds them."""
    return {name: [list(piece) for piece in c.pieces] for name, c in columns.items()}


def decode(found: Any, columns: Mapping[str, Column]) -> Columns:
    """These columns with the pieces that `encode` told of. Raises what the constructors raise."""
    if set(found) != set(columns):
        raise ValueError(f"columns {', '.join(found)}")
    pieces = {
        name: tuple(Piece(abs(int(rows)), str(sha)) for rows, sha in found[name]) for name in found
    }
    return {name: column._replace(pieces=pieces[name]) for name, column in columns.items()}
