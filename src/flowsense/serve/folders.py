"""Folders in which something is finished, and the files there: of fixed names, and no link."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, NamedTuple, TypeAlias
from urllib.parse import quote

from flowsense.serve.finished import Kind, Page
from flowsense.train.read import RESULTS

Parts: TypeAlias = tuple[str, ...]
Stamp: TypeAlias = tuple[int, int]  # of a file: when it was written, and its size

FILE = "/api/v1/runs/{name}/files/{file}"
PART = r"[A-Za-z0-9_][A-Za-z0-9_ .,+=@-]{0,99}"  # of a name: neither hidden nor a way upwards
NAME = rf"{PART}(?:/{PART}){{0,3}}"  # a run, two folders deep at most, or a backtest of its own
PAGES = {"report.html": "report", "sheet.html": "tear sheet"}  # that are told, and nothing besides
FIGURES, ACCOUNT = "sheet.json", "paper.json"
BACKTESTS = "backtest"  # a folder of a run: there is one for each of its own
DEEP, LOOKED = 2, 20_000  # folders in each other; names that are looked at
LARGEST = 64 << 20  # bytes of a file
PLAIN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # no link, pipe


class Place(NamedTuple):
    """A folder with results."""

    parts: Parts
    kind: Kind
    pages: tuple[Page, ...]

    @property
    def results(self) -> Parts:
        return (*self.parts, RESULTS if self.kind == "run" else FIGURES)


class Walk:
    """Over the folders of a folder; `odd` counts what is passed over."""

    def __init__(self, root: Path) -> None:
        self.root, self.odd, self._left = root, 0, LOOKED

    def places(self, parts: Parts = ()) -> Iterator[Place]:
        files, folders = self.within(parts)
        if parts and (place := placed(parts, files)) is not None:
            own = []
            if place.kind == "run" and BACKTESTS in folders:
                own = [*self.backtests((*parts, BACKTESTS))]
            pages = tuple(page for one in own for page in one.pages)
            yield place._replace(pages=place.pages + pages)
            yield from own
        elif len(parts) < DEEP:
            for name in folders:
                yield from self.places((*parts, name))

    def backtests(self, parts: Parts) -> Iterator[Place]:
        """Those that a run made of itself."""
        for name in self.within(parts)[1]:
            files, _ = self.within((*parts, name))
            if (place := placed((*parts, name), files)) is not None and place.kind == "backtest":
                yield place

    def within(self, parts: Parts) -> tuple[set[str], list[str]]:
        """Names of files and of folders there; links are neither."""
        files, folders = set[str](), list[str]()
        with suppress(OSError), os.scandir(self.root.joinpath(*parts)) as entries:
            for entry in entries:
                self._left -= 1
                if self._left < 0:
                    self.odd += 1
                    break
                if entry.is_file(follow_symlinks=False):
                    files.add(entry.name)
                elif entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    if re.fullmatch(PART, entry.name):
                        folders.append(entry.name)
                    else:
                        self.odd += 1
        return files, sorted(folders)


def placed(parts: Parts, files: set[str]) -> Place | None:
    """What a folder with these files holds, if anything is finished there."""
    kind: Kind = "run" if RESULTS in files else "paper" if ACCOUNT in files else "backtest"
    if kind != "run" and FIGURES not in files:
        return None
    path, under = quote("/".join(parts)), f" of {parts[-1]}" if parts[-2:-1] == (BACKTESTS,) else ""
    shown = [name for name in PAGES if name in files]
    pages = (Page(PAGES[f] + under, FILE.format(name=path, file=f)) for f in shown)
    return Place(parts, kind, tuple(pages))


def opened(root: Path, parts: Parts) -> BinaryIO:
    """A file, through folders that are no links. Raises OSError, also for what is too large."""
    held = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for n, part in enumerate(parts, 1):
        kind = os.O_DIRECTORY if n < len(parts) else 0
        try:
            inner = os.open(part, PLAIN | kind, dir_fd=held)
        finally:
            os.close(held)
        held = inner
    about = os.fstat(held)
    if not S_ISREG(about.st_mode) or about.st_size > LARGEST:
        os.close(held)
        raise OSError("no file of results")
    return os.fdopen(held, "rb")


def stamp_of(file: BinaryIO) -> Stamp:
    about = os.fstat(file.fileno())
    return about.st_mtime_ns, about.st_size
