"""Binance spot, USD-M and COIN-M futures, live: combined streams @depth and @trade, JSON.

The rules by which updates continue a snapshot are those of `sources.binance`, which reads
recordings of the same messages. A snapshot is asked for when updates wait for one, once at a time;
one that turns out too old is asked for again. A connection lives for 24 hours at most, which
`serverShutdown` announces. Since April 2026 the depth and the trades of USD-M are behind addresses
of their own ("Important WebSocket Change Notice"), so that two connections are heard as one.
"""

from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from flowsense.errors import DecodeError
from flowsense.schema import BEAT, GAP, SECOND, SET, SNAPSHOT, Decimal, Instrument
from flowsense.sources.binance_lines import Kind, Line, Market, Message, message_of
from flowsense.sources.binance_sync import Piece, Sync, snapshot, update
from flowsense.sources.levels import decimal
from flowsense.sources.venues import Dialect, Venue
from flowsense.sources.venues.sink import Sink

NOWHERE = Path("binance")  # a message heard has no line
PATIENCE = 5 * SECOND  # that updates have to reach a snapshot: ids may have begun again
LIMIT = 1_000  # levels a side of a snapshot


@dataclass(frozen=True, slots=True)
class Places:
    """What differs between the markets."""

    market: Market
    depth: str  # stream
    base: str  # of the paths


class BinanceDialect:
    """The sink's `last` is the id of the last update in the book."""

    def __init__(self, places: Places, symbols: tuple[str, ...], sink: Sink) -> None:
        self.places, self.symbols, self.sink = places, symbols, sink
        self.syncs = dict[str, Sync]()
        self.asked = set[str]()  # symbols whose snapshot is on its way
        self.held = dict[str, int]()  # ns, since when a snapshot waits for updates to reach it

    def opened(self) -> None:
        self.syncs = {symbol: Sync(self.places.market) for symbol in self.symbols}
        self.asked.clear()
        self.held.clear()

    def message(self, body: bytes) -> None:
        json = orjson.loads(body)
        if isinstance(json, dict) and "serverShutdown" in (json.get("e"), json.get("stream")):
            self.sink.anew("serverShutdown")
        m = message_of(self._line(), json, "trade", self.sink.counts)
        if m is None:
            return
        if m.kind is Kind.TRADE:
            self.sink.trade(m.symbol, m.levels, m.ts_event, m.last)
        elif m.kind is Kind.UPDATE:
            if m.market is not self.places.market:
                raise DecodeError(f"an update of another market than {self.places.market.value}")
            self._advance(m.symbol, m, update)
            self._ask(m.symbol)

    def reply(self, key: str, body: bytes) -> None:
        self.asked.discard(key)
        m = message_of(self._line(), orjson.loads(body), "trade", self.sink.counts)
        if m is None or m.kind is not Kind.SNAPSHOT or m.symbol not in ("", key):
            raise DecodeError(f"no snapshot of {key}")
        self.held[key] = self.sink.ts_recv
        self._advance(key, m._replace(symbol=key), snapshot)
        self._ask(key)

    def _line(self) -> Line:
        return Line(NOWHERE, 0, self.sink.ts_recv)

    def _advance(self, symbol: str, m: Message, rule: Any) -> None:
        if symbol not in self.syncs:
            raise DecodeError(f"symbol {symbol[:40]!r} was not asked for")
        pieces = list[Piece]()
        before, counts = self.syncs[symbol], Counter[str]()
        self.syncs[symbol] = rule(before, m, m.line.ts_recv, pieces, counts)
        self.sink.counts.update({name: n for name, n in counts.items() if " " in name})
        for piece in pieces:
            self._tell(symbol, piece)

    def _tell(self, symbol: str, piece: Piece) -> None:
        m, sink = piece.message, self.sink
        if piece.bits & GAP:
            sink.lost(symbol, "update ids do not follow", m.first)
        elif piece.bits & SNAPSHOT and (piece.action == SET or not m.levels.total):
            sink.snapshot(symbol, m.levels, m.ts_event, m.last)
        elif piece.action in (SET, BEAT):
            sink.update(symbol, m.levels, m.ts_event, m.last)

    def _ask(self, symbol: str) -> None:
        """For a snapshot, where updates wait for one, or never reach the one that is there."""
        sync = self.syncs[symbol]
        if sync.whole or not sync.buffer or symbol in self.asked:
            return
        if sync.snapshot is not None:
            if self.sink.ts_recv - self.held[symbol] < PATIENCE:
                return
            self.sink.count("snapshot of other ids")
            self.syncs[symbol] = sync._replace(snapshot=None)
        self.asked.add(symbol)
        self.sink.get(symbol, f"{self.places.base}/depth?symbol={symbol}&limit={LIMIT}")


def path(root: str, streams: tuple[str, ...], symbols: tuple[str, ...]) -> str:
    """Of the combined stream: what is named in it is subscribed to."""
    names = (f"{symbol.lower()}@{which}" for symbol in symbols for which in streams)
    return f"{root}/stream?streams={'/'.join(names)}"


def listing(places: Places, symbols: tuple[str, ...]) -> tuple[str, ...]:
    if places.market is not Market.SPOT:
        return (f"{places.base}/exchangeInfo",)
    names = ",".join(f"%22{symbol}%22" for symbol in symbols)
    return (f"{places.base}/exchangeInfo?symbols=[{names}]",)


def instruments(
    name: str, places: Places, symbols: tuple[str, ...], bodies: tuple[bytes, ...]
) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    known = {s["symbol"]: s for body in bodies for s in orjson.loads(body)["symbols"]}
    return tuple(_instrument(name, places, symbol, known.get(symbol)) for symbol in symbols)


def _instrument(name: str, places: Places, symbol: str, found: Any) -> Instrument:
    if found is None:
        raise DecodeError(f"{name}: lists no symbol {symbol!r}")
    rules = {rule["filterType"]: rule for rule in found["filters"]}
    tick, lot = rules["PRICE_FILTER"]["tickSize"], rules["LOT_SIZE"]["stepSize"]
    inverse = places.market is Market.COINM
    contract = Decimal(int(found.get("contractSize", 1)), 0) if inverse else Decimal(1, 0)
    return Instrument(symbol, name, decimal(tick), decimal(lot), contract, inverse)


def venue(name: str, stream: str, rest: str, places: Places) -> Venue:
    return Venue(
        name,
        stream,
        rest,
        dialect=partial(_dialect, places),
        listing=partial(listing, places),
        instruments=partial(instruments, name, places),
        path=partial(path, "", (places.depth, "trade")),
    )


def _dialect(places: Places, symbols: tuple[str, ...], sink: Sink) -> Dialect:
    return BinanceDialect(places, symbols, sink)


SPOT = venue(
    "binance-spot",
    "wss://stream.binance.com:9443",
    "https://api.binance.com",
    Places(Market.SPOT, "depth@100ms", "/api/v3"),
)
USDM = venue(
    "binance-usdm",
    "wss://fstream.binance.com",
    "https://fapi.binance.com",
    Places(Market.USDM, "depth@0ms", "/fapi/v1"),
)._replace(
    path=partial(path, "/public", ("depth@0ms",)),
    beside=partial(path, "/market", ("trade",)),
)
COINM = venue(
    "binance-coinm",
    "wss://dstream.binance.com",
    "https://dapi.binance.com",
    Places(Market.COINM, "depth@0ms", "/dapi/v1"),
)
