"""Tardis tables that carry the book: updates with snapshots among them, and whole books in rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, records
from flowsense.errors import InputError
from flowsense.schema import CLEAR, EVENT, GAP, LAST, SET, SNAPSHOT, Events, zeros
from flowsense.sources.batches import Part
from flowsense.sources.cells import Ints
from flowsense.sources.rows import NOWHERE, differ, emit
from flowsense.sources.tick_events import Opening, picked, slots, starts
from flowsense.sources.tick_form import Form, entered, parts_of
from flowsense.sources.tick_rows import Rows, amounts, changed, clock

BATCH = 512  # whole books at a time
FIX = "correct or remove the row"


@dataclass(frozen=True, slots=True)
class Carried:
    """What is known of each of k instruments from table to table; its arrays change."""

    opening: Opening
    replayed: NDArray[np.bool_]  # (k,) whether the last row belonged to a snapshot
    shown: Ints  # (k, levels, ask or bid, price or lots) the last whole book
    heard: Ints  # (k,) 1 where there is one

    @classmethod
    def of(cls, instruments: int, levels: int) -> Self:
        shown = np.zeros((instruments, levels, 2, 2), np.int64)
        replayed, heard = np.zeros(instruments, np.bool_), np.zeros(instruments, np.int64)
        return cls(Opening.of(instruments), replayed, shown, heard)


def updates(rows: Rows, carried: Carried, form: Form) -> Events:
    """SETs of whole messages. A snapshot after updates means that what lay between was lost.

    Raises InputError for updates of a book that no snapshot has opened.
    """
    first = carried.opening.first(rows.who)
    if (first & ~rows.replayed).any():
        i = int((first & ~rows.replayed).argmax())
        raise InputError(
            f"{form.table}: the book of {form.symbols[rows.who[i]]} opens without a snapshot: "
            "take the file from its start"
        )
    opens = rows.replayed & ~before(rows, carried)
    ends = np.append(starts(rows)[1:], True)[: len(rows.ts)]
    out = slots(rows, 2)
    out[:, 0]["action"], out[:, 0]["bits"] = CLEAR, SNAPSHOT + GAP * ~first
    out[:, 1]["action"], out[:, 1]["side"] = SET, rows.side
    out[:, 1]["price"], out[:, 1]["lots"] = rows.price[:, 0], rows.lots[:, 0]
    out[:, 1]["bits"] = ends * LAST + rows.replayed * SNAPSHOT
    return picked(out, np.stack([opens, np.ones_like(opens)], 1))


def before(rows: Rows, carried: Carried) -> NDArray[np.bool_]:
    """(n,) whether the row before of the same instrument belonged to a snapshot."""
    order = np.argsort(rows.who, kind="stable")
    who, replayed = rows.who[order], rows.replayed[order]
    same = np.diff(who, prepend=-1) == 0
    out = np.empty_like(replayed)
    out[order] = np.where(same, np.roll(replayed, 1), carried.replayed[who])
    carried.replayed[who] = replayed  # of several, numpy keeps the last
    return out


@compiled(
    types.int64(
        array("i8", 4),
        array("i8"),
        array("i8", 4, readonly=True),
        array("i8", readonly=True),
        array(EVENT),
    )
)
def unroll(shown: Record, heard: Record, books: Record, who: Record, events: Record) -> int:
    """-> events written, the row as their `sequence`; `shown` and `heard` change."""
    n = 0
    for r in range(len(who)):
        w, start, bits = who[r], n, 0
        if heard[w] == 0:
            n = emit(events, n, CLEAR, 0, 0, 0, SNAPSHOT)
            heard[w], bits = 1, SNAPSHOT
        for k in range(2):
            n = differ(events, n, shown[w], books[r], k, NOWHERE, bits)
        shown[w] = books[r]
        for i in range(start, n):
            events[i].sequence = r
        if n > start:
            events[n - 1].bits = events[n - 1].bits | LAST
    return n


def whole_books(part: Part[Form], carried: Carried, ts: Ints) -> Events:
    """The SETs by which each book differs from the one before it of the same instrument.

    Raises InputError naming the first row that cannot be used.
    """
    form = part.form
    symbols = {symbol: k for k, symbol in enumerate(form.symbols)}
    happened, who = clock(part, form.mapping.ts_event, form.unit_event), entered(part, symbols)
    if len(symbols) > len(form.symbols):
        raise changed(form)
    books = levels_of(part, who)
    events = zeros(EVENT, len(part) * (4 * books.shape[1] + 1))
    n = unroll(carried.shown, carried.heard, books, who, records(events))
    told = events[:n].copy()
    row = told["sequence"].copy()
    told["ts_recv"], told["ts_event"], told["instrument"] = ts[row], happened[row], who[row]
    told["sequence"] = 0
    return told.view(EVENT)


def pieces(source: Path, form: Form) -> Iterator[tuple[Part[Form], Ints]]:
    """A few rows and their times, in order."""
    last = 0
    for part in parts_of(source, form):
        for start in range(0, len(part), BATCH):
            piece = Part(part.cells.slice(start, BATCH), form, part.first + start)
            ts = clock(piece, form.mapping.ts, form.unit)
            good = ts >= np.concatenate([[last], ts[:-1]])
            piece.demand(good, form.mapping.ts, "goes back in time: sort the table")
            last = int(ts[-1])
            yield piece, ts


def levels_of(part: Part[Form], who: Ints) -> Ints:
    """(n, levels, ask or bid, price or lots). Raises InputError for levels out of order."""
    price, size = amounts(part, who, 0), amounts(part, who, 1)
    there = size.units > 0
    key = np.where(there, price.units, 0)
    sign = np.tile([1, -1], price.units.shape[1] // 2)
    for column, name in enumerate(part.form.books[0]):
        part.demand(size.units[:, column] >= 0, part.form.books[1][column], f"is below 0: {FIX}")
        good = ~there[:, column] | (price.units[:, column] > 0)
        part.demand(good, name, f"should be above 0: {FIX}")
        if column > 1:
            better = (key[:, column] - key[:, column - 2]) * sign[column] > 0
            fix = f"is no worse than the level above it: {FIX}"
            part.demand(~there[:, column] | (there[:, column - 2] & better), name, fix)
    pair = np.stack([key, np.where(there, size.units, 0)], 2)
    return np.ascontiguousarray(pair.reshape(len(part), -1, 2, 2))
