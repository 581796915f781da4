"""Bitstamp live, WebSocket API v2: channels diff_order_book, order_book and live_trades, and REST.

A diff says what levels are now, of the whole book, but nothing of the diff before it: neither a
number nor a checksum ("Live full order book" in the documentation). What was missed is seen in the
100 best levels a side that order_book says several times a second, `when` being microtimestamp::

    a snapshot             is asked for at the first diff, and again at the next one where it is
                           older than what was heard first; diffs not above its `when` are in it
    each diff              `when` is not below the one before; heard again it is left out
    a book of 100 levels   is ours of that `when`: known as soon as a diff of that `when` is in it,
                           or one above it is heard
    else                   GAP, and a snapshot of that symbol is asked for

That both channels mean the same by `when` is assumed. Where the first comparison after a snapshot
fails five times in a row they do not, and the symbol is compared no more ("books not compared").
`sequence` is `when` in microseconds, of a trade its id. No channel tells of halts.
"""

from collections import deque
from decimal import Decimal as Exact
from typing import Any, NamedTuple

import orjson

from flowsense.errors import DecodeError
from flowsense.schema import Decimal, Instrument
from flowsense.sources.levels import Levels, flat, pairs
from flowsense.sources.venues import Venue
from flowsense.sources.venues.fields import whole
from flowsense.sources.venues.ladder import Ladder
from flowsense.sources.venues.sink import Sink

DIFF, BOOK, TRADES = "diff_order_book_", "order_book_", "live_trades_"
COMPARED = 100  # levels a side
BUFFER, RECENT = 20_000, 100  # diffs: that wait for a snapshot, and that are known when heard again
BEHIND = 60_000_000  # us: a diff from so long before its snapshot says that time falls
TRUSTED = 5  # comparisons that may fail in a row, each the first after a snapshot
LISTING = "/api/v2/markets/"


class Said(NamedTuple):
    """A diff or a book."""

    when: int  # us
    levels: Levels


class Book:
    """Of one symbol, in step with the venue's."""

    def __init__(self, when: int, levels: Levels) -> None:
        self.when, self.compared = when, False
        self.since = when  # of the snapshot
        self.bids, self.asks = Ladder[Exact](1), Ladder[Exact](-1)
        self.recent = deque[Said](maxlen=RECENT)
        self.waits: Said | None = None  # to be compared
        self.put(levels)

    def put(self, levels: Levels) -> None:
        for k, (price, size) in enumerate(_exact(levels)):
            (self.bids if k < levels.bids else self.asks).put(price, size or None)

    def differs(self, book: Said) -> bool:
        self.compared, self.waits = True, None
        sides = (self.bids, self.asks)
        held = [(p, side.levels[p]) for side in sides for p in _first(side)]
        return held != _exact(book.levels)


class BitstampDialect:
    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.books = dict[str, Book]()
        self.waiting = {symbol: deque[Said](maxlen=BUFFER) for symbol in symbols}
        self.first = dict[str, int]()  # us: what a snapshot must not be older than
        self.asked = set[str]()  # whose snapshot is on its way
        self.failed = dict.fromkeys(symbols, 0)  # first comparisons in a row

    def opened(self) -> None:
        self.books.clear()
        self.first.clear()
        self.asked.clear()
        for symbol in self.symbols:
            self.waiting[symbol].clear()
            self.failed[symbol] = 0
            for channel in (TRADES, DIFF, BOOK):
                said = {"event": "bts:subscribe", "data": {"channel": channel + symbol}}
                self.sink.send(orjson.dumps(said).decode())

    def message(self, body: bytes) -> None:
        m = orjson.loads(body)
        event = m["event"]
        if event == "bts:request_reconnect":
            self.sink.anew(event)
        elif event == "bts:error":
            self.sink.anew(f"bitstamp: {m['data']['message']}")
        elif event == "trade":
            self._trade(m["channel"].removeprefix(TRADES), m["data"])
        elif event == "data":
            channel = m["channel"]
            name = DIFF if channel.startswith(DIFF) else BOOK
            symbol, said = channel.removeprefix(name), _said(m["data"])
            if symbol not in self.waiting:
                raise DecodeError(f"symbol {symbol[:40]!r} was not asked for")
            if name == DIFF:
                self._diff(symbol, said)
            else:
                self._compare(symbol, said)

    def reply(self, key: str, body: bytes) -> None:
        if key not in self.asked:
            return
        self.asked.discard(key)
        said = _said(orjson.loads(body))
        if said.when < self.first[key]:
            self.sink.count("snapshot too old")
            return
        self.books[key] = Book(said.when, said.levels)
        self.sink.snapshot(key, said.levels, said.when * 1_000, said.when)
        held = [*self.waiting[key]]
        self.waiting[key].clear()
        for diff in held:
            if diff.when > said.when or key not in self.books:
                self._diff(key, diff)

    def _diff(self, symbol: str, said: Said) -> None:
        book = self.books.get(symbol)
        if book is None:
            self._wait(symbol, said)
        elif said in book.recent or -BEHIND < said.when - book.since <= 0:
            self.sink.count("repeated depth")
        elif said.when < book.when:
            self._lost(symbol, "a diff is older than the one before it", said.when)
            self._wait(symbol, said)
        elif book.waits and book.waits.when < said.when and self._wrong(symbol, book, book.waits):
            self._wait(symbol, said)
        else:
            book.when = said.when
            book.recent.append(said)
            book.put(said.levels)
            self.sink.update(symbol, said.levels, said.when * 1_000, said.when)
            if book.waits and book.waits.when == said.when:
                self._wrong(symbol, book, book.waits)

    def _wait(self, symbol: str, said: Said) -> None:
        """For a snapshot."""
        self.waiting[symbol].append(said)
        self.first.setdefault(symbol, said.when)
        self._ask(symbol)

    def _compare(self, symbol: str, said: Said) -> None:
        book = self.books.get(symbol)
        if book is None or self.failed[symbol] >= TRUSTED or said.when < book.when:
            return
        if said.when == book.when:
            self._wrong(symbol, book, said)
        else:
            book.waits = said

    def _wrong(self, symbol: str, book: Book, said: Said) -> bool:
        """The book is not what it should be; a snapshot is asked for then."""
        early = not book.compared
        if not book.differs(said):
            self.failed[symbol] = 0
            return False
        self.failed[symbol] += early
        if self.failed[symbol] >= TRUSTED:
            self.sink.count("books not compared")
            return False
        self._lost(symbol, "the book is not what order_book says", said.when)
        self._ask(symbol)
        return True

    def _lost(self, symbol: str, why: str, when: int) -> None:
        self.sink.lost(symbol, why, when)
        del self.books[symbol]
        self.first[symbol] = when

    def _ask(self, symbol: str) -> None:
        if symbol not in self.asked:
            self.asked.add(symbol)
            self.sink.get(symbol, f"/api/v2/order_book/{symbol}/?group=1")

    def _trade(self, symbol: str, data: Any) -> None:
        buys = {0: True, 1: False}[data["type"]]
        levels = flat(int(buys), int(not buys), [data["price_str"], data["amount_str"]])
        when = whole(data["microtimestamp"]) * 1_000
        self.sink.trade(symbol, levels, when, whole(data["id"]))


def _said(data: Any) -> Said:
    return Said(whole(data["microtimestamp"]), pairs(data["bids"], data["asks"]))


def _exact(levels: Levels) -> list[tuple[Exact, Exact]]:
    numbers = [Exact(number) for number in levels.text.split(",")] if levels.total else []
    return [*zip(numbers[::2], numbers[1::2], strict=True)]


def _first(side: Ladder[Exact]) -> list[Exact]:
    prices = side.prices
    return prices[: -COMPARED - 1 : -1] if side.sign > 0 else prices[:COMPARED]


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    known = {market["market_symbol"]: market for market in orjson.loads(bodies[0])}
    return tuple(_instrument(symbol, known.get(symbol)) for symbol in symbols)


def _instrument(symbol: str, market: Any) -> Instrument:
    if market is None:
        raise DecodeError(f"bitstamp: lists no symbol {symbol!r}")
    tick, lot = (Decimal(1, -whole(market[f"{of}_decimals"])) for of in ("counter", "base"))
    return Instrument(symbol, "bitstamp", tick, lot)


VENUE = Venue(
    "bitstamp",
    "wss://ws.bitstamp.net",
    "https://www.bitstamp.net",
    dialect=BitstampDialect,
    listing=lambda symbols: (LISTING,),
    instruments=instruments,
    ping='{"event":"bts:heartbeat"}',
    requests=400,
)
