"""Kraken spot live, WebSocket API v2: channels `book` at depth 10 and `trade`, JSON.

Messages of the book carry no numbers, but a checksum of what the book is after them: the CRC32 of
the ten best asks and then bids, each price and size written without its point and its leading
zeros ("Book checksum (WebSocket v2)" in Kraken's documentation). Ten levels are subscribed to, of
the 1,000 that there may be, because all of them are under the checksum: a message that is missed
deeper down would be seen only when its level comes near the touch::

    subscribed             a snapshot of the symbol, whose checksum holds
    heard again            with a time and a checksum that were heard: left out
    after it               all updates of the message, then no more than ten levels a side,
                           then the checksum: it holds
    else                   GAP, and the symbol is subscribed to anew, as it is where an update
                           comes first after the answer to a subscription; where that was so twice
                           without a good message between, the connection is made anew

No update says that a level fell out of the ten, nor that one came in was there before: both are
SCROLL. Numbers are decoded with all of their digits; those of an instrument's tick and lot that
JSON left out are put back for the checksum. There are no ids of the book: `sequence` is 0; of a
trade it is trade_id. Trades from before the subscription are left out. `status` of the engine:
maintenance and cancel_only are HALT, post_only is AUCTION; that of a single pair is not heard.
"""

from collections import deque
from decimal import Decimal as Exact
from typing import Any
from zlib import crc32

import msgspec
import orjson

from flowsense.errors import DecodeError
from flowsense.schema import AUCTION, HALT, TRADING, Decimal, Instrument
from flowsense.sources.levels import decimal, exactly, of
from flowsense.sources.venues import Venue
from flowsense.sources.venues.ladder import Ladder
from flowsense.sources.venues.sink import Sink

DEPTH, CHECKED = 10, 10  # levels a side: subscribed to, and under the checksum
PHASES = {"online": TRADING, "post_only": AUCTION, "cancel_only": HALT, "maintenance": HALT}
SIDES = {"buy": 1, "sell": -1}  # of the taker
CALLED = {"XBT": "BTC", "XDG": "DOGE"}  # by the listing, and by the stream
RECENT = 100  # messages of a symbol that are known when they are heard again
LISTING = "/0/public/AssetPairs"


class Head(msgspec.Struct):
    """Of a message of a channel, or the answer to a request."""

    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw()
    method: str = ""
    result: msgspec.Raw = msgspec.Raw()
    success: bool = True
    error: str | None = None


class Asked(msgspec.Struct):
    channel: str
    symbol: str


class Level(msgspec.Struct):
    price: Exact
    qty: Exact


class Book(msgspec.Struct):
    symbol: str
    bids: list[Level]
    asks: list[Level]
    checksum: int
    timestamp: str = ""


class Trade(msgspec.Struct):
    symbol: str
    side: str
    price: Exact
    qty: Exact
    trade_id: int
    timestamp: str


class Status(msgspec.Struct):
    system: str


HEAD, ASKED = msgspec.json.Decoder(Head), msgspec.json.Decoder(Asked)
BOOKS = msgspec.json.Decoder(list[Book])
TRADES = msgspec.json.Decoder(list[Trade])
STATUS = msgspec.json.Decoder(list[Status])


def digits(number: Exact, places: int) -> str:
    """Of a checksum: with at least so many places, without the point and the zeros before it.

    >>> digits(Exact("45285.2"), 1), digits(Exact("0.00100000"), 8), digits(Exact("1e-7"), 8)
    ('452852', '100000', '10')
    """
    _, found, exponent = number.as_tuple()
    missing = places + exponent if isinstance(exponent, int) else 0
    return "".join(map(str, found)) + "0" * max(missing, 0)


class Side(Ladder[tuple[Exact, str]]):
    """Of one symbol; a level is its size, and its part of the checksum."""

    def take(
        self, levels: list[Level], depth: int, places: tuple[int, int]
    ) -> tuple[list[tuple[Exact, Exact]], list[tuple[Exact, Exact]]]:
        """-> flow and what is scrolled, as price and size now."""
        changes = [(one.price, (one.qty, part(one, places)) if one.qty else None) for one in levels]
        changed = self.advance(changes, depth)
        now = {
            price: self.levels.get(price, (Exact(0), ""))[0] for found in changed for price in found
        }
        return [(p, now[p]) for p in changed.flow], [(p, now[p]) for p in changed.scrolled]


def part(level: Level, places: tuple[int, int]) -> str:
    return digits(level.price, places[0]) + digits(level.qty, places[1])


class KrakenDialect:
    def __init__(self, symbols: tuple[str, ...], sink: Sink, depth: int = DEPTH) -> None:
        self.symbols, self.sink, self.depth = symbols, sink, depth
        self.places = {s: (-i.tick.exponent, -i.lot.exponent) for s, i in sink.instruments.items()}
        self.books = dict[str, tuple[Side, Side]]()  # bids and asks of whole ones
        self.begun = set[str]()  # whose subscription was answered, and nothing since
        self.failed = set[str]()  # subscribed to anew, and no good message since
        self.recent = {s: deque[tuple[str, int]](maxlen=RECENT) for s in symbols}
        self.phase = TRADING

    def opened(self) -> None:
        for kept in (self.books, self.begun, self.failed):
            kept.clear()
        for recent in self.recent.values():
            recent.clear()
        symbols = [*self.symbols]
        self._request("subscribe", {"channel": "trade", "symbol": symbols, "snapshot": False})
        self._request("subscribe", {"channel": "book", "symbol": symbols, "depth": self.depth})

    def message(self, body: bytes) -> None:
        head = HEAD.decode(body)
        if not head.success:
            self.sink.anew(f"kraken: {head.error}")
        elif head.method == "subscribe":
            asked = ASKED.decode(head.result)
            self.begun |= {asked.symbol} if asked.channel == "book" else set()
        elif head.channel == "book":
            for book in BOOKS.decode(head.data):
                self._book(book, head.type == "snapshot")
        elif head.channel == "trade":
            for trade in TRADES.decode(head.data):
                self._trade(trade, head.type == "snapshot")
        elif head.channel == "status":
            self._status(STATUS.decode(head.data)[0].system)

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError("nothing was asked for beside the stream")

    def _book(self, m: Book, snapshot: bool) -> None:
        symbol, sink = m.symbol, self.sink
        if symbol not in self.places:
            raise DecodeError(f"symbol {symbol[:40]!r} was not asked for")
        if symbol not in self.books and not snapshot:
            sink.count("update before its snapshot")
            if symbol in self.begun:
                self._again(symbol)
            return
        elif self._known(symbol, m, snapshot):
            sink.count("repeated depth")
            return
        if snapshot:
            self.books[symbol] = Side(1), Side(-1)
        self.begun.discard(symbol)
        sides, places = self.books[symbol], self.places[symbol]
        bids, asks = (
            sides[0].take(m.bids, self.depth, places),
            sides[1].take(m.asks, self.depth, places),
        )
        if checksum(*sides) != m.checksum:
            self._mismatch(symbol)
            return
        self.failed.discard(symbol)
        when = exactly(m.timestamp) if m.timestamp else 0
        flow, scrolled = of(bids[0], asks[0]), of(bids[1], asks[1])
        if snapshot:
            sink.snapshot(symbol, flow, when, 0)
        else:
            sink.update(symbol, flow, when, 0, scrolled)

    def _known(self, symbol: str, m: Book, snapshot: bool) -> bool:
        """It was heard before, or is a snapshot older than the book."""
        recent, one = self.recent[symbol], (m.timestamp, m.checksum)
        old = snapshot and bool(recent) and m.timestamp < recent[-1][0]
        if m.timestamp and symbol in self.books and (old or one in recent):
            return True
        recent.append(one)
        return False

    def _mismatch(self, symbol: str) -> None:
        del self.books[symbol]
        self.sink.count("checksum mismatch")
        self.sink.lost(symbol, "the checksum does not hold")
        self._again(symbol)

    def _again(self, symbol: str) -> None:
        """Subscribe to the book of one symbol anew; the second time the connection is made anew."""
        if symbol in self.failed:
            self.sink.anew(f"kraken: {symbol} was subscribed to anew in vain")
            return
        channel = {"channel": "book", "symbol": [symbol], "depth": self.depth}
        self.begun.discard(symbol)
        self.failed.add(symbol)
        self._request("unsubscribe", channel)
        self._request("subscribe", channel)

    def _trade(self, m: Trade, replayed: bool) -> None:
        if replayed:
            self.sink.count("trade from before")
            return
        level = [(m.price, m.qty)]
        levels = of(level, []) if SIDES[m.side] > 0 else of([], level)
        self.sink.trade(m.symbol, levels, exactly(m.timestamp), m.trade_id)

    def _status(self, system: str) -> None:
        phase = PHASES.get(system)
        if phase is None:
            self.sink.count("unknown status")
        elif phase != self.phase:
            self.phase = phase
            for symbol in self.symbols:
                self.sink.status(symbol, phase, 0)

    def _request(self, method: str, params: dict[str, Any]) -> None:
        self.sink.send(orjson.dumps({"method": method, "params": params}).decode())


def checksum(bids: Side, asks: Side) -> int:
    """Of the best levels, as many as there are."""
    return crc32("".join(part for side in (asks, bids) for _, part in side.best(CHECKED)).encode())


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    pairs = orjson.loads(bodies[0])["result"].values()
    known = {name(pair["wsname"]): pair for pair in pairs if "wsname" in pair}  # no dark pools
    return tuple(_instrument(symbol, known.get(symbol)) for symbol in symbols)


def name(listed: str) -> str:
    """As the stream calls it.

    >>> name("XBT/USD")
    'BTC/USD'
    """
    return "/".join(CALLED.get(currency, currency) for currency in listed.split("/"))


def _instrument(symbol: str, pair: Any) -> Instrument:
    if pair is None:
        raise DecodeError(f"kraken: lists no symbol {symbol!r}")
    tick = pair.get("tick_size") or f"1e-{pair['pair_decimals']}"
    lot = Decimal(1, -int(pair["lot_decimals"]))
    return Instrument(symbol, "kraken", decimal(tick), lot, depth=DEPTH)


VENUE = Venue(
    "kraken",
    "wss://ws.kraken.com",
    "https://api.kraken.com",
    dialect=KrakenDialect,
    listing=lambda symbols: (LISTING,),
    instruments=instruments,
    path=lambda symbols: "/v2",
    ping='{"method":"ping"}',
    requests=60,
)
