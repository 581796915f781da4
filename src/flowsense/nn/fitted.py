"""A fitted net: a graph and the numbers around it; and the walk over the instants of a tape."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.forecast import Forecast
from flowsense.model.instruments import Known
from flowsense.nn.heads import Scale, said
from flowsense.nn.inputs import Floats, Inputs, Ints, Seen, read
from flowsense.schema import Instrument
from flowsense.tape import Rows


class Fitted(NamedTuple):
    """All that a checkpoint holds."""

    known: Known
    inputs: Inputs
    scale: Scale
    history: Ints  # () rows of an instrument before it is ready
    hold: Ints  # () rows of an instrument for which one forecast stands; 1: each its own
    graph: NDArray[np.uint8]  # ONNX

    @classmethod
    def load(cls, params: dict[str, NDArray[Any]]) -> "Fitted":
        inputs, scale = ([params[name] for name in of._fields] for of in (Inputs, Scale))
        rest = (params[name] for name in cls._fields[3:])
        return cls(Known.load(params), Inputs(*inputs), Scale(*scale), *rest)


class Table(NamedTuple):
    """Of the K instruments of a stream: who they are to the net, and in which order it sees them.

    That of the table it was fitted on, so that another order of the same stream changes nothing.
    """

    place: Ints  # (K,) whose deviations
    slot: Ints  # (K,) which of the K rows of each call

    @classmethod
    def of(cls, known: Known | None, instruments: tuple[Instrument, ...]) -> "Table":
        n = len(instruments)
        place = np.zeros(n, np.int64) if known is None else known.places(instruments)
        names = [(int(p), i.symbol, i.venue) for p, i in zip(place, instruments, strict=True)]
        slot = np.zeros(n, np.int64)
        slot[sorted(range(n), key=names.__getitem__)] = np.arange(n)
        return cls(place, slot)


class Walk(NamedTuple):
    """The rows of a tape as a net sees them."""

    x: Floats  # (n, D)
    slot: Ints  # (n,)
    nth: Ints  # (n,) which row of its instrument, from 1
    edges: Ints  # of the instants

    def instants(self) -> Iterator[tuple[int, int]]:
        """Rows [a, b) of each instant, in order."""
        return pairwise(self.edges.tolist())


def walk(
    fitted: Fitted, rows: Rows, table: Table, seen: Seen, count: Ints
) -> tuple[Walk, Seen, Ints]:
    """`count` (K,) by slot, of rows before these; with what is seen and counted after them."""
    slot, who = table.slot[rows.instrument], rows.instrument
    seen, x = read(fitted.inputs, rows, table.place[who], seen)
    nth, after = np.zeros(len(who), np.int64), count.copy()
    number(slot, after, nth)
    return Walk(x, slot, nth, rows.instants()), seen, after


@compiled((array(np.int64, readonly=True), array(np.int64), array(np.int64)), brief=True)
def number(slot: Any, count: Any, nth: Any) -> None:
    """Which row of its instrument each of these is; count (K,) is moved on."""
    for i in range(len(slot)):
        count[slot[i]] += 1
        nth[i] = count[slot[i]]


def nothing(fitted: Fitted) -> Forecast:
    """The forecast of no rows."""
    targets, none = fitted.known.targets, np.zeros(0, np.int64)
    out = np.zeros((0, len(targets), 3), np.float32)
    return said(targets, out, fitted.scale, none, none > 0)
