"""What was pushed, kept until a state that holds it is safe: recovery is the state, then the rest.

Generation k of a folder is ``k.state``, a state, and ``k.records``, what was pushed after it::

    a record    RECO  bytes of the content  its number  CRC-32 of all that  content
    a state     STAT  likewise, its number being that of the next record

Two generations are kept, so that a damaged state is replaced by the one before it and more records.
What a killed process had half written is the end of the last file, and is cut off. Anything else
that does not read is damage, and is told: nothing is ever skipped.
"""

import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from flowsense.errors import InputError
from flowsense.store.atomic import replacing, sync, unwritable

HEAD = struct.Struct("<4sIQI")
RECORD, STATE = b"RECO", b"STAT"
BEGIN = b""  # the state before the first record
RECORDS, STATES = "records", "state"  # suffixes


class Frame(NamedTuple):
    number: int
    content: bytes
    end: int  # where the next begins


class Recovered(NamedTuple):
    """What was found: a state, and the contents of the records after it."""

    state: bytes  # BEGIN: none
    pushed: tuple[bytes, ...]
    cut: int  # bytes of a record that was not written to its end
    passed: tuple[str, ...]  # states that could not be used


class Journal:
    """The only writer of a folder; `recover` first. A record is safe from kill -9 once appended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.generation, self.number, self.size = 0, 0, 0
        self._file = -1

    def recover(self) -> Recovered:
        """The last state that is whole and all that came after it; appending goes on from there.

        Raises InputError for damage, before anything is changed.
        """
        states, segments = (numbered(self.folder, suffix) for suffix in (STATES, RECORDS))
        start, frame, passed = self._state(states, segments)
        last = max([start, *segments])
        lost = sorted(set(range(start, last)) - set(segments))
        if lost:
            raise InputError(f"{self._path(lost[0], RECORDS)}: is missing: begin in another folder")
        self.generation, self.number, self.size = last, frame.number, 0
        records, cut = list[bytes](), 0
        for k in range(start, last + 1):
            path = self._path(k, RECORDS)
            data = path.read_bytes() if k in segments else b""
            found, self.size = self._records(data, path, k == last)
            records += found
            cut = len(data) - self.size
        self._open(self.size)
        sync(self.folder)
        return Recovered(frame.content, tuple(records), cut, passed)

    def append(self, content: bytes) -> None:
        """Raises InputError where it cannot be written; then nothing of it is kept."""
        data = framed(RECORD, self.number, content)
        try:
            write(self._file, data)
        except OSError as error:
            os.ftruncate(self._file, self.size)
            raise unwritable(self._path(self.generation, RECORDS), error) from error
        self.number, self.size = self.number + 1, self.size + len(data)

    def take_back(self, content: bytes) -> None:
        """Forget the record that was appended last, if this is it and no state holds it."""
        data = framed(RECORD, self.number - 1, content)
        at = self.size - len(data)
        if at >= 0 and self._path(self.generation, RECORDS).read_bytes()[at:] == data:
            self.size, self.number = at, self.number - 1
            os.ftruncate(self._file, self.size)

    def sync(self) -> None:
        """What was appended survives the loss of power from here on."""
        os.fsync(self._file)

    def save(self, state: bytes) -> None:
        """A state that holds all records so far. Raises InputError where it cannot be written."""
        self.sync()
        path = self._path(self.generation + 1, STATES)
        with replacing(path) as draft:
            draft.write_bytes(framed(STATE, self.number, state))
        self.close()
        self.generation += 1
        self.size = 0
        self._open(0)
        sync(self.folder)
        for suffix in (STATES, RECORDS):
            for old in numbered(self.folder, suffix):
                if old < self.generation - 1:
                    self._path(old, suffix).unlink()

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _path(self, generation: int, suffix: str) -> Path:
        return self.folder / f"{generation:08}.{suffix}"

    def _open(self, size: int) -> None:
        path = self._path(self.generation, RECORDS)
        try:
            self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
            os.ftruncate(self._file, size)
        except OSError as error:
            raise unwritable(path, error) from error

    def _state(
        self, states: Sequence[int], segments: Sequence[int]
    ) -> tuple[int, Frame, tuple[str, ...]]:
        """The newest that is whole, its generation, and those that are not."""
        passed = list[str]()
        for k in reversed(states):
            path = self._path(k, STATES)
            data = path.read_bytes()
            frame = frame_at(data, 0, STATE)
            if frame is not None and frame.end == len(data):
                return k, frame, tuple(passed)
            passed.append(path.name)
        if 0 not in segments and (passed or segments):
            which = " and ".join(passed) if passed else f"{min(segments):08}.{STATES}"
            raise InputError(f"{self.folder}: {which} cannot be read: begin in another folder")
        return 0, Frame(0, BEGIN, 0), tuple(passed)

    def _records(self, data: bytes, path: Path, last: bool) -> tuple[list[bytes], int]:
        """Contents, and where the last of them ends."""
        found, at = list[bytes](), 0
        while at < len(data):
            frame = frame_at(data, at, RECORD)
            if frame is None:
                if not last or any(frames(data, at + 1)):
                    raise InputError(
                        f"{path}: damaged at byte {at}: what came after it cannot be trusted,"
                        " begin in another folder"
                    )
                break
            if frame.number != self.number:
                raise InputError(
                    f"{path}: record {frame.number} at byte {at}, not {self.number}: one is"
                    " missing, begin in another folder"
                )
            found.append(frame.content)
            at, self.number = frame.end, self.number + 1
        return found, at


def framed(kind: bytes, number: int, content: bytes) -> bytes:
    bare = HEAD.pack(kind, len(content), number, 0)
    return HEAD.pack(kind, len(content), number, crc32(content, crc32(bare))) + content


def frame_at(data: bytes, at: int, kind: bytes) -> Frame | None:
    """The frame that begins there; None where none does that is whole."""
    if len(data) - at < HEAD.size:
        return None
    found, size, number, checksum = HEAD.unpack_from(data, at)
    end = at + HEAD.size + size
    if found != kind or end > len(data):
        return None
    content = data[at + HEAD.size : end]
    bare = HEAD.pack(kind, size, number, 0)
    return Frame(number, content, end) if crc32(content, crc32(bare)) == checksum else None


def frames(data: bytes, at: int) -> Iterator[Frame]:
    """Whole records that begin anywhere from there on."""
    while (at := data.find(RECORD, at)) >= 0:
        frame = frame_at(data, at, RECORD)
        if frame is not None:
            yield frame
        at += 1


def write(file: int, data: bytes) -> None:
    """All of it: a disk that fills up takes a part."""
    done = os.write(file, data)
    while done < len(data):
        done += os.write(file, data[done:])


def numbered(folder: Path, suffix: str) -> list[int]:
    """Generations that have such a file, rising."""
    return sorted(int(p.stem) for p in folder.glob(f"*.{suffix}") if p.stem.isdecimal())
