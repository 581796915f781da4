"""Bybit v5 public WebSocket: spot, linear and inverse; orderbook.200 and publicTrade.

200 levels a side, at 100 ms for derivatives and at 200 ms for spot; 1,000 come at 200 ms, and the
whole book since 2026 (`orderbook.full`), without a snapshot. By the pages "Orderbook" and "Trade"
of Bybit's documentation, 2026::

    type snapshot          the book, whole; u is 1 where the venue began anew
    type delta, u == u before + 1     the next update
    u and cts not above the last      heard before: left out
    else                   GAP: the symbol's topic is subscribed to anew

That ids rise by one "in general" is the venue's word; `seq` numbers all depths of a symbol and
leaves gaps. Levels that leave the depth of a topic are told as size 0 (so in recordings of 2024).
Executions without a book (`BT`, block trades) are left out. Orders of retail price improvement are
in trades, and in no public book. A size of an inverse contract is in USD. No topic says when one
instrument's trading stops.
"""

from functools import partial
from typing import Any

import orjson

from flowsense.errors import DecodeError
from flowsense.schema import Instrument
from flowsense.sources.levels import decimal, pairs
from flowsense.sources.venues import Dialect, Venue
from flowsense.sources.venues.chained import Chain, Step
from flowsense.sources.venues.fields import millis, whole
from flowsense.sources.venues.sink import Sink

DEPTH = 200
ARGS = 10  # topics that spot takes in one request
LISTING = "/v5/market/instruments-info"
LOTS = {"spot": "basePrecision", "linear": "qtyStep", "inverse": "qtyStep"}


class BybitDialect:
    """The sink's `last` is u of the book."""

    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.chain = Chain(symbols, sink, self._resubscribe)

    def opened(self) -> None:
        self.chain.opened()
        topics = [f"{t}.{s}" for s in self.symbols for t in (f"orderbook.{DEPTH}", "publicTrade")]
        for k in range(0, len(topics), ARGS):
            self._say("subscribe", topics[k : k + ARGS])

    def message(self, body: bytes) -> None:
        json = orjson.loads(body)
        if "topic" not in json:
            self._answer(json)
            return
        name = json["topic"].partition(".")[0]
        if name == "orderbook":
            self.sink.count("orderbook")
            self._book(json, json["data"])
        elif name == "publicTrade":
            for d in json["data"]:
                self._trade(d)
        else:
            raise DecodeError(f"topic {json['topic'][:40]!r} was not asked for")

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError("nothing was asked for beside the stream")

    def _answer(self, json: dict[str, Any]) -> None:
        op = json["op"]
        self.sink.count(f"reply to {op}" if op in ("subscribe", "unsubscribe", "ping") else "reply")
        if not json.get("success", op == "pong"):
            self.sink.anew(f"bybit: {op}: {json.get('ret_msg')}")

    def _book(self, json: dict[str, Any], d: dict[str, Any]) -> None:
        kind, symbol, sequence = json["type"], d["s"], whole(d["u"])
        if kind not in ("snapshot", "delta"):
            raise DecodeError(f"type {str(kind)[:40]!r} is neither snapshot nor delta")
        levels, when = pairs(d["b"], d["a"]), millis(json.get("cts", json["ts"]))
        follows = sequence == self.sink.last[symbol] + 1
        self.chain.take(Step(symbol, kind == "snapshot", levels, when, sequence, follows))

    def _trade(self, d: dict[str, Any]) -> None:
        side, number = d["S"], d["i"]
        if side not in ("Buy", "Sell") or type(number) is not str or not 0 < len(number) < 64:
            raise DecodeError(f"trade {str(number)[:40]!r} of side {str(side)[:40]!r} is none")
        if d.get("BT"):
            self.sink.count("block trade")
            return
        self.sink.count("trade")
        one = [[d["p"], d["v"]]]
        levels = pairs(one, []) if side == "Buy" else pairs([], one)
        self.sink.trade(d["s"], levels, millis(d["T"]), number)

    def _resubscribe(self, symbol: str) -> None:
        for op in ("unsubscribe", "subscribe"):
            self._say(op, [f"orderbook.{DEPTH}.{symbol}"])

    def _say(self, op: str, topics: list[str]) -> None:
        self.sink.send(orjson.dumps({"op": op, "args": topics}).decode())


def listing(category: str, symbols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{LISTING}?category={category}&symbol={symbol}" for symbol in symbols)


def instruments(
    category: str, symbols: tuple[str, ...], bodies: tuple[bytes, ...]
) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    results = (orjson.loads(body)["result"] for body in bodies)
    known = {d["symbol"]: d for result in results for d in result.get("list", ())}
    return tuple(_instrument(category, symbol, known.get(symbol)) for symbol in symbols)


def _instrument(category: str, symbol: str, d: Any) -> Instrument:
    name = f"bybit-{category}"
    if d is None:
        raise DecodeError(f"{name}: lists no symbol {symbol!r}")
    tick = decimal(d["priceFilter"]["tickSize"])
    lot = decimal(d["lotSizeFilter"][LOTS[category]])
    return Instrument(symbol, name, tick, lot, inverse=category == "inverse", depth=DEPTH)


def _venue(category: str) -> Venue:
    return Venue(
        f"bybit-{category}",
        "wss://stream.bybit.com",
        "https://api.bybit.com",
        dialect=_dialect,
        listing=partial(listing, category),
        instruments=partial(instruments, category),
        path=lambda symbols: f"/v5/public/{category}",
        ping='{"op":"ping"}',
        requests=600,
    )


def _dialect(symbols: tuple[str, ...], sink: Sink) -> Dialect:
    return BybitDialect(symbols, sink)


SPOT, LINEAR, INVERSE = _venue("spot"), _venue("linear"), _venue("inverse")
