"""Hyperliquid perpetuals and spot, live: l2Book and trades of the public WebSocket API, JSON.

"WebSocket / Subscriptions" and "Timeouts and heartbeats" of Hyperliquid's documentation, as of
2025. `time` is that of the block, ms::

    l2Book   the whole view, 20 levels a side, at every block 0.5 s or more after the last one
             first on a connection: a snapshot; after it: what differs
             the same time and levels again: left out; an earlier time: left out
    trades   one message a block; the first of a coin after subscribing is of the past: what is
             no later than the last l2Book is left out of it
    else     nothing is numbered: a lost l2Book is healed by the next, a lost trade stays unseen

A trade is known by its time and tid, a hash of the two orders. side B: a buyer took; A: a seller.

A price has at most five significant figures, and 6 - szDecimals decimals (spot: 8 - szDecimals):
the tick is the smallest step that these allow, at high prices the market's own is larger.
"""

from typing import Any

import orjson

from flowsense.errors import DecodeError
from flowsense.schema import Decimal, Instrument
from flowsense.sources.levels import Levels, flat, plain
from flowsense.sources.venues import Venue
from flowsense.sources.venues.fields import millis
from flowsense.sources.venues.shown import Shown
from flowsense.sources.venues.sink import Sink

NAME = "hyperliquid"
DEPTH = 20  # levels a side that l2Book shows
LISTS = ('/info {"type":"meta"}', '/info {"type":"spotMeta"}')  # posted
SPOT, PERPETUAL = 8, 6  # decimals of a price and of a size together


class HyperliquidDialect:
    """The sink's `last` is the time of the last view, ns."""

    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.books = dict[str, Shown]()
        self.past = set[str]()  # coins whose trades of the past have been heard

    def opened(self) -> None:
        self.books = {coin: Shown(DEPTH) for coin in self.symbols}
        self.past.clear()
        for coin in self.symbols:
            for what in ("l2Book", "trades"):
                wanted = {"method": "subscribe", "subscription": {"type": what, "coin": coin}}
                self.sink.send(orjson.dumps(wanted).decode())

    def message(self, body: bytes) -> None:
        json = orjson.loads(body)
        match json["channel"]:
            case "l2Book":
                self._book(json["data"])
            case "trades":
                self._trades(json["data"])
            case "error":
                raise DecodeError(f"the venue says {str(json['data'])[:80]!r}")
            case name:
                self.sink.count(str(name)[:40])

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError(f"nothing was asked for by the key {key[:40]!r}")

    def _book(self, d: dict[str, Any]) -> None:
        coin, time = str(d["coin"]), millis(d["time"])
        if coin not in self.books:
            raise DecodeError(f"symbol {coin[:40]!r} was not asked for")
        bids, asks = d["levels"]
        numbers = [n for side in (bids, asks) for level in side for n in (level["px"], level["sz"])]
        levels, sink = flat(len(bids), len(asks), numbers), self.sink
        if time < sink.last[coin]:
            sink.count("late depth")
            return
        turn = self.books[coin].replace(levels)
        if not sink.ready[coin]:
            sink.snapshot(coin, self.books[coin].whole(), time, time)
        elif time == sink.last[coin] and not turn.market.total:
            sink.count("repeated depth")
        else:
            sink.update(coin, turn.market, time, time, turn.view)

    def _trades(self, trades: list[dict[str, Any]]) -> None:
        first = {str(t["coin"]) for t in trades} - self.past
        self.past |= first
        for t in trades:
            coin, time = str(t["coin"]), millis(t["time"])
            if coin in first and (time <= self.sink.last[coin] or not self.sink.ready[coin]):
                self.sink.count("trade of the past")
            else:
                self.sink.trade(coin, _taken(t), time, f"{time}-{t['tid']}")


def _taken(t: dict[str, Any]) -> Levels:
    bids = {"B": 1, "A": 0}[t["side"]]
    return flat(bids, 1 - bids, [plain(t["px"]), plain(t["sz"])])


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    known = dict[str, tuple[int, int]]()
    for body in bodies:
        json = orjson.loads(body)
        if "tokens" in json:
            sizes = {token["index"]: token["szDecimals"] for token in json["tokens"]}
            known |= {pair["name"]: (sizes[pair["tokens"][0]], SPOT) for pair in json["universe"]}
        else:
            known |= {coin["name"]: (coin["szDecimals"], PERPETUAL) for coin in json["universe"]}
    return tuple(_instrument(symbol, known) for symbol in symbols)


def _instrument(symbol: str, known: dict[str, tuple[int, int]]) -> Instrument:
    if symbol not in known:
        raise DecodeError(f"{NAME}: lists no symbol {symbol!r}")
    size, both = known[symbol]
    return Instrument(symbol, NAME, Decimal(1, size - both), Decimal(1, -size), depth=DEPTH)


def _listing(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return LISTS


VENUE = Venue(
    NAME,
    "wss://api.hyperliquid.xyz",
    "https://api.hyperliquid.xyz",
    dialect=HyperliquidDialect,
    listing=_listing,
    instruments=instruments,
    path=lambda symbols: "/ws",
    ping='{"method":"ping"}',
)
