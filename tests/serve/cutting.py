"""A recording in a lake, cut elsewhere than it was written."""

import numpy as np

from flowsense.schema import BAR, EVENT, Chunk
from flowsense.sources import NO_BARS, NO_OBSERVATIONS, chunks
from flowsense.sources.open import open_source


def cut(lake, pieces):
    """All that it holds, its events in so many pieces; bars with the first that may know them."""
    every = [*chunks(open_source([lake]))]
    events = np.concatenate([chunk.events for chunk in every]).view(EVENT)
    bars = np.concatenate([NO_BARS, *(chunk.bars for chunk in every)]).view(BAR)
    for part in np.array_split(events, pieces):
        if len(part):
            n = np.searchsorted(bars["ts_recv"], part["ts_recv"][-1], "right")
            yield Chunk(part.view(EVENT), bars[:n], NO_OBSERVATIONS)
            bars = bars[n:]
