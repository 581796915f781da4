"""Nets whose graph is one step: a row and the states in, what is said and the states out."""

from itertools import accumulate, pairwise
from math import prod
from typing import NamedTuple

import numpy as np

from flowsense.forecast import Forecast
from flowsense.nn.fitted import Fitted, Table, nothing, walk
from flowsense.nn.heads import said
from flowsense.nn.inputs import Floats, Ints, Seen, nothing_seen
from flowsense.nn.serving import opened
from flowsense.schema import Instrument
from flowsense.tape import Tape


class Streams(NamedTuple):
    """Of K instruments; the last two by their slot."""

    place: Ints  # (K,)
    slot: Ints  # (K,)
    ts: Ints  # (K,) of the row before
    mid2: Ints  # (K,)
    counted: Ints  # (K,) rows until now
    cache: Floats  # all states of the net, of shapes (K, ...), behind each other; 0 at first


def init(fitted: Fitted | None, instruments: tuple[Instrument, ...]) -> Streams:
    """Before the first row."""
    k = len(instruments)
    shapes = () if fitted is None else opened(fitted.graph).shapes[1:]
    table = Table.of(None if fitted is None else fitted.known, instruments)
    cache = np.zeros(k * sum(map(prod, shapes)), np.float32)
    return Streams(*table, *nothing_seen(k), np.zeros(k, np.int64), cache)


def predict(fitted: Fitted, state: Streams, tape: Tape) -> tuple[Streams, Forecast]:
    """The graph maps (K, D) and states (K, ...) to (K, T, 3) and states.

    An instrument without a row keeps its states.
    """
    rows, table, seen = tape.rows[0], Table(*state[:2]), Seen(*state[2:4])
    if not len(rows.ts):
        return state, nothing(fitted)
    steps, seen, count = walk(fitted, rows, table, seen, state.counted)
    session = opened(fitted.graph)
    k, cache = len(count), state.cache.copy()
    held = states(cache, k, session.shapes[1:])
    out = np.zeros((len(steps.x), len(fitted.known.target), 3), np.float32)
    x = np.zeros((k, steps.x.shape[1]), np.float32)
    for a, b in steps.instants():
        slots = steps.slot[a:b]
        x[:] = 0.0
        x[slots] = steps.x[a:b]
        found, *after = session.run([x, *held])
        out[a:b] = found[slots]
        session.advance(held, after, slots)
    ready = steps.nth >= int(fitted.history)
    place = state.place[rows.instrument]
    forecast = said(fitted.known.targets, out, fitted.scale, place, ready)
    return Streams(*table, *seen, count, cache), forecast


def states(cache: Floats, k: int, shapes: tuple[tuple[int, ...], ...]) -> list[Floats]:
    """The states in it, of shapes (K, ...)."""
    ends = accumulate((k * prod(shape) for shape in shapes), initial=0)
    places = zip(pairwise(ends), shapes, strict=True)
    return [cache[a:b].reshape(k, *shape) for (a, b), shape in places]
