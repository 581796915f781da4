"""The records every layer speaks. Time is int64 ns, price is int64 ticks, size is int64 lots.

Every source is EVENTs only. What an event does, and what its fields then mean::

    action  changes the book                  flow?  side              price      lots
    ADD     this is what the order now is     no     it rests on       of order   now resting, > 0
    MODIFY  the same; ADD of a known id too   no     it rests on       of order   now resting, > 0
    CANCEL  takes lots from the order         no     it rests on       of order   removed
    FILL    takes lots from the order         no     it rests on       of order   executed
    TRADE   nothing                           YES    aggressor, or 0   traded     executed
    SET     this is what the level now is     no     of the level      of level   now (0: gone)
    CLEAR   both sides become empty           no     -                 -          -
    BEAT    nothing: time has passed          no     -                 -          -
    STATUS  nothing: the phase is now lots    no     -                 -          TRADING, ...
    CONTROL nothing: the wall clock decided   no     -                 code       argument
    CLOSE   nothing: a bar has closed         no     -                 its close  its volume

One execution is one TRADE, whatever else the feed says of it; FILL only removes what was hit.
An instrument is `by_order` (its book reads ADD, MODIFY, CANCEL, FILL) or by level (SET). One
whose feed shows bars alone has depth 0: with each BAR comes a CLOSE | LAST, and its price is that.
CLEAR with SNAPSHOT opens a snapshot, LAST closes it; nothing in it is flow. SCROLL marks a SET
by which a level enters or leaves the depth that the feed shows: the market did nothing there.
A TRADE with LATE was missed when it happened and is told behind what followed it: it is no flow
either, and says what was traded when (`ts_event`), not that it is now.
"""

from hashlib import blake2b
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError

MILLISECOND, SECOND, DAY = 1_000_000, 1_000_000_000, 86_400_000_000_000  # ns
DEPTH = 10  # levels a side that features see
NO_BID, NO_ASK = -(2**62), 2**62  # prices of an empty level; its lots are 0
NEVER = 2**62  # ns: after every record
LARGEST = 2**53  # of a price or a size: sums of two stay exact as float64

ADD, MODIFY, CANCEL, FILL, TRADE, SET, CLEAR, BEAT, STATUS, CONTROL = range(1, 11)
CLOSE = 11
LAST, SNAPSHOT, GAP, SCROLL = 1, 2, 4, 8  # bits: book whole after this; replayed; loss before; view
LATE = 16  # bit: told long after it happened
EVERY = -1  # instrument of an observation: all of them
TRADING, AUCTION, HALT = range(3)  # lots of a STATUS
BROKEN, ONE_SIDED, WHOLE = range(3)  # state of a QUOTE

# Field names are never attributes of ndarray, so that kernels also run as plain Python.
EVENT = np.dtype(
    [
        ("ts_event", "i8"),  # the exchange's clock, for latency only
        ("ts_recv", "i8"),  # our clock, never falling: the only one that orders information
        ("order_id", "u8"),  # 0 where the feed has none
        ("price", "i8"),
        ("lots", "i8"),
        ("sequence", "i8"),
        ("instrument", "i4"),  # dense index into the instrument table, given at the edge
        ("action", "u1"),
        ("side", "i1"),  # +1 bid or buyer, -1 ask or seller, 0 unknown
        ("bits", "u1"),
        ("pad", "u1"),
    ]
)
BAR = np.dtype(
    [
        ("ts_open", "i8"),
        ("ts_recv", "i8"),  # its last nanosecond: a row due when it closes is the first to read it
        *((name, "i8") for name in ("open", "high", "low", "close")),  # ticks
        ("lots", "i8"),
        ("trades", "i4"),
        ("instrument", "i4"),
    ]
)
OBSERVATION = np.dtype(
    [
        ("ts_event", "i8"),  # when it happened
        ("ts_recv", "i8"),  # when we knew
        ("value", "f8"),
        ("kind", "i4"),  # what was observed: `kind_of` its name
        ("instrument", "i4"),  # EVERY for what is of the whole market, like an index
    ]
)
BOOK = np.dtype(
    [
        ("known", "i8"),  # levels a side that the feed shows
        *((f"{side}_{what}", "i8", DEPTH) for side in ("bid", "ask") for what in ("px", "sz")),
    ]
)
QUOTE = np.dtype(  # the touch, told whenever it changed; labels read nothing else
    [
        ("ts", "i8"),  # of the record that made it; it holds for every boundary after that
        ("mid2", "i8"),  # bid + ask, ticks; the last known while the state is not WHOLE
        ("ofi", "i8"),  # order flow imbalance of the touch since the stream began, lots
        ("breaks", "i8"),  # how often the state became BROKEN since then
        ("instrument", "i4"),
        ("state", "i4"),  # BROKEN (gap, halt, no snapshot yet), ONE_SIDED (or crossed) or WHOLE
    ]
)
Events: TypeAlias = NDArray[Any]  # (m,) EVENT, consecutive, ts_recv never falling
Bars: TypeAlias = NDArray[Any]  # (k,) BAR, likewise
Observations: TypeAlias = NDArray[Any]  # (k,) OBSERVATION, likewise
Quotes: TypeAlias = NDArray[Any]  # (q,) QUOTE, likewise


class Chunk(NamedTuple):
    """What arrived in one span of time; nothing in a later chunk was received before its end.

    At equal `ts_recv` bars and observations come before events, and never in a later chunk.
    """

    events: Events
    bars: Bars
    observations: Observations


def kind_of(name: str) -> int:
    """The number of what is observed, the same in every recording: 31 bits of a hash."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big") >> 1


class Decimal(NamedTuple):
    """mantissa * 10**exponent, exactly: ``Decimal(25, -2)`` is a tick of 0.25."""

    mantissa: int
    exponent: int

    def __float__(self) -> float:
        return float(f"{self.mantissa}e{self.exponent}")


class Instrument(NamedTuple):
    """Its place in the table is the `instrument` of every record."""

    symbol: str
    venue: str
    tick: Decimal
    lot: Decimal
    contract: Decimal = Decimal(1, 0)  # units of the underlying per lot unit
    inverse: bool = False  # settled in the base currency
    by_order: bool = False
    depth: int = DEPTH  # levels a side that the feed shows; 0: bars alone


def zeros(dtype: np.dtype[Any], n: int = 0) -> NDArray[Any]:
    """n empty records. Every array that enters must be viewed as this very dtype object."""
    return np.zeros(n, dtype)


def checked(events: NDArray[Any], instruments: int) -> Events:
    """What every edge calls once, because kernels check nothing. Raises InputError."""
    check("events", events, EVENT, range(instruments))
    return events.view(EVENT)


def checked_beside(
    bars: NDArray[Any], observations: NDArray[Any], instruments: int
) -> tuple[Bars, Observations]:
    """The same of what comes beside events."""
    check("bars", bars, BAR, range(instruments))
    check("observations", observations, OBSERVATION, range(EVERY, instruments))
    finite = np.isfinite(observations["value"])
    if not finite.all():
        i = int(finite.argmin())
        raise InputError(f"observations: value {observations['value'][i]} at {i}: leave it out")
    return bars.view(BAR), observations.view(OBSERVATION)


def check(name: str, records: NDArray[Any], dtype: np.dtype[Any], table: range) -> None:
    if records.dtype != dtype:
        raise InputError(f"{name}: dtype {records.dtype}, not {name[:-1].upper()}")
    who, ts = records["instrument"], records["ts_recv"]
    if len(who) and not table.start <= who.min() <= who.max() < table.stop:
        worst = who.min() if who.min() < table.start else who.max()
        raise InputError(f"{name}: instrument {worst}, the table holds {table.stop}")
    back = np.flatnonzero(ts[1:] < ts[:-1])
    if len(back):
        raise InputError(f"{name}: ts_recv falls at {back[0] + 1}: take the running maximum")
    if len(ts) and not 0 <= ts[0] <= ts[-1] < NEVER:
        worst = ts[0] if ts[0] < 0 else ts[-1]
        raise InputError(f"{name}: ts_recv {worst}: give ns since 1970, before 2116")
