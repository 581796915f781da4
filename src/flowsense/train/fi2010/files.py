"""The files of FI-2010 as its authors publish them; the user brings them, none comes with us.

Text of 149 lines of numbers, a column of each a row of ours: 144 features, of which the first 40
are ask price, ask size, bid price and bid size of ten levels, then the classes at 10, 20, 30, 50
and 100 events: 1 up, 2 the same, 3 down. Ntakaris et al. 2018.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.forecast import UP
from flowsense.schema import DEPTH
from flowsense.sources.files import bare_name, reading
from flowsense.train.fi2010.table import Fold, Table, cut

FEATURES, HORIZONS = 144, (10, 20, 30, 50, 100)
LINES = FEATURES + len(HORIZONS)
BOOK = 4 * DEPTH
EVERY = 10  # events between two rows
STOP = 0.8  # of the training columns fits, the rest stops early
NAME = re.compile(r"(train|test)_.*_cf_(\d)\.txt", re.IGNORECASE)
SPLIT, LAST = 7, 9  # the day that training ends with, and the last fold's


def folds(folder: Path, protocol: str) -> Iterator[Fold]:
    """Of ``split``: days 1-7 learn, 8-10 test; of ``anchored``: days 1-i learn, the next tests.

    Raises InputError for a file that is missing, and for one of another form.
    """
    found = named(folder)
    if protocol == "split":
        tests = [("test", day) for day in range(SPLIT, LAST + 1)]
        yield fold("days 1-7, 8-10", found, folder, [("train", SPLIT)], tests)
        return
    for day in range(1, LAST + 1):
        name = f"days 1-{day}, {day + 1}" if day > 1 else "days 1, 2"
        yield fold(name, found, folder, [("train", day)], [("test", day)])


def named(folder: Path) -> dict[tuple[str, int], Path]:
    """By what they are for and the number of their fold. Raises InputError where two are alike."""
    found = dict[tuple[str, int], Path]()
    for path in sorted(folder.iterdir()):
        if match := NAME.fullmatch(bare_name(path)):
            key = match[1].lower(), int(match[2])
            if key in found:
                raise InputError(f"{path}: {found[key].name} is of the same fold: leave one out")
            found[key] = path
    return found


def holds(path: Path) -> bool:
    """Whether a folder has files of FI-2010."""
    return path.is_dir() and bool(named(path))


def fold(
    name: str,
    found: dict[tuple[str, int], Path],
    folder: Path,
    train: list[tuple[str, int]],
    test: list[tuple[str, int]],
) -> Fold:
    for what, day in (*train, *test):
        if (what, day) not in found:
            raise InputError(
                f"{folder}: there is no {what.title()}_Dst_NoAuction_ZScore_CF_{day}.txt: "
                "download it, or ask for the other protocol"
            )
    learn, tests = (read([found[key] for key in keys]) for keys in (train, test))
    n = len(learn.x)
    both = learn._replace(
        x=np.concatenate([learn.x, tests.x]),
        y=np.concatenate([learn.y, tests.y]),
        mid=np.concatenate([learn.mid, tests.mid]),
    )
    return cut(name, both, round(STOP * n), n)


def read(paths: list[Path]) -> Table:
    """Files behind each other. Raises InputError."""
    parts = [matrix(path) for path in paths]
    whole = np.concatenate(parts, axis=1)
    level = np.arange(DEPTH) * 4
    order = np.concatenate([level + k for k in (2, 3, 0, 1)])  # theirs: ask px, sz, bid px, sz
    x = np.ascontiguousarray(whole[order].T, np.float32)
    y = np.ascontiguousarray(UP + 1 - whole[BOOK:].T).astype(np.int8)
    return Table(x, y, (whole[0] + whole[2]) / 2, HORIZONS, EVERY)


def matrix(path: Path) -> NDArray[np.float64]:
    """(45, n) its book and its classes. Raises InputError that names the line."""
    kept, width, count = [], 0, 0
    with reading(path) as file:
        for count, line in enumerate(file, 1):
            words = line.split()
            if count == 1:
                width = len(words)
            if len(words) != width or not width:
                raise InputError(
                    f"{path}: line {count} has {len(words)} numbers and line 1 has {width}: "
                    "download it again"
                )
            if count <= BOOK or FEATURES < count <= LINES:
                kept.append(numbers(path, count, words))
    if count != LINES:
        form = f"{FEATURES} features and {len(HORIZONS)} lines of classes"
        turned = ": turn it by 90 degrees" if width == LINES else ""
        raise InputError(f"{path}: has {count} lines, not {LINES}, which are {form}{turned}")
    return np.stack(kept)


def numbers(path: Path, line: int, words: list[bytes]) -> NDArray[np.float64]:
    """One line. Raises InputError for what is no finite number, and for a class that is none."""
    try:
        found = np.array([w.decode("ascii") for w in words], np.float64)
    except ValueError as error:
        raise InputError(f"{path}: line {line}: {error}: download it again") from None
    bad = ~np.isfinite(found)
    if line > FEATURES:
        bad |= ~np.isin(found, (1, 2, 3))
    if bad.any():
        at = int(np.argmax(bad))
        wanted = "1, 2 or 3" if line > FEATURES else "a finite number"
        raise InputError(
            f"{path}: line {line}, column {at + 1}: {found[at]:g} is not {wanted}: "
            "download it again"
        )
    return found
