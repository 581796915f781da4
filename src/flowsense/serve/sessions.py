"""What was served, again from the folder of its recordings alone.

Beside each recording lies the list of the models that served it, in order: their versions, which
are digests of what they learned, and where they were.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from flowsense.ensemble.code import Code
from flowsense.ensemble.panel import Rules
from flowsense.errors import InputError
from flowsense.live.archive import JOURNAL, Archive
from flowsense.risk.settings import Settings
from flowsense.schema import CONTROL, Chunk
from flowsense.serve.config import MEMBERS
from flowsense.serve.replayed import Replay, Served, chosen, parts
from flowsense.serve.skipped import given
from flowsense.serve.swapping import Bench, Loaded
from flowsense.served import Model
from flowsense.sources.lake import EARLIEST, LATEST, Stream
from flowsense.store.atomic import replacing
from flowsense.store.lake import Recording, recordings


def place(folder: Path, recording: str) -> Path:
    return folder / JOURNAL / f"{recording}.models.json"


class Table:
    """Of the models of a session; its archive's lane writes."""

    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.path = place(archive.folder, archive.writer.recording.id)
        self.count = 0

    def look(self, models: list[Model]) -> None:
        """Is there another?"""
        if len(models) > self.count:
            self.count = len(models)
            said = [[one.version, str(Path(one.path).resolve())] for one in models]
            self.archive.beside(partial(write, self.path, said))


def write(path: Path, said: list[list[str]]) -> None:
    with suppress(InputError), replacing(path) as draft:  # the archive tells what ails the disk
        draft.write_text(json.dumps(said))


def again(
    folder: Path, settings: Settings | None = None, members: Rules | None = MEMBERS
) -> Iterator[Served]:
    """All that was decided in all sessions of a lake, in the order in which they began.

    settings, members: as they were, where they were not the usual ones.

    Raises InputError where a model is gone or another by now, and where nothing was served.
    """
    found = [one for one in recordings(folder) if place(folder, one.id).exists()]
    if not found:
        raise InputError(f"{folder}: holds nothing that was served: name what --record named")
    replay: Replay | None = None
    for recording in sorted(found, key=lambda one: one.order):
        bench = Bench(recording.instruments, settings or Settings(), members)
        models = loaded(bench, folder, recording)
        everyone = tuple(range(len(recording.instruments)))
        first = True
        for chunk in given(Stream(folder, recording, everyone, EARLIEST, LATEST).chunks()):
            if first and (replay is None or not goes_on(chunk)):
                replay = Replay(bench, bench.renewed(models[0]))
            assert replay is not None
            replay.model, first = partial(chosen, models), False
            for part in parts(chunk):
                yield from replay.push(part)


def goes_on(chunk: Chunk) -> bool:
    """Whether a session began where the one before it ended."""
    one = chunk.events[:1]
    return bool(((one["action"] == CONTROL) & (one["price"] == Code.RESUME)).any())


def loaded(bench: Bench, folder: Path, recording: Recording) -> list[Loaded]:
    """The models that served it."""
    out, path = list[Loaded](), place(folder, recording.id)
    try:
        said = [(str(version), Path(where)) for version, where in json.loads(path.read_text())]
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is no list of models ({error})") from error
    for version, where in said:
        try:
            out.append(bench.load(where, 0))
        except InputError as error:
            raise InputError(f"{path}: model {version} of {where} is gone ({error})") from error
        if (now := out[-1].about.version) != version:
            raise InputError(f"{where}: model {version} served, {now} is there now: bring it back")
    return out
