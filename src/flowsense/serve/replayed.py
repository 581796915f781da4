"""What was served, again from its recording: every swap of models takes place where it did.

A SWAP record names the model that answers from there on (its place in the table of models) and how
many of the events before it that model was given, after the books as they stood before those.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from flowsense.ensemble.council import Code
from flowsense.errors import InputError
from flowsense.schema import CONTROL, EVENT, Events
from flowsense.serve.decisions import Decided
from flowsense.serve.recent import MOST, Recent
from flowsense.serve.swapping import Bench, Loaded, push

LONG = 1 << 62  # ns: only the number of events bounds what is kept


class Served(NamedTuple):
    """A tape, what was decided of it, and by which model."""

    loaded: Loaded
    decided: Decided


def replayed(
    bench: Bench, models: Sequence[Loaded], recording: Iterable[Events]
) -> Iterator[Served]:
    """All that was decided, however the recording is cut.

    Args:
        models: in the order in which they served, `pipeline.models`; the first from the start.

    Raises InputError for a SWAP to a model that is not given, or from events that are not there.
    """
    serving, heard = bench.renewed(chosen(models, 0)), Recent(bench.table, 4 * MOST, LONG)
    due: tuple[Loaded, int] | None = None
    for events in recording:
        for part in parts(events):
            if swaps(part)[0]:
                due = chosen(models, int(part["lots"][0])), int(part["sequence"][0])
                continue
            if due is not None:
                serving, due = succeeding(bench, *due, serving, heard, part), None
            for one in push(serving.decisions, part):
                yield Served(serving, one)
            heard.add(part)


def swaps(events: Events) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Which of them are SWAP records."""
    return np.asarray((events["action"] == CONTROL) & (events["price"] == Code.SWAP))


def parts(events: Events) -> list[Events]:
    """SWAP records one by one, and what is between them."""
    at = np.flatnonzero(swaps(events))
    cuts = np.unique(np.r_[at, at + 1])
    return [p.view(EVENT) for p in np.split(events, cuts) if len(p)]


def chosen(models: Sequence[Loaded], place: int) -> Loaded:
    if not 0 <= place < len(models):
        raise InputError(f"the recording swaps to model {place} of {len(models)}: give them all")
    return models[place]


def succeeding(
    bench: Bench, model: Loaded, count: int, before: Loaded, heard: Recent, events: Events
) -> Loaded:
    """It knows the last `count` events that were heard; `events` are those that it hears next."""
    if count > heard.count:
        raise InputError(f"a swap knew {count} events, {heard.count} are before it: begin earlier")
    fresh = bench.renewed(model)
    for part in heard.last(count, events):
        push(fresh.decisions, part)
    fresh.decisions.stale[:] = before.decisions.stale
    return fresh
