"""Records of any kind as messages of one form, every value checked; book rows and bars beside."""

from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import AUCTION, HALT, LARGEST, NEVER, TRADING
from flowsense.sources.dbn_records import BARS, BBO_1M, BBO_1S, PHASE, UNDEFINED, Layout

MESSAGE = np.dtype(
    [
        ("ts_event", "i8"),
        ("ts_recv", "i8"),  # of a bar: when it closed
        ("order_id", "u8"),
        ("price", "i8"),  # 1e-9; UNDEFINED: none
        ("units", "i8"),  # its size; of a STATUS the phase, or SAME
        ("sequence", "i8"),
        ("key", "i8"),  # publisher and instrument id
        ("instrument", "i4"),
        ("row", "i4"),  # its place among the book rows, or the bars, beside
        ("feed", "u1"),
        ("action", "u1"),
        ("marks", "u1"),  # F_LAST, ...: numpy has `flags` of its own
        ("side", "i1"),
    ]
)
COPIED = ("order_id", "price", "sequence", "action")  # where a record has them
SAMPLED = (BBO_1S, BBO_1M)  # tell the last trade again until there is another, and not all
CANDLE = ("open", "high", "low", "close", "volume")
NO_ACTION = ord("N")
SIDES = np.zeros(256, np.int8)
SIDES[[ord("B"), ord("A")]] = 1, -1
ACTIONS = np.zeros(256, np.bool_)
ACTIONS[[*b"ACMRTFN"]] = True
SAME = -1
PHASES = np.full(65_536, SAME, np.int64)  # by the action of a status record
PHASES[1:6] = AUCTION  # pre-open, pre-cross, quoting, cross, rotation
PHASES[7] = TRADING
PHASES[[8, 9, 10, 12, 13, 15]] = HALT  # halt, pause, suspend, close, post-close, not available
CORRECT = "it cannot be: copy or download the file again"
Array = NDArray[Any]


class Batch(NamedTuple):
    """Consecutive messages, of one file or of several in order of time."""

    messages: Array  # (n,) MESSAGE
    books: NDArray[np.int64]  # (rows, levels, ask or bid, price or lots), best first
    bars: NDArray[np.int64]  # (rows, CANDLE)

    @classmethod
    def of(cls, messages: Array, books: list[Array], bars: list[Array]) -> Self:
        depth = max((b.shape[1] for b in books), default=1)
        deep = [np.pad(b, ((0, 0), (0, depth - b.shape[1]), (0, 0), (0, 0))) for b in books]
        none = np.zeros((0, depth, 2, 2), np.int64)
        return cls(
            messages,
            deep[0] if len(deep) == 1 else np.concatenate([none, *deep]),
            np.concatenate([np.zeros((0, len(CANDLE)), np.int64), *bars]),
        )

    @property
    def barred(self) -> NDArray[np.bool_]:
        """(n,) whose row is one of the bars."""
        feed = self.messages["feed"]
        return (feed >= min(BARS)) & (feed <= max(BARS))

    def take(self, which: slice) -> Self:
        return self._replace(messages=self.messages[which])


class Part(NamedTuple):
    """Records of one layout, and the number of each in its file."""

    path: Path
    layout: Layout
    raw: Array  # (n,) layout.dtype
    numbers: NDArray[np.int64]

    def demand(self, good: NDArray[np.bool_], name: str, values: Array, why: str = CORRECT) -> None:
        """Raises InputError for the first record that is not so."""
        if not good.all():
            i = int(np.argmin(good))
            refuse(self.path, int(self.numbers[i]), f"{name} {values[i]}: {why}")


def refuse(path: Path, record: int, why: str) -> NoReturn:
    raise InputError(f"{path}: record {record}: {why}")


def messages_of(part: Part) -> Array:
    """(n,) MESSAGE without instrument. Raises InputError."""
    raw, names, feed = part.raw, part.raw.dtype.names or (), part.layout.feed
    out = np.zeros(len(raw), MESSAGE)
    out["feed"], out["price"], out["action"] = feed, UNDEFINED, NO_ACTION
    out["key"] = raw["publisher_id"].astype(np.int64) << 32 | raw["instrument_id"]
    for name in COPIED:
        if name in names and feed != PHASE:
            out[name] = raw[name]
    if "side" in names:
        out["side"], out["units"] = SIDES[raw["side"]], raw["size"]
        out["marks"] = raw["flags"]
        part.demand(ACTIONS[out["action"]], "action", out["action"])
        part.demand(out["price"] > -UNDEFINED, "price", out["price"])
    clocks(part, out)
    if feed in SAMPLED:
        out["price"] = UNDEFINED
    elif feed == PHASE:
        out["units"] = PHASES[raw["action"]]
    elif feed in BARS:
        out["price"], out["units"] = raw["close"], raw["volume"].astype(np.int64)
    return out


def clocks(part: Part, out: Array) -> None:
    """A time that is not there is the other one."""
    raw, feed = part.raw, part.layout.feed
    event = raw["ts_event"].astype(np.int64)  # not there: -1
    if feed in BARS:
        closed = event + BARS[feed] - 1
        part.demand((event >= 0) & (event < NEVER), "ts_event", raw["ts_event"])
        out["ts_event"] = out["ts_recv"] = closed
        return
    heard = raw["ts_recv"].astype(np.int64)
    heard = np.where(heard == -1, event, heard)
    part.demand((heard >= 0) & (heard < NEVER), "ts_recv", raw["ts_recv"])
    out["ts_recv"], out["ts_event"] = heard, np.where(event < 0, heard, event)


def levels_of(part: Part) -> NDArray[np.int64]:
    """(n, levels, ask or bid, price or lots). Raises InputError where they are out of order."""
    raw = part.raw["levels"]
    part.demand(np.all(raw["px"] > -UNDEFINED, axis=(1, 2)), "levels", raw["px"][:, 0])
    out = np.zeros((*raw.shape, 2, 2), np.int64)
    there = (raw["px"] != UNDEFINED) & (raw["sz"] > 0)
    out[..., 0] = np.where(there, raw["px"], 0)[..., ::-1]
    out[..., 1] = np.where(there, raw["sz"], 0)[..., ::-1]
    price, full = out[..., 0] * [1, -1], out[..., 1] > 0
    worse = ~full[:, 1:] | (full[:, :-1] & (price[:, 1:] > price[:, :-1]))
    part.demand(
        np.all(worse, axis=(1, 2)), "levels", raw["px"][:, 0], "are out of order, copy again"
    )
    return out


def candles_of(part: Part) -> NDArray[np.int64]:
    """(n, CANDLE). Raises InputError."""
    raw = part.raw
    out = np.stack([raw[name].astype(np.int64) for name in CANDLE], 1)
    low, high = out[:, 2], out[:, 1]
    inside = (low <= out[:, 0]) & (out[:, 0] <= high) & (low <= out[:, 3]) & (out[:, 3] <= high)
    part.demand(inside, "open", raw["open"], "lies outside low and high, copy again")
    part.demand((high != UNDEFINED) & (low > -UNDEFINED), "high", high)
    part.demand((out[:, 4] >= 0) & (out[:, 4] <= LARGEST), "volume", raw["volume"])
    return out
