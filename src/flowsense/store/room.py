"""Arrays with an entry for every row of a recording: in memory, or in files mapped into it.

Pages of a mapped file count as memory of the process until they are given back; `release` does
that, and whatever is read again comes from the file.
"""

import math
import mmap
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flowsense.store.atomic import unwritable

BLOCK = 1 << 16  # rows that are copied at a time
FILE = 1 << 28  # bytes of a file, at least; many arrays share one, as each open file is scarce
PAGES = 1 << 16  # bytes, of which an array in a file begins at a multiple


class Room:
    """With a folder, its arrays lie there in files without a name, which end with the process."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.maps: list[mmap.mmap] = []
        self.last: mmap.mmap | None = None  # the file that is being filled
        self.end = 0  # of what of it is taken

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Of what is never written to, no page is used. Raises InputError where no file can be."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size < PAGES and (self.folder is None or size == 0):
            return np.zeros(shape, dtype)
        if self.folder is None:
            return np.frombuffer(mmap.mmap(-1, size), dtype).reshape(shape)
        held, first = self._taken(self.folder, size)
        return np.frombuffer(held, dtype, math.prod(shape), first).reshape(shape)

    def _taken(self, folder: Path, size: int) -> tuple[mmap.mmap, int]:
        """Bytes of a file without a name, from the second on."""
        if self.last is None or self.end + size > len(self.last):
            try:
                with tempfile.TemporaryFile(dir=folder) as file:
                    file.truncate(max(size, FILE))
                    self.last, self.end = mmap.mmap(file.fileno(), 0), 0
            except OSError as error:
                raise unwritable(folder, error) from error
            self.maps.append(self.last)
        first, self.end = self.end, self.end + -(-size // PAGES) * PAGES
        return self.last, first

    def opened(
        self, path: Path, dtype: np.dtype[Any], shape: tuple[int, ...], offset: int
    ) -> NDArray[Any]:
        """An array of a file; what is written into it stays here and never reaches the file."""
        if math.prod(shape) == 0:
            return np.zeros(shape, dtype)
        with path.open("rb") as file:
            self.maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
        return np.frombuffer(self.maps[-1], dtype, math.prod(shape), offset).reshape(shape)

    def joined(self, parts: list[NDArray[Any]], columns: NDArray[np.bool_]) -> NDArray[Any]:
        """Parts (n, T) behind each other, of the columns (T,) that are wanted."""
        n = sum(len(part) for part in parts)
        out, at = self.zeros((n, int(columns.sum())), parts[0].dtype), 0
        for part in parts:
            for first in range(0, len(part), BLOCK):
                piece = part[first : first + BLOCK]
                out[at : at + len(piece)] = piece[:, columns]
                at += len(piece)
        return out

    def release(self) -> None:
        """Give the pages back; arrays keep what they hold."""
        for held in self.maps:
            held.madvise(mmap.MADV_DONTNEED)
