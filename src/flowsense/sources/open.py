"""From the names of files, folders and globs to one Source, whatever formats they are in.

A format is a module with two functions, in `FORMATS` or at an entry point of `flowsense.sources`:
`claims(path, head) -> bool` knows its files by name or by their first bytes, decompressed;
`open(paths, **options) -> list[Source]` reads those that it claimed.

A path may say what is true of its own files alone, a format before it and options behind it:
``observations:vix.csv?lag=16h&columns=value=close``. A file that is really called so goes first.
"""

from collections.abc import Mapping, Sequence
from glob import glob, has_magic
from inspect import Parameter, signature
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias, cast

from flowsense.errors import InputError
from flowsense.registry import Entry, load, names
from flowsense.sources import Source
from flowsense.sources.files import head
from flowsense.sources.merge import Merged
from flowsense.sources.quarantine import Quarantine
from flowsense.sources.units import Unit
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
UNITS = ("tick", "lot")  # options that are steps of a number
QUARANTINE = "quarantine"  # not an option that a path can say
GENERIC = "ticks"  # claims what others may know better, so it is asked last
Groups: TypeAlias = dict[tuple[str, tuple[tuple[str, object], ...]], list[Path]]


class Format(Protocol):
    """What a module offers that reads a format."""

    def claims(self, path: Path, head: bytes) -> bool: ...
    def open(self, paths: list[Path], **options: object) -> list[Source]: ...


class Asked(NamedTuple):
    """A path, and what was said with it."""

    path: Path
    format: str | None
    options: tuple[tuple[str, object], ...]


class Found(NamedTuple):
    path: Path
    folder: Path | None  # that it was found in; None where the user named it
    asked: Asked


def open_source(
    paths: str | Path | Sequence[str | Path], *, format: str | None = None, **options: object
) -> Source:
    """One source of all that the paths name; several recordings are merged by `ts_recv`.

    Files of unknown format are passed over in folders, and refused where they are named. `format`
    skips the guess; `options` are those of the format, such as `tick`, and each format takes those
    that it knows. A `quarantine` among them takes the bad rows of formats that can do without.
    Raises InputError.
    """
    quarantine = options.pop(QUARANTINE, None)
    assert quarantine is None or isinstance(quarantine, Quarantine), "made by whoever calls"
    listed = [paths] if isinstance(paths, str | Path) else paths
    asked = [apart(path, format) for path in listed]
    found = {one.path.resolve(): one for path in asked for one in expand(path)}
    if not found:
        raise InputError("no file is named: give a file, a folder or a glob")
    groups: Groups = {}
    for one in found.values():
        if name := recognise(one):
            groups.setdefault((name, one.asked.options), []).append(one.path)
    if not groups:
        folder = next(iter(found.values())).folder
        raise InputError(f"{folder}: holds no file in a known format ({known(format)})")
    check_options(groups, options)
    for group, files in groups.items():
        check_options({group: files}, dict(group[1]))
    sources = [
        source
        for (name, own), files in groups.items()
        for source in opened(name, files, options | dict(own), quarantine)
    ]
    if quarantine:
        sources = [quarantine.screened(source) for source in sources]
    return sources[0] if len(sources) == 1 else Merged(tuple(sources))


def apart(path: str | Path, format: str | None) -> Asked:
    """``format:path?option=value&...`` in its parts; `format` where the path says none."""
    text = str(path)
    if not text:
        raise InputError("no file is named: give a file, a folder or a glob")
    if Path(text).expanduser().exists():
        return Asked(Path(text), format, ())
    before, colon, rest = text.partition(":")
    if colon and before in names("source", FORMATS):
        text, format = rest, before
    if not text.partition("?")[0]:
        raise InputError(f"{path}: no file is named: write FORMAT:FILE?OPTION=VALUE")
    if module("lake").claims(Path(text).expanduser(), b""):
        return Asked(Path(text), format, ())
    text, asked, said = text.partition("?")
    if asked and "=" not in said:
        return Asked(Path(text + asked + said), format, ())  # a glob
    return Asked(Path(text), format, tuple(option(text, pair) for pair in said.split("&") if pair))


def option(path: str, pair: str) -> tuple[str, object]:
    name, equals, value = pair.partition("=")
    if not equals or not name:
        raise InputError(f"{path}: option {pair!r}: write name=value, like ?lag=16h&unit=ms")
    return name, Unit.parse(name, value) if name in UNITS else value


def expand(asked: Asked) -> list[Found]:
    """The files that one argument means, in order of their names."""
    path = asked.path.expanduser()
    if module("lake").claims(path, b""):
        return [Found(path, None, asked)]
    if path.is_dir():
        inside = [p for p in sorted(path.rglob("*")) if not hidden(p.relative_to(path))]
        lakes = {p.parent for p in inside if p.name == MARK}
        files = [
            Found(p, path, asked)
            for p in inside
            if p in lakes or (p.is_file() and lakes.isdisjoint(p.parents))
        ]
        if not files:
            raise InputError(f"{path}: the folder holds no files: name another")
        return files
    if path.exists():
        return [Found(path, None, asked)]
    matches = [Path(name) for name in sorted(glob(str(path), recursive=True))]
    files = [Found(p, None, asked) for p in matches if p.is_file()]
    if not files:
        why = "no file matches" if has_magic(str(path)) else "no such file or folder"
        raise InputError(f"{path}: {why}: check the name")
    return files


def hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def recognise(one: Found) -> str | None:
    """The name of the file's format; None for a stranger in a folder."""
    format = one.asked.format
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


def check_options(groups: Groups, options: Mapping[str, object]) -> None:
    """Raises InputError for an option that none of the formats knows."""
    formats = list(dict.fromkeys(name for name, _ in groups))
    for given in options:
        if not any(takes(name, given) for name in formats):
            own = [option for name in formats for option in parameters(name)]
            its = f"its options are {', '.join(dict.fromkeys(own))}" if own else "it has none"
            first = next(iter(groups.values()))[0]
            raise InputError(
                f"{first}: format {', '.join(formats)} has no option {given}: leave it out, {its}"
            )


def parameters(name: str) -> dict[str, Parameter]:
    """The options of a format by their names."""
    _, *taken = signature(module(name).open).parameters.values()
    named = (option for option in taken if option.kind is not option.VAR_KEYWORD)
    return {option.name: option for option in named if option.name != QUARANTINE}


def takes(name: str, option: str) -> bool:
    every = signature(module(name).open).parameters.values()
    anything = any(p.kind is p.VAR_KEYWORD for p in every) and option != QUARANTINE
    return option in parameters(name) or anything


def opened(
    name: str, files: list[Path], options: dict[str, object], quarantine: Quarantine | None
) -> list[Source]:
    """The sources that a format makes of its files, with those options that it knows."""
    for option, parameter in parameters(name).items():
        if parameter.default is parameter.empty and option not in options:
            raise InputError(f"{files[0]}: format {name} needs the option {option}: give it")
    known = {k: v for k, v in options.items() if takes(name, k)}
    if QUARANTINE in signature(module(name).open).parameters:
        known[QUARANTINE] = quarantine
    return module(name).open(files, **known)
