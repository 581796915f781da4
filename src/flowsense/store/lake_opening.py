"""The book as it stands between two parts of a stream, so that each part can be read by itself.

The last word on a level or an order is what it is now; so a book is the records that still hold.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from flowsense.schema import (
    ADD,
    BEAT,
    CANCEL,
    CLEAR,
    CONTROL,
    EVENT,
    FILL,
    GAP,
    LAST,
    MODIFY,
    SET,
    SNAPSHOT,
    STATUS,
    TRADING,
    Events,
    Instrument,
    zeros,
)


class Standing(NamedTuple):
    """Of one instrument, after some of its events."""

    resting: Events  # SETs of its levels or ADDs of its orders, all with lots > 0
    ready: bool = False  # a snapshot has closed since the last loss
    phase: int = TRADING


WHOLE = np.dtype((np.void, EVENT.itemsize))
NOTHING = Standing(zeros(EVENT))


def after(standing: Standing, events: Events, instrument: Instrument) -> Standing:
    """How it stands after these events of the instrument. Cut anywhere: it is a fold.

    Orders that were never seen added are in no book of flowsense but by what they leave of a
    level; here they are left out.
    """
    events = some(events, (events["action"] != BEAT) & (events["action"] != CONTROL))
    action, bits = events["action"], events["bits"]
    lost = last(((bits & GAP) > 0) | ((action == CLEAR) & ((bits & SNAPSHOT) > 0)))
    closed = last((bits & (SNAPSHOT | LAST)) == SNAPSHOT | LAST)
    ready = closed >= lost if max(closed, lost) >= 0 else standing.ready
    phase = int(events["lots"][at]) if (at := last(action == STATUS)) >= 0 else standing.phase
    emptied = last(action == CLEAR)
    before = standing.resting if emptied < 0 else zeros(EVENT)
    tell = orders if instrument.by_order else levels
    return Standing(tell(joined([before, events[emptied + 1 :]])), ready, phase)


def some(events: NDArray[Any], which: NDArray[Any]) -> Events:
    """Of a mask or of places. Whole records are moved, not field by field, which takes longer."""
    return made(events.view(WHOLE)[which])


def joined(parts: Iterable[NDArray[Any]]) -> Events:
    """One after the other. As bytes: numpy takes long over many small arrays."""
    return np.frombuffer(bytearray().join(cast("Iterable[bytes]", parts)), EVENT)


def last(true: NDArray[np.bool_]) -> int:
    """The index of the last True, or -1."""
    found = np.flatnonzero(true)
    return int(found[-1]) if len(found) else -1


def levels(events: NDArray[Any]) -> Events:
    """The last SET of each side and price that is not of 0 lots, bids before asks."""
    at = np.flatnonzero(events["action"] == SET)
    price, ask = events["price"][at], events["side"][at] <= 0
    order = np.lexsort((price, ask))
    price, ask, at = price[order], ask[order], at[order]
    last = np.ones(len(at), np.bool_)
    last[:-1] = (price[1:] != price[:-1]) | (ask[1:] != ask[:-1])
    return some(events, at[last & (events["lots"][at] > 0)])


def orders(events: NDArray[Any]) -> Events:
    """What is left of each order, in the order in which they came to be where they are."""
    told = (events["action"] == ADD) | (events["action"] == MODIFY)
    cut = (events["action"] == CANCEL) | (events["action"] == FILL)
    at = np.flatnonzero(told | cut)
    at = at[np.argsort(events["order_id"][at], kind="stable")]
    ids, told, lots = events["order_id"][at], told[at], events["lots"][at]
    starts = np.flatnonzero(np.r_[np.ones(min(len(at), 1), bool), ids[1:] != ids[:-1]])
    place = np.where(told, np.arange(len(at)), -1)
    final = np.maximum.reduceat(place, starts) if len(at) else place  # the last that says all
    taken = np.cumsum(np.where(told, 0, lots))
    ends = np.r_[starts[1:], len(at)][: len(starts)] - 1
    left = lots[final] - (taken[ends] - taken[final])
    kept = (final >= 0) & (left > 0)
    index = at[final[kept]]
    out = events[index]
    out["action"], out["lots"] = ADD, left[kept]
    return made(out[np.argsort(index)])


def made(records: NDArray[Any]) -> Events:
    return records.view(EVENT)


def opening(standing: Standing, instrument: Instrument, ts: int) -> Events:
    """A snapshot, received at `ts`, after which the book stands so; nothing where it is unknown."""
    halted, resting = standing.phase != TRADING, standing.resting
    if instrument.depth == 0 or not (standing.ready or halted or len(resting)):
        return zeros(EVENT)
    out = zeros(EVENT, 1 + halted + len(resting))
    out[1 + halted :] = resting
    out["ts_event"][: 1 + halted] = ts
    out["ts_recv"], out["instrument"], out["bits"], out["pad"] = ts, 0, SNAPSHOT, 0
    out["action"][0] = CLEAR
    if halted:
        out["action"][1], out["lots"][1] = STATUS, standing.phase
    if standing.ready:
        out["bits"][-1] |= LAST
    return out
