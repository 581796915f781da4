"""The folder of an account: what it was begun with, and who trades in it."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import orjson

from flowsense.backtest.arms import Arms
from flowsense.errors import InputError
from flowsense.schema import Instrument
from flowsense.store.atomic import ensure_replaceable, ensure_writable, sync, unwritable

FORMAT = 1
MARKED, LOCK, STATUS, JOURNAL = "paper.json", "lock", "status.json", "journal"
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")  # names of arms become those of folders
Said = Mapping[str, Any]


class Kind(NamedTuple):
    """Of account."""

    marked: str  # the file by which its folder is known
    what: str


PAPER = Kind(MARKED, "a paper account")


def settings(arms: Arms, instruments: tuple[Instrument, ...]) -> dict[str, Any]:
    """All that what comes out depends on, besides the stream; readable."""
    pairs = zip(arms.engines, arms.heard, strict=True)
    versions = {name: engine.version for engine, names in pairs for name in names}
    told = {
        name: {"model": versions[name], "features": arm.spec.digest} | plain(arm.plan)
        for name, arm in arms.arms.items()
    }
    return {
        "format": FORMAT,
        "instruments": {str(k): plain(i) for k, i in enumerate(instruments)},
        "arms": told,
    }


def plain(value: Any) -> Any:
    """Settings within settings by their names, all others as they are written."""
    if is_dataclass(value) and not isinstance(value, type):
        inside = {f.name: getattr(value, f.name) for f in fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        inside = value._asdict()
    else:
        return repr(value)
    return {"kind": type(value).__name__} | {name: plain(x) for name, x in inside.items()}


def place(folder: Path, name: str, arms: int) -> Path:
    """Where an arm writes: the folder itself, or one of its own where there are several.

    Files of their own, because which of two is written first would depend on how the stream is
    cut. Raises InputError for a name that cannot be one of a folder.
    """
    called = name.replace(" ", "-")
    if not PLAIN.fullmatch(name) or called in (JOURNAL, LOCK):
        raise InputError(f"arm {name!r}: give a name of letters, digits, dots and dashes")
    return folder if arms == 1 else folder / called


class Folder:
    """Held by one process until `close`; made whole or not at all where there is none.

    Raises InputError for a folder that holds anything else, that another process trades in, that
    was begun with something else, that is damaged, or that cannot be written.
    """

    def __init__(self, path: Path, said: Said, kind: Kind = PAPER) -> None:
        self.path = path
        begin(path, said, kind)
        self.lock = locked(path)
        try:
            agree(path, said, kind)
        except InputError:
            self.close()
            raise
        for inside in (path, path / JOURNAL):
            for draft in inside.glob(".*.draft"):  # of a killed process
                shutil.rmtree(draft, ignore_errors=True)

    @property
    def open(self) -> bool:
        return not self.lock.closed

    def close(self) -> None:
        self.lock.close()


def begin(folder: Path, said: Said, kind: Kind) -> None:
    """A folder that says what it was begun with; one of ours is left as it is."""
    ensure_replaceable(folder, kind.marked, kind.what)
    if (folder / kind.marked).exists():
        return ensure_writable(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, suffix=".draft") as shelter:
            draft = Path(shelter) / folder.name
            (draft / JOURNAL).mkdir(parents=True)
            (draft / kind.marked).write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2))
            for made in (draft / kind.marked, draft):
                sync(made)
            draft.rename(folder)  # refused where another process was first
            sync(folder.parent)
    except OSError as error:
        if not (folder / kind.marked).exists():
            raise unwritable(folder, error) from error


def locked(folder: Path) -> IO[str]:
    """The lock is gone with its process, however that ends. Raises InputError where it is held."""
    lock = (folder / LOCK).open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        pid = lock.read().strip()
        lock.close()
        raise InputError(f"{folder}: process {pid} trades in it: end that one first") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def agree(folder: Path, said: Said, kind: Kind) -> None:
    """Raises InputError where the folder was begun with something else."""
    path = folder / kind.marked
    try:
        before = flat(orjson.loads(path.read_bytes()))
    except (ValueError, AttributeError):
        raise InputError(f"{path}: is damaged: begin in another folder") from None
    now = flat(said)
    for key in sorted(before.keys() | now.keys()):
        was, is_ = (each.get(key, "nothing") for each in (before, now))
        if was != is_:
            raise InputError(
                f"{folder}: was begun with {' '.join(key)} {was}, not {is_}: give the same,"
                " or another folder"
            )


def flat(said: Said, at: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Values by the names that lead to them."""
    found = dict[tuple[str, ...], Any]()
    for key, value in said.items():
        found |= flat(value, (*at, key)) if isinstance(value, dict) else {(*at, key): value}
    return found
