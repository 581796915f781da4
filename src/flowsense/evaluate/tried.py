"""A record of all that was tried on the same data, so that the next best is judged among them.

One JSON object a line, in `trials.jsonl` beside the runs; every `flowsense backtest` adds its own.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from errno import ENOSPC
from pathlib import Path

import numpy as np
import orjson

from flowsense.errors import InputError
from flowsense.evaluate.sharpe import FEWEST
from flowsense.evaluate.trials import Verdict, judged
from flowsense.store.atomic import sync, unwritable

NAME = "trials.jsonl"


@dataclass(frozen=True, slots=True)
class Trial:
    """One backtest. What was tried is known by `config`: the same again is no other trial."""

    data: str  # digest of what it ran on
    config: str  # digest of all its settings
    name: str
    unit: str  # of a period, like ``day``
    start: int  # ns
    returns: tuple[float, ...]  # net, of each period

    def beside(self, other: "Trial") -> bool:
        """Whether their returns are of the same periods."""
        mine, others = ((x.unit, x.start, len(x.returns)) for x in (self, other))
        return mine == others


class Among(tuple[Trial, ...]):
    """All trials of the same data, each once, in the order they were first made."""

    __slots__ = ()

    def judge(self, of: Trial, *, seed: int = 0) -> Verdict | None:
        """Of this trial, among all; None where its periods are too few to say anything.

        Those over the same periods say how alike they are, all others count as well.
        """
        if len(of.returns) < FEWEST:
            return None
        others = [trial for trial in self if trial.config != of.config]
        beside = [of, *(trial for trial in others if trial.beside(of))]
        returns = np.array([trial.returns for trial in beside], np.float64).T
        names = [trial.name for trial in beside]
        return judged(returns, names=names, tried=len(others) + 1, which=0, seed=seed)


class Trials:
    """The file; several processes may add to it at once."""

    def __init__(self, path: Path) -> None:
        """path: of the file, or of the folder that holds the runs."""
        self.path = path / NAME if path.is_dir() else path

    def add(self, trial: Trial) -> None:
        """Raises InputError for a return that is no number, and where nothing can be written."""
        for k, x in enumerate(trial.returns):
            if not math.isfinite(x):
                raise InputError(f"trial {trial.name}: return {x} of period {k}: leave it out")
        line = orjson.dumps(asdict(trial)) + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o644)
            try:
                size = os.fstat(handle).st_size
                os.lseek(handle, max(size - 1, 0), os.SEEK_SET)
                whole = size == 0 or os.read(handle, 1) == b"\n"
                line = line if whole else b"\n" + line
                if os.write(handle, line) < len(line):  # at once: nothing comes between
                    raise OSError(ENOSPC, os.strerror(ENOSPC))
                os.fsync(handle)
            finally:
                os.close(handle)
            sync(self.path.parent)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def of(self, data: str) -> Among:
        """Empty where there is no file. Raises InputError for a line that is no trial.

        A line that was cut off when its writer died is left out.
        """
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return Among()
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}: name a file of trials") from None
        found = [self._read(k, line) for k, line in enumerate(lines, 1) if line.strip()]
        mine = [trial for trial in found if trial is not None and trial.data == data]
        return Among({trial.config: trial for trial in mine}.values())

    def _read(self, number: int, line: bytes) -> Trial | None:
        try:
            raw = orjson.loads(line)
        except orjson.JSONDecodeError:
            return None
        if not isinstance(raw, dict) or set(raw) != set(Trial.__slots__) or not fits(raw):
            raise InputError(f"{self.path}: line {number} is no trial: take it out")
        return Trial(**raw | {"returns": tuple(raw["returns"])})


def fits(raw: dict[str, object]) -> bool:
    """Whether the values of a line are of a trial."""
    words = all(isinstance(raw[k], str) for k in ("data", "config", "name", "unit"))
    returns = raw["returns"]
    numbers = isinstance(returns, Sequence) and all(isinstance(x, float | int) for x in returns)
    return words and isinstance(raw["start"], int) and numbers
