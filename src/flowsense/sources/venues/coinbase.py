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

from itertools import chain
from typing import Any

import orjson

from flowsense.errors import DecodeError
from flowsense.schema import HALT, SECOND, TRADING, Decimal, Instrument
from flowsense.sources.levels import Levels, decimal, exactly, flat, pairs
from flowsense.sources.venues import Venue
from flowsense.sources.venues.fields import whole
from flowsense.sources.venues.sink import Sink

PATIENCE = 10 * SECOND  # in which snapshots come: whole books are some megabytes
CHANNELS = ("heartbeats", "level2", "market_trades", "status")
COUNTED = ("l2_data", "market_trades", "status", "heartbeats", "subscriptions")
SIDES = {"bid": 0, "offer": 1}
LISTING = "/api/v3/brokerage/market/products/"


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
        json = orjson.loads(body)
        if json.get("type") == "error":
            self.sink.anew(f"coinbase: {json.get('message')}")
            return
        channel, sequence, when = json["channel"], whole(json["sequence_num"]), json["timestamp"]
        if sequence <= self.last:
            self.sink.count("repeated message")
            return
        self._missed(sequence)
        self.last = sequence
        self.sink.count(channel if channel in COUNTED else "other")
        for event in json["events"]:
            if channel == "l2_data":
                self._book(event, exactly(when))
            elif channel == "market_trades":
                self._trades(event)
            elif channel == "status":
                self._status(event["products"], exactly(when))

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

    def _book(self, event: dict[str, Any], when: int) -> None:
        kind, symbol, sink = event["type"], event["product_id"], self.sink
        levels = _levels(event["updates"])
        if kind == "snapshot":
            sink.snapshot(symbol, levels, when, self.last)
            if all(sink.ready.values()):
                self.asked = -PATIENCE  # none is on its way
        elif kind != "update":
            raise DecodeError(f"type {str(kind)[:40]!r} is neither snapshot nor update")
        elif sink.ready[symbol]:
            sink.update(symbol, levels, when, self.last)
        else:
            sink.count("update without a book")
            self._ask()

    def _trades(self, event: dict[str, Any]) -> None:
        for d in sorted(event["trades"], key=lambda d: whole(d["trade_id"])):  # they come otherwise
            if event["type"] == "snapshot":
                self.sink.count("trade from before")
                continue
            one, maker = [[d["price"], d["size"]]], d["side"]
            if maker not in ("BUY", "SELL"):
                raise DecodeError(f"side {str(maker)[:40]!r} is neither BUY nor SELL")
            levels = pairs(one, []) if maker == "SELL" else pairs([], one)
            when, number = exactly(d["time"]), whole(d["trade_id"])
            self.sink.trade(d["product_id"], levels, when, number)

    def _status(self, products: list[dict[str, Any]], when: int) -> None:
        for d in products:
            symbol, phase = d["id"], TRADING if d["status"] in ("online", "") else HALT
            if self.phases.get(symbol, phase) != phase:
                self.phases[symbol] = phase
                self.sink.status(symbol, phase, when)

    def _say(self, what: str, channel: str, symbols: tuple[str, ...]) -> None:
        of = {} if channel == "heartbeats" else {"product_ids": symbols}
        self.sink.send(orjson.dumps({"type": what} | of | {"channel": channel}).decode())


def _levels(updates: list[dict[str, Any]]) -> Levels:
    sides: tuple[list[list[str]], list[list[str]]] = [], []
    for d in updates:
        sides[SIDES[d["side"]]].append([d["price_level"], d["new_quantity"]])
    bids, asks = sides
    return flat(len(bids), len(asks), [*chain(*bids, *asks)])


def listing(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(LISTING + symbol for symbol in symbols)


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    known = {d.get("product_id"): d for d in map(orjson.loads, bodies)}
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
