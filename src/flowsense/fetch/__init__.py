"""History over the vendors' own requests, into files that `sources` reads.

Pages of a request lie beside the file, in a folder of its name and ``.part``, until all are there:
whatever interrupts, the same request goes on where it stopped, and the file appears whole or not.
Keys come from the environment and are shown by nothing.
"""

from pathlib import Path
from typing import NamedTuple

import orjson

from flowsense.errors import InputError
from flowsense.store.atomic import ensure_writable, replacing

ASKED = "request.json"


class Wanted(NamedTuple):
    """A request for history; times in ns UTC, from `start` to before `end`."""

    venue: str
    symbol: str
    start: int
    end: int
    interval: int = 0  # ns, of candles
    schema: str = ""  # of Databento's records


def ending(out: Path, endings: tuple[str, ...]) -> None:
    """Raises InputError, before anything is asked for, for a file that would be read as another."""
    if not out.name.endswith(endings):
        raise InputError(f"--out {out}: give a name that ends in {' or '.join(endings)}")


def parts(wanted: Wanted, out: Path) -> Path:
    """The folder of pages, made or found. Raises InputError where it is of another request."""
    if wanted.end <= wanted.start:
        raise InputError("--from is not before --to: give the time that history begins first")
    ensure_writable(out.parent)
    if out.is_dir():
        raise InputError(f"{out}: is a folder: name a file")
    folder = out.with_name(out.name + ".part")
    asked, said = folder / ASKED, orjson.dumps(wanted._asdict())
    if folder.exists() and (not asked.is_file() or asked.read_bytes() != said):
        raise InputError(f"{folder}: holds pages of another request: finish it, or remove it")
    if not folder.exists():
        with replacing(folder) as draft:
            draft.mkdir()
            (draft / ASKED).write_bytes(said)
    return folder
