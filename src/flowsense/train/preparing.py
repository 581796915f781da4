"""Folds a recording into a folder of rows in flat memory, and goes on where a dead process was.

A segment of rows is reported done when its files and a snapshot of the fold are on the disk. Who
goes on reads the recording again up to there, which is quick, and folds what is left.
"""

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.labels import COLUMNS, Labels, join
from flowsense.schema import NEVER, Quotes
from flowsense.sources import chunks
from flowsense.store.arrays import pack, unpack
from flowsense.store.atomic import ensure_writable, publish, replacing, unwritable
from flowsense.store.checkpoint import versions
from flowsense.store.rows import Writer, decode, encode
from flowsense.tape import Rows, Tape
from flowsense.train.dataset import Cost, digest, ensure_rows
from flowsense.train.folding import LEAST, Folding, one
from flowsense.train.prepared import MANIFEST, SEAL, About, Prepared, columns_of, is_prepared
from flowsense.train.progress import Progress, silent
from flowsense.train.read import Recording, hashes
from flowsense.wall import Stopwatch

STATE = "state.npz"  # of a folder that is not finished
SEALED = 4  # segments between two seals


def prepare_rows(
    recording: Recording,
    targets: tuple[Target, ...],
    folder: Path,
    *,
    start: int = 0,
    end: int = NEVER,
    events: bool = False,
    least: int = LEAST,
    progress: Progress = silent,
) -> Prepared:
    """Rows and labels of a recording at `folder`, made now, or before and asked for alike.

    With `events` they are kept too, for models that read them. `least` rows or more are a
    segment. Raises InputError for recordings that give no row, and where the folder holds
    something else.
    """
    table, files = recording.instruments, hashes(recording.files)
    asked = About(
        recording.spec,
        targets,
        table,
        recording.source.name,
        files,
        recording.options,
        start,
        end,
        events,
    )
    draft = folder.parent / f".{folder.name}.unfinished"
    if is_prepared(folder):
        found = Prepared(folder)
        ensure_same(folder, found.about.asked(), asked.asked())
        (found.folder / STATE).unlink(missing_ok=True)
        return found
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: holds something that is no rows: name another folder")
    ensure_writable(folder.parent)
    work = Work(recording, asked, draft, least, progress)
    try:
        work.fold()
        work.finish(folder)
    finally:
        work.writer.close()
    return Prepared(folder)


class Work:
    """One pass over the recording, from the last seal on."""

    def __init__(
        self, recording: Recording, asked: About, draft: Path, least: int, progress: Progress
    ) -> None:
        self.recording, self.asked, self.draft = recording, asked, draft
        self.least, self.progress = least, progress
        self.of = Folding(
            asked.spec,
            asked.instruments,
            asked.targets,
            asked.start,
            asked.end,
            keep=asked.holds_events,
        )
        self.held, self.labels, self.told = list[Tape](), list[Labels](), list[Quotes]()
        self.unsealed = 0  # segments
        self.reading, self.folding = Stopwatch(), Stopwatch()
        columns = columns_of(asked.spec, asked.targets, events=asked.holds_events)
        if (draft / STATE).exists():
            arrays = unpack((draft / STATE).read_bytes())
            state = json.loads(str(arrays.pop("about")))
            ensure_same(draft, state["asked"], asked.asked())
            columns = decode(state["pieces"], columns)
            self.of.restore(arrays)
        try:
            draft.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(draft, error) from error
        self.writer = Writer(draft, columns)

    def fold(self) -> None:
        """Everything that is left of the recording. Raises InputError."""
        self.progress("reading", self.of.events, None)
        for chunk in self.reading.over(chunks(self.recording.source)):
            with self.folding:
                for step in self.of.push(self.of.left(chunk)):
                    self.held.append(step.tape)
                    self.labels.append(step.labels)
                    self.told.append(step.quotes)
                if sum(len(tape.rows[0].ts) for tape in self.held) >= self.least:
                    self.write()
                if self.unsealed >= SEALED:
                    self.seal()
            if self.of.enough(chunk.events):
                break
        self.labels.append(self.of.close())
        ensure_rows(self.of)

    def write(self) -> None:
        """What is held becomes a segment."""
        if self.held:
            tape = one(self.held)
            if self.asked.holds_events:
                self.writer.append("events", tape.events)
            for clock, rows in enumerate(tape.rows):
                for name in Rows._fields:
                    values = getattr(rows, name)
                    packed = np.packbits(values, axis=1) if name == "valid" else values
                    self.writer.append(f"rows/{clock}/{name}", packed)
        if self.labels:
            labels = join(self.labels)
            for name in COLUMNS:
                self.writer.append(f"labels/{name}", getattr(labels, name))
        if self.told and "quotes" in self.writer.columns:
            self.writer.append("quotes", np.concatenate(self.told))
        self.held, self.labels, self.told = [], [], []
        self.unsealed += 1

    def seal(self) -> None:
        """What was written is done: nothing of it is made again."""
        about = {"asked": self.asked.asked(), "pieces": encode(self.writer.seal())}
        arrays = {"about": np.array(json.dumps(about))} | self.of.snapshot()
        with replacing(self.draft / STATE) as path:
            path.write_bytes(pack(arrays))
        self.unsealed = 0
        self.progress("reading", self.of.events, None)

    def finish(self, folder: Path) -> None:
        """The folder appears whole, with its hashes."""
        self.write()
        pieces = encode(self.writer.seal())
        read = Cost(self.reading.seconds, self.of.events, 0)
        cost = {"read": read, "rows": Cost(self.folding.seconds, self.of.events, self.of.rows)}
        about = replace(
            self.asked,
            events=self.of.events,
            quotes=self.of.quotes,
            rows=self.of.rows,
            versions=versions(),
            cost=cost,
        )
        self.describe(about, pieces)
        self.describe(replace(about, digest=digest(Prepared(self.draft))), pieces)
        for left in self.draft.glob(".*.draft"):  # of a process that died while it sealed
            shutil.rmtree(left, ignore_errors=True)
        publish(self.draft, folder)
        (folder / STATE).unlink(missing_ok=True)

    def describe(self, about: About, pieces: dict[str, Any]) -> None:
        text = json.dumps(about.body() | {"pieces": pieces}, allow_nan=False).encode()
        (self.draft / MANIFEST).write_bytes(text)
        (self.draft / SEAL).write_bytes(sha256(text).hexdigest().encode())


def ensure_same(place: Path, was: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises InputError that names the first thing that was asked otherwise before."""
    was, now = (json.loads(json.dumps(x)) for x in (was, now))
    for name in now:
        if was.get(name) != now[name]:
            before, after = (json.dumps(x.get(name))[:80] for x in (was, now))
            raise InputError(
                f"{place}: was made with {name} {before}, not {after}: ask for the same, or name "
                "another folder"
            )
