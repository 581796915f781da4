"""Rows of a tick table as EVENTs: where books open, what a quote replaces, where messages end."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.schema import CLEAR, EVENT, LAST, SCROLL, SET, SNAPSHOT, Events, zeros
from flowsense.sources.cells import Ints
from flowsense.sources.tick_form import Form
from flowsense.sources.tick_rows import Rows, join


@dataclass(frozen=True, slots=True)
class Opening:
    """What is carried from batch to batch of each instrument; its arrays change."""

    heard: NDArray[np.bool_]  # (k,)
    quote: Ints  # (k, 2) ticks of the last bid and ask, 0: none

    @classmethod
    def of(cls, instruments: int) -> Self:
        return cls(np.zeros(instruments, np.bool_), np.zeros((instruments, 2), np.int64))

    def first(self, who: Ints) -> NDArray[np.bool_]:
        """(n,) where an instrument is heard for the first time."""
        out = np.zeros(len(who), np.bool_)
        out[np.unique(who, return_index=True)[1]] = True
        out &= ~self.heard[who]
        self.heard[who] = True
        return out


def events_of(parts: Iterator[Rows], form: Form) -> Iterator[Events]:
    """Events of whole messages."""
    opening = Opening.of(len(form.symbols))
    if form.mapping.quotes:
        yield from (quoted(part, opening) for part in parts)
    elif form.trades:
        yield from (printed(part, opening, np.ones(len(part.ts), np.bool_)) for part in parts)
    else:
        yield from (messages(rows, opening) for rows in gathered(parts))


def gathered(parts: Iterator[Rows]) -> Iterator[Rows]:
    """Rows of whole messages: one may go on in the next part."""
    held = list[Rows]()
    for part in parts:
        rows = join([*held, part])
        start = int(np.flatnonzero(starts(rows))[-1])
        yield rows.take(slice(start))
        held = [rows.take(slice(start, None))]
    yield from held


def starts(rows: Rows) -> NDArray[np.bool_]:
    """(n,) where a message begins: another time, instrument, or snapshot or not."""
    out = np.ones(len(rows.ts), np.bool_)
    out[1:] = False
    for column in (rows.ts, rows.who, rows.replayed):
        out[1:] |= column[1:] != column[:-1]
    return out


def messages(rows: Rows, opening: Opening) -> Events:
    begins = starts(rows)
    return printed(rows, opening, np.append(begins[1:], True)[: len(begins)])


def printed(rows: Rows, opening: Opening, ends: NDArray[np.bool_]) -> Events:
    """A CLEAR where a book opens, and the row itself."""
    out, replayed = slots(rows, 2), rows.replayed
    first = opening.first(rows.who)
    opens = first | (starts(rows) & replayed)
    out[:, 0]["action"] = CLEAR
    out[:, 0]["bits"] = np.where(replayed, SNAPSHOT, SNAPSHOT | LAST)
    out[:, 1]["action"], out[:, 1]["side"] = rows.action, rows.side
    out[:, 1]["price"], out[:, 1]["lots"] = rows.price[:, 0], rows.lots[:, 0]
    out[:, 1]["bits"] = ends * LAST + replayed * SNAPSHOT
    clear = rows.action == CLEAR
    for field in ("side", "price", "lots"):
        out[:, 1][field][clear] = 0
    return picked(out, np.stack([opens, np.ones_like(opens)], 1))


def quoted(rows: Rows, opening: Opening) -> Events:
    """The level that a side leaves, then the one it shows: a worse price uncovers an old level."""
    before, first = previous(rows, opening), opening.first(rows.who)
    out, used = slots(rows, 5), np.zeros((len(rows.ts), 5), np.bool_)
    out[:, 0]["action"], used[:, 0] = CLEAR, first
    for k, side in enumerate((1, -1)):
        old, new = before[:, k], rows.price[:, k]
        better = (new - old) * side
        both = (old > 0) & (new > 0)
        leaves, shows = out[:, 1 + k], out[:, 3 + k]
        for slot in (leaves, shows):
            slot["action"], slot["side"] = SET, side
        leaves["price"], leaves["bits"] = old, SCROLL * (both & (better > 0))
        shows["price"], shows["bits"] = new, SCROLL * (both & (better < 0))
        shows["lots"] = rows.lots[:, k]
        used[:, 1 + k], used[:, 3 + k] = (old > 0) & (new != old), new > 0
    out["bits"] |= (SNAPSHOT * first)[:, None].astype(np.uint8)
    closing = 4 - used[:, ::-1].argmax(1)
    out["bits"][np.arange(len(out)), closing] |= LAST
    return picked(out, used)


def previous(rows: Rows, opening: Opening) -> Ints:
    """(n, 2) the quote of the same instrument before this one; the last ones are carried on."""
    order = np.argsort(rows.who, kind="stable")
    who, price = rows.who[order], rows.price[order]
    same = np.diff(who, prepend=-1) == 0
    before = np.where(same[:, None], np.roll(price, 1, axis=0), opening.quote[who])
    opening.quote[who] = price  # of several, numpy keeps the last
    out = np.empty_like(before)
    out[order] = before
    return out


def slots(rows: Rows, n: int) -> NDArray[Any]:
    """(rows, n) EVENTs that know their time and instrument."""
    out = zeros(EVENT, len(rows.ts) * n).reshape(-1, n)
    for field, column in (("ts_event", rows.ts_event), ("ts_recv", rows.ts)):
        out[field] = column[:, None]
    out["instrument"] = rows.who[:, None]
    return out


def picked(out: NDArray[Any], used: NDArray[np.bool_]) -> Events:
    """Those that are used, row by row."""
    return out[used].view(EVENT)
