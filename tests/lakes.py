"""Streams over midnight for the tests of the lake, and what is read back."""

import json
from functools import cache

import numpy as np

from flowsense.schema import (
    BAR,
    DAY,
    EVERY,
    OBSERVATION,
    Chunk,
    Decimal,
    Instrument,
    kind_of,
    zeros,
)
from flowsense.sources import chunks
from flowsense.sources.lake import Lake
from flowsense.store.events import write_events
from flowsense.store.lake import File, Recording
from flowsense.store.lake_write import locked, record
from flowsense.testing.toy import by_level, by_order, merge

A = Instrument("A", "toy", Decimal(1, -2), Decimal(1, 0), by_order=True)
B = A._replace(symbol="B/USD", by_order=False)
TABLE = (A, B)
NOON = 19_700 * DAY + DAY // 2


def two_days(n=1_500, seed=1):
    """Events of an instrument by order and one by level; half of them on the next day."""
    return over_midnight(n, seed).copy()


@cache
def over_midnight(n, seed):
    out = merge(by_order(n, seed, 0), by_level(by_order(n, seed + 1, 1)))
    out["ts_recv"] += NOON - out["ts_recv"][0]
    out["ts_recv"][len(out) // 2 :] += DAY - (DAY // 2)
    out["ts_event"] = out["ts_recv"] - 5
    return out


def bars(n, every=DAY // 7):
    out = zeros(BAR, n)
    out["ts_recv"] = NOON + np.arange(n) * every
    out["open"], out["close"], out["instrument"] = np.arange(n), np.arange(n) + 1, np.arange(n) % 2
    return out


def observations(n, every=DAY // 5):
    out = zeros(OBSERVATION, n)
    out["ts_recv"] = NOON + np.arange(n) * every
    out["value"], out["kind"] = np.arange(n) / 3, kind_of("fear")
    out["instrument"] = np.where(np.arange(n) % 3, EVERY, 1)
    return out


def pieces(events, size=97):
    """The events in chunks of whole size, alone."""
    none = bars(0), observations(0)
    return [Chunk(events[k : k + size], *none) for k in range(0, len(events), size)]


def file(name="f"):
    return File(name, 1, json.dumps(name))


def recording(name="f", table=TABLE, kinds=(), order=0):
    return Recording((file(name),), "{}", name, table, kinds, order)


def kept(chunk):
    return chunk


def fill(folder, told, **how):
    """A lake of one recording, whose chunks are `told`."""
    with locked(folder):
        return record(folder, recording(**how), told, kept)


def joined(found):
    """(events, bars, observations) of chunks."""
    columns = zip(*found, strict=True)
    return [np.concatenate(column) for column in columns]


def read(path):
    return joined(chunks(Lake(path)))


def same(found, expected):
    return [x.tobytes() for x in found] == [x.tobytes() for x in expected]


def saved(path, events, table=TABLE):
    """A recording in a file, to be ingested."""
    write_events(path, table, [events])
    return path
