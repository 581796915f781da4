"""Which records of an order book are points, and the decayed sums of what happened, row by row.

Points are market orders, orders that join a queue and cancels, by side. All fills of one order are
one point, and so are the cancels of one side in one message. In a book by level a cancel is a level
that shrinks by more than was executed there, and one that grows was joined.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.model.hawkes.likelihood import RESET
from flowsense.schema import (
    ADD,
    CANCEL,
    CLEAR,
    EVENT,
    GAP,
    LAST,
    LATE,
    SCROLL,
    SET,
    SNAPSHOT,
    TRADE,
    Instrument,
)
from flowsense.simulate.points import Floats, Ints, base
from flowsense.tape import Tape

BUY, SELL, CANCEL_BID, CANCEL_ASK, ADD_BID, ADD_ASK = range(6)
KINDS = ("buy", "sell", "cancel_bid", "cancel_ask", "add_bid", "add_ask")
MIRROR = (SELL, BUY, CANCEL_ASK, CANCEL_BID, ADD_ASK, ADD_BID)
SIGN = np.array([1.0, -1.0, -1.0, 1.0, 1.0, -1.0])  # of each kind in the order flow imbalance
SLOTS = 256  # prices a side of a book by level that are remembered: no two alike modulo this
NONE, LOST = -1, RESET  # of a record: no point; nothing before it is known to excite
SEEN = np.dtype(  # of one instrument
    [
        ("at", "i8"),  # ns, to which its sums have decayed; 0: not watched, they stand at means
        ("lost", "i8"),  # since a gap, until the next snapshot is whole
        ("begun", "i8"),
        ("recv", "i8", len(KINDS)),  # ns, of the last record of each kind
        ("sent", "i8", len(KINDS)),
    ]
)
LEVEL = np.dtype([("price", "i8"), ("lots", "i8"), ("struck", "i8")])  # struck: executed since told


class State(NamedTuple):
    """Of I instruments, L of them by level."""

    place: Ints  # (I,) which fit speaks for each
    seen: Any  # (I,) SEEN
    sums: Floats  # (I, K, P)
    shelf: Ints  # (I,) place among the levels, or -1
    levels: Any  # (L, 2 x SLOTS) LEVEL

    def copy(self) -> "State":
        columns: list[Any] = [column.copy() for column in self]
        return State(*columns)


class Folded(NamedTuple):
    """What a tape held: m points and losses in order, and the n rows."""

    ts: Ints  # (m,) ns
    code: Ints  # (m,) kind, or RESET
    instrument: Ints  # (m,)
    event: Ints  # (m,) its place in the tape
    now: Floats  # (n, K + K x P) baselines and decayed sums as of each row


class Rates(NamedTuple):
    """What sums decay by, for each of W fits."""

    beta: Floats  # (W, P) per second
    mu: Floats  # (W, K, B)
    mean: Floats  # (W, K) per second: where sums stand when nothing is known
    knots: Ints  # (B,)


def begin(instruments: tuple[Instrument, ...], place: Ints, rates: Rates) -> State:
    """Before the first record: sums stand at their means."""
    shelf = np.full(len(instruments), -1, np.int64)
    by_level = [i for i, who in enumerate(instruments) if not who.by_order]
    shelf[by_level] = np.arange(len(by_level))
    mean = np.repeat(rates.mean[place][:, :, None], rates.beta.shape[1], axis=2)
    seen = np.zeros(len(instruments), SEEN)
    return State(place, seen, mean, shelf, np.zeros((len(by_level), 2 * SLOTS), LEVEL))


@kernel
def grown(level: Record, e: Record) -> int:
    """A level is told anew: lots that joined it, or less than 0: left it and were not executed.

    Nothing is known of a level of which another had taken the place.
    """
    more = e.lots - level.lots + level.struck if level.price == e.price or level.lots == 0 else 0
    level.price, level.lots, level.struck = e.price, e.lots, 0
    return int(more) if e.bits & SCROLL == 0 else 0


@kernel
def sided(e: Record, kind: int) -> int:
    """This kind of bids or buyers, or the next of the others."""
    return kind if e.side > 0 else kind + 1


@kernel
def struck(levels: Record, e: Record) -> None:
    """Lots that a level loses by a trade are no cancel."""
    level = levels[(SLOTS if e.side > 0 else 0) + e.price % SLOTS]
    if level.price == e.price:
        level.struck += e.lots


@kernel
def of_level(levels: Record, e: Record) -> int:
    kind = NONE
    if e.action == SET:
        more = grown(levels[(0 if e.side > 0 else SLOTS) + e.price % SLOTS], e)
        if more != 0:
            kind = sided(e, ADD_BID if more > 0 else CANCEL_BID)
    elif e.action == CLEAR:
        for k in range(2 * SLOTS):
            levels[k].lots = levels[k].struck = 0
    return kind


@kernel
def reads(s: Record, e: Record, levels: Record, shelf: int) -> int:
    """The kind of a record, or NONE; LOST at a gap."""
    if e.bits & GAP:
        s.lost = 1
        return LOST
    kind = NONE
    if e.action == TRADE and e.side != 0 and e.bits & LATE == 0:
        kind = sided(e, BUY)
        if shelf >= 0:
            struck(levels[shelf], e)
    elif shelf >= 0:
        kind = of_level(levels[shelf], e)
    elif e.action == CANCEL:
        kind = sided(e, CANCEL_BID)
    elif e.action == ADD:
        kind = sided(e, ADD_BID)
    if s.lost or e.bits & SNAPSHOT:
        if e.bits & SNAPSHOT and e.bits & LAST:
            s.lost = 0
        return NONE
    return kind


@kernel
def repeats(s: Record, e: Record, kind: int) -> bool:
    """Whether it belongs to the point before: the same instant, here or at the exchange."""
    same = s.begun & (1 << kind) != 0
    same = same and (s.recv[kind] == e.ts_recv or s.sent[kind] == e.ts_event)
    s.begun |= 1 << kind
    s.recv[kind], s.sent[kind] = e.ts_recv, e.ts_event
    return bool(same)


@kernel
def fade(s: Record, sums: Any, beta: Any, ts: int) -> None:
    gap = (ts - s.at) * 1e-9 if s.at != 0 else 0.0
    if gap > 0.0:
        for p in range(len(beta)):
            factor = math.exp(-beta[p] * gap)
            for k in range(len(sums)):
                sums[k, p] *= factor
    s.at = ts


@kernel
def happen(s: Record, sums: Any, beta: Any, ts: int, kind: int) -> None:
    fade(s, sums, beta, ts)
    for p in range(len(beta)):
        sums[kind, p] += beta[p]


@kernel
def forget(s: Record, sums: Any, mean: Any) -> None:
    s.at = 0
    for j in range(sums.shape[0]):
        for p in range(sums.shape[1]):
            sums[j, p] = mean[j]


@kernel
def show(s: Record, sums: Any, rates: Any, w: int, ts: int, out: Any) -> None:
    """A row: what holds at `ts`; the state stays as it is."""
    beta, mu, _, knots = rates
    gap = max(ts - s.at, 0) * 1e-9 if s.at != 0 else 0.0
    kinds, terms = sums.shape
    for k in range(kinds):
        out[k] = base(mu[w], knots, k, ts)
    for p in range(terms):
        factor = math.exp(-beta[w, p] * gap)
        for k in range(kinds):
            out[kinds + k * terms + p] = sums[k, p] * factor


INTS = array(np.int64, readonly=True)
TABLE3 = array(np.float64, 3, readonly=True)
STATE = types.Tuple((INTS, array(SEEN), array(np.float64, 3), INTS, array(LEVEL, 2)))
RATES = types.Tuple(
    (array(np.float64, 2, readonly=True), TABLE3, array(np.float64, 2, readonly=True), INTS)
)
OUT = types.Tuple((array(np.int64, 2), array(np.float64, 2)))


@compiled(types.int64(array(EVENT, readonly=True), types.UniTuple(INTS, 3), STATE, RATES, OUT))
def run(events: Any, rows: Any, state: Any, rates: Any, out: Any) -> int:
    """Fold events; rows (event, instrument, ts) are due before the event of that place.

    out: (4, m) ts, code, instrument, event of the points; (n, L) of the rows. -> points.
    """
    place, seen, sums, shelf, levels = state
    due, who, when = rows
    points, now = out
    beta, _, mean, _ = rates
    r = n = 0
    for i in range(len(events) + 1):
        while r < len(due) and (due[r] <= i or i == len(events)):
            k = who[r]
            show(seen[k], sums[k], rates, place[k], when[r], now[r])
            r += 1
        if i == len(events):
            break
        e = events[i]
        k = e.instrument
        if not 0 <= k < len(seen):
            continue
        kind = reads(seen[k], e, levels, shelf[k])
        if seen[k].at == 0 and seen[k].lost == 0:
            seen[k].at = e.ts_recv
        if kind == NONE or (kind >= 0 and repeats(seen[k], e, kind)):
            continue
        if kind >= 0:
            happen(seen[k], sums[k], beta[place[k]], e.ts_recv, kind)
        else:
            forget(seen[k], sums[k], mean[place[k]])
        points[0, n], points[1, n], points[2, n], points[3, n] = e.ts_recv, kind, k, i
        n += 1
    return n


def fold(state: State, tape: Tape, rates: Rates) -> tuple[State, Folded]:
    """The points of a tape and its rows; the state given stays as it is."""
    after, rows, m = state.copy(), tape.rows[0], len(tape.events)
    points = np.zeros((4, m), np.int64)
    now = np.zeros((len(rows.ts), rates.mu.shape[1] * (1 + rates.beta.shape[1])))
    due = tuple(np.ascontiguousarray(x, np.int64) for x in (rows.event, rows.instrument, rows.ts))
    parts = (after.place, records(after.seen), after.sums, after.shelf, records(after.levels))
    n = run(records(tape.events), due, parts, tuple(rates), (points, now))
    ts, code, instrument, event = points[:, :n]
    return after, Folded(ts, code, instrument, event, now)
