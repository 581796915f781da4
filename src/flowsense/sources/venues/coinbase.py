"""Coinbase Advanced Trade WebSocket: level2, market_trades, status, heartbeats, without an account.

By the pages "WebSocket Channels" and "Market trades" of Coinbase's documentation, 2026; level2 is
the whole book. One `sequence_num` counts the messages of a connection, of all channels together;
that it is without a hole from 0 is what recorders have measured::

    sequence_num == that before + 1   nothing was missed
    not above that before             heard before: left out
    else                              GAP of every book: level2 is subscribed to anew
    event snapshot of a product       its book, whole
    event update                      what levels are now; before its snapshot: dropped

`heartbeats` keep a connection open and are counted like all else; their own `heartbeat_counter`
jumps where nothing was missed, and is not read. A request for snapshots is repeated by messages
that are heard `PATIENCE` later, where books are still missing.

`side` of a trade is the maker's: SELL is a buyer who took. Trades come every 250 ms, and begin with
those of the past, which are left out. A product that is told under another name, like BTC-USDC as
BTC-USD, is refused by its listing. `status` says when trading stops.
"""

from typing import Any, Literal

import msgspec
import orjson

from flowsense.errors import DecodeError
from flowsense.schema import HALT, SECOND, TRADING, Decimal, Instrument
from flowsense.sources.levels import Levels, decimal, exactly, flat
from flowsense.sources.venues import Venue
from flowsense.sources.venues.fields import whole
from flowsense.sources.venues.sink import Sink

PATIENCE = 10 * SECOND  # in which snapshots come: whole books are some megabytes
CHANNELS = ("heartbeats", "level2", "market_trades", "status")
COUNTED = ("l2_data", "market_trades", "status", "heartbeats", "subscriptions")
LISTING = "/api/v3/brokerage/market/products"


class Head(msgspec.Struct):
    type: str = ""
    message: str = ""
    channel: str = ""
    timestamp: str = ""
    sequence_num: int = -1
    events: msgspec.Raw = msgspec.Raw(b"[]")


class Level(msgspec.Struct, gc=False):
    side: Literal["bid", "offer"]
    price_level: str
    new_quantity: str


class Book(msgspec.Struct):
    type: Literal["snapshot", "update"]
    product_id: str
    updates: list[Level]


class Trade(msgspec.Struct, gc=False):
    trade_id: str
    product_id: str
    price: str
    size: str
    side: Literal["BUY", "SELL"]  # of the maker
    time: str


class Trades(msgspec.Struct):
    type: Literal["snapshot", "update"]
    trades: list[Trade]


class Product(msgspec.Struct):
    id: str
    status: str


class Status(msgspec.Struct):
    products: list[Product]


HEAD = msgspec.json.Decoder(Head)
BOOKS = msgspec.json.Decoder(list[Book])
TRADES = msgspec.json.Decoder(list[Trades])
STATUS = msgspec.json.Decoder(list[Status])


class CoinbaseDialect:
    """The sink's `last` is the sequence_num of the last message of the book."""

    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.last = -1  # sequence_num of this connection
        self.asked = 0  # when snapshots were, last
        self.phases = dict.fromkeys(symbols, TRADING)

    def opened(self) -> None:
        self.last, self.asked = -1, self.sink.ts_recv
        for channel in CHANNELS:
            self._say("subscribe", channel, self.symbols)

    def message(self, body: bytes) -> None:
        head = HEAD.decode(body)
        if head.type == "error":
            self.sink.anew(f"coinbase: {head.message}")
            return
        sequence, when = whole(head.sequence_num), exactly(head.timestamp)
        if sequence <= self.last:
            self.sink.count("repeated message")
            return
        self._missed(sequence)
        self.last = sequence
        self.sink.count(head.channel if head.channel in COUNTED else "other")
        if head.channel == "l2_data":
            for book in BOOKS.decode(head.events):
                self._book(book, when)
        elif head.channel == "market_trades":
            for trades in TRADES.decode(head.events):
                self._trades(trades)
        elif head.channel == "status":
            for status in STATUS.decode(head.events):
                self._status(status.products, when)

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError("nothing was asked for beside the stream")

    def _missed(self, sequence: int) -> None:
        """What there is no book of any more, or not yet, is asked for."""
        if self.last >= 0 and sequence > self.last + 1:
            for symbol in self.symbols:
                if self.sink.ready[symbol]:
                    self.sink.lost(symbol, "sequence_num does not follow", sequence)
            self._ask()

    def _ask(self) -> None:
        missing = tuple(s for s in self.symbols if not self.sink.ready[s])
        if missing and self.sink.ts_recv - self.asked >= PATIENCE:
            self.asked = self.sink.ts_recv
            self._say("unsubscribe", "level2", missing)
            self._say("subscribe", "level2", missing)

    def _book(self, m: Book, when: int) -> None:
        sink, symbol, levels = self.sink, m.product_id, _levels(m.updates)
        if m.type == "snapshot":
            sink.snapshot(symbol, levels, when, self.last)
            if all(sink.ready.values()):
                self.asked = -PATIENCE  # none is on its way
        elif sink.ready[symbol]:
            sink.update(symbol, levels, when, self.last)
        else:
            sink.count("update without a book")
            self._ask()

    def _trades(self, m: Trades) -> None:
        for d in sorted(m.trades, key=lambda d: whole(d.trade_id)):  # the last one comes first
            if m.type == "snapshot":
                self.sink.count("trade from before")
                continue
            bought = d.side == "SELL"
            levels = flat(int(bought), int(not bought), [d.price, d.size])
            self.sink.trade(d.product_id, levels, exactly(d.time), whole(d.trade_id))

    def _status(self, products: list[Product], when: int) -> None:
        for d in products:
            phase = TRADING if d.status in ("online", "") else HALT
            if self.phases.get(d.id, phase) != phase:
                self.phases[d.id] = phase
                self.sink.status(d.id, phase, when)

    def _say(self, what: str, channel: str, symbols: tuple[str, ...]) -> None:
        of = {} if channel == "heartbeats" else {"product_ids": symbols}
        self.sink.send(orjson.dumps({"type": what} | of | {"channel": channel}).decode())


def _levels(updates: list[Level]) -> Levels:
    bids = [x for d in updates if d.side == "bid" for x in (d.price_level, d.new_quantity)]
    asks = [x for d in updates if d.side == "offer" for x in (d.price_level, d.new_quantity)]
    return flat(len(bids) // 2, len(asks) // 2, bids + asks)


def listing(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return (f"{LISTING}?{'&'.join(f'product_ids={symbol}' for symbol in symbols)}",)


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    known = {d["product_id"]: d for body in bodies for d in orjson.loads(body)["products"]}
    return tuple(_instrument(symbol, known.get(symbol)) for symbol in symbols)


def _instrument(symbol: str, d: Any) -> Instrument:
    if d is None:
        raise DecodeError(f"coinbase: lists no symbol {symbol!r}")
    if d.get("alias"):
        raise DecodeError(f"coinbase: {symbol} is told as {d['alias']}: name that")
    contract = (d.get("future_product_details") or {}).get("contract_size")
    units = decimal(contract) if contract else Decimal(1, 0)
    tick, lot = decimal(d["price_increment"]), decimal(d["base_increment"])
    return Instrument(symbol, "coinbase", tick, lot, units)


VENUE = Venue(
    "coinbase",
    "wss://advanced-trade-ws.coinbase.com",
    "https://api.coinbase.com",
    dialect=CoinbaseDialect,
    listing=listing,
    instruments=instruments,
    path=lambda symbols: "/",
    requests=300,
)
