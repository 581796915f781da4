"""A session that goes on where another ended: the engine as it was, and what was heard after that.

Beside the recording lies a snapshot of the engine, written whole or not at all. Whoever starts
again restores it and is given the rest of that recording, which is kept from `kill -9`. Books are
asked for anew: the first that is heard then is a gap.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.live.archive import JOURNAL, Archive
from flowsense.schema import SECOND, Chunk, Events
from flowsense.serve.recent import joined, lost
from flowsense.serve.replayed import Replay, parts
from flowsense.serve.sessions import place
from flowsense.serve.skipped import given
from flowsense.serve.swapping import Bench, Loaded, attempted
from flowsense.sources.lake import EARLIEST, LATEST, Stream
from flowsense.store.arrays import pack, unpack
from flowsense.store.atomic import replacing
from flowsense.store.lake import Part, Recording, recordings

log = structlog.get_logger("flowsense.serve")
STATE, ABOUT = "engine.npz", "about"  # in the folder of the journal; among its arrays
EVERY = 30 * SECOND  # of the stream
LONGEST = 600 * SECOND  # after which nothing is known of a market any more
Arrays = dict[str, NDArray[Any]]


class Snapshots:
    """Of the engine of a session. `look` on the engine's thread; its archive's lane writes."""

    def __init__(self, archive: Archive) -> None:
        self.archive, self.path = archive, archive.folder / JOURNAL / STATE
        self.recording = archive.writer.recording.id
        self.last = 0  # ns, of the newest
        self.loaded: Loaded | None = None

    def look(self, loaded: Loaded, recorded: int, *, now: bool = False) -> None:
        """After so many events of the recording: is it time again, or another model?"""
        ts = latest(loaded)
        due = now or ts - self.last >= EVERY or loaded is not self.loaded
        if not (due and loaded.decisions.voice.settled):
            return
        self.last, self.loaded = ts, loaded
        version = loaded.about.version
        about = {"recording": self.recording, "events": recorded, "version": version}
        arrays = attempted(loaded.decisions.snapshot)
        if isinstance(arrays, Exception):  # predictions go on: the one before it is kept
            log.warning("no snapshot", why=repr(arrays))
            return
        self.archive.beside(partial(self._write, about, arrays))

    def _write(self, about: dict[str, Any], arrays: Arrays) -> None:
        """Unless it would be ahead of what the disk took."""
        if not (self.archive.held or self.archive.lost):
            with suppress(InputError, OSError):  # the archive says what is wrong with the disk
                write(self.path, about, arrays)


def latest(loaded: Loaded) -> int:
    """ns of the last record that it was given."""
    return int(loaded.decisions.engine.fold.arrays["clocks"]["latest"][0])


def write(path: Path, about: dict[str, Any], arrays: Arrays) -> None:
    with replacing(path) as draft:
        draft.write_bytes(pack({ABOUT: np.array(json.dumps(about))} | arrays))


def resumed(folder: Path, bench: Bench, loaded: Loaded, now: int) -> tuple[Loaded, Events] | None:
    """The model as it was, and what it is to hear first; None where nothing was kept.

    Raises InputError where that is of something else, or too old.
    """
    path = folder / JOURNAL / STATE
    if not path.exists():
        return None
    fresh = bench.renewed(loaded)
    try:
        arrays = unpack(path.read_bytes())
        about = json.loads(str(arrays.pop(ABOUT)))
        version, name, events = (about[k] for k in ("version", "recording", "events"))
        if version == loaded.about.version:
            fresh.decisions.restore(arrays)
    except (InputError, KeyError, OSError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is no snapshot of this engine ({error})") from error
    if version != loaded.about.version:
        raise InputError(f"{path}: is of model {version}, {loaded.about.version} is served")
    after = attempted(lambda: told(folder, name, events, bench, fresh))
    if isinstance(after, Exception):  # with what ended the session before: no start repeats that
        raise InputError(f"{path}: what follows it is not taken in ({after!r})") from after
    fresh, ts = after, latest(after)
    if not 0 <= now - ts <= LONGEST:
        raise InputError(f"{path}: ends {(now - ts) / 1e9:.0f} s ago: that is too old, or to come")
    return fresh, joined([lost(k, ts) for k in range(len(bench.table))])


def told(folder: Path, name: str, count: int, bench: Bench, loaded: Loaded) -> Loaded:
    """After the rest of a recording, of which it knows so many events."""
    every = recordings(folder)
    found = [r for r in every if r.id == name]
    if not found or found[0].rows("events") < count:
        raise InputError(f"{folder}: holds no recording {name} of {count} events or more")
    if later := [r for r in every if r.order > found[0].order and served(folder, r)]:
        raise InputError(f"{folder}: {later[0].name}, another session has followed")
    begin, spans = 0, found[0].spans
    while begin < len(spans) and (n := events_of(spans[begin].parts)) <= count:
        begin, count = begin + 1, count - n
    chosen = tuple(range(len(found[0].instruments)))
    known = latest(loaded)
    replay = Replay(bench, loaded)
    stream = Stream(folder, found[0], chosen, EARLIEST, LATEST, begin)
    for chunk in given(rest(stream, count, known)):
        for part in parts(chunk):
            for _ in replay.push(part):
                pass
    return replay.serving


def served(folder: Path, recording: Recording) -> bool:
    """Whether a model was told of it: then the engine has gone on from there."""
    return recording.rows("events") > 0 and place(folder, recording.id).exists()


def rest(stream: Stream, count: int, known: int) -> Iterator[Chunk]:
    """Without its first events, and the bars until then, ns."""
    for chunk in stream.chunks():
        cut, count = min(count, len(chunk.events)), max(count - len(chunk.events), 0)
        bars = chunk.bars[chunk.bars["ts_recv"] > known]
        yield chunk._replace(events=chunk.events[cut:], bars=bars)


def events_of(parts: tuple[Part, ...]) -> int:
    return sum(part.rows for part in parts if part.kind == "events")
