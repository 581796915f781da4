"""Gate spot, live: spot.order_book_update at 100 ms and spot.trades of WebSocket v4, JSON.

"Spot WebSocket v4: How to maintain local order book", "Changed order book levels" and "Public
trades channel" of Gate's documentation, as of 2025. U and u are the first and last id that an
update spans, `id` that of the reply to GET /spot/order_book with_id::

    left out          u <= id of the book
    next              U <= id + 1 <= u, and later U <= u before + 1 (sizes are absolute)
    first             a reply that the updates at hand continue; older: asked for again
    full: true        the whole view of 100 levels, in place of the book; a hole where U does not
                      follow
    else              a hole: updates wait, and the snapshot is asked for

The view is 100 levels a side; what an update pushes out of it is told as SCROLL. That updates tell
of the levels that enter it is assumed: where a full view gets short of them nevertheless, the
snapshot is asked for again (below 50), or the book is lost (below 10).

`side` of a trade is the taker's. A trade's id has no order that is promised. Orders older than a
change of precision rest off the ticks and the lots, as recordings show: see `grid`.
"""

from typing import Any

import orjson

from flowsense.errors import DecodeError
from flowsense.schema import DEPTH as LEAST
from flowsense.schema import SECOND, Decimal, Instrument
from flowsense.sources.levels import Levels, flat, pairs
from flowsense.sources.venues import Venue
from flowsense.sources.venues.fields import millis, whole
from flowsense.sources.venues.grid import Grid
from flowsense.sources.venues.shown import Shown
from flowsense.sources.venues.sink import Sink
from flowsense.sources.venues.spans import Spans, Update

NAME = "gate"
DEPTH = 100  # levels a side of spot.order_book_update at 100 ms
BOOK, TRADES = "spot.order_book_update", "spot.trades"
LISTING = "/api/v4/spot/currency_pairs"
MICROSECOND = 1_000


class GateDialect:
    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.grids = {s: Grid(i, sink) for s, i in sink.instruments.items()}
        self.spans = Spans(sink, _path, self._view, DEPTH // 2, LEAST)

    def _view(self, symbol: str) -> Shown:
        return Shown(DEPTH, self.grids[symbol].read)

    def opened(self) -> None:
        self.spans.opened()
        self._subscribe(TRADES, [*self.symbols])
        for symbol in self.symbols:
            self._subscribe(BOOK, [symbol, "100ms"])

    def _subscribe(self, channel: str, payload: list[str]) -> None:
        wanted = {"time": self.sink.ts_recv // SECOND, "channel": channel, "event": "subscribe"}
        self.sink.send(orjson.dumps(wanted | {"payload": payload}).decode())

    def message(self, body: bytes) -> None:
        json = orjson.loads(body)
        if json.get("error"):
            raise DecodeError(f"the venue says {str(json['error'])[:80]!r}")
        match json["channel"], json["event"]:
            case (str() as channel, "update") if channel == BOOK:
                self._update(json["result"])
            case (str() as channel, "update") if channel == TRADES:
                self._trade(json["result"])
            case channel, event:
                self.sink.count(f"{channel} {event}"[:40])

    def reply(self, key: str, body: bytes) -> None:
        d = orjson.loads(body)
        number, when = whole(d["id"]), millis(d["update"]) if "update" in d else 0
        self.spans.reply(key, Update(number, number, when, pairs(d["bids"], d["asks"])))

    def _update(self, d: dict[str, Any]) -> None:
        symbol, full = str(d["s"]), d.get("full") is True
        first = whole(d.get("U", 0) if full else d["U"])  # without it nothing follows or does not
        u = Update(first, whole(d["u"]), millis(d["t"]), pairs(d["b"], d["a"]))
        if full:
            self.spans.replace(symbol, u)
        else:
            self.spans.update(symbol, u)

    def _trade(self, d: dict[str, Any]) -> None:
        symbol = str(d["currency_pair"])
        taken = self.grids[symbol].taken(_taken(d))
        if taken.total:
            self.sink.trade(symbol, taken, _when(d["create_time_ms"]), str(whole(d["id"])))


def _taken(d: dict[str, Any]) -> Levels:
    bids = {"buy": 1, "sell": 0}[d["side"]]
    return flat(bids, 1 - bids, [d["price"], d["amount"]])


def _when(value: Any) -> int:
    """ns, of ms with decimals as text."""
    ms, _, part = str(value).partition(".")
    return millis(ms) + whole((part or "0")[:3].ljust(3, "0")) * MICROSECOND


def _path(symbol: str) -> str:
    return f"/api/v4/spot/order_book?currency_pair={symbol}&limit={DEPTH}&with_id=true"


def listing(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{LISTING}/{symbol}" for symbol in symbols)


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    known = {pair["id"]: pair for pair in map(orjson.loads, bodies) if "id" in pair}
    missing = [symbol for symbol in symbols if symbol not in known]
    if missing:
        raise DecodeError(f"{NAME}: lists no symbol {missing[0]!r}")
    return tuple(_instrument(known[symbol]) for symbol in symbols)


def _instrument(pair: dict[str, Any]) -> Instrument:
    tick, lot = (Decimal(1, -whole(pair[name])) for name in ("precision", "amount_precision"))
    return Instrument(pair["id"], NAME, tick, lot, depth=DEPTH)


VENUE = Venue(
    NAME,
    "wss://api.gateio.ws",
    "https://api.gateio.ws",
    dialect=GateDialect,
    listing=listing,
    instruments=instruments,
    path=lambda symbols: "/ws/v4/",
)
