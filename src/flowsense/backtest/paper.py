"""A paper account: a backtest whose state outlives its process.

What is pushed is kept before it is folded, so that after kill -9 the folder holds all that went
in; opening it folds again what its last state does not hold. The fold repeats bit for bit, so that
nobody can tell from what was traded that the process ever died.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson

from flowsense.backtest import Result
from flowsense.backtest.arms import Arm, Arms
from flowsense.backtest.consumed import NAMES, Position, decoded, encoded
from flowsense.backtest.folder import JOURNAL, STATUS, Folder, place, settings
from flowsense.backtest.outputs import Lines, Written
from flowsense.backtest.standing import differences, standing
from flowsense.errors import InputError
from flowsense.schema import SECOND, Chunk, Instrument, checked, checked_beside
from flowsense.store.arrays import Arrays, pack, unpack
from flowsense.store.atomic import replacing
from flowsense.store.journal import BEGIN, Journal
from flowsense.wall import Clock, Wall


@dataclass(frozen=True, slots=True)
class Care:
    """What a crash may cost, and how often is told what goes on."""

    folded_ns: int = 3 * SECOND  # of folding, that opening may have to do again
    share: float = 0.05  # of the time, that saving states may take; else that is done seldomer
    journal: int = 64 << 20  # bytes that opening may have to read
    sync_ns: int = SECOND  # that the loss of power may take; kill -9 takes nothing
    status_ns: int = SECOND  # between two looks at the status, at least


class Recovery(NamedTuple):
    """What opening a folder found."""

    fresh: bool  # nothing was pushed before
    pushes: int  # that were folded again
    notes: tuple[str, ...]  # what was lost or passed over
    differences: tuple[str, ...]  # of venue and account; (): reconciled


class Paper:
    """A fold over chunks, kept in a folder; one process at a time.

    Args:
        folder: made where there is none; the account in it goes on.
        arms: as they were when the folder was made.
        instruments: of the stream.

    Raises:
        InputError: a folder that holds anything else, that another process trades in, that was
            begun with other arms or instruments, that is damaged, or that cannot be written;
            plans that do not suit. Nothing is changed then.
    """

    def __init__(
        self,
        folder: Path,
        arms: Mapping[str, Arm],
        instruments: tuple[Instrument, ...],
        care: Care | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.instruments, self.care, self.clock = instruments, care or Care(), clock or Wall()
        self.arms = Arms(arms, instruments)
        places = {name: place(folder, name, len(arms)) for name in arms}
        self.written = {name: Written(at, instruments) for name, at in places.items()}
        self.position, self.finished = Position(), False
        self._kept = self.position, self.finished  # as of the last state
        self._folded = self._cost = 0  # ns, since the last state, and of saving that
        self.folder = Folder(folder, settings(self.arms, instruments))
        self.journal = Journal(folder / JOURNAL)
        try:
            self.recovery = self._recover()
            self._synced = self.clock.now()
            self.tell()
        except BaseException:
            self.let_go()
            raise

    @property
    def over(self) -> bool:
        """Whether all plans have ended."""
        return self.arms.over

    def push(self, chunk: Chunk) -> None:
        """What came next.

        Raises InputError for bad records, as if they had not been pushed. Whatever is raised while
        they are folded, the folder is let go: whoever opens it again goes on.
        """
        if not any(map(len, chunk)):
            return
        chunk = self._checked(chunk)
        content = encoded(chunk)
        self.journal.append(content)
        try:
            self._fold(chunk)
        except BaseException as error:
            if isinstance(error, InputError):
                self.journal.take_back(content)
            self.let_go()
            raise
        self.finished = False
        self._care()

    def save(self) -> None:
        """A state, from which opening goes on. Raises InputError where it cannot be written."""
        files, since = self._files(), self.clock.now()
        at = [*self.position.counts, *self.position.checksums, self.position.ts, self.finished]
        try:
            state: Arrays = {
                "arms": np.frombuffer(self.arms.snapshot(), np.uint8),
                "position": np.array(at, np.int64),
                "outputs": np.array([(x.size, x.checksum) for x in files], np.int64),
            }
            for lines in files:
                lines.sync()
            self.journal.save(pack(state))
        except BaseException:
            self.let_go()
            raise
        self._folded, self._synced = 0, self.clock.now()
        self._cost = self._synced - since
        self._kept = self.position, self.finished

    def status(self) -> dict[str, Any]:
        """Where all stands: the same for everybody who has pushed the same."""
        position = dict(zip(NAMES, self.position.counts, strict=True)) | {"ts": self.position.ts}
        runs = self.arms.runs.items()
        arms = {name: standing(run, self.written[name].executed) for name, run in runs}
        return {"finished": self.finished, "position": position, "arms": arms}

    def tell(self) -> None:
        """Write the status."""
        with replacing(self.folder.path / STATUS) as draft:
            draft.write_bytes(orjson.dumps(self.status(), option=orjson.OPT_INDENT_2))
        self._told = self.clock.now()

    def results(self) -> dict[str, Result]:
        """Of each arm so far. Raises InputError where none of its rows lay in its span."""
        return {n: self.written[n].all(result) for n, result in self.arms.results().items()}

    def finish(self) -> None:
        """The stream is over, and its results lie where they belong."""
        self.finished = True
        self.close()

    def close(self) -> None:
        """All is on the disk; somebody else may go on."""
        if self.folder.open:
            try:
                if self._kept != (self.position, self.finished):
                    self.save()
                self.tell()
            finally:
                self.let_go()

    def let_go(self) -> None:
        """Leave it all as it lies; somebody else may go on from there, as after a crash."""
        for lines in self._files():
            lines.close()
        self.journal.close()
        self.folder.close()

    def _files(self) -> list[Lines]:
        return [lines for written in self.written.values() for lines in written.files]

    def _recover(self) -> Recovery:
        found, files = self.journal.recover(), self._files()
        if found.state == BEGIN and not found.pushed and any(x.there() for x in files):
            raise InputError(f"{self.journal.folder}: is empty: begin in another folder")
        if found.state != BEGIN:
            self._restore(found.state)
        for written in self.written.values():
            written.open()
        for content in found.pushed:
            self._again(content)
        notes = [f"{name} is damaged, an older state was taken" for name in found.passed]
        if found.cut:
            notes.append(f"{found.cut} bytes of a push that was not written to its end are gone")
        notes += [f"{x.path} came out otherwise than it was" for x in files if not x.again()]
        runs = self.arms.runs.items()
        wrong = [f"{n}: {x}" for n, r in runs for x in differences(r, self.written[n].executed)]
        if found.pushed or found.passed:
            self.save()
        fresh = self.position == Position()
        return Recovery(fresh, len(found.pushed), tuple(notes), tuple(wrong))

    def _again(self, content: bytes) -> None:
        try:
            self._fold(decoded(content))
        except InputError:  # killed before it could be taken back
            self.journal.take_back(content)
            raise

    def _restore(self, state: bytes) -> None:
        parts = unpack(state)
        self.arms.restore(parts["arms"].tobytes())
        at = parts["position"].tolist()
        self.position = Position(tuple(at[:3]), tuple(at[3:6]), at[6])
        self.finished = bool(at[7])
        self._kept = self.position, self.finished
        for lines, ends in zip(self._files(), parts["outputs"].tolist(), strict=True):
            lines.check(*ends)

    def _checked(self, chunk: Chunk) -> Chunk:
        events = checked(chunk.events, len(self.instruments))
        if len(events) and events["ts_recv"][0] < self.position.ts:
            ts, last = int(events["ts_recv"][0]), self.position.ts
            raise InputError(f"events: ts_recv {ts} comes after {last}: give them in order")
        beside = checked_beside(chunk.bars, chunk.observations, len(self.instruments))
        return Chunk(events, *beside)

    def _fold(self, chunk: Chunk) -> None:
        since = self.clock.now()
        self.arms.push(chunk)
        self._folded += self.clock.now() - since
        self.position = self.position.after(chunk)
        for name, run in self.arms.runs.items():
            self.written[name].take(run)

    def _care(self) -> None:
        now, care = self.clock.now(), self.care
        enough = max(care.folded_ns, self._cost / care.share)
        if self._folded >= enough or self.journal.size >= care.journal:
            self.save()
        elif now - self._synced >= care.sync_ns:
            self.journal.sync()
            self._synced = now
        if now - self._told >= care.status_ns:
            self.tell()
