"""Binance spot, USD-M and COIN-M futures, live: combined streams @depth, @trade, @kline, JSON.

The rules by which updates continue a snapshot are those of `sources.binance`, which reads
recordings of the same messages. A snapshot is asked for when updates wait for one, once at a time;
one that turns out too old is asked for again. Of a book that is lost twice within a minute fewer
levels are asked for, which weighs less, so that many can be mended at once. A connection lives for
24 hours at most, or for less where `serverShutdown` says so: another is made before. Since April
2026 the depth and the trades of USD-M are behind addresses of their own ("Important WebSocket
Change Notice"), so that two connections are heard as one.

Candles are heard where they are asked for, `binance-spot/1m`, beside the book and not of it. The
venue tells of one all the while that it runs; it is a BAR when it is said to be closed (`x`), known
when that was heard. One that closed while nobody listened is not asked for again.
"""

from collections import Counter, deque
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from flowsense.errors import DecodeError, InputError
from flowsense.registry import unknown
from flowsense.schema import BEAT, DAY, GAP, SECOND, SET, SNAPSHOT, Decimal, Instrument
from flowsense.sources.binance_lines import Kind, Line, Market, Message, message_of, past
from flowsense.sources.binance_sync import Piece, Sync, snapshot, update
from flowsense.sources.levels import decimal
from flowsense.sources.venues import Dialect, Venue
from flowsense.sources.venues.fields import millis
from flowsense.sources.venues.sink import Sink, Span

NOWHERE = Path("binance")  # a message heard has no line
PATIENCE = 5 * SECOND  # that updates have to reach a snapshot: ids may have begun again
LIMIT, FEW = 1_000, 100  # levels a side of a snapshot; of a book that is lost again and again
AGAIN = 60 * SECOND  # in which that is so the second time
MISSED, PAGE = 20_000, 1_000  # trades of a hole that are asked for at most; at once
TRADES, TRADES_COST = "trades ", 25 / 50  # of their key; what a page weighs, by a snapshot
MINUTE, HOUR = 60, 3_600  # s
LENGTHS = {  # of candles, s
    "1s": 1,
    **{f"{n}m": n * MINUTE for n in (1, 3, 5, 15, 30)},
    **{f"{n}h": n * HOUR for n in (1, 2, 4, 6, 8, 12)},
    "1d": 24 * HOUR,
}


@dataclass(frozen=True, slots=True)
class Places:
    """What differs between the markets."""

    market: Market
    depth: str  # stream
    base: str  # of the paths
    few: float  # what a snapshot of `FEW` levels weighs, by one of `LIMIT`
    trades: str = ""  # path of those of the past, for whom has no account
    apart: bool = False  # the depth has an address of its own


class BinanceDialect:
    """The sink's `last` is the id of the last update in the book."""

    def __init__(self, places: Places, symbols: tuple[str, ...], sink: Sink) -> None:
        self.places, self.symbols, self.sink = places, symbols, sink
        self.syncs = dict[str, Sync]()
        self.asked = set[str]()  # symbols whose snapshot is on its way
        self.held = dict[str, int]()  # ns, since when a snapshot waits for updates to reach it
        self.holes = dict.fromkeys(symbols, (-AGAIN, -AGAIN))  # ns, of the last two
        told = symbols if places.trades else ()
        self.missed = {symbol: deque[tuple[int, int]]() for symbol in told}  # first id, and next

    def opened(self) -> None:
        self.syncs = {symbol: Sync(self.places.market) for symbol in self.symbols}
        self.asked.clear()
        self.held.clear()
        for symbol in self.missed:
            self._ask_trades(symbol)

    def message(self, body: bytes) -> None:
        json = orjson.loads(body)
        if isinstance(json, dict) and "serverShutdown" in (json.get("e"), json.get("stream")):
            self.sink.renew()
        if isinstance(json, dict) and "@kline_" in str(json.get("stream")):
            self._candle(json["data"]["k"])
            return
        m = message_of(self._line(), json, "trade", self.sink.counts)
        if m is None:
            return
        if m.kind is Kind.TRADE:
            self._missed(m)
            self.sink.trade(m.symbol, m.levels, m.ts_event, m.last)
        elif m.kind is Kind.UPDATE:
            if m.market is not self.places.market:
                raise DecodeError(f"an update of another market than {self.places.market.value}")
            self._advance(m.symbol, m, update)
            self._ask(m.symbol)

    def _missed(self, m: Message) -> None:
        """What was traded while nobody listened is asked for, by its numbers."""
        last, when = self.sink.traded.get(m.symbol, (m.last, 0))
        holes = self.missed.get(m.symbol)
        if holes is None or m.last <= last + 1 or m.ts_event < when:
            return
        self.sink.counts["missed trade"] += m.last - last - 1
        if m.last - last > MISSED:
            self.sink.count("hole of too many trades")
            return
        holes.append((last + 1, m.last))
        if len(holes) == 1:
            self._ask_trades(m.symbol)

    def _ask_trades(self, symbol: str) -> None:
        """A page of the oldest hole."""
        if self.missed[symbol]:
            query = f"symbol={symbol}&fromId={self.missed[symbol][0][0]}&limit={PAGE}"
            path = f"{self.places.base}/{self.places.trades}?{query}"
            self.sink.get(TRADES + symbol, path, TRADES_COST)

    def _late(self, symbol: str, rows: list[dict[str, Any]]) -> None:
        """Those of the hole; where the venue has no more of it, the next hole."""
        first, until = self.missed[symbol].popleft()
        for row in rows:
            m = past(self._line(), symbol, row)
            if first <= m.last < until:
                self.sink.late(symbol, m.levels, m.ts_event, m.last)
                first = m.last + 1
        if first < until and len(rows) == PAGE and first > rows[0]["id"]:
            self.missed[symbol].appendleft((first, until))
        elif first < until:
            self.sink.counts["trade that is gone"] += until - first
        self._ask_trades(symbol)

    def reply(self, key: str, body: bytes) -> None:
        if key.startswith(TRADES):
            self._late(key.removeprefix(TRADES), orjson.loads(body))
            return
        self.asked.discard(key)
        m = message_of(self._line(), orjson.loads(body), "trade", self.sink.counts)
        if m is None or m.kind is not Kind.SNAPSHOT or m.symbol not in ("", key):
            raise DecodeError(f"no snapshot of {key}")
        self.held[key] = self.sink.ts_recv
        self._advance(key, m._replace(symbol=key), snapshot)
        self._ask(key)

    def _candle(self, k: dict[str, Any]) -> None:
        self.sink.count("kline")
        if type(k["x"]) is not bool:
            raise DecodeError(f"x {str(k['x'])[:40]!r} is neither true nor false")
        if k["x"]:
            span = Span(millis(k["t"]), millis(k["T"] + 1), k["n"])
            self.sink.bar(k["s"], span, [k[name] for name in "ohlc"], k["v"])

    def _line(self) -> Line:
        return Line(NOWHERE, 0, self.sink.ts_recv)

    def _advance(self, symbol: str, m: Message, rule: Any) -> None:
        if symbol not in self.syncs:
            raise DecodeError(f"symbol {symbol[:40]!r} was not asked for")
        pieces = list[Piece]()
        before, counts = self.syncs[symbol], Counter[str]()
        self.syncs[symbol] = rule(before, m, m.line.ts_recv, pieces, counts)
        if counts:  # of an update that is in order there are none
            self.sink.counts.update({name: n for name, n in counts.items() if " " in name})
        for piece in pieces:
            self._tell(symbol, piece)

    def _tell(self, symbol: str, piece: Piece) -> None:
        m, sink = piece.message, self.sink
        if piece.bits & GAP:
            sink.lost(symbol, "update ids do not follow", m.first)
            self.holes[symbol] = self.holes[symbol][1], sink.ts_recv
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
        often = self.sink.ts_recv - self.holes[symbol][0] < AGAIN
        limit, cost = (FEW, self.places.few) if often else (LIMIT, 1.0)
        self.sink.get(symbol, f"{self.places.base}/depth?symbol={symbol}&limit={limit}", cost)


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


def venue(name: str, stream: str, rest: str, places: Places, length: str = "") -> Venue:
    """`length` of candles. Raises InputError for one that there is not."""
    if length and length not in LENGTHS:
        raise InputError(f"venue {f'{name}/{length}'!r}: {unknown('length', length, (*LENGTHS,))}")
    if length == "1s" and places.market is not Market.SPOT:
        raise InputError(f"venue '{name}/1s': its shortest candles are of a minute: name {name}/1m")
    depth, others = (places.depth,), ("trade", *([f"kline_{length}"] if length else []))
    return Venue(
        name,
        stream,
        rest,
        dialect=partial(_dialect, places),
        listing=partial(listing, places),
        instruments=partial(instruments, name, places),
        path=partial(path, "/public", depth) if places.apart else partial(path, "", depth + others),
        beside=partial(path, "/market", others) if places.apart else None,
        candles=partial(venue, name, stream, rest, places),
        life_ns=DAY,
    )


def _dialect(places: Places, symbols: tuple[str, ...], sink: Sink) -> Dialect:
    return BinanceDialect(places, symbols, sink)


SPOT = venue(
    "binance-spot",
    "wss://stream.binance.com:9443",
    "https://api.binance.com",
    Places(Market.SPOT, "depth@100ms", "/api/v3", 5 / 50, "historicalTrades"),
)
USDM = venue(
    "binance-usdm",
    "wss://fstream.binance.com",
    "https://fapi.binance.com",
    Places(Market.USDM, "depth@0ms", "/fapi/v1", 5 / 20, apart=True),
)
COINM = venue(
    "binance-coinm",
    "wss://dstream.binance.com",
    "https://dapi.binance.com",
    Places(Market.COINM, "depth@0ms", "/dapi/v1", 5 / 20),
)
