"""What a net reads of a row: numbers in deviations of their instrument, and what is missing.

A net reads the columns of the features, or the book alone; and always how long ago the row before
was. Measured on rows to learn from, with their mirror images, so that swapping bids and asks is
the same permutation and change of signs for inputs as for columns.
"""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense._jit import array, compiled
from flowsense.features.catalogue import described
from flowsense.labels import Labels
from flowsense.model.gather import learned, present
from flowsense.model.terms import expand, mirror
from flowsense.schema import DEPTH, MILLISECOND, NO_ASK, NO_BID, SECOND
from flowsense.tape import FeatureSpec, Reader, Rows

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
RARE = 1e-3  # share of rows up to which missing is not an input of its own
SINGLE = 2  # numbers behind the book's levels: change of the mid, time since the row before
CLOCK = 3  # last inputs of a timed net: seconds since the row before, did a second, a minute end?
ENDED = 0.5  # above it, one did
LONGEST = 3_600.0  # seconds
UNTIMED = np.array(False)
UNITS = (SECOND, 60 * SECOND)
TIMES = array(np.int64, readonly=True)


class Seen(NamedTuple):
    """The row before, of K instruments."""

    ts: Ints  # (K,) 0: there is none
    mid2: Ints  # (K,) bid + ask, ticks


class Inputs(NamedTuple):
    """D inputs: R numbers and Q masks. Arrays, so that a checkpoint holds them."""

    book: NDArray[np.bool_]  # () reads the book's levels instead of columns
    standard: NDArray[np.float64]  # (K + 1, R, 2) centre, 1 / deviation; K: of other instruments
    masked: Ints  # (Q,) numbers that are missing now and then: 1 where one is
    source: Ints  # (D,) of the mirrored row, which input each is,
    sign: Floats  # (D,) and with which sign
    timed: NDArray[np.bool_] = UNTIMED  # () the last `CLOCK` inputs are the clock, as it is

    @property
    def width(self) -> int:
        """D."""
        return len(self.source)


def nothing_seen(k: int) -> Seen:
    """Before the first row of k instruments."""
    return Seen(np.zeros(k, np.int64), np.zeros(k, np.int64))


def read(inputs: Inputs, rows: Rows, place: Ints, seen: Seen) -> tuple[Seen, Floats]:
    """(n, D) of rows; place (n,) says whose deviations. What is missing is 0."""
    after, raw = numbers(rows, bool(inputs.book), seen)
    x = standardised(inputs, raw, place)
    return after, (np.concatenate([x, clock(rows, seen)], axis=1) if inputs.timed else x)


def clock(rows: Rows, seen: Seen) -> Floats:
    """(n, CLOCK) as of each row; a row that falls due as a second ends still belongs to it."""
    out = np.zeros((len(rows.ts), CLOCK), np.float32)
    tell(rows.ts, rows.instrument, seen.ts.copy(), out)
    return out


@compiled((TIMES, TIMES, array(np.int64), array(np.float32, 2)), brief=True)
def tell(ts: Any, who: Any, before: Any, out: Any) -> None:
    """The clock of rows; before (K,) is when the row before was, and is moved on."""
    for i in range(len(ts)):
        then, now = before[who[i]], ts[i]
        before[who[i]] = now
        if then > 0:
            out[i, 0] = min((now - then) / SECOND, LONGEST)
            for j, unit in enumerate(UNITS):
                out[i, 1 + j] = 1.0 if (now - 1) // unit > (then - 1) // unit else 0.0


def standardised(inputs: Inputs, raw: Floats, place: Ints) -> Floats:
    """(n, D) of numbers (n, R): asinh of deviations, clipped, so that far values stay in reach."""
    out = np.zeros(raw.shape, np.float32)
    expand(np.ascontiguousarray(raw), place, alone(raw.shape[1]), inputs.standard, out)
    return np.concatenate([out, np.isnan(raw[:, inputs.masked]).astype(np.float32)], axis=1)


@cache
def alone(numbers: int) -> Ints:
    """(R, 4) each by itself, as `terms.expand` wants it."""
    terms = np.zeros((numbers, 4), np.int64)
    terms[:, 0] = np.arange(numbers)
    return terms


def numbers(rows: Rows, book: bool, seen: Seen) -> tuple[Seen, Floats]:
    """(n, R) before they are standardised, NaN where missing."""
    seen, since, change = compared(rows, seen)
    parts = [levels(rows.book), change[:, None]] if book else [present(rows)]
    return seen, np.concatenate([*parts, since[:, None]], axis=1, dtype=np.float32)


def compared(rows: Rows, seen: Seen) -> tuple[Seen, Floats, Floats]:
    """(n,) log of the ms since the instrument's row before, and by how many ticks its mid moved."""
    since, change = (np.full(len(rows.ts), np.nan, np.float32) for _ in range(2))
    after, mid2 = Seen(seen.ts.copy(), seen.mid2.copy()), rows.quote["mid2"].astype(np.int64)
    compare(rows.ts, rows.instrument, mid2, after.ts, after.mid2, since, change)
    return after, since, change


@compiled((TIMES, TIMES, TIMES, *(array(k) for k in ("i8", "i8", "f4", "f4"))), brief=True)
def compare(ts: Any, who: Any, mid2: Any, times: Any, mids: Any, since: Any, change: Any) -> None:
    """times, mids (K,) of the row before are moved on; NaN stays where there was none."""
    for i in range(len(ts)):
        k = who[i]
        if times[k] > 0:
            since[i] = math.log1p((ts[i] - times[k]) / MILLISECOND)
            change[i] = (mid2[i] - mids[k]) / 2
        times[k], mids[k] = ts[i], mid2[i]


def levels(book: NDArray[Any]) -> Floats:
    """(n, 40) ticks from mid and log size of each level: bids, then asks; NaN where there is none.

    Per side 10 distances, then 10 sizes.
    """
    bid, ask = book["bid_px"], book["ask_px"]
    whole = (bid[:, :1] != NO_BID) & (ask[:, :1] != NO_ASK)
    mid = np.where(whole, bid[:, :1] + ask[:, :1], 0) / 2
    parts = []
    for side, px, none in (("bid", bid, NO_BID), ("ask", ask, NO_ASK)):
        there = whole & (px != none)
        distance = np.abs(np.where(there, px, 0) - mid)
        size = np.log1p(np.maximum(book[f"{side}_sz"], 0).astype(np.float64))
        parts += [np.where(there, distance, np.nan), np.where(there, size, np.nan)]
    return np.concatenate(parts, axis=1, dtype=np.float32)


def turned(spec: FeatureSpec, book: bool) -> tuple[Ints, Floats]:
    """(R,) which number each is in the mirror, and its sign."""
    if not book:
        source, sign = mirror(described(spec))
        return np.r_[source, len(source)], np.r_[sign, np.float32(1)]
    side = np.arange(2 * DEPTH)
    source = np.r_[side + 2 * DEPTH, side, 4 * DEPTH + np.arange(SINGLE)]
    return source, np.r_[np.ones(4 * DEPTH), -1, 1].astype(np.float32)


class Index(NamedTuple):
    """Of every row of a reader."""

    who: Ints  # (n,) instrument
    instant: Ints  # (n,) number of its instant


def measured(
    reader: Reader, labels: Labels, book: bool, *, timed: bool = False
) -> tuple[Inputs, Index]:
    """One pass: the inputs of a net that is fitted to these labels, and which row is whose."""
    source, sign = turned(reader.spec, book)
    k, r = len(reader.instruments), len(source)
    sums, count, missing = np.zeros((3, k, r)), np.zeros((k, 1)), np.zeros(r)
    use = np.asarray(learned(labels).any(axis=1))
    who, instant = (np.zeros(len(use), np.int64) for _ in range(2))
    seen, first, instants = nothing_seen(k), 0, 0
    for tape in reader:
        rows = tape.rows[0]
        seen, raw = numbers(rows, book, seen)
        here = slice(first, first + len(rows.ts))
        edges = rows.instants()
        instant[here] = instants + np.repeat(np.arange(len(edges) - 1), np.diff(edges))
        who[here], first, instants = rows.instrument, here.stop, instants + len(edges) - 1
        for j in np.unique(rows.instrument[use[here]]):
            some = raw[use[here] & (rows.instrument == j)].astype(np.float64)
            there = np.isfinite(some)
            some[~there] = 0.0
            sums[:, j] += there.sum(0), some.sum(0), (some * some).sum(0)
            missing += (~there).sum(0)
            count[j] += len(some)
    missing = np.maximum(missing, missing[source]) / max(count.sum(), 1)
    masked = np.flatnonzero((missing > RARE) & (missing < 1 - RARE))
    place = np.searchsorted(masked, source[masked])
    turns = np.r_[source, r + place], np.r_[sign, np.ones(len(masked), np.float32)]
    if timed:
        itself = len(turns[0]) + np.arange(CLOCK)
        turns = np.r_[turns[0], itself], np.r_[turns[1], np.ones(CLOCK, np.float32)]
    inputs = Inputs(np.array(book), standards(sums, source, sign), masked, *turns, np.array(timed))
    return inputs, Index(who, instant)


def moments(
    sums: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(K, R) mean and deviation."""
    n = np.maximum(sums[0], 1)
    mean = sums[1] / n
    return mean, np.sqrt(np.maximum(sums[2] / n - mean * mean, 0.0))


def standards(sums: NDArray[np.float64], source: Ints, sign: Floats) -> NDArray[np.float64]:
    """(K + 1, R, 2) of sums (3, K, R) of ones, values and squares, with their mirror images.

    What never changes is 0, and so is its image.
    """
    mean, spread = moments(sums)
    changes = spread > 1e-6 * np.maximum(np.abs(mean), 1e-6)
    changes |= changes[:, source]
    signs = np.stack([np.ones_like(sign), sign, np.ones_like(sign)])[:, None]
    count = sums[0]
    mean, spread = moments(sums + sums[:, :, source] * signs)
    out = np.zeros((sums.shape[1] + 1, sums.shape[2], 2))
    out[:-1, :, 0], out[:-1, :, 1] = mean, np.where(changes, 1 / np.where(changes, spread, 1), 0)
    seen, own = np.maximum(changes.sum(0), 1), (count > 0).any(axis=1)
    out[-1, :, 0] = np.where(changes, mean, 0).sum(0) / seen
    scale = np.where(changes, np.log(np.where(changes, spread, 1)), 0).sum(0) / seen
    out[-1, :, 1] = np.where(changes.any(0), np.exp(-scale), 0)
    out[:-1][~own] = out[-1]
    return out
