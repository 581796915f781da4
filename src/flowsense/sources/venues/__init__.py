"""Venues as they speak over a socket: bytes in, EVENTs and requests out, and no socket in sight.

A module of this package holds one venue: its dialect, and a `Venue` that says where it is and how
it lists its instruments. `live` does what a dialect asks for; a recording of what was heard
(`sources.wire`) goes through the same dialect and gives the same EVENTs.
"""

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from flowsense.errors import InputError
from flowsense.registry import Entry, load
from flowsense.schema import Instrument

if TYPE_CHECKING:
    from flowsense.sources.venues.sink import Sink


class How(Enum):
    """What happened on a connection."""

    OPENED = "+"
    MESSAGE = "<"
    REPLY = "="  # to a Get, also one that another connection of the venue made
    LOST = "-"  # the body says why


class Heard(NamedTuple):
    """All that a decoder ever sees."""

    ts_recv: int  # ns UTC, never falling
    how: How
    body: bytes = b""
    key: str = ""  # of the Get that a REPLY answers


class Send(NamedTuple):
    """To be said on the connection."""

    text: str


class Get(NamedTuple):
    """To be asked for beside the stream; the answer is heard as a REPLY of this key."""

    key: str
    path: str  # and query, behind `Venue.rest`
    cost: float = 1.0  # of one of `Venue.requests`, where it weighs less


class Anew(NamedTuple):
    """The connection is of no use any more: make another."""

    why: str


class Renew(NamedTuple):
    """The venue will end the connection: another is wanted before it does."""


class Stop(NamedTuple):
    """No connection will be of use until somebody acts: a key is wrong, or is not paid for."""

    why: str


Ask: TypeAlias = Send | Get | Anew | Renew | Stop
KEY = "{key}"  # in a Send: our key, put in its place where it is said, and nowhere before;
# {key:CHALLENGE} is a hash of both, see `sources.secret`


class Dialect(Protocol):
    """What one venue's messages mean, on one connection. Made once for many connections in turn.

    What it hears it tells its `Sink`; bytes that cannot be understood raise: ValueError, TypeError,
    KeyError, IndexError or DecodeError. It reads no clock and does not wait.
    """

    def opened(self) -> None:
        """A connection stands, and nothing said before holds: subscribe."""
        ...

    def message(self, body: bytes) -> None: ...
    def reply(self, key: str, body: bytes) -> None: ...


class Venue(NamedTuple):
    """Where a venue is, and how to begin with it."""

    name: str  # as in `Instrument.venue`
    stream: str  # address of its WebSocket
    rest: str  # address that paths of requests stand behind
    dialect: Callable[[tuple[str, ...], "Sink"], Dialect]  # of these symbols
    # Paths whose replies list instruments; a JSON body behind a blank is posted there.
    listing: Callable[[tuple[str, ...]], tuple[str, ...]]
    instruments: Callable[[tuple[str, ...], tuple[bytes, ...]], tuple[Instrument, ...]]
    path: Callable[[tuple[str, ...]], str] = lambda symbols: ""  # of the stream, for these symbols
    beside: Callable[[tuple[str, ...]], str] | None = None  # the same of a second one, where needed
    ping: str = ""  # what keeps the connection open; "": frames of the protocol do
    ping_ns: int = 15_000_000_000
    door: str = ""  # path that is posted to for an address with a token
    address: Callable[[bytes], str] | None = None  # of the stream, from what the door said
    life_ns: int = 0  # that a connection has; only where the path subscribes. 0: no end is known
    requests: int = 120  # a minute, that it takes from one of us
    most: int = 100  # symbols on one connection
    quiet_ns: int = 0  # silence of an instrument that is no fault
    secret: str = ""  # environment variable of our key, which is also the bearer's of requests
    basic: bool = False  # there it is a user's without a password
    candles: "Callable[[str], Venue] | None" = None  # the same with bars of this length beside it


ENTRIES: dict[str, Entry] = {
    "binance-spot": Entry("flowsense.sources.venues.binance:SPOT", "depth at 100 ms, trades"),
    "binance-usdm": Entry("flowsense.sources.venues.binance:USDM", "the same of USD-M futures"),
    "binance-coinm": Entry("flowsense.sources.venues.binance:COINM", "the same of COIN-M futures"),
    "bitfinex": Entry("flowsense.sources.venues.bitfinex:VENUE", "250 levels, checked; trades"),
    "bitstamp": Entry("flowsense.sources.venues.bitstamp:VENUE", "whole books, compared; trades"),
    "kraken": Entry("flowsense.sources.venues.kraken:VENUE", "ten levels, all checked; trades"),
    "databento": Entry("flowsense.sources.databento:venue", "databento/DATASET/SCHEMAS; a key"),
    "massive-stocks": Entry("flowsense.sources.venues.massive:STOCKS", "US quotes, trades; a key"),
    "massive-stocks-1s": Entry("flowsense.sources.venues.massive:SECONDS", "bars; a key"),
    "massive-stocks-1m": Entry("flowsense.sources.venues.massive:MINUTES", "bars; a key"),
    "massive-crypto": Entry("flowsense.sources.venues.massive:CRYPTO", "books, trades; a key"),
    "massive-crypto-quotes": Entry("flowsense.sources.venues.massive:QUOTES", "the touch; a key"),
    "massive-crypto-1s": Entry("flowsense.sources.venues.massive:CRYPTO_SECONDS", "bars; a key"),
    "massive-crypto-1m": Entry("flowsense.sources.venues.massive:CRYPTO_MINUTES", "bars; a key"),
    "coinbase": Entry("flowsense.sources.venues.coinbase:VENUE", "the whole book, trades, halts"),
    "bybit-spot": Entry("flowsense.sources.venues.bybit:SPOT", "200 levels at 200 ms, trades"),
    "bybit-linear": Entry("flowsense.sources.venues.bybit:LINEAR", "200 levels at 100 ms, trades"),
    "bybit-inverse": Entry("flowsense.sources.venues.bybit:INVERSE", "the same, settled in coin"),
    "okx": Entry("flowsense.sources.venues.okx:VENUE", "books at 100 ms, trades, halts"),
    "deribit": Entry("flowsense.sources.venues.deribit:VENUE", "books at 100 ms, trades"),
    "hyperliquid": Entry("flowsense.sources.venues.hyperliquid:VENUE", "20 levels, trades"),
    "kucoin": Entry("flowsense.sources.venues.kucoin:VENUE", "spot: 100 levels, trades"),
    "gate": Entry("flowsense.sources.venues.gate:VENUE", "spot: 100 levels at 100 ms, trades"),
    "dydx": Entry("flowsense.sources.venues.dydx:VENUE", "v4: 100 levels, trades, halts"),
    "ccxt": Entry(
        *(
            "flowsense.sources.venues.unified:venue",
            "ccxt:EXCHANGE: others, weaker",
        ),
        needs="ccxt",
    ),
}


def venue(name: str) -> Venue:
    """By its name, NAME/1m for candles of a minute beside its book, databento/DATASET/SCHEMAS, or
    ccxt:EXCHANGE.

    Raises InputError with the closest match.
    """
    base, slash, length = name.partition("/")
    kind = base.partition(":")[0]
    if kind in ("databento", "ccxt"):
        made: Venue = load("venue", kind, ENTRIES)(name)
        return made
    found: Venue = load("venue", base, ENTRIES)
    if not slash:
        return found
    if found.candles is None:
        raise InputError(f"venue {name!r}: candles of {base} are not read: name {base} alone")
    return found.candles(length)
