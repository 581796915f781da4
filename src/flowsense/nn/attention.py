"""What a fitted transformer reads when it forecasts a row: shares of attention, by time ago.

The graph says them beside its forecasts: no PyTorch.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from flowsense.errors import InputError
from flowsense.nn.fitted import Fitted, Table, walk
from flowsense.nn.inputs import CLOCK, Floats, Ints, Seen
from flowsense.nn.serving import opened
from flowsense.nn.streamed import Streams, predict, states
from flowsense.tape import Rows, Tape

SHARP = 128  # knots of a table of times before the distance between them has doubled
FINEST, COARSEST = 0.02, 0.5  # seconds that are told apart: between rows, and to tokens


class Frame(NamedTuple):
    """Of R rows, what they read of N entries, the oldest first, in L layers."""

    ago: Floats  # (R, N) seconds; NaN where there was none
    share: Floats  # (R, L, heads, N) of the attention of a head


class Attention(NamedTuple):
    """Rows read rows in all layers but the last, itself among them; there they read tokens."""

    rows: Frame  # L = layers - 1, N = history; the last entry is the row itself
    seconds: Frame  # L = 1, N = seconds; shares of these two and `alone` sum to 1
    minutes: Frame  # L = 1, N = minutes
    alone: Floats  # (R, heads) of reading no token


def attention(fitted: Fitted, state: Streams, tape: Tape, rows: ArrayLike) -> Attention:
    """Of these rows (R,) of the tape, rising; a number is one row. Raises InputError for others."""
    every, found, done = tape.rows[0], list[list[Floats]](), 0
    edges = every.instants()
    for row in rising(rows, len(every.ts)).tolist():
        a, b = edges[np.searchsorted(edges, row, "right") - 1 :][:2].tolist()
        before = tape._replace(rows=(every.take(slice(done, a)),))
        state, done = predict(fitted, state, before)[0], a
        found.append(shown(fitted, state, every.take(slice(a, b)), row - a))
    columns = [np.stack(column) for column in zip(*found, strict=True)]
    near, seconds, minutes = (Frame(*columns[2 * j : 2 * j + 2]) for j in range(3))
    return Attention(near, seconds, minutes, columns[-1])


def rising(rows: ArrayLike, n: int) -> Ints:
    """(R,) of n rows. Raises InputError where they do not rise, or one is not there."""
    found = np.atleast_1d(np.asarray(rows))
    said = f"attention: rows {str(found.tolist())[:60]}"
    if found.ndim > 1 or not found.size or found.dtype.kind not in "iu":
        raise InputError(f"{said}: give whole numbers, from 0 to {n - 1}")
    if found.min() < 0 or found.max() >= n:
        raise InputError(f"{said}: give some of 0 to {n - 1}")
    if (np.diff(found.astype(np.int64)) <= 0).any():
        raise InputError(f"{said}: give each once, in rising order")
    return found.astype(np.int64)


def shown(fitted: Fitted, state: Streams, rows: Rows, row: int) -> list[Floats]:
    """Times and shares of rows, of seconds and of minutes, and of neither, of one row."""
    steps, _, _ = walk(fitted, rows, Table(*state[:2]), Seen(*state[2:4]), state.counted)
    session = opened(fitted.graph)
    held = states(state.cache, len(state.slot), session.shapes[1:])
    k = int(steps.slot[row])
    x = np.zeros((len(state.slot), steps.x.shape[1]), np.float32)
    x[steps.slot] = steps.x
    heads, elapsed = held[session.rings[0][1][0]].shape[-3], float(x[k, -CLOCK])
    out = session.run([x, *held], shown=True)[len(session.said) :]
    *layers, across = (y[k].reshape(-1, heads, y.shape[-1])[0] for y in out)
    (order, ago), *slower = (
        oldest_first(held[place - 1][k], held[place][k], unit, elapsed)
        for (place, _), unit in zip(session.rings, (FINEST, COARSEST, COARSEST), strict=True)
    )
    own = np.stack(layers)
    turned = np.concatenate([own[..., :-1][..., order], own[..., -1:]], axis=-1)
    parts, first = [np.append(ago, np.float32(0)), turned], 0
    for order, ago in slower:
        parts += [ago, across[None, :, first : first + len(ago)][..., order]]
        first += len(ago)
    return [*parts, across[:, -1]]


def oldest_first(age: Floats, place: Floats, least: float, elapsed: float) -> tuple[Ints, Floats]:
    """Order of the entries of a ring, and how many seconds ago each was, in it."""
    one = age.reshape(-1, age.shape[-1])[0]
    order = (int(place.ravel()[0]) + np.arange(len(one))) % len(one)
    ago = np.where(one > 0, (one - 1) * SHARP * least + elapsed, np.nan)
    return order, ago[order].astype(np.float32)
