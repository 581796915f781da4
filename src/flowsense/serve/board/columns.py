"""What happened to each instrument, in columns of 100 ms: the book as a strip, trades, flow.

A fold over events: wherever the stream is cut, the same columns come out. A column is told when the
stream has passed its end; what the clock of the stream leaps over by more than `LEAP` is left out.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.ensemble.code import Code
from flowsense.features.catalogue import spec
from flowsense.features.fold import Fold
from flowsense.schema import CONTROL, LATE, MILLISECOND, TRADE, Events, Instrument
from flowsense.schema import WHOLE as BOTH
from flowsense.serve.board import wire
from flowsense.serve.board.image import bytes_of, strip
from flowsense.serve.board.told import GRID_MS, KEPT
from flowsense.serve.records import beat
from flowsense.tape import Rows

STEP = GRID_MS * MILLISECOND
LEAP = KEPT  # columns of silence that are still told one by one
SPEC = spec(("ofi", "depth", "spread"), (f"interval:{GRID_MS}ms",))
LEVELS = tuple(f"ofi_l{k}" for k in range(1, 11))
READ = [SPEC.columns.index(name) for name in ("micro", "imb_cum5", *LEVELS)]
SPANS = 1e-3  # of the price, at least, that the strip shows
SPREADS = 16  # or so many spreads
MOST = 255  # trades of a column
FAR = 2**15 - 1  # cells


class Said(NamedTuple):
    """What a column tells of the newest prediction before its end."""

    ts: int  # ns
    direction: int
    confidence: float
    regime: int  # place, -1: none
    likely: float
    act: bool
    breaker: bool  # one is open


class Column(NamedTuple):
    instrument: int
    number: int
    state: int  # of `wire`
    data: bytes  # as it has it, without the head
    book: NDArray[np.void] | None  # BOOK, whole


class Columns:
    """``for column in columns.push(events): ...``; a column each 100 ms and instrument."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        n = len(instruments)
        self.fold, self.next = Fold(SPEC, instruments), 0  # boundary, ns; 0: before the first event
        self.bucket, self.base = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.cvd, self.seen = np.zeros(n, np.int64), np.zeros(n, np.bool_)
        self.stale = np.zeros(n, np.bool_)
        self.begun, self.traded = False, list[Events]()  # since the last boundary: anything, trades
        self.said = [deque[Said]() for _ in range(n)]
        self.swaps = self.marked = 0  # of models so far; of these, that a boundary has passed

    def push(self, events: Events) -> Iterator[Column]:
        """Events are checked. All columns that end at or before the last of them."""
        while len(events):
            first, last = int(events["ts_recv"][0]), int(events["ts_recv"][-1])
            leap = not self.begun and first - self.next > LEAP * STEP
            if self.next == 0 or leap:
                self.next = first - first % STEP + STEP
            if last < self.next:
                self._take(events)
                return
            cut = int(np.searchsorted(events["ts_recv"], self.next))
            self._take(events[:cut])
            yield from self._columns(self.next)
            self.next += STEP
            events = events[cut:]

    def _take(self, events: Events) -> None:
        if not len(events):
            return
        self.begun = True
        for _ in self.fold.push(events):  # rows fall due at the beat of a boundary alone
            pass
        trades = events[(events["action"] == TRADE) & (events["bits"] & LATE == 0)]
        if len(trades):
            np.add.at(self.cvd, trades["instrument"], trades["side"] * trades["lots"])
            self.traded.append(trades)
        for one in events[(events["action"] == CONTROL) & (events["price"] == Code.STALE)]:
            self.stale[one["instrument"]] = bool(one["lots"])

    def _columns(self, end: int) -> Iterator[Column]:
        """Of every instrument, from the boundary before to this one."""
        parts = [tape.rows[0] for tape in self.fold.push(beat(end)) if len(tape.rows[0].ts)]
        row = {int(who): (rows, r) for rows in parts for r, who in enumerate(rows.instrument)}
        traded = np.concatenate(self.traded) if self.traded else None
        swaps = self.swaps  # another thread counts on
        for i in range(len(self.base)):
            found = np.zeros(1, wire.COLUMN)
            found["number"] = number = end // STEP - 1
            found["cvd"] = self.cvd[i]
            book, cells = None, np.zeros(wire.CELLS, np.uint8)
            if i in row:
                rows, r = row[i]
                book = rows.book[r]
                cells = self._seen(found, rows, r, i)
            else:
                found["state"] = wire.BROKEN if self.seen[i] else wire.NOTHING
            found["base"] = self.base[i]
            self._said(found, i, end)
            found["marks"] |= wire.SWAPPED * (swaps > self.marked)
            trades = self._trades(traded, i)
            found["trades"] = len(trades)
            data = found.tobytes() + cells.tobytes() + trades.tobytes()
            yield Column(i, number, int(found["state"][0]), data + bytes(-len(data) % 8), book)
        self.traded.clear()
        self.begun, self.marked = False, swaps

    def _seen(self, found: NDArray[np.void], rows: Rows, r: int, i: int) -> NDArray[np.uint8]:
        """Of a row that has a book; -> its strip."""
        quote, book, known = rows.quote[r], rows.book[r], 0
        whole = quote["state"] == BOTH
        found["state"] = wire.WHOLE if whole else wire.ONE_SIDED
        self.seen[i] = True
        values, valid = rows.X[r, READ].astype(np.float64), rows.valid[r, READ]
        mid = int(quote["mid2"]) / 2
        if whole:
            found["mid"], known = mid, wire.MID
            self._place(i, mid, int(book["ask_px"][0] - book["bid_px"][0]))
            if valid[0]:
                found["micro"], known = mid + values[0], known | wire.MICRO
        if valid[1]:
            found["imbalance"], known = values[1], known | wire.IMBALANCE
        for name, bit, levels in (
            ("ofi1", wire.OFI1, 1),
            ("ofi5", wire.OFI5, 5),
            ("ofi10", wire.OFI10, 10),
        ):
            if valid[2 : 2 + levels].all():
                found[name], known = values[2 : 2 + levels].sum(), known | bit
        found["known"] = known
        if not self.bucket[i]:
            return np.zeros(wire.CELLS, np.uint8)
        sides = self.fold.arrays["state"]["sides"]
        base, bucket = int(self.base[i]), int(self.bucket[i])
        return bytes_of(strip(self.fold.arrays["levels"], sides, i, base, bucket))

    def _place(self, i: int, mid: float, spread: int) -> None:
        """The strip stays until the mid has left its middle half; then it is laid anew."""
        if not self.bucket[i]:
            self.bucket[i] = bucket(max(SPANS * mid, SPREADS * spread) / wire.CELLS)
        width = int(self.bucket[i])
        quarter = width * wire.CELLS // 4
        if not self.base[i] + quarter <= mid < self.base[i] + 3 * quarter:
            self.base[i] = (int(mid) // width - wire.CELLS // 2) * width

    def _said(self, found: NDArray[np.void], i: int, end: int) -> None:
        said, marks = self.said[i], 0
        while len(said) > 1 and said[1].ts <= end:
            said.popleft()
        found["regime"] = wire.NO_REGIME
        if said and said[0].ts <= end:
            one = said[0]
            found["known"] |= wire.SAID
            found["direction"], found["confidence"] = one.direction, round(one.confidence * 255)
            if one.regime >= 0:
                found["regime"], found["likely"] = one.regime, round(one.likely * 255)
            marks = wire.ACT * one.act | wire.BREAKER * one.breaker
        found["marks"] = marks | wire.STALE * bool(self.stale[i])

    def _trades(self, traded: Events | None, i: int) -> NDArray[np.void]:
        """By cell and side; of more than fit, the largest."""
        if traded is None or not self.bucket[i]:
            return np.zeros(0, wire.TRADE)
        mine = traded[traded["instrument"] == i]
        cell = (mine["price"] - self.base[i]) // self.bucket[i]
        keys = np.clip(cell, -FAR, FAR) * 3 + mine["side"]
        each, which = np.unique(keys, return_inverse=True)
        side = (each + 1) % 3 - 1
        out = np.zeros(len(each), wire.TRADE)
        out["cell"], out["side"] = (each - side) // 3, side
        out["lots"] = np.bincount(which, mine["lots"], len(each))
        if len(out) > MOST:
            out = out[np.sort(np.argsort(-out["lots"], kind="stable")[:MOST])]
        return out


def bucket(ticks: float) -> int:
    """The least of 1, 2, 5, 10, 20, ... that is no less."""
    ten = 1
    while True:
        for step in (1, 2, 5):
            if step * ten >= ticks:
                return step * ten
        ten *= 10
