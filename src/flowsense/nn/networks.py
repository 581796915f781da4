"""Nets over a graph of all instruments that is rebuilt at every instant: how they forecast."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.features.pairs import LAGS
from flowsense.forecast import Forecast
from flowsense.model.graph.typed import (
    COMING,
    LAG,
    LEAD,
    NEAR,
    Names,
    Told,
    graph,
    hear,
    kinds,
    names,
)
from flowsense.nn import windowed
from flowsense.nn.fitted import Fitted, Table, walk
from flowsense.nn.heads import said
from flowsense.nn.inputs import Floats, Ints, Seen
from flowsense.nn.serving import opened
from flowsense.schema import Instrument
from flowsense.tape import Tape


class Networked(NamedTuple):
    """Of K instruments; all but the first two by their slot."""

    place: Ints  # (K,)
    slot: Ints  # (K,)
    ts: Ints  # (K,) of the row before
    mid2: Ints  # (K,)
    counted: Ints  # (K,) rows until now
    tail: Floats  # (K, H, D) inputs of the last rows, 0 before the first
    held: Floats  # (K, T, 3) what was said last
    venue: Ints  # (K,) these two are `Names`
    symbol: Ints  # (K,)
    node: NDArray[Any]  # (K,) these five are `Told`
    pair: NDArray[Any]  # (K, K)
    busy: NDArray[np.float64]  # (K,)
    said: NDArray[np.float64]  # (K, S)
    worth: NDArray[np.float64]  # (3, K, S)


def init(fitted: Fitted | None, words: Ints, instruments: tuple[Instrument, ...]) -> Networked:
    """Before the first row; words (S,) are the columns of strategies."""
    own = windowed.init(fitted, instruments)
    ordered = tuple(instruments[j] for j in np.argsort(own.slot))
    parts: Any = (own, names(ordered), Told.empty(len(instruments), len(words)))
    return Networked(*(array for part in parts for array in part))


def inputs_of(window: Floats, slots: Ints, told: Told, known: Names) -> list[NDArray[Any]]:
    """What the net is called with: x (N, H, D), kind, index, edge; assets are the last K nodes."""
    index, edge = graph(told, known)
    k, strategies = told.said.shape
    x = np.zeros((len(index), *window.shape[1:]), np.float32)
    x[len(index) - k :] = window
    return [x, kinds(known, strategies, windowed.present(slots, k)), index, edge]


def predict(
    fitted: Fitted, words: Ints, state: Networked, tape: Tape
) -> tuple[Networked, Forecast]:
    """An instrument without a row keeps its window, and what was said of it.

    aux["led"] (n, 3): of the strongest lead, its correlation, rows and deviations to come.
    """
    rows, table, seen = tape.rows[0], Table(*state[:2]), Seen(*state[2:4])
    known, told = Names(*state[7:9]), Told(*state[9:])
    steps, seen, count = walk(fitted, rows, table, seen, state.counted)
    session, hold = opened(fitted.graph), int(fitted.hold)
    n, k, held, tail = len(steps.x), len(count), state.held.copy(), state.tail.copy()
    out, led = np.zeros((n, *held.shape[1:]), np.float32), np.zeros((n, 3), np.float32)
    if not n:
        return state, answer(fitted, state, rows.instrument, steps.nth, (out, led))
    told = told.copy()
    fresh = (steps.nth % hold == 0) | (steps.nth <= 1)
    spoken = np.where(rows.valid[:, words], rows.X[:, words], np.float32(0))
    for a, b in steps.instants():
        slots = steps.slot[a:b]
        tail[slots, :-1] = tail[slots, 1:]
        tail[slots, -1] = steps.x[a:b]
        hear(told, int(rows.ts[a]), slots, rows.quote[a:b], spoken[a:b])
        if fresh[a:b].any():
            inputs, anew = inputs_of(tail, slots, told, known), slots[fresh[a:b]]
            held[anew] = session.run(inputs)[0][-k:][anew]
            led[a:b] = strongest(inputs[3][-k:][slots])
        out[a:b] = held[slots]
    after = Networked(*table, *seen, count, tail, held, *known, *told)
    return after, answer(fitted, state, rows.instrument, steps.nth, (out, led))


def strongest(edge: Floats) -> Floats:
    """(m, 3) of edge (m, M, EDGE): the lead that tells most, its rows, what it has to bring."""
    near = edge[:, 1 : NEAR + 1]
    best = np.abs(near[..., LEAD]).argmax(axis=1)
    found = near[np.arange(len(near)), best]
    return np.stack([found[:, LEAD], LAGS * found[:, LAG], found[:, COMING:].sum(axis=1)], axis=1)


def answer(
    fitted: Fitted, state: Networked, who: Ints, nth: Ints, parts: tuple[Floats, Floats]
) -> Forecast:
    out, led = parts
    ready = nth >= int(fitted.history)
    found = said(fitted.known.targets, out, fitted.scale, state.place[who], ready)
    return Forecast(found.targets, found.proba, found.value, found.ready, {"led": led})
