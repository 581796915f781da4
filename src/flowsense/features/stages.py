"""What fills a row after the loop over events: bars, observations, plain Python, other instruments.

Each stage is a fold of its own, cut at the same boundaries: what it reads may run ahead of the
events and waits until a row is due after it.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.errors import InputError
from flowsense.features import observed
from flowsense.features.catalogue import Families, columns, family
from flowsense.features.clock import CLOCKS
from flowsense.features.generate import across_state, bar_state, build
from flowsense.schema import BAR, BEAT, CONTROL, OBSERVATION, Events, zeros

Out = NDArray[Any]  # (n,) rows as the loop writes them
WAITING = "waiting"  # in the name of an array whose length changes


class Stage(Protocol):
    """All that it remembers is `arrays`, by names of its own."""

    arrays: dict[str, NDArray[Any]]

    def run(self, clocks: NDArray[Any], events: Events, out: Out) -> None:
        """Fill the columns of rows that fell due among these events."""
        ...


def told(waiting: NDArray[Any], more: NDArray[Any], latest: int) -> NDArray[Any]:
    """What waits, and what is told now. Raises InputError where that is too late."""
    if not len(more):
        return waiting
    last = int(waiting["ts_recv"][-1]) if len(waiting) else latest + (latest > 0)
    if more["ts_recv"][0] < last:
        raise InputError(f"bars or observations before {last}: give them in order, with events")
    return np.concatenate([waiting, more]).view(waiting.dtype)


def horizon(clocks: NDArray[Any]) -> int:
    """No row that is still to come leaves out what was received before this."""
    return int(min(clocks["latest"][0] + 1, clocks["next"].min()))


class Bars:
    """The families that read bars."""

    dtype = BAR

    def __init__(self, families: Families, start: int, instruments: int) -> None:
        self.step, self.start = build(families, "bars"), start
        self.raw = np.zeros(len(columns(families.bars)))
        state = np.zeros(instruments, bar_state(families.bars))
        self.arrays = {"state": state, WAITING: zeros(BAR)}

    def run(self, clocks: NDArray[Any], events: Events, out: Out) -> None:
        state, waiting = (records(self.arrays[name]) for name in ("state", WAITING))
        end = horizon(clocks)
        used = self.step(records(clocks), state, waiting, out, self.start, self.raw, end)
        self.arrays[WAITING] = self.arrays[WAITING][used:]


class Observations:
    """The last known value of each kind."""

    dtype = OBSERVATION

    def __init__(self, families: Families, start: int, instruments: int) -> None:
        self.step, self.start = build(families, "observed"), start
        self.kinds = np.array([family(f).kind for f in families.observed], np.int64)
        self.raw = np.zeros(2 * len(self.kinds))
        state = np.zeros((instruments, len(self.kinds)), observed.STATE)
        self.arrays = {"state": state, WAITING: zeros(OBSERVATION)}

    def run(self, clocks: NDArray[Any], events: Events, out: Out) -> None:
        state, waiting = (records(self.arrays[name]) for name in ("state", WAITING))
        rest, end = (waiting, out, self.start, self.raw), horizon(clocks)
        used = self.step(records(clocks), state, self.kinds, *rest, end)
        self.arrays[WAITING] = self.arrays[WAITING][used:]


class Plain:
    """A family in plain Python: `fold(s, events)` sees each event once, `row` reads.

    s () STATE of one instrument; events (k,) of it alone, a copy; book () BOOK as of the row; what
    `row` leaves in out (F,) is missing.
    """

    def __init__(self, name: str, start: int, instruments: int) -> None:
        self.family, self.start = family(name), start
        self.width = len(self.family.COLUMNS)
        self.arrays = {"state": np.zeros(instruments, self.family.STATE)}

    def run(self, clocks: NDArray[Any], events: Events, out: Out) -> None:
        state, rows, at = self.arrays["state"], np.asarray(out), 0
        for r in range(len(rows)):
            self.fold(events[at : rows["event"][r]])
            at = int(rows["event"][r])
            said = np.full(self.width, np.nan)
            book = rows["book"][r : r + 1].copy()[0]
            self.family.row(state[rows["instrument"][r]].copy(), int(rows["ts"][r]), book, said)
            with np.errstate(over="ignore"):
                x = said.astype(np.float32)
            here, known = slice(self.start, self.start + self.width), np.isfinite(x)
            rows["X"][r, here], rows["valid"][r, here] = np.where(known, x, 0.0), known
        self.fold(events[at:])

    def fold(self, events: Events) -> None:
        for who, mine in by_instrument(events):
            self.family.fold(self.arrays["state"][who], mine)


def by_instrument(events: Events) -> Iterator[tuple[int, Events]]:
    """Copies, because a view knows the array that it is a part of, and so the future."""
    told = (events["action"] != BEAT) & (events["action"] != CONTROL)
    for who in np.unique(events["instrument"][told]):
        yield int(who), events[told & (events["instrument"] == who)]


class Across:
    """One family across instruments: folds the rows of each instant.

    `across(S, rows, at, out)` of a family, or `across(S, P, rows, at, out)` of one that has a PAIR:
    S (n,) STATE, P (n, n) PAIR; rows (m,) of one instant; at (R,) columns READ.
    """

    def __init__(self, families: Families, name: str, start: int, instruments: int) -> None:
        names = [c.name for c in columns(families.all)][:start]
        missing = sorted(set(family(name).READS) - set(names))
        if missing:
            raise InputError(f"family {name!r} reads {', '.join(missing)}: add their families")
        self.step, self.start = build(families, name), start
        self.at = np.array([names.index(c) for c in family(name).READS], np.int64)
        self.scratch = np.zeros((instruments, len(family(name).COLUMNS)))
        self.arrays = {
            key: np.zeros((CLOCKS, *(instruments,) * n), dtype)
            for n, (key, dtype) in enumerate(across_state(name).items(), 1)
        }

    def run(self, clocks: NDArray[Any], events: Events, out: Out) -> None:
        state = (records(array) for array in self.arrays.values())
        self.step(*state, out, self.at, self.start, self.scratch)


def stages(families: Families, instruments: int) -> dict[str, Stage]:
    """By name, in the order in which they run."""
    found, at = dict[str, Stage](), len(columns(families.events))
    if families.bars:
        found["bars"] = Bars(families, at, instruments)
        at += len(columns(families.bars))
    if families.observed:
        found["observations"] = Observations(families, at, instruments)
        at += len(columns(families.observed))
    for name in families.plain:
        found[f"plain/{name}"] = Plain(name, at, instruments)
        at += len(columns((name,)))
    for name in families.across:
        found[f"across/{name}"] = Across(families, name, at, instruments)
        at += len(columns((name,)))
    return found
