"""What was served, again from its recording: every swap of models takes place where it did.

A SWAP record names the model that answers from there on (its place in the table of models) and how
many of the events before it that model was given, after the books as they stood before those.

ABSTAIN and RESYNC records tell who is left out of the answer to what follows (`ensemble.panel`).
What the engine skipped is left out (`skipped`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from flowsense.ensemble.code import Code
from flowsense.errors import InputError
from flowsense.schema import CONTROL, Chunk, Events
from flowsense.serve.decisions import Decided
from flowsense.serve.recent import MOST, Recent, joined, united
from flowsense.serve.skipped import given
from flowsense.serve.swapping import Bench, Loaded, push
from flowsense.sources import NO_BARS, NO_EVENTS

DECIDED = (Code.SWAP, Code.ABSTAIN, Code.RESYNC, Code.RESUME)
LONG = 1 << 62  # ns: only the number of events bounds what is kept


class Served(NamedTuple):
    """A tape, what was decided of it, and by which model."""

    loaded: Loaded
    decided: Decided


def replayed(
    bench: Bench, models: Sequence[Loaded], recording: Iterable[Chunk]
) -> Iterator[Served]:
    """All that was decided, however the recording is cut.

    Args:
        models: in the order in which they served, `Serving.models`; the first from the start.

    Raises InputError for a SWAP to a model that is not given, or from events that are not there.
    """
    return served(bench, partial(chosen, models), recording)


def served(
    bench: Bench, model: Callable[[int], Loaded], recording: Iterable[Chunk]
) -> Iterator[Served]:
    """The same; `model` gives those that it swaps to, by number."""
    replay = Replay(bench, bench.renewed(model(0)), model)
    for part in (part for chunk in given(recording) for part in parts(chunk)):
        yield from replay.push(part)


class Replay:
    """A recording as it passes, in `parts`."""

    def __init__(
        self, bench: Bench, first: Loaded, model: Callable[[int], Loaded] | None = None
    ) -> None:
        self.bench, self.serving = bench, first
        self.model = model or partial(chosen, [first])
        self._anew()
        self.due: tuple[Loaded, int] | None = None
        self.bars = NO_BARS  # that `heard` has not got yet
        self.notes, self.left = list[Events](), 0  # of a turn, and events until its end

    def _anew(self) -> None:
        """A session begins: nobody is left out, and nothing was heard in it."""
        self.heard = Recent(self.bench.table, 4 * MOST, LONG)
        self.serving.decisions.repeat(self.bench.members)

    def push(self, part: Chunk) -> Iterator[Served]:
        """All that came of it."""
        events, self.bars = part.events, united([self.bars, part.bars])
        if len(events) and decided(events)[0]:
            self._note(events)
            return
        if len(events):
            self._begin()
        while 0 < self.left < len(part.events):
            until = int(part.events["ts_recv"][self.left - 1])
            turn, part = divided(part, self.left, until)
            yield from self._push(turn)
        yield from self._push(part)
        if len(events):
            self.heard.add(events, self.bars)
            self.bars = NO_BARS

    def _note(self, one: Events) -> None:
        if one["price"][0] == Code.SWAP:
            self.due = self.model(int(one["lots"][0])), int(one["sequence"][0])
        elif one["price"][0] == Code.RESUME:
            self._anew()
        else:
            self.notes.append(one)

    def _begin(self) -> None:
        """Whatever was decided before these events."""
        if self.due is not None:
            self.serving = succeeding(self.bench, *self.due, self.serving, self.heard)
            self.serving.decisions.repeat(self.bench.members)
            self.due = None
        if self.notes:
            self.left = int(self.notes[-1]["order_id"][0])
            self.serving.decisions.obey(joined(self.notes))
            self.notes = []

    def _push(self, part: Chunk) -> Iterator[Served]:
        if any(map(len, part)):
            yield from (Served(self.serving, one) for one in self.serving.decisions.push(part))
        if self.left and len(part.events):
            self.left -= len(part.events)
            if not self.left:
                self.serving.decisions.obey(NO_EVENTS)


def decided(events: Events) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which of them are records of what was decided of models and members."""
    return np.asarray((events["action"] == CONTROL) & np.isin(events["price"], DECIDED))


def parts(chunk: Chunk) -> Iterator[Chunk]:
    """Records of what was decided one by one, and what is between them."""
    rest, passed = chunk, 0
    for k in np.flatnonzero(decided(chunk.events)).tolist():
        ts = int(chunk.events["ts_recv"][k])
        before, rest = divided(rest, k - passed, ts)
        alone, rest = divided(rest, 1, ts)
        yield from (before, alone)
        passed = k + 1
    yield rest


def divided(chunk: Chunk, n: int, until: int) -> tuple[Chunk, Chunk]:
    """So many events with all else until then, ns; and the rest."""
    counts = (n, *(int(np.searchsorted(x["ts_recv"], until, "right")) for x in chunk[1:]))
    pairs = [(x[:k].view(x.dtype), x[k:].view(x.dtype)) for x, k in zip(chunk, counts, strict=True)]
    return Chunk(*(a for a, _ in pairs)), Chunk(*(b for _, b in pairs))


def chosen(models: Sequence[Loaded], place: int) -> Loaded:
    if not 0 <= place < len(models):
        raise InputError(f"the recording swaps to model {place} of {len(models)}: give them all")
    return models[place]


def succeeding(bench: Bench, model: Loaded, count: int, before: Loaded, heard: Recent) -> Loaded:
    """It knows the last `count` events that were heard, and the bars."""
    if count > heard.count:
        raise InputError(f"a swap knew {count} events, {heard.count} are before it: begin earlier")
    fresh = bench.renewed(model)
    for part in heard.last(count):
        push(fresh.decisions, part.events, part.bars)
    fresh.decisions.stale[:] = before.decisions.stale
    return fresh
