"""dYdX v4, live: v4_orderbook, v4_trades and v4_markets of the Indexer's WebSocket API, JSON.

"Indexer WebSockets", "Watch orderbook: Uncrossing" of dYdX's documentation and the Indexer's own
source (services socks and comlink), as of 2025::

    message_id    one count for all that a connection is told. That of `subscribed` is taken when
                  the venue hears the request, and the answer comes later: ids may be missing while
                  answers are, but no more than those
    else missing  a hole: all books are lost, a new connection is asked for; so it is where an
                  update of a book comes before its `subscribed`
    again         left out
    subscribed    the book, 100 levels a side; of trades: the past, left out
    channel_data  levels as they are now; batched ones likewise

No update has a time or a number of its own, and the venue makes a snapshot before it begins to
forward updates: one that falls between may be missing, one that waited may be older than the
snapshot, and nothing tells. Such a level is right again when it changes next. Levels are told as
they come. Each node knows orders in another order, and a book may be crossed for a while: then
its state is that of a crossed book, and nothing is taken out of it.

Updates tell of all levels. What is told is the book as deep as the snapshot went; with less than
ten levels left of it, it is lost and subscribed to again. DELEVERAGED trades are no match in the
book and are counted only. ACTIVE is TRADING; every other status, HALT.
"""

from typing import Any

import orjson

from flowsense.errors import DecodeError
from flowsense.schema import DEPTH, HALT, TRADING, Instrument
from flowsense.sources.levels import Levels, decimal, exactly, flat, pairs
from flowsense.sources.venues import Venue
from flowsense.sources.venues.fields import whole
from flowsense.sources.venues.grid import Grid
from flowsense.sources.venues.shown import Known
from flowsense.sources.venues.sink import Sink

NAME = "dydx"
LIMIT = 100  # levels a side of a snapshot
BOOK, TRADES, MARKETS = "v4_orderbook", "v4_trades", "v4_markets"
LISTING = "/v4/perpetualMarkets"


class Numbers:
    """The ids that a connection has heard."""

    def __init__(self) -> None:
        self.last, self.asked = 0, 0  # `asked`: requests whose answers are on their way
        self.missing, self.hole = set[int](), False

    def hear(self, number: int, answer: bool) -> bool:
        """Whether it is told for the first time."""
        if number <= self.last and number not in self.missing:
            return False
        skipped = range(self.last + 1, number)
        self.hole |= len(skipped) > self.asked
        self.missing.update(skipped[: self.asked])
        self.missing.discard(number)
        self.last = max(self.last, number)
        self.asked -= answer and self.asked > 0
        self.hole |= len(self.missing) > self.asked
        return True


class DydxDialect:
    """The sink's `last` is the id of the last message of the book."""

    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink, self.numbers = symbols, sink, Numbers()
        self.grids = {s: Grid(i, sink) for s, i in sink.instruments.items()}
        self.books = dict[str, Known]()
        self.phases = dict[str, int]()
        self.leaving = set[str]()  # symbols whose books are being subscribed to again

    def opened(self) -> None:
        self.numbers = Numbers()
        self.leaving.clear()
        self.books = {s: Known(LIMIT, grid.read) for s, grid in self.grids.items()}
        self._say("subscribe", MARKETS)
        for symbol in self.symbols:
            self._say("subscribe", BOOK, symbol)
            self._say("subscribe", TRADES, symbol)

    def _say(self, what: str, channel: str, symbol: str = "") -> None:
        wanted = {"type": what, "channel": channel} | ({"id": symbol} if symbol else {})
        self.sink.send(orjson.dumps(wanted).decode())
        self.numbers.asked += what == "subscribe"

    def message(self, body: bytes) -> None:
        json = orjson.loads(body)
        what, number = json["type"], whole(json["message_id"])
        if what == "error":
            raise DecodeError(f"the venue says {str(json['message'])[:80]!r}")
        if what == "connected":
            return
        if not self.numbers.hear(number, what == "subscribed"):
            self.sink.count("repeated depth")
            return
        if self.numbers.hole:
            self._lose(number)
            return
        contents = json.get("contents")
        parts = contents if what == "channel_batch_data" else [contents]
        match json["channel"], what:
            case _, "unsubscribed":
                self.leaving.discard(str(json["id"]))
            case (str() as channel, _) if channel == BOOK:
                self._book(str(json["id"]), parts, number, what == "subscribed")
            case (str() as channel, _) if channel == TRADES:
                self._trades(str(json["id"]), parts, what == "subscribed")
            case (str() as channel, _) if channel == MARKETS:
                self._status(parts)
            case channel, _:
                self.sink.count(str(channel)[:40])

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError(f"nothing was asked for by the key {key[:40]!r}")

    def _lose(self, number: int) -> None:
        why = "message ids do not follow"
        for symbol in self.symbols:
            if self.sink.ready[symbol]:
                self.sink.lost(symbol, why, number)
        self.sink.anew(why)

    def _book(self, symbol: str, parts: list[Any], number: int, snapshot: bool) -> None:
        book, sink = self.books[symbol], self.sink
        if snapshot:
            bids, asks = ([[x["price"], x["size"]] for x in parts[0][s]] for s in ("bids", "asks"))
            book.replace(pairs(bids, asks))
            sink.snapshot(symbol, book.whole(), 0, number)
            return
        for part in parts:
            if not sink.ready[symbol]:
                self._early(symbol, number)
                return
            turn = book.update(pairs(part.get("bids", []), part.get("asks", [])))
            if book.known() < DEPTH:
                sink.lost(symbol, "the price moved beyond the levels that are known", number)
                self._say("unsubscribe", BOOK, symbol)
                self._say("subscribe", BOOK, symbol)
                self.leaving.add(symbol)
            else:
                sink.update(symbol, turn.market, 0, number, turn.view)

    def _early(self, symbol: str, number: int) -> None:
        """An update of a book that is not known: its snapshot was lost, or is asked for again."""
        self.sink.count("update before its snapshot")
        if symbol not in self.leaving:
            self._lose(number)

    def _trades(self, symbol: str, parts: list[Any], past: bool) -> None:
        for trade in (trade for part in parts for trade in part["trades"]):
            if past:
                self.sink.count("trade of the past")
            elif trade.get("type") == "DELEVERAGED":
                self.sink.count("trade DELEVERAGED")
            else:
                taken = self.grids[symbol].taken(_taken(trade))
                if taken.total:
                    when, number = exactly(trade["createdAt"]), str(trade["id"])
                    self.sink.trade(symbol, taken, when, number)

    def _status(self, parts: list[Any]) -> None:
        for part in parts:
            markets = part.get("markets") or part.get("trading") or {}
            for symbol in self.symbols:
                status = markets.get(symbol, {}).get("status")
                phase = TRADING if status == "ACTIVE" else HALT
                if status and self.phases.get(symbol, TRADING) != phase:
                    self.phases[symbol] = phase
                    self.sink.status(symbol, phase, 0)


def _taken(trade: dict[str, Any]) -> Levels:
    bids = {"BUY": 1, "SELL": 0}[trade["side"]]
    return flat(bids, 1 - bids, [trade["price"], trade["size"]])


def _listing(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return (LISTING,)


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    known = {s: market for body in bodies for s, market in orjson.loads(body)["markets"].items()}
    return tuple(_instrument(symbol, known.get(symbol)) for symbol in symbols)


def _instrument(symbol: str, market: Any) -> Instrument:
    if market is None:
        raise DecodeError(f"{NAME}: lists no symbol {symbol!r}")
    tick, lot = decimal(market["tickSize"]), decimal(market["stepSize"])
    return Instrument(symbol, NAME, tick, lot, depth=LIMIT)


VENUE = Venue(
    NAME,
    "wss://indexer.dydx.trade",
    "https://indexer.dydx.trade",
    dialect=DydxDialect,
    listing=_listing,
    instruments=instruments,
    path=lambda symbols: "/v4/ws",
    most=32,
)
