"""Feeds of single orders as venues of levels show them."""

import numpy as np

from flowsense.schema import (
    ADD,
    CANCEL,
    CLEAR,
    EVENT,
    FILL,
    LAST,
    MODIFY,
    SET,
    SNAPSHOT,
    Events,
    zeros,
)

ON_ORDERS = (ADD, MODIFY, CANCEL, FILL)


class Orders:
    """All that rest, of one instrument."""

    def __init__(self) -> None:
        self.resting = dict[int, tuple[int, int, int]]()  # by id: side, price, lots
        self.levels = dict[tuple[int, int], int]()  # lots by side and price

    def sets(self, events: Events) -> Events:
        """The message, with what levels are now in place of what orders did."""
        on = np.isin(events["action"], ON_ORDERS)
        if not on.any():
            self._cleared(events)
            return events
        changed = dict[tuple[int, int], int]()
        for e in events:
            if e["action"] == CLEAR:
                self._cleared(events)
            elif e["action"] in ON_ORDERS:
                self._take(e, changed)
        out = zeros(EVENT, len(changed))
        out[:] = events[on][-1:]
        out["order_id"], out["action"] = 0, SET
        out["bits"] = int(events["bits"][on][-1]) & SNAPSHOT
        for k, (side, price) in enumerate(changed):
            lots = self.levels.get((side, price), 0)
            out["side"][k], out["price"][k], out["lots"][k] = side, price, lots
        found = np.concatenate([events[~on], out]).view(EVENT)
        found["bits"] &= ~np.uint8(LAST)
        found["bits"][-1:] |= events["bits"][-1] & LAST
        return found

    def _cleared(self, events: Events) -> None:
        if (events["action"] == CLEAR).any():
            self.resting.clear()
            self.levels.clear()

    def _take(self, e: Events, changed: dict[tuple[int, int], int]) -> None:
        key, lots = int(e["order_id"]), int(e["lots"])
        side, price, before = self.resting.pop(key, (0, 0, 0))
        if before:
            self._add((side, price), -before, changed)
        if e["action"] in (ADD, MODIFY):
            side, price, after = int(e["side"]), int(e["price"]), lots
        else:
            after = before - lots
        if after > 0:
            self.resting[key] = side, price, after
            self._add((side, price), after, changed)

    def _add(self, level: tuple[int, int], lots: int, changed: dict[tuple[int, int], int]) -> None:
        total = self.levels.get(level, 0) + lots
        if total:
            self.levels[level] = total
        else:
            del self.levels[level]
        changed[level] = total
