"""What models say of rows that they have not learned from: what a combiner may be taught by."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble import Heard
from flowsense.ensemble.opinions import REGIME, Bools, regime_of
from flowsense.ensemble.states import joined, part
from flowsense.errors import InputError
from flowsense.forecast import Forecast
from flowsense.labels import Labels
from flowsense.model import Model
from flowsense.model.gather import learned
from flowsense.schema import BOOK, QUOTE, Decimal, Instrument, Quotes, zeros
from flowsense.sources import NO_BARS, NO_EVENTS, NO_OBSERVATIONS
from flowsense.tape import Reader, Rows, Tape


def times(reader: Reader) -> NDArray[np.int64]:
    """(n,) ts of all rows."""
    return np.concatenate([tape.rows[0].ts for tape in reader])


def blocks(
    labels: Labels, ts: NDArray[np.int64], folds: int
) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Blocks of the rows to learn from, and for each the labels (n, T) that may be learned beside.

    Rows whose labels reach into a block, and rows that the labels of the block reach into, are
    left out. Raises InputError for a recording too short for so many blocks.
    """
    learn = learned(labels)
    rows = np.flatnonzero(learn.any(axis=1))
    if len(rows) < 2 * folds:
        raise InputError(f"{len(rows)} rows to learn from: {folds} folds need more: give fewer")
    for block in np.array_split(rows, folds):
        a, b = int(block[0]), int(block[-1]) + 1
        ends = np.where(learn[a:b], labels.known_at[a:b], 0).max()
        before = labels.known_at <= ts[a]
        after = (ts > ends)[:, None]
        inside = np.zeros_like(learn)
        inside[a:b] = True
        yield slice(a, b), learn & (before | after) & ~inside


def hear(
    members: Sequence[Model[Any]], names: tuple[str, ...], reader: Reader, rows: Bools
) -> Heard:
    """What fitted members say of these rows (n,), in one pass from the first row on."""
    state = joined([member.init(reader.instruments) for member in members])
    heard, first = list[Heard](), 0
    last = int(np.flatnonzero(rows).max(initial=-1))
    for tape in reader:
        if first > last:
            break
        own, states, said = tape.rows[0], list[Any](), list[Forecast]()
        here = np.flatnonzero(rows[first : first + len(own.ts)])
        for k, member in enumerate(members):
            after, forecast = member.predict(part(state, k), tape)
            states.append(after)
            said.append(kept(forecast, here))
        state, first = joined(states), first + len(own.ts)
        heard.append(as_heard(names, said, own, here))
    return behind(heard) if heard else Heard(names, (), *nobody())


def nobody() -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], Quotes]:
    """No rows: ts, instrument, regime, quote."""
    none = np.zeros(0, np.int64)
    return none, none.copy(), np.zeros((0, 0), np.float32), zeros(QUOTE)


def as_heard(
    names: tuple[str, ...], said: Sequence[Forecast], rows: Rows, here: NDArray[np.int64]
) -> Heard:
    """The regime is that of the first member that tells one."""
    at = rows.ts[here], rows.instrument[here]
    return Heard(names, tuple(said), *at, regime_of(said), rows.quote[here])


def spans(heard: Heard, start: int, end: int, rows: int) -> Iterator[Heard]:
    """The rows [start, end), whole instants, about so many at a time; at least one, of none."""
    ts, first = heard.ts[:end], start
    while True:
        last = end
        if first + rows < end:
            last = int(np.searchsorted(ts, ts[first + rows - 1], "right"))
        here = slice(first, last)
        said = tuple(kept(one, here) for one in heard.said)
        columns: list[Any] = [column[here] for column in heard[2:]]
        yield Heard(heard.names, said, *columns)
        if last >= end:
            return
        first = last


def kept(said: Forecast, rows: NDArray[np.int64] | slice) -> Forecast:
    """These rows, with the regime where one is told."""
    aux = {REGIME: said.aux[REGIME][rows]} if REGIME in said.aux else {}
    return Forecast(said.targets, said.proba[rows], said.value[rows], said.ready[rows], aux)


def behind(parts: Sequence[Heard]) -> Heard:
    """Several as one, in order."""
    said = tuple(chained(each) for each in zip(*(one.said for one in parts), strict=True))
    pairs = zip(*(one[2:] for one in parts), strict=True)
    columns: list[Any] = [np.concatenate(column) for column in pairs]
    return Heard(parts[0].names, said, *columns)


def chained(parts: Sequence[Forecast]) -> Forecast:
    """Consecutive forecasts of one model."""
    names = ("proba", "value", "ready")
    proba, value, ready = (np.concatenate([getattr(f, n) for f in parts]) for n in names)
    aux = {k: np.concatenate([f.aux[k] for f in parts]) for k in parts[0].aux}
    return Forecast(parts[0].targets, proba, value, ready, aux)


def tape_of(heard: Heard) -> Tape:
    """A tape of these rows without columns or books, for combiners that look at quotes alone."""
    n = len(heard.ts)
    none = np.zeros((n, 0), np.float32)
    book, event = np.broadcast_to(zeros(BOOK, 1), (n,)), np.zeros(n, np.int64)
    rows = Rows(heard.ts, heard.instrument, none, none.astype(np.bool_), event, book, heard.quote)
    count = int(heard.instrument.max(initial=-1)) + 1
    table = tuple(Instrument(str(k), "", Decimal(1, 0), Decimal(1, 0)) for k in range(count))
    return Tape(NO_EVENTS, NO_BARS, NO_OBSERVATIONS, zeros(QUOTE), (rows,), table)
