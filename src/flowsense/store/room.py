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


class Room:
    """With a folder, its arrays lie there in files without a name, which end with the process."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.maps: list[mmap.mmap] = []

    def zeros(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Raises InputError where the folder has no room for it."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if self.folder is None or size == 0:
            return np.zeros(shape, dtype)
        try:
            with tempfile.TemporaryFile(dir=self.folder) as file:
                file.truncate(size)
                self.maps.append(mmap.mmap(file.fileno(), size))
        except OSError as error:
            raise unwritable(self.folder, error) from error
        return np.frombuffer(self.maps[-1], dtype).reshape(shape)

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
            if hasattr(held, "madvise"):  # not on Windows
                held.madvise(mmap.MADV_DONTNEED)
