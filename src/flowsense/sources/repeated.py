"""Records that are told twice, as after a reconnect that replays a block: each is kept once.

A record is known by instrument, sequence, order id, time at the exchange, action, side, price and
size. What a feed gives neither a sequence nor an order id is never taken for a repeat: two equal
executions at one time may well be two. Equal records inside one message are twins, as when one
aggressor takes two orders of a size, and both stay; a message that comes again goes with them all.
Snapshots, gaps, phases and what only moves the clock always pass.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.schema import (
    ADD,
    CANCEL,
    EVENT,
    FILL,
    GAP,
    LAST,
    MODIFY,
    SET,
    SNAPSHOT,
    TRADE,
    Chunk,
    Events,
)
from flowsense.sources import chunks
from flowsense.sources.within import OfFiles
from flowsense.splitmix import STEP, mix

WINDOW = 1 << 15  # records back, at least, in which a repeat is found; at most twice as many
ACTIONS = (ADD, MODIFY, CANCEL, FILL, TRADE, SET)  # that may be left out
NAMED = ("instrument", "sequence", "order_id", "ts_event", "action", "side", "price", "lots")
PASSES = 0  # the key of what is never a repeat, and of a vacant slot
SEEN = np.dtype([("key", "i8"), ("message", "i8")])
FILLED = np.dtype([("held", "i8"), ("young", "i8")])  # of two tables, the young one is filled


def keys(events: Events) -> NDArray[np.int64]:
    """(n,) 64 bits that stand for each record."""
    x = np.full(len(events), STEP, np.uint64)
    for name in NAMED:
        x = mix(x + events[name].astype(np.uint64))
    told = np.isin(events["action"], ACTIONS) & (events["bits"] & (SNAPSHOT | GAP) == 0)
    told &= (events["sequence"] != 0) | (events["order_id"] != 0)
    return np.where(told, x.view(np.int64), PASSES)


@kernel
def slot_of(table: Record, key: int) -> int:
    """Where the key is, or the vacant slot where it would go."""
    mask = len(table) - 1
    h = key & mask
    while table[h].key != PASSES and table[h].key != key:
        h = (h + 1) & mask
    return int(h)


@kernel
def enter(filled: Record, tables: Record, key: int, message: int) -> None:
    """Into the young table; full, it becomes the old one, which is forgotten."""
    if filled.held * 2 == tables.shape[1]:
        filled.young, filled.held = 1 - filled.young, 0
        for h in range(tables.shape[1]):
            tables[filled.young, h].key = PASSES
    table = tables[filled.young]
    h = slot_of(table, key)
    table[h].key, table[h].message = key, message
    filled.held += 1


@kernel
def heard(filled: Record, tables: Record, key: int, message: int) -> bool:
    """Whether another message told it; else it is entered, as a twin where its own did."""
    own, twins = key, 0
    while True:
        young, old = tables[filled.young], tables[1 - filled.young]
        a, b = slot_of(young, key), slot_of(old, key)
        at = young[a].message if young[a].key == key else -1
        if at < 0 and old[b].key == key:
            at = old[b].message
        if at < 0:
            enter(filled, tables, key, message)
            return False
        if at != message:
            return True
        twins += 1 if own != twins + 1 else 2  # never PASSES
        key = own ^ twins


@compiled(
    types.void(
        array(EVENT, readonly=True),
        array("i8"),
        array(FILLED),
        array(SEEN, 2),
        array("i8"),
        array("b1"),
    )
)
def mark(
    events: Record, keys: Record, filled: Record, tables: Record, messages: Record, out: Record
) -> None:
    """messages (k,): how many each instrument has ended; out (n,): which events are repeats."""
    for i in range(len(events)):
        e = events[i]
        out[i] = keys[i] != PASSES and heard(
            filled[0], tables, keys[i], (messages[e.instrument] << 20) + e.instrument
        )
        if e.bits & LAST:
            messages[e.instrument] += 1


class Repeats:
    """A fold: all it remembers is `arrays`, of a size that does not grow."""

    def __init__(self, instruments: int, window: int = WINDOW) -> None:
        """`window` is a power of two, in records of all instruments."""
        self.arrays: dict[str, NDArray[Any]] = {
            "filled": np.zeros(1, FILLED),
            "tables": np.zeros((2, 2 * window), SEEN),
            "messages": np.zeros(instruments, np.int64),
        }

    def mark(self, events: Events) -> NDArray[np.bool_]:
        """(n,) which of the next events were told before."""
        out = np.zeros(len(events), np.bool_)
        filled, tables, messages = self.arrays.values()
        mark(records(events), keys(events), records(filled), records(tables), messages, out)
        return out


def without(events: Events, repeats: NDArray[np.bool_]) -> Events:
    """The others. Where the end of a message goes and its beginning stays, that is its end now."""
    if not repeats.any():
        return events
    out, order = events.copy(), np.argsort(events["instrument"], kind="stable")
    who, ends = events["instrument"][order], events["bits"][order] & LAST != 0
    gone = repeats[order]
    begins = np.ones(len(order), np.bool_)
    begins[1:] = ends[:-1] | (who[1:] != who[:-1])
    message = np.cumsum(begins)
    ended = np.isin(message, message[ends])
    stays = np.flatnonzero(~gone & ended)
    last = stays[np.append(np.diff(message[stays]) != 0, True)[: len(stays)]]
    out["bits"][order[last]] |= LAST
    return out[~repeats].view(EVENT)


@dataclass(frozen=True)
class Once(OfFiles):
    """A source without its repeats. `left_out` counts those of the latest pass by symbol.

    One whole block that is told again is found where it began at most `window` records ago.
    """

    window: int = WINDOW
    left_out: Counter[str] = field(default_factory=Counter, compare=False, repr=False)

    def chunks(self) -> Iterator[Chunk]:
        repeats, table = Repeats(len(self.instruments), self.window), self.instruments
        self.left_out.clear()
        for chunk in chunks(self.source):
            again = repeats.mark(chunk.events)
            for who in chunk.events["instrument"][again]:
                self.left_out[table[who].symbol] += 1
            yield chunk._replace(events=without(chunk.events, again))
