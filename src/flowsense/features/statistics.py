"""Running statistics of every instrument: one fold over the tapes of a `Fold`, of a fixed size."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log, sqrt
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from flowsense._jit import Record, array, compiled, kernel, records
from flowsense.features.health import quantile
from flowsense.features.health_events import LAGS, bucket
from flowsense.schema import (
    BEAT,
    CLOSE,
    CONTROL,
    EVENT,
    GAP,
    LATE,
    QUOTE,
    SECOND,
    SNAPSHOT,
    TRADE,
    WHOLE,
    Decimal,
    Instrument,
)
from flowsense.tape import Tape

MINUTE, HOUR = 60, 3600
KEPT = HOUR + 1  # mids of the last seconds
SHARES = {"p01": 0.01, "p50": 0.5, "p99": 0.99}

STATE = np.dtype(
    [
        ("events", "i8"),
        ("trades", "i8"),
        ("lots", "i8"),
        ("first", "i8"),
        ("last", "i8"),
        ("price", "i8"),  # of the last trade, or close; 0: none yet
        ("mid2", "i8"),  # 0: none yet
        ("opening", "i8"),  # the first mid2
        ("breaks", "i8"),
        ("broken", "i8"),  # since the last full second
        ("second", "i8"),  # the first whose mid is not in `past` yet
        ("since", "i8"),  # the first whose mid is
        ("squares", "f8"),  # of log returns from second to second
        ("spread", "i8"),  # ticks, summed over the rows of the decision clock
        ("rows", "i8"),
        ("lag", "i8", 2 * LAGS + 1),
        ("past", "i8", KEPT),
    ]
)


@kernel
def pass_by(s: Record, second: int) -> None:
    """Seconds end before this one: the mid held through them."""
    if s.mid2 == 0:
        s.second = s.since = second
        return
    if s.second < second:
        before = s.past[(s.second - 1) % KEPT] if s.second > s.since else 0
        if before > 0 and s.mid2 > 0 and s.broken == 0:
            step = log(s.mid2 / before)
            s.squares += step * step
        s.broken = 0
        for k in range(max(s.second, second - KEPT), second):
            s.past[k % KEPT] = s.mid2
        s.second = second


@compiled(
    types.void(array(STATE), array("i8"), array(EVENT, readonly=True), array(QUOTE, readonly=True))
)
def gather(state: Record, latest: Record, events: Record, quotes: Record) -> None:
    """latest (1,): when the last record of the stream came."""
    for i in range(len(events)):
        e = events[i]
        latest[0] = max(latest[0], e.ts_recv)
        if e.action == BEAT or e.action == CONTROL:
            continue
        s = state[e.instrument]
        if s.events == 0:
            s.first = e.ts_recv
        s.events += 1
        s.last = e.ts_recv
        if e.action == TRADE or e.action == CLOSE:
            s.trades += e.action == TRADE
            s.lots += e.lots
            s.price = e.price
        if e.ts_event > 0 and e.bits & (SNAPSHOT | GAP | LATE) == 0:
            s.lag[bucket(e.ts_recv - e.ts_event)] += 1
    for i in range(len(quotes)):
        q = quotes[i]
        s = state[q.instrument]
        pass_by(s, q.ts // SECOND)
        s.broken |= q.breaks != s.breaks
        s.breaks = q.breaks
        if q.state == WHOLE:
            s.mid2 = q.mid2
            if s.opening == 0:
                s.opening = q.mid2


@dataclass(frozen=True)
class Summary:
    """What is known of one instrument; None where it is not.

    Prices and volume are in the instrument's own units, changes are fractions.
    """

    symbol: str
    venue: str
    events: int
    trades: int
    volume: float
    last_price: float | None
    mid: float | None
    spread: float | None  # mean over the rows of the decision clock
    change: float | None  # of the mid since the first one
    change_1m: float | None  # since a minute before the last record of the stream, to the second
    change_1h: float | None
    volatility: float | None  # root of the sum of squared log returns from second to second
    per_second: float | None  # events
    latency: Mapping[str, float] | None  # s, by p01, p50 and p99; to within 3 %


class Statistics:
    """A fold: all it remembers is `arrays`, and no cut of the stream changes it."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.instruments = instruments
        self.arrays: dict[str, NDArray[Any]] = {
            "state": np.zeros(len(instruments), STATE),
            "latest": np.zeros(1, np.int64),
        }

    def push(self, tape: Tape) -> None:
        """What came next."""
        state, latest = self.arrays["state"], self.arrays["latest"]
        gather(records(state), latest, records(tape.events), records(tape.quotes))
        rows = tape.rows[0]
        book = rows.book
        spread = book["ask_px"][:, 0] - book["bid_px"][:, 0]
        known = (book["ask_sz"][:, 0] > 0) & (book["bid_sz"][:, 0] > 0) & (spread > 0)
        np.add.at(state["spread"], rows.instrument[known], spread[known])
        np.add.at(state["rows"], rows.instrument[known], 1)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Everything that a summary depends on."""
        return {name: array.copy() for name, array in self.arrays.items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a snapshot; arrays are viewed as our dtypes, which dispatch knows."""
        self.arrays = {k: arrays[k].copy().view(a.dtype) for k, a in self.arrays.items()}

    def summary(self, j: int) -> Summary:
        """Of the instrument at this place of the table."""
        i, s = self.instruments[j], self.arrays["state"][j]
        tick, mids = i.tick, s["mid2"]
        span = int(s["last"] - s["first"])
        lag = {name: quantile(s["lag"], share) for name, share in SHARES.items()}
        latency = {name: x / SECOND for name, x in lag.items() if x is not None}
        return Summary(
            symbol=i.symbol,
            venue=i.venue,
            events=int(s["events"]),
            trades=int(s["trades"]),
            volume=exactly(int(s["lots"]), i.lot),
            last_price=exactly(int(s["price"]), tick) if s["price"] else None,
            mid=exactly(int(mids), tick) / 2 if mids else None,
            spread=exactly(int(s["spread"]), tick) / int(s["rows"]) if s["rows"] else None,
            change=change(int(mids), int(s["opening"])),
            change_1m=change(int(mids), self.before(s, MINUTE)),
            change_1h=change(int(mids), self.before(s, HOUR)),
            volatility=sqrt(float(s["squares"])) if s["second"] > s["since"] + 1 else None,
            per_second=int(s["events"]) / (span / SECOND) if span else None,
            latency=latency or None,
        )

    def before(self, s: Any, seconds: int) -> int:
        """mid2 so long before the stream's last record, to the second; 0 where it is not known."""
        at = int(self.arrays["latest"][0]) // SECOND - seconds - 1
        if not s["mid2"] or at < s["since"] or at < s["second"] - KEPT:
            return 0
        return int(s["mid2"] if at >= s["second"] else s["past"][at % KEPT])


def exactly(count: int, unit: Decimal) -> float:
    """The float nearest to so many units."""
    return float(Decimal(count * unit.mantissa, unit.exponent))


def change(now: int, before: int) -> float | None:
    """As a fraction; None where a price is missing or not above 0."""
    return now / before - 1 if now > 0 and before > 0 else None
