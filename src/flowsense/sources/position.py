"""How far the files under way have been read, whoever reads them: where their descriptors stand."""

import os
from collections.abc import Iterator
from pathlib import Path

DESCRIPTORS = Path("/dev/fd")  # of this process, on Linux and macOS


class Position:
    """Bytes on disk, so that compressed and plain files are told alike."""

    def __init__(self, files: tuple[Path, ...]) -> None:
        stats = [path.stat() for path in files]
        self.sizes = {(s.st_dev, s.st_ino): s.st_size for s in stats}
        self.read = dict.fromkeys(self.sizes, 0)

    def share(self) -> float | None:
        """Of all files, 0 to 1; None where it cannot be told, as of files read out of order.

        A file that was seen open and is closed now counts as read. Readers take a block ahead.
        """
        at = dict(offsets())
        for key, size in self.sizes.items():
            if key in at:
                self.read[key] = max(self.read[key], min(at[key], size))
            elif self.read[key]:
                self.read[key] = size
        total = sum(self.sizes.values())
        return sum(self.read.values()) / total if total and any(self.read.values()) else None


def offsets() -> Iterator[tuple[tuple[int, int], int]]:
    """((device, inode), offset) of the files that this process has open for reading in order."""
    if not DESCRIPTORS.is_dir():
        return
    for name in os.listdir(DESCRIPTORS):
        try:
            stat = os.fstat(int(name))
            yield (stat.st_dev, stat.st_ino), os.lseek(int(name), 0, os.SEEK_CUR)
        except OSError:  # closed since, or a pipe
            continue
