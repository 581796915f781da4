"""How sound a recording is: one pass over any source, in memory that does not grow with it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import records
from flowsense.book import tables
from flowsense.features.health_events import FINE, LAGS, STATE, WORLD, examine
from flowsense.features.health_told import BARS, TOLD, examine_bars, examine_told
from flowsense.schema import Chunk, Events, Instrument, checked, checked_beside, kind_of
from flowsense.sources.repeated import WINDOW, Repeats

Arrays = dict[str, NDArray[Any]]
PART = 4096  # events of one compiled call, at most


class Marks(NamedTuple):
    """(n,) each, of the events of a chunk."""

    repeats: NDArray[np.bool_]  # told before
    off: NDArray[np.bool_]  # trades that are off market


class Health:
    """A fold: all it remembers is `arrays`, and no cut of the stream changes it."""

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        kinds: tuple[str, ...] = (),
        *,
        window: int = WINDOW,
    ) -> None:
        n = len(instruments)
        self.instruments, self.kinds = instruments, kinds
        self.numbers = np.array([kind_of(kind) for kind in kinds], np.int64)
        self.repeats = Repeats(n, window)
        state = np.zeros(n, STATE)
        by_order = np.array([i.by_order for i in instruments], np.bool_)
        levels, orders = tables.allocate(state["sides"], by_order)
        self.arrays: Arrays = {
            "world": np.zeros(1, WORLD),
            "state": state,
            "levels": levels,
            "orders": orders,
            "bars": np.zeros(n, BARS),
            "told": np.zeros((len(kinds), n + 1), TOLD),
        }
        self.room = 0

    def push(self, chunk: Chunk) -> Marks:
        """What came next. Raises InputError for records that `schema` refuses."""
        events = checked(chunk.events, len(self.instruments))
        bars, told = checked_beside(chunk.bars, chunk.observations, len(self.instruments))
        marks = Marks(self.repeats.mark(events), np.zeros(len(events), np.bool_))
        start = 0
        while start < len(events):
            if self.room <= 0:
                self.make_room()
            part = slice(start, start + min(self.room, PART))
            self.examine(events[part], marks.repeats[part], marks.off[part])
            self.room -= len(events[part])
            start = part.stop
        if len(bars):
            examine_bars(records(self.arrays["bars"]), records(bars))
        if len(told):
            examine_told(records(self.arrays["told"]), self.numbers, records(told))
        return marks

    def examine(self, events: Events, repeats: NDArray[np.bool_], off: NDArray[np.bool_]) -> None:
        world, state = records(self.arrays["world"]), records(self.arrays["state"])
        levels, orders = records(self.arrays["levels"]), records(self.arrays["orders"])
        examine(world, state, levels, orders, records(events), repeats, off)

    def make_room(self) -> None:
        """Tables grow before they can be full, so that kernels need not check."""
        sides = self.arrays["state"]["sides"]
        levels, orders, room = tables.make_room(sides, self.arrays["levels"], self.arrays["orders"])
        self.arrays |= {"levels": levels, "orders": orders}
        self.room = room

    def snapshot(self) -> Arrays:
        """Everything that a report depends on."""
        parts = self.arrays | {f"repeats/{k}": a for k, a in self.repeats.arrays.items()}
        return {name: array.copy() for name, array in parts.items()}

    def restore(self, arrays: Arrays) -> None:
        """Go on from a snapshot; arrays are viewed as our dtypes, which dispatch knows."""
        self.arrays = {k: arrays[k].copy().view(a.dtype) for k, a in self.arrays.items()}
        mine = self.repeats.arrays
        self.repeats.arrays = {
            k: arrays[f"repeats/{k}"].copy().view(a.dtype) for k, a in mine.items()
        }
        self.room = 0


def quantile(lag: NDArray[np.int64], share: float) -> int | None:
    """ns, of a histogram of lags; to within 3 %. None where it is empty."""
    total = int(lag.sum())
    if not total:
        return None
    k = int(np.searchsorted(np.cumsum(lag), max(share * total, 1)))
    return value(k - LAGS)


def value(k: int) -> int:
    """The middle of the lags that `bucket` puts at k."""
    a = abs(k)
    shift = max(a // FINE - 1, 0)
    low = (a - shift * FINE) << shift
    middle = low + ((1 << shift) >> 1)
    return middle if k >= 0 else -middle
