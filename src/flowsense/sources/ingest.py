"""Sources into the lake: which of them are new, in which units they go in, and what came of it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from flowsense.errors import InputError
from flowsense.schema import Chunk
from flowsense.sources import Source, chunks, kinds_of
from flowsense.sources.lake import Address, streams_at
from flowsense.sources.merge import Merged
from flowsense.sources.open import apart, open_source
from flowsense.sources.units import shared
from flowsense.store.lake import File, Recording, digest, recordings
from flowsense.store.lake_write import Watch, locked, record

State: TypeAlias = Literal["ingested", "continued", "there already"]


class Ingested(NamedTuple):
    """What became of one source."""

    name: str
    state: State
    recording: Recording | None  # None where it was there


def unwatched(chunk: Chunk) -> Chunk:
    """Keeps every chunk as it is."""
    return chunk


def ingest(
    paths: str | Path | Sequence[str | Path],
    folder: Path,
    *,
    format: str | None = None,
    watch: Watch = unwatched,
    **options: object,
) -> Iterator[Ingested]:
    """Ingests what the paths name, source by source, and tells of each when it is complete.

    A file is known by its SHA-256 and the options: what is in the lake is not read again, what a
    killed call began is continued, and so is a chain of files that has grown. Every chunk passes
    `watch`, which gives what is to be kept. Raises InputError for what `open_source` refuses, for
    an instrument that the lake has in other units or at the same time, and where nothing can be
    written; what was told stays.
    """
    groups: dict[Way, list[str | Path]] = {}
    for path in [paths] if isinstance(paths, str | Path) else paths:
        asked = apart(path, format)
        own = options | dict(asked.options)
        groups.setdefault(Way(asked.format, tuple(sorted(own.items()))), []).append(asked.path)
    opened = [(way, way.open(group)) for way, group in groups.items()]
    files = Files()
    with locked(folder):
        for way, found in opened:
            yield from all_of(found, way, folder, files, watch)


class Way(NamedTuple):
    """How files are read."""

    format: str | None
    options: tuple[tuple[str, object], ...]

    def open(self, paths: Sequence[str | Path]) -> tuple[Source, ...]:
        source = open_source(paths, format=self.format, **dict(self.options))
        return source.sources if isinstance(source, Merged) else (source,)

    def __str__(self) -> str:
        said = {name: str(value) for name, value in self.options}
        return json.dumps({"format": self.format} | said)


def all_of(
    found: tuple[Source, ...], way: Way, folder: Path, files: "Files", watch: Watch
) -> Iterator[Ingested]:
    """What becomes of sources that are read in one way."""
    there = {r.id: r for r in recordings(folder)}
    complete = [r for r in there.values() if r.done and r.options == str(way)]
    known = {file.sha256 for recording in complete for file in recording.files}
    fresh = list[Source]()
    for source in found:
        refuse_own(source, folder)
        left = [path for path in source.files if files.content(path).sha256 not in known]
        if not left:
            yield Ingested(source.name, "there already", None)
        elif len(left) == len(source.files) or begun(source, str(way), files, there):
            fresh.append(source)
        else:
            fresh += way.open(left)
    for source in in_its_units(fresh, folder):
        yield one(source, folder, str(way), files, watch)


def begun(
    source: Source, options: str, files: "Files", there: dict[str, Recording]
) -> Recording | None:
    """What the lake has of the source, from its first file on."""
    content = tuple(files.content(path) for path in source.files)
    before = there.get(Recording(content, options, source.name, (), ()).id)
    return before if before and before.begins(content) else None


def refuse_own(source: Source, folder: Path) -> None:
    if not source.files:
        raise InputError(f"{source.name}: has no file by which to know it again: save it first")
    for path in source.files:
        if path.resolve().is_relative_to(folder.resolve()):
            raise InputError(f"{path}: lies in {folder} itself: name another lake")


class Files:
    """What the files hold; each is read once for it."""

    def __init__(self) -> None:
        self.seen: dict[Path, tuple[File, tuple[int, int]]] = {}

    def content(self, path: Path) -> File:
        """Raises InputError for what cannot be read."""
        if path not in self.seen:
            try:
                self.seen[path] = digest(path), stamp(path)
            except OSError as error:
                raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
        return self.seen[path][0]

    def unchanged(self, source: Source) -> Iterator[Chunk]:
        """All that the source holds. Raises InputError if a file was changed meanwhile."""
        yield from chunks(source)
        for path in source.files:
            with suppress(OSError):
                if stamp(path) == self.seen[path][1]:
                    continue
            raise InputError(f"{path}: changed while it was read: ingest it when it is complete")


def stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def in_its_units(fresh: list[Source], folder: Path) -> list[Source]:
    """The sources in the ticks and lots of the lake. Raises InputError where that cannot be, and
    where they describe an instrument differently.
    """
    there = [*streams_at(Address(folder))]
    units = shared([i for source in fresh for i in source.instruments])
    units = {**units, **shared([i for stream in there for i in stream.instruments])}
    found = [source.in_units(units) for source in fresh]
    Merged((*there, *found))
    return found


def one(source: Source, folder: Path, options: str, files: Files, watch: Watch) -> Ingested:
    """One recording, from its beginning or from where a killed call left it."""
    there = {recording.id: recording for recording in recordings(folder)}
    before = begun(source, options, files, there)
    content = tuple(files.content(path) for path in source.files)
    if before and before.done and len(before.files) == len(content):
        return Ingested(source.name, "there already", None)
    order = before.order if before else 1 + max((r.order for r in there.values()), default=-1)
    spans = before.spans if before else ()
    table, kinds = source.instruments, kinds_of(source)
    recording = Recording(content, options, source.name, table, kinds, order, spans)
    if not before and recording.id in there:
        raise InputError(
            f"{source.name}: its first file is in {folder} with others after it: delete "
            f"{recording.id}.json there, or leave that file out"
        )
    done = record(folder, recording, files.unchanged(source), watch)
    return Ingested(source.name, "continued" if before else "ingested", done)
