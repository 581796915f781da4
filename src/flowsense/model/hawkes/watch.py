"""What a fit watches: the points of each instrument, between the rows that it may learn from."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.model.hawkes.likelihood import OFF, ON, Sequence
from flowsense.model.hawkes.orders import Rates, State, fold
from flowsense.simulate.points import Ints
from flowsense.tape import Tape


class Items(NamedTuple):
    """Points and rows of all instruments, as they came."""

    ts: Ints  # (m,) ns
    code: Ints  # (m,) kind or RESET of a point; 0 of a row
    instrument: Ints  # (m,)
    row: Ints  # (m,) which row of all, or -1


def items(state: State, tapes: Iterable[Tape], rates: Rates) -> Items:
    """All that happened, rows before the event of their place."""
    parts, rows, nothing = list[Items](), 0, np.zeros(0, np.int64)
    for tape in tapes:
        state, seen = fold(state, tape, rates)
        due = tape.rows[0]
        n = len(due.ts)
        place = np.r_[2 * due.event, 2 * seen.event + 1]
        order = np.argsort(place, kind="stable")
        none = np.full(len(seen.ts), -1)
        columns = (
            np.r_[due.ts, seen.ts],
            np.r_[np.zeros(n, np.int64), seen.code],
            np.r_[due.instrument, seen.instrument],
            np.r_[np.arange(rows, rows + n), none],
        )
        parts.append(Items(*(c[order].astype(np.int64) for c in columns)))
        rows += n
    return Items(*(np.concatenate([nothing, *c]) for c in zip(*parts, strict=True)))


def sequence(of: Items, who: int, usable: NDArray[np.bool_], most: int) -> Sequence:
    """Of one instrument: learning goes on from each usable row to the next usable one.

    At most the last `most` points.
    """
    mine = of.instrument == who
    ts, code, row = of.ts[mine], of.code[mine].copy(), of.row[mine]
    at = np.flatnonzero(row >= 0)
    good = usable[row[at]]
    on = good & np.r_[good[1:], False][: len(good)]
    code[at] = np.where(on, ON, OFF)
    switch = np.ones(len(ts), np.bool_)
    switch[at] = on != np.r_[False, on[:-1]][: len(on)]
    ts, code = ts[switch], code[switch]
    points = np.flatnonzero(code >= 0)
    if len(points) <= most:
        return Sequence(ts, code)
    first = int(points[-most])
    before = code[:first][(code[:first] == ON) | (code[:first] == OFF)]
    head = before[-1:] if len(before) else np.array([OFF])
    return Sequence(np.r_[ts[first], ts[first:]], np.r_[head, code[first:]])


def counts(seq: Sequence, kinds: int) -> Ints:
    """(kinds,) points that are learned from."""
    switch = np.where(seq.code == ON, 1, np.where(seq.code == OFF, -1, 0))
    known = np.maximum.accumulate(np.where(switch != 0, np.arange(len(switch)), -1))
    on = (known >= 0) & (switch[known] == 1)
    return np.bincount(seq.code[on & (seq.code >= 0)], minlength=kinds)
