"""Into the lake: one writer at a time, span by span, each of them whole or not at all."""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path
from typing import TypeAlias

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import DAY, EVERY, Chunk, Events, checked_beside, zeros
from flowsense.store.atomic import publish, sync
from flowsense.store.lake import (
    DRAFTS,
    KINDS,
    Part,
    Recording,
    Span,
    create,
    digest,
    drafts,
    manifest,
    place,
    places,
    recordings,
    save,
)
from flowsense.store.lake_opening import NOTHING, after, opening
from flowsense.store.lake_parts import group_size, stored, write
from flowsense.store.lake_spool import Spool

SPAN = 1 << 24  # records of a span: a day that has more becomes several
OFTEN = 1 << 18  # records that a kill may cost: days of few are listed together
LOCK = ".lock"
OURS = re.compile(r"[0-9a-f]{16}-\d{6}-\d+\.parquet")
BEFORE = -(2**63)  # every ts_recv
Watch: TypeAlias = Callable[[Chunk], Chunk]


class Unwritable(InputError):
    """The disk refused: what was made visible before stays, and the same call goes on from it."""


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What the system says while we write, in a sentence."""
    try:
        yield
    except OSError as error:
        free = f" ({shutil.disk_usage(folder).free} bytes free)" if error.errno == ENOSPC else ""
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Unwritable(
            f"{folder}: cannot be written: {reason}{free}: make room or choose another place, "
            "what is complete stays and the same command goes on from it"
        ) from error


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """The only writer of a lake, which is made where there is none, and healed.

    Raises InputError where another is at work, for what is no lake, and where nothing can be
    written. The lock is gone with its process, however that ends.
    """
    with writing(folder):
        create(folder)
        lock = (folder / LOCK).open("a+")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            who = f"process {pid}" if (pid := lock.read().strip()) else "another process"
            why = f"{who} writes to it (ingest, record or serve): wait for it, or end it"
            raise InputError(f"{folder}: {why}") from None
        with writing(folder):
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            heal(folder)
        try:
            yield
        finally:
            shutil.rmtree(folder / DRAFTS, ignore_errors=True)


def heal(folder: Path) -> None:
    """Removes what a killed writer left: drafts, and files that no manifest lists."""
    shutil.rmtree(folder / DRAFTS, ignore_errors=True)
    listed = {path for path, *_ in places(folder, recordings(folder))}
    for kind in KINDS:
        for path in (folder / kind).rglob("*.parquet"):
            if path not in listed and OURS.fullmatch(path.name):
                path.unlink()


def record(folder: Path, recording: Recording, chunks: Iterable[Chunk], watch: Watch) -> Recording:
    """Goes on with a recording, from what the lake has of it to its end; -> the finished one.

    `chunks` are those of the source from its beginning, the same at every call; each of them
    passes `watch`, and what that gives is kept. `locked` must hold. With InputError from the
    chunks all is as it was before, without what cannot be completed; with Unwritable, and where
    the process is killed, the spans that were written stay.
    """
    before = [r for r in recordings(folder) if r.id == recording.id and r.done]
    writer = Writer(folder, recording)
    try:
        for chunk in chunks:
            writer.take(watch(chunk))
        return writer.close()
    except BaseException as error:
        with suppress(OSError, InputError):
            if isinstance(error, InputError) and not isinstance(error, Unwritable):
                manifest(folder, recording).unlink(missing_ok=True)
                for complete in before:
                    save(folder, complete)
            heal(folder)
        raise
    finally:
        writer.renew()


class Writer:
    """A recording on its way in. In memory is less than a run of each spool."""

    def __init__(self, folder: Path, recording: Recording) -> None:
        self.folder, self.recording = folder, recording
        self.others = [r for r in recordings(folder) if r.id != recording.id]
        self.known = {kind: recording.rows(kind) for kind in KINDS}  # to be passed over
        self.position = dict.fromkeys(KINDS, 0)
        self.latest = {  # where the events of each instrument end
            part.instrument: (number, part)
            for number, span in enumerate(recording.spans)
            for part in span.parts
            if part.kind == "events"
        }
        self.before = recording.spans[-1].last if recording.spans else BEFORE
        self.day, self.first, self.last = 0, 0, BEFORE
        self.unsaved = 0  # records in spans that the manifest does not list yet
        self.spools: dict[str, Spool] = {}
        self.renew()

    def renew(self) -> None:
        for spool in self.spools.values():
            spool.close()
        self.spools = {kind: Spool(kind, self.folder) for kind in KINDS}

    def take(self, chunk: Chunk) -> None:
        """Raises InputError for records out of order or of an instrument that is not there."""
        self.last = ordered(chunk, len(self.recording.instruments), self.last)
        checked_beside(chunk.bars, chunk.observations, len(self.recording.instruments))
        for day, piece in days(self.fresh(chunk)):
            if day != self.day:
                self.commit()
            with writing(self.folder):
                self.hold(day, piece)
        if sum(spool.rows for spool in self.spools.values()) >= SPAN:
            self.commit()

    def fresh(self, chunk: Chunk) -> Chunk:
        """What the lake does not have yet."""
        left = []
        for kind, records in zip(KINDS, chunk, strict=True):
            over = min(max(self.known[kind] - self.position[kind], 0), len(records))
            self.position[kind] += over
            left.append(records[over:])
            late = over and int(records["ts_recv"][over - 1]) > self.before
            if late or (len(left[-1]) and int(left[-1]["ts_recv"][0]) < self.before):
                raise self.changed()
        return Chunk(*left)

    def hold(self, day: int, piece: Chunk) -> None:
        if not any(spool.rows for spool in self.spools.values()):
            self.first = min(int(r["ts_recv"][0]) for r in piece if len(r))
        self.day = day
        for kind, records in zip(KINDS, piece, strict=True):
            self.spools[kind].add(records, self.position[kind])
            self.position[kind] += len(records)

    def commit(self) -> None:
        """What is held goes to its files; with enough of them the manifest shows them."""
        with writing(self.folder):
            spools = self.spools.items()
            whose = [(kind, who) for kind, spool in spools for who in spool.instruments()]
        if not whose:
            return
        last = max(spool.last for spool in self.spools.values())
        span = Span(self.day, self.first, last, ())
        ahead = replace(self.recording, spans=(*self.recording.spans, span))
        refuse_overlap(ahead, self.others)
        with writing(self.folder):
            size = group_size(len(whose))
            parts = tuple(self.part(ahead, kind, who, size) for kind, who in whose)
            spans = (*self.recording.spans, span._replace(parts=parts))
            self.recording = replace(self.recording, spans=spans)
            self.unsaved += sum(spool.rows for spool in self.spools.values())
            if self.unsaved >= OFTEN:
                save(self.folder, self.recording)
                self.unsaved = 0
        self.latest |= {p.instrument: (len(spans) - 1, p) for p in parts if p.kind == "events"}
        self.before = last
        self.renew()

    def part(self, ahead: Recording, kind: str, who: int, size: int) -> Part:
        """Writes the file of one instrument where it belongs."""
        number = len(ahead.spans) - 1
        table = () if who == EVERY else ahead.instruments[who : who + 1]
        draft = drafts(self.folder) / f"{kind}-{who}"
        start = max(ahead.spans[number].day * DAY, self.before)
        book = self.book(who, start) if kind == "events" else zeros(KINDS[kind])
        rows = write(draft, kind, table, book, self.spools[kind].of(who, size))
        found = digest(draft)
        part = Part(kind, who, rows, found.size, found.sha256)
        path = place(self.folder, ahead, number, part)
        make(path.parent)
        publish(draft, path)
        return part

    def book(self, who: int, ts: int) -> Events:
        """The snapshot that a file opens with, from the file before it."""
        instrument = self.recording.instruments[who]
        if who not in self.latest or instrument.depth == 0:
            return zeros(KINDS["events"])
        file = stored(self.folder, self.recording, *self.latest[who], 0)
        standing = NOTHING
        for _, group in file.groups():
            standing = after(standing, file.read(group)["record"], instrument)
        return opening(standing, instrument, ts)

    def close(self) -> Recording:
        """Nothing more is to come."""
        self.commit()
        if any(self.position[kind] < self.known[kind] for kind in KINDS):
            raise self.changed()
        self.recording = replace(self.recording, done=True)
        with writing(self.folder):
            save(self.folder, self.recording)
        return self.recording

    def changed(self) -> InputError:
        return InputError(
            f"{self.recording.name}: gives other records than those of it that are in the lake: "
            f"delete {manifest(self.folder, self.recording)} and ingest it again"
        )


def ordered(chunk: Chunk, instruments: int, last: int) -> int:
    """-> the last ts_recv. Raises InputError where the records do not follow those before."""
    latest = last
    for kind, records in zip(KINDS, chunk, strict=True):
        if len(records) == 0:
            continue
        ts = records["ts_recv"]
        if int(ts[0]) < last or (ts[1:] < ts[:-1]).any():
            raise InputError(f"{kind}: ts_recv falls near {int(ts.min())}: give them in order")
        who = records["instrument"]
        lowest = EVERY if kind == "observations" else 0
        if not lowest <= int(who.min()) <= int(who.max()) < instruments:
            raise InputError(f"{kind}: an instrument that is not among the {instruments} told")
        latest = max(latest, int(ts[-1]))
    return latest


def days(chunk: Chunk) -> Iterator[tuple[int, Chunk]]:
    """(day since 1970, its part of the chunk), UTC."""
    stamps = [records["ts_recv"] for records in chunk]
    ends = [int(ts[at]) // DAY for ts in stamps if len(ts) for at in (0, -1)]
    if not ends:
        return
    for day in range(min(ends), max(ends) + 1):
        cuts = [np.searchsorted(ts, (day * DAY, (day + 1) * DAY)) for ts in stamps]
        piece = Chunk(*(r[a:b] for r, (a, b) in zip(chunk, cuts, strict=True)))
        if any(map(len, piece)):
            yield day, piece


def refuse_overlap(recording: Recording, others: Iterable[Recording]) -> None:
    """Raises InputError where two recordings tell of the same at the same time."""
    for other in others:
        shared = [
            f"{i.symbol} at {i.venue}"
            for i in set(recording.instruments).intersection(other.instruments)
        ]
        if not recording.instruments and not other.instruments:
            shared += set(recording.kinds).intersection(other.kinds)
        if not other.spans or not shared:
            continue
        a, b = sorted((recording, other), key=lambda r: (r.spans[0].first, r.order))
        if (a.spans[-1].last, a.order) > (b.spans[0].first, b.order):
            state = "" if other.done else ", which an ingest began and did not finish"
            raise InputError(
                f"{recording.name}: tells of {min(shared)} at the same time as "
                f"{other.name}{state}: leave it out, or delete {other.id}.json of the lake"
            )


def make(folder: Path) -> None:
    """The folder, whose name reaches the disk."""
    if not folder.exists():
        make(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)
