"""Bars and observations beside the toy market's events, and families that read them."""

import numpy as np

from flowsense.schema import (
    BAR,
    CLOSE,
    EVENT,
    EVERY,
    LAST,
    OBSERVATION,
    SECOND,
    TRADE,
    Chunk,
    kind_of,
)
from flowsense.tape import Column

STEP = 200_000_000


def bars_of(events, instrument=0, step=STEP):
    """What a venue would tell of its trades: one bar for every step that had any."""
    mine = events[(events["instrument"] == instrument) & (events["action"] == TRADE)]
    starts = np.unique(mine["ts_recv"] // step)
    out = np.zeros(len(starts), BAR).view(BAR)
    for bar, start in zip(out, starts, strict=True):
        inside = mine[mine["ts_recv"] // step == start]
        price = inside["price"]
        bar["ts_open"], bar["ts_recv"] = start * step, (start + 1) * step
        bar["open"], bar["close"] = price[0], price[-1]
        bar["high"], bar["low"] = price.max(), price.min()
        bar["lots"], bar["trades"] = inside["lots"].sum(), len(inside)
    out["instrument"] = instrument
    return out


def closes(bars):
    """The CLOSE that comes with each bar of an instrument that shows nothing else."""
    out = np.zeros(len(bars), EVENT).view(EVENT)
    out["ts_event"] = out["ts_recv"] = bars["ts_recv"]
    out["price"], out["lots"], out["instrument"] = bars["close"], bars["lots"], bars["instrument"]
    out["action"], out["bits"] = CLOSE, LAST
    return out


def observation(known, value, name="vix", happened=None, instrument=EVERY):
    when = known if happened is None else happened
    return (when, known, value, kind_of(name), instrument)


def observations(*lines):
    return np.array(sorted(lines, key=lambda line: line[1]), OBSERVATION).view(OBSERVATION)


def beside(events, seed=0):
    """The events with bars of both instruments, and observations known late and revised."""
    rng = np.random.default_rng(seed)
    bars = np.concatenate([bars_of(events, k) for k in (0, 1)])
    bars = bars[np.argsort(bars["ts_recv"], kind="stable")]
    first, last = events["ts_recv"][[0, -1]]
    bars = bars[bars["ts_recv"] <= last]
    known = np.sort(rng.integers(first - SECOND, last, 300))
    late = rng.integers(0, SECOND, 300)
    names = rng.choice(["vix", "mood"], 300)
    lines = zip(known, rng.normal(size=300), names, known - late, strict=True)
    found = [observation(*line, int(rng.integers(-1, 2))) for line in lines]
    return Chunk(events, bars.view(BAR), observations(*found))


class Counted:
    """In plain Python: executions since the stream began, and ticks from the best bid to 10,000."""

    STATE, VERSION, __file__ = np.dtype([("n", "i8")]), 1, __file__
    COLUMNS = (Column("counted", "1", "executions"), Column("away", "ticks", "10,000 - best bid"))

    @staticmethod
    def fold(s, events):
        s["n"] += (events["action"] == TRADE).sum()

    @staticmethod
    def row(s, ts, book, out):
        out[0] = s["n"]
        if book["bid_sz"][0] > 0:
            out[1] = 10_000 - book["bid_px"][0]


class Peeks(Counted):
    """Keeps the highest price that it has ever seen where no snapshot holds it: a second pass
    over the same day divides by a price of the future."""

    COLUMNS = (Column("peeks", "1", "price / highest of the day"),)
    highest = 1

    @classmethod
    def fold(cls, s, events):
        cls.highest = max(cls.highest, int(events["price"].max(initial=1)))

    @classmethod
    def row(cls, s, ts, book, out):
        out[0] = book["bid_px"][0] / cls.highest


class PerCall(Counted):
    """Counts calls, so that what it says depends on how the stream is cut."""

    COLUMNS = (Column("percall", "1", "calls"),)

    @staticmethod
    def fold(s, events):
        s["n"] += 1

    @staticmethod
    def row(s, ts, book, out):
        out[0] = s["n"]


class Writes(Counted):
    """Its row changes what it remembers; it is given a copy, so nothing comes of it."""

    COLUMNS = (Column("writes", "1", "rows, if it could"),)

    @staticmethod
    def fold(s, events):
        pass

    @staticmethod
    def row(s, ts, book, out):
        s["n"] += 1
        out[0] = s["n"]
