"""KuCoin spot, live: /market/level2 and /market/match of the public WebSocket API, JSON.

"Websocket API: Introduction", "Orderbook - Increment", "Get Part OrderBook" and "Trade" of
KuCoin's documentation (docs-new), as of 2025. The stream is behind a door: a token that anybody
gets by POST /api/v1/bullet-public; nothing may be said before the welcome::

    left out      sequenceEnd <= sequence of the book
    next          sequenceStart <= sequence + 1 (sizes are absolute)
    first         a reply that the updates at hand continue; older: asked for again
    else          a hole: updates wait, and the snapshot is asked for
    price 0       a change of no level: the sequence goes on

Without an account a snapshot has 100 levels a side, while updates tell of all. What is told is the
book as deep as the snapshot went; it is asked for again when half of that is used up, and lost
when less than ten levels are left.

`side` of a trade is the taker's. Orders older than a change of the increments rest off the ticks
and the lots, as recordings show: see `grid`.
"""

from typing import Any

import orjson

from flowsense.errors import DecodeError
from flowsense.schema import DEPTH, Instrument
from flowsense.sources.levels import Levels, decimal, flat, pairs
from flowsense.sources.venues import Venue
from flowsense.sources.venues.fields import millis, whole
from flowsense.sources.venues.grid import Grid
from flowsense.sources.venues.shown import Known
from flowsense.sources.venues.sink import Sink
from flowsense.sources.venues.spans import Spans, Update

NAME = "kucoin"
LIMIT = 100  # levels a side of a snapshot
BOOK, TRADES = "/market/level2:", "/market/match:"
SNAPSHOT, LISTING = f"/api/v1/market/orderbook/level2_{LIMIT}", "/api/v2/symbols"
DOOR = "/api/v1/bullet-public"
FINE = "200000"  # code of a reply


class KucoinDialect:
    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.grids = {s: Grid(i, sink) for s, i in sink.instruments.items()}
        self.spans = Spans(sink, _path, self._book, LIMIT // 2, DEPTH)

    def _book(self, symbol: str) -> Known:
        return Known(LIMIT, self.grids[symbol].read)

    def opened(self) -> None:
        self.spans.opened()

    def message(self, body: bytes) -> None:
        json = orjson.loads(body)
        match json["type"], str(json.get("topic", "")):
            case "welcome", _:
                self._subscribe()
            case "error", _:
                raise DecodeError(f"the venue says {str(json.get('data'))[:80]!r}")
            case "message", topic if topic.startswith(BOOK):
                self._update(json["data"])
            case "message", topic if topic.startswith(TRADES):
                self._trade(json["data"])
            case what, _:
                self.sink.count(str(what)[:40])

    def _subscribe(self) -> None:
        for number, topic in enumerate((TRADES, BOOK), 1):
            wanted = {
                "id": str(number),
                "type": "subscribe",
                "topic": topic + ",".join(self.symbols),
            }
            self.sink.send(orjson.dumps(wanted | {"response": True}).decode())

    def reply(self, key: str, body: bytes) -> None:
        d = _data(body)
        number = whole(d["sequence"])
        self.spans.reply(
            key, Update(number, number, millis(d["time"]), pairs(d["bids"], d["asks"]))
        )

    def _update(self, d: dict[str, Any]) -> None:
        changes, when = d["changes"], millis(d["time"]) if "time" in d else 0
        levels = pairs(_levels(changes["bids"]), _levels(changes["asks"]))
        u = Update(whole(d["sequenceStart"]), whole(d["sequenceEnd"]), when, levels)
        self.spans.update(str(d["symbol"]), u)

    def _trade(self, d: dict[str, Any]) -> None:
        symbol = str(d["symbol"])
        taken = self.grids[symbol].taken(_taken(d))
        if taken.total:
            self.sink.trade(symbol, taken, whole(d["time"]), str(d["tradeId"]))


def _levels(changes: list[list[str]]) -> list[list[str]]:
    """As [price, size], in the order of their sequence."""
    return [
        [price, size]
        for price, size, _ in sorted(changes, key=lambda change: whole(change[2]))
        if price.strip("0.")
    ]


def _taken(d: dict[str, Any]) -> Levels:
    bids = {"buy": 1, "sell": 0}[d["side"]]
    return flat(bids, 1 - bids, [d["price"], d["size"]])


def _data(body: bytes) -> Any:
    json = orjson.loads(body)
    if json["code"] != FINE:
        raise DecodeError(f"{NAME}: the venue says {json['code']}: {str(json.get('msg'))[:80]}")
    return json["data"]


def _path(symbol: str) -> str:
    return f"{SNAPSHOT}?symbol={symbol}"


def address(body: bytes) -> str:
    """Of the stream, from what the door said."""
    d = _data(body)
    return f"{d['instanceServers'][0]['endpoint']}?token={d['token']}"


def listing(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{LISTING}/{symbol}" for symbol in symbols)


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    known = {pair["symbol"]: pair for pair in map(_data, bodies)}
    missing = [symbol for symbol in symbols if symbol not in known]
    if missing:
        raise DecodeError(f"{NAME}: lists no symbol {missing[0]!r}")
    return tuple(_instrument(known[symbol]) for symbol in symbols)


def _instrument(pair: dict[str, Any]) -> Instrument:
    tick, lot = decimal(pair["priceIncrement"]), decimal(pair["baseIncrement"])
    return Instrument(pair["symbol"], NAME, tick, lot, depth=LIMIT)


VENUE = Venue(
    NAME,
    "wss://ws-api-spot.kucoin.com",
    "https://api.kucoin.com",
    dialect=KucoinDialect,
    listing=listing,
    instruments=instruments,
    ping='{"id":"1","type":"ping"}',
    door=DOOR,
    address=address,
)
