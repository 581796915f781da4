"""Rows that cannot be used, put aside with the reason, so that the rest of a file can.

Without a quarantine the first bad row refuses its file, which is the rule. With one a row that is
bad by itself is written to a table and left out; what follows then goes by the rules of its
format, such as a gap where an update is missing. A file is refused all the same when more than
1 % of its rows, and more than 10, are bad, when what follows depends on the bad row, and when a
tenth of its first thousand are: then it is in another format.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.sources import Source
from flowsense.sources.batches import Part
from flowsense.sources.files import Block
from flowsense.store.atomic import ensure_writable, replacing

FILE = "quarantine.csv"
FEW, SHARE = 10, 0.01  # a file may have so many bad rows, or such a part of all
EARLY, TENTH = 1_000, 0.1  # the same while it is read
PLACE = re.compile(r"^(row|line) \d+[,:]? ?")
VALUE = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d[\d.e+-]*")
MOST = 200_000  # rows of all files: they are held in memory until they are written
LONGEST = 2_000  # characters kept of a row

P = TypeVar("P", bound=Part[Any])
Screen: TypeAlias = Callable[[Source, "Quarantine"], Source]


class Bad(NamedTuple):
    """One row that was put aside."""

    file: str
    row: int
    reason: str
    text: str


class Quarantine:
    """What was put aside. Rows are known by file and number, so that passes can be repeated."""

    def __init__(self, folder: Path, screen: Screen | None = None) -> None:
        """`screen` makes of each source one without records that do not belong in it.

        Raises InputError where nothing can be written there.
        """
        ensure_writable(folder)
        self.folder, self.screen = folder, screen
        self.rows: dict[tuple[str, int], Bad] = {}
        self.by_file = Counter[str]()

    def __str__(self) -> str:
        return "yes"  # what it changes of a reading; where the rows go changes nothing

    def screened(self, source: Source) -> Source:
        return self.screen(source, self) if self.screen else source

    @property
    def counts(self) -> dict[str, int]:
        """Rows by reason, values left out of it."""
        return dict(Counter(VALUE.sub("...", bad.reason) for bad in self.rows.values()))

    def aside(self, path: str | Path, row: int, error: Exception, text: str, seen: int) -> None:
        """One row. Raises InputError where they are so many that the file is something else."""
        reason = PLACE.sub("", str(error).removeprefix(f"{path}: "))
        self.put(Bad(str(path), row, reason, text[:LONGEST]))
        if self.by_file[str(path)] > max(EARLY, TENTH * seen):
            raise self.refused(path, seen)

    def put(self, bad: Bad) -> None:
        """Raises InputError where it would hold more than `MOST`."""
        if len(self.rows) >= MOST:
            raise InputError(f"{bad.file}: over {MOST:,} rows to put aside: mend the recording")
        self.by_file[bad.file] += (bad.file, bad.row) not in self.rows
        self.rows.setdefault((bad.file, bad.row), bad)

    def passed(self, path: str | Path, rows: int) -> None:
        """A file has been read to its end. Raises InputError if too much of it was bad."""
        if self.by_file[str(path)] > max(FEW, SHARE * rows):
            raise self.refused(path, rows)

    def refused(self, path: str | Path, rows: int) -> InputError:
        first = next(bad for bad in self.rows.values() if bad.file == str(path))
        return InputError(
            f"{path}: {self.by_file[str(path)]:,} of {rows:,} rows are bad, which is more than "
            f"{SHARE:.0%}, the first is {first.row}: {first.reason}"
        )

    def write(self) -> Path:
        """The table, in order of files and rows; whole or not at all. Raises InputError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / FILE) as draft, draft.open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(Bad._fields)
            out.writerows(sorted(self.rows.values()))
        return self.folder / FILE


def sound(
    path: Path, blocks: Iterable[Block], check: Callable[[Block], object], q: Quarantine | None
) -> Iterator[Block]:
    """Blocks without lines that `check` refuses by themselves; all of them without a quarantine."""
    if q is None:
        yield from blocks
        return
    seen = 0
    for block in blocks:
        seen = block.first - 1 + block.data.count(b"\n") + (not block.data.endswith(b"\n"))
        yield from halved(path, block, check, q, seen)
    q.passed(path, seen)


def halved(
    path: Path, block: Block, check: Callable[[Block], object], q: Quarantine, seen: int
) -> Iterator[Block]:
    """The parts of a block between its bad lines."""
    try:
        check(block)
    except InputError as error:
        lines = block.data.splitlines(keepends=True)
        if len(lines) == 1:
            q.aside(path, block.first, error, lines[0].decode(errors="replace").strip(), seen)
            return
        half = len(lines) // 2
        for first, part in ((0, lines[:half]), (half, lines[half:])):
            yield from halved(path, Block(block.first + first, b"".join(part)), check, q, seen)
    else:
        yield block


def unsound(
    parts: Iterable[P], check: Callable[[P], NDArray[np.int64] | None], q: Quarantine | None
) -> frozenset[int]:
    """The numbers of a table's bad rows. `check` refuses a part, or gives the times of its rows.

    With times, a row that comes before the latest of those above it is bad as well.
    """
    if q is None:
        return frozenset()
    found, last, seen, table = set[int](), -(2**63), 0, ""

    def judge(part: P) -> None:
        nonlocal last
        try:
            ts = check(part)
        except InputError as error:
            if len(part) == 1:
                put(part, 0, error)
                return
            half = len(part) // 2
            judge(part.piece(0, half))
            judge(part.piece(half, len(part)))
            return
        if ts is not None and len(ts):
            before = np.maximum.accumulate(np.concatenate([[last], ts]))
            for i in np.flatnonzero(ts < before[:-1]).tolist():
                put(part, i, InputError(f"row {part.first + i}: goes back in time"))
            last = int(before[-1])

    def put(part: P, i: int, error: InputError) -> None:
        found.add(part.first + i)
        text = ",".join(str(v) for v in part.cells.slice(i, 1).to_pylist()[0].values())
        q.aside(table, part.first + i, error, text, seen)

    for part in parts:
        table, seen = part.form.table, part.first - 1 + len(part)
        judge(part)
    q.passed(table, seen)
    return frozenset(found)
