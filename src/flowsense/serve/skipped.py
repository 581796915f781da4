"""What an engine was not given, in its recording all the same.

Where the queue before the engine was full, a SKIPPED record says how many events follow that were
conflated: they are all in the recording, as they were heard, and behind them is what the engine was
given in their place. A replay of what was served leaves them out, as the engine did.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble.code import Code
from flowsense.schema import CONTROL, EVENT, Bars, Chunk, Events
from flowsense.serve.recent import joined, united
from flowsense.serve.records import control
from flowsense.sources import NO_BARS, NO_EVENTS, NO_OBSERVATIONS


def marked(events: Events) -> Events:
    """Behind the record that says so."""
    return joined([control(int(events["ts_recv"][0]), Code.SKIPPED, len(events), 0), events])


def marks(events: Events) -> NDArray[np.bool_]:
    """Which of them are such records."""
    return np.asarray((events["action"] == CONTROL) & (events["price"] == Code.SKIPPED))


def until(bars: Bars, ts: int) -> tuple[Bars, Bars]:
    """Those that were known then, ns; and the rest."""
    n = int(np.searchsorted(bars["ts_recv"], ts, "right"))
    return bars[:n], bars[n:]


def given(recording: Iterable[Chunk]) -> Iterator[Chunk]:
    """As the engine was given it, however it is cut; bars come with the events that follow."""
    left, held = 0, NO_BARS
    for chunk in recording:
        if not left and not len(held) and not marks(chunk.events).any():
            yield chunk
            continue
        events, held = chunk.events, united([held, chunk.bars])
        while len(events):
            n = min(left, len(events))
            events, left = events[n:].view(EVENT), left - n
            found = np.flatnonzero(marks(events))
            end = int(found[0]) if len(found) else len(events)
            if end:
                known, held = until(held, int(events["ts_recv"][end - 1]))
                yield Chunk(events[:end].view(EVENT), known, NO_OBSERVATIONS)
            if len(found):
                left = int(events["lots"][end])
            events = events[end + len(found[:1]) :].view(EVENT)
        if len(chunk.observations):
            yield Chunk(NO_EVENTS, NO_BARS, chunk.observations)
    if len(held):
        yield Chunk(NO_EVENTS, held, NO_OBSERVATIONS)
