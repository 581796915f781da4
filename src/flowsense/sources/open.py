"""From the names of files, folders and globs to one Source, whatever formats they are in.

A format is a module with two functions, in `FORMATS` or at an entry point of `flowsense.sources`:
`claims(path, head) -> bool` knows its files by name or by their first bytes, decompressed;
`open(paths, **options) -> list[Source]` reads those that it claimed.
"""

from collections.abc import Sequence
from glob import glob, has_magic
from inspect import signature
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from flowsense.errors import InputError
from flowsense.registry import Entry, load, names
from flowsense.sources import Source
from flowsense.sources.files import head
from flowsense.sources.merge import Merged
from flowsense.store.lake import MARK

FORMATS = {
    "lobster": Entry("flowsense.sources.lobster", "LOBSTER message and order-book files of NASDAQ"),
    "binance": Entry("flowsense.sources.binance", "Binance spot, USD-M and COIN-M raw WebSocket"),
    "bitstamp": Entry("flowsense.sources.bitstamp", "Bitstamp live orders, trades and books"),
    "dbn": Entry("flowsense.sources.dbn", "Databento files, DBN and DBZ, of any schema"),
    "itch": Entry("flowsense.sources.itch", "NASDAQ TotalView-ITCH 5.0 day files and captures"),
    "events": Entry("flowsense.sources.recorded", "events that flowsense itself has recorded"),
    "lake": Entry("flowsense.sources.lake", "a lake that flowsense ingest made, or some of it"),
    "tardis": Entry("flowsense.sources.tardis", "Tardis CSV: books, trades, quotes, tickers"),
    "candles": Entry("flowsense.sources.candles", "candles in CSV, Parquet and Arrow, by columns"),
    "observations": Entry(
        "flowsense.sources.observations", "alternative data and ready features, as they were known"
    ),
    "ticks": Entry("flowsense.sources.ticks", "CSV, Parquet and Arrow by a mapping of columns"),
}
GENERIC = "ticks"  # claims what others may know better, so it is asked last


class Format(Protocol):
    """What a module offers that reads a format."""

    def claims(self, path: Path, head: bytes) -> bool: ...
    def open(self, paths: list[Path], **options: object) -> list[Source]: ...


class Found(NamedTuple):
    path: Path
    folder: Path | None  # that it was found in; None where the user named it


def open_source(
    paths: str | Path | Sequence[str | Path], *, format: str | None = None, **options: object
) -> Source:
    """One source of all that the paths name; several recordings are merged by `ts_recv`.

    Files of unknown format are passed over in folders, and refused where they are named. `format`
    skips the guess; `options` are those of the format, such as `tick`. Raises InputError.
    """
    listed = [paths] if isinstance(paths, str | Path) else paths
    found = {one.path.resolve(): one for path in listed for one in expand(path)}
    if not found:
        raise InputError("no file is named: give a file, a folder or a glob")
    groups: dict[str, list[Path]] = {}
    for one in found.values():
        if name := recognise(one, format):
            groups.setdefault(name, []).append(one.path)
    if not groups:
        folder = next(iter(found.values())).folder
        raise InputError(f"{folder}: holds no file in a known format ({known(format)})")
    sources = [s for name, files in groups.items() for s in opened(name, files, options)]
    return sources[0] if len(sources) == 1 else Merged(tuple(sources))


def expand(path: str | Path) -> list[Found]:
    """The files that one argument means, in order of their names."""
    path = Path(path).expanduser()
    if module("lake").claims(path, b""):
        return [Found(path, None)]
    if path.is_dir():
        inside = [p for p in sorted(path.rglob("*")) if not hidden(p.relative_to(path))]
        lakes = {p.parent for p in inside if p.name == MARK}
        files = [
            Found(p, path)
            for p in inside
            if p in lakes or (p.is_file() and lakes.isdisjoint(p.parents))
        ]
        if not files:
            raise InputError(f"{path}: the folder holds no files: name another")
        return files
    if path.exists():
        return [Found(path, None)]
    matches = [Path(name) for name in sorted(glob(str(path), recursive=True))]
    files = [Found(p, None) for p in matches if p.is_file()]
    if not files:
        why = "no file matches" if has_magic(str(path)) else "no such file or folder"
        raise InputError(f"{path}: {why}: check the name")
    return files


def hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def recognise(one: Found, format: str | None) -> str | None:
    """The name of the file's format; None for a stranger in a folder."""
    if format and one.folder is None:
        return format
    start = head(one.path) if one.path.exists() and not one.path.is_dir() else b""
    asked = [format] if format else sorted(names("source", FORMATS), key=GENERIC.__eq__)
    for name in asked:
        if module(name).claims(one.path, start):
            return name
    if one.folder is None:
        raise InputError(
            f"{one.path}: is in none of the formats {known(None)}: name the right file"
        )
    return None


def known(format: str | None) -> str:
    return format or ", ".join(names("source", FORMATS))


def module(name: str) -> Format:
    return cast(Format, load("source", name, FORMATS))


def opened(name: str, files: list[Path], options: dict[str, object]) -> list[Source]:
    """The sources that a format makes of its files, after a check of the options' names."""
    read = module(name).open
    _, *taken = signature(read).parameters.values()
    anything = any(option.kind is option.VAR_KEYWORD for option in taken)
    own = {option.name: option for option in taken if option.kind is not option.VAR_KEYWORD}
    strange = [option for option in options if option not in own]
    if strange and not anything:
        its = f"its options are {', '.join(own)}" if own else "it has none"
        raise InputError(
            f"{files[0]}: format {name} has no option {strange[0]}: leave it out, {its}"
        )
    needed = [name for name, option in own.items() if option.default is option.empty]
    missing = [name for name in needed if name not in options]
    if missing:
        raise InputError(f"{files[0]}: format {name} needs the option {missing[0]}: give it")
    return read(files, **options)
