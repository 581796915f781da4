"""Nets that read the last `history` rows of an instrument anew for each forecast."""

from typing import NamedTuple

import numpy as np

from flowsense.forecast import Forecast
from flowsense.nn.fitted import Fitted, Table, nothing, walk
from flowsense.nn.heads import said
from flowsense.nn.inputs import Floats, Ints, Seen, nothing_seen
from flowsense.nn.serving import opened
from flowsense.schema import Instrument
from flowsense.tape import Tape


class Windows(NamedTuple):
    """Of K instruments; the last four by their slot."""

    place: Ints  # (K,)
    slot: Ints  # (K,)
    ts: Ints  # (K,) of the row before
    mid2: Ints  # (K,)
    counted: Ints  # (K,) rows until now
    tail: Floats  # (K, H, D) inputs of the last rows, 0 before the first
    held: Floats  # (K, T, 3) what was said last


def init(fitted: Fitted | None, instruments: tuple[Instrument, ...]) -> Windows:
    """Before the first row."""
    k, h, d, t = len(instruments), 0, 0, 0
    if fitted is not None:
        h, d, t = int(fitted.history), fitted.inputs.width, len(fitted.known.target)
    table = Table.of(None if fitted is None else fitted.known, instruments)
    tail, held = np.zeros((k, h, d), np.float32), np.zeros((k, t, 3), np.float32)
    return Windows(*table, *nothing_seen(k), np.zeros(k, np.int64), tail, held)


def predict(
    fitted: Fitted, state: Windows, tape: Tape, *, across: bool = False
) -> tuple[Windows, Forecast]:
    """The graph maps (K, H, D) -> (K, T, 3); with `across` it also hears who is there, (K,).

    An instrument without a row keeps its window, and what was said of it.
    """
    rows, table, seen = tape.rows[0], Table(*state[:2]), Seen(*state[2:4])
    if not len(rows.ts):
        return state, nothing(fitted)
    steps, seen, count = walk(fitted, rows, table, seen, state.counted)
    session, hold, h = opened(fitted.graph), int(fitted.hold), int(fitted.history)
    every = [np.concatenate([state.tail[k], steps.x[steps.slot == k]]) for k in range(len(count))]
    at = (steps.nth - state.counted[steps.slot]).tolist()  # rows of its instrument in this tape
    end, held = [0] * len(count), state.held.copy()
    out = np.zeros((len(at), *held.shape[1:]), np.float32)
    fresh = (steps.nth % hold == 0) | (steps.nth <= 1)
    for a, b in steps.instants():
        slots = steps.slot[a:b]
        for i, k in zip(range(a, b), slots.tolist(), strict=True):
            end[k] = at[i]
        if fresh[a:b].any():
            window = np.stack([x[e : e + h] for x, e in zip(every, end, strict=True)])
            inputs = [window, present(slots, len(end))] if across else [window]
            anew = fresh[a:b]
            held[slots[anew]] = session.run(inputs)[0][slots[anew]]
        out[a:b] = held[slots]
    tail = np.stack([x[len(x) - h :] for x in every]) if every else state.tail
    forecast = said(
        fitted.known.targets, out, fitted.scale, state.place[rows.instrument], steps.nth >= h
    )
    return Windows(*table, *seen, count, tail, held), forecast


def present(slots: Ints, k: int) -> Floats:
    """(K,) 1 where an instrument has a row."""
    there = np.zeros(k, np.float32)
    there[slots] = 1.0
    return there
