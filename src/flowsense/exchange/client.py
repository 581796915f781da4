"""What a client and a venue say to each other, whether the venue is replayed, on paper or real.

A client sends REQUESTs (`exchange.matching`) under its own order ids, which are above 0 and rise.
The venue answers with REPORTs. Nothing else says what happened: a client that was not told of an
execution does not know of it.
"""

from enum import IntEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from flowsense.exchange.matching import LIMIT, MARKET, REPLACE, WITHDRAW
from flowsense.schema import Events, Instrument

POST = 5  # a LIMIT that is refused where it would execute at once
KINDS = (LIMIT, MARKET, WITHDRAW, REPLACE, POST)  # of a request

ACCEPTED, FILLED, CANCELLED, REPLACED, REJECTED = range(1, 6)  # what a report tells
REPORT = np.dtype(
    [
        ("ts", "i8"),  # ns, when the client has it
        ("ts_venue", "i8"),  # ns, when it happened
        ("order_id", "i8"),
        ("price", "i8"),  # ticks; FILLED: executed at; else of the order
        ("lots", "i8"),  # FILLED: executed; CANCELLED, REJECTED: that went
        ("left", "i8"),  # of the order, afterwards
        ("instrument", "i4"),
        ("what", "i2"),
        ("why", "i2"),  # of `Why`; REJECTED, CANCELLED
        ("side", "i2"),
        ("maker", "i2"),  # 1: the order rested, 0: it took
        ("pad", "i4"),
    ]
)
Requests = NDArray[np.void]  # (k,) REQUEST, `ts` when they were sent, never falling
Reports = NDArray[np.void]  # (k,) REPORT, `ts` never falling


class Why(IntEnum):
    """Reasons of a REJECTED or CANCELLED."""

    ASKED = 0  # by the client
    UNKNOWN = 1  # no such order, or it is gone
    WOULD_CROSS = 2  # post-only
    OFF_GRID = 3  # price or lots are outside tick or lot rules
    NO_COUNTERPART = 4  # a market order, of what found none
    NOT_TRADING = 5  # halted, in an auction, or outside the session
    NO_BOOK = 6  # the feed has a gap: nobody knows what an order would meet
    FULL = 7  # more orders than the account may have


class Terms(NamedTuple):
    """What trading an instrument costs."""

    maker: float = 0.0  # fee, as a share of the value; never negative: a rebate is its own field
    taker: float = 0.0
    rebate: float = 0.0  # paid to the maker, as a share of the value
    per_lot: float = 0.0  # fee in units of the price, for each lot, either way
    funding: float = 0.0  # paid by who is long, as a share of the value, every `funding_ns`
    funding_ns: int = 8 * 3_600_000_000_000
    least: int = 1  # lots of an order
    margin: float = 0.0  # of the value, that a position ties up


class Venue(Protocol):
    """A fold: market events and requests in, reports out; cut anywhere it reports the same."""

    @property
    def instruments(self) -> tuple[Instrument, ...]: ...
    def push(self, events: Events, requests: Requests) -> Reports:
        """What is known now of requests until now. `requests` were sent before these events came:
        by the clock of the client, at or before the ts_recv of the first of them.
        """
        ...

    def snapshot(self) -> bytes: ...
    def restore(self, data: bytes) -> None: ...
