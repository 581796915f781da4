"""Bitfinex live, WebSocket API 2: channels `book` (P0, F0, 250 levels a side) and `trades`.

With the flags SEQ_ALL and OB_CHECKSUM of "conf" a message of a channel ends with the next number of
the connection, and after the updates of a book comes a checksum of its 25 best levels a side
("WebSocket Checksum" in the documentation), of their numbers as the venue writes them: with
exponents, and sizes of asks below 0::

    after `subscribed`     a snapshot of that channel
    each message           number == the one before + 1, of all channels together
    heard again            at most 1,000 numbers behind: left out
    checksum               that of the book; else GAP, and the book alone is unsubscribed from and
                           subscribed to anew
    else                   GAP of all books, and the connection is made anew

Of level updates count 0 says gone, and the sign of the amount says which side; a level that leaves
the 250 is told of as gone. Books carry no time. `sequence` is the number, of a trade its id. It is
told of as te, and once more as tu, which is left out, as are trades from before the subscription.
Maintenance is a HALT of all. Symbols are those of pairs, BTCUSD and not tBTCUSD; books of funding
are not read.

Prices have five digits that count and at most eight places, so that the tick is 1e-8. Sizes have up
to eight places; a lot is 1e-8 too, but where orders begin above 100 units it is coarser, and sizes
are rounded up to it: larger ones than 2**53 lots could not be told.
"""

from decimal import ROUND_UP
from decimal import Decimal as Exact
from typing import Any
from zlib import crc32

import msgspec
import orjson

from flowsense.errors import DecodeError
from flowsense.schema import HALT, TRADING, Decimal, Instrument
from flowsense.sources.levels import Levels, of
from flowsense.sources.venues import Venue
from flowsense.sources.venues.fields import millis
from flowsense.sources.venues.ladder import Ladder
from flowsense.sources.venues.sink import Sink

SEQ_ALL, OB_CHECKSUM = 65_536, 131_072
LENGTH, CHECKED = 250, 25  # levels a side: subscribed to, and under the checksum
BEHIND = 1_000  # a message with a lower number was heard before; below that the count began anew
RESTART, CLOSED, OPEN = 20_051, 20_060, 20_061  # codes of `info`
LISTING = "/v2/conf/pub:info:pair,pub:info:pair:futures"
TICK, PLACES = Decimal(1, -8), 8


class Platform(msgspec.Struct):
    status: int = 1


class Event(msgspec.Struct):
    event: str
    channel: str = ""
    chanId: int = -1
    symbol: str = ""
    code: int = 0
    msg: str = ""
    platform: Platform | None = None


class Level(msgspec.Struct, array_like=True):
    price: msgspec.Raw
    count: int
    amount: msgspec.Raw


class Trade(msgspec.Struct, array_like=True):
    id: int
    mts: int
    amount: Exact
    price: Exact


PARTS, EVENT = msgspec.json.Decoder(list[msgspec.Raw]), msgspec.json.Decoder(Event)
LEVEL, LEVELS = msgspec.json.Decoder(Level), msgspec.json.Decoder(list[Level])
TRADE, NUMBER = msgspec.json.Decoder(Trade), msgspec.json.Decoder(Exact)
COUNT, WORD = msgspec.json.Decoder(int), msgspec.json.Decoder(str)


class Resting(msgspec.Struct, frozen=True):
    size: Exact
    text: str  # its part of the checksum


class Book:
    """Of one channel."""

    def __init__(self, symbol: str, lot: Exact) -> None:
        self.symbol, self.lot, self.whole = symbol, lot, False
        self.sides: tuple[Ladder[Resting], Ladder[Resting]] = Ladder(1), Ladder(-1)

    def put(self, m: Level) -> tuple[int, Exact, Exact]:
        """-> side, price and size now."""
        price, amount = NUMBER.decode(m.price), NUMBER.decode(m.amount)
        side = 1 if amount > 0 else -1
        size = abs(amount).quantize(self.lot, ROUND_UP) if m.count else Exact(0)
        text = f"{bytes(m.price).decode()}:{bytes(m.amount).decode()}"
        self.sides[side < 0].put(price, Resting(size, text) if m.count else None)
        return side, price, size

    def snapshot(self, levels: list[Level]) -> Levels:
        told = [self.put(level) for level in levels]
        self.whole = True
        return of(*([(p, n) for s, p, n in told if s == side] for side in (1, -1)))

    def checksum(self) -> int:
        bids, asks = (side.best(CHECKED) for side in self.sides)
        parts = (side[k].text for k in range(CHECKED) for side in (bids, asks) if k < len(side))
        return crc32(":".join(parts).encode())


class BitfinexDialect:
    """The sink's `last` is the number of the last message of the book."""

    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.lots = {s: Exact(10) ** i.lot.exponent for s, i in sink.instruments.items()}
        self.books, self.trades = dict[int, Book](), dict[int, str]()  # by channel
        self.closing = dict[int, str]()  # likewise
        self.number, self.phase = -1, TRADING

    def opened(self) -> None:
        for kept in (self.books, self.trades, self.closing):
            kept.clear()
        self.number = -1
        self._request({"event": "conf", "flags": SEQ_ALL + OB_CHECKSUM})
        for symbol in self.symbols:
            self._request({"event": "subscribe", "channel": "trades", "symbol": f"t{symbol}"})
            self._subscribe(symbol)

    def message(self, body: bytes) -> None:
        if body.lstrip()[:1] == b"{":
            self._event(EVENT.decode(body))
            return
        parts = PARTS.decode(body)
        channel, first = COUNT.decode(parts[0]), bytes(parts[1])
        word = WORD.decode(first) if first[:1] == b'"' else ""
        named = word not in ("", "hb")
        number = COUNT.decode(parts[2 + named])
        if self.number - BEHIND < number <= self.number:
            self.sink.count("repeated message")
        elif self.number >= 0 and number != self.number + 1:
            self._missed(number)
        else:
            self.number = number
            if channel in self.books:
                self._book(self.books[channel], channel, word, parts[1 + named])
            elif channel in self.trades and word != "hb":
                self._trade(self.trades[channel], word, parts[1 + named])

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError("nothing was asked for beside the stream")

    def _missed(self, number: int) -> None:
        for symbol in self.symbols:
            if self.sink.ready[symbol]:
                self.sink.lost(symbol, "a number of the connection is missing", number)
        self.sink.anew("bitfinex: a number of the connection is missing")

    def _book(self, book: Book, channel: int, word: str, body: msgspec.Raw) -> None:
        sink, symbol, first = self.sink, book.symbol, bytes(body)[:2]
        if word == "cs":
            if book.whole and book.checksum() != COUNT.decode(body) % 2**32:
                sink.count("checksum mismatch")
                sink.lost(symbol, "the checksum does not hold", self.number)
                del self.books[channel]
                self.closing[channel] = symbol
                self._request({"event": "unsubscribe", "chanId": channel})
        elif word == "" and first in (b"[[", b"[]"):
            self.books[channel] = book = Book(symbol, book.lot)
            sink.snapshot(symbol, book.snapshot(LEVELS.decode(body)), 0, self.number)
        elif word == "" and book.whole:
            side, price, size = book.put(LEVEL.decode(body))
            levels = [(price, size)]
            told = of(levels, []) if side > 0 else of([], levels)
            sink.update(symbol, told, 0, self.number)

    def _trade(self, symbol: str, word: str, body: msgspec.Raw) -> None:
        if word != "te":
            self.sink.count("repeated trade" if word == "tu" else "trade from before")
            return
        m = TRADE.decode(body)
        level = [(m.price, abs(m.amount).quantize(self.lots[symbol], ROUND_UP))]
        levels = of(level, []) if m.amount > 0 else of([], level)
        self.sink.trade(symbol, levels, millis(m.mts), m.id)

    def _event(self, m: Event) -> None:
        if m.event == "subscribed" and m.channel in ("book", "trades"):
            symbol = m.symbol.removeprefix("t")
            if symbol not in self.lots:
                raise DecodeError(f"symbol {symbol[:40]!r} was not asked for")
            if m.channel == "book":
                self.books[m.chanId] = Book(symbol, self.lots[symbol])
            else:
                self.trades[m.chanId] = symbol
        elif m.event == "unsubscribed":
            self._subscribe(self.closing.pop(m.chanId))
        elif m.event == "error":
            self.sink.anew(f"bitfinex: {m.code} {m.msg}")
        elif m.event == "info":
            self._info(m)

    def _info(self, m: Event) -> None:
        closed = m.code == CLOSED or (m.platform is not None and not m.platform.status)
        if closed or m.code == OPEN or m.platform is not None:
            phase = HALT if closed else TRADING
            for symbol in self.symbols if phase != self.phase else ():
                self.sink.status(symbol, phase, 0)
            self.phase = phase
        if m.code in (RESTART, OPEN):
            self.sink.anew(f"bitfinex: info {m.code}")

    def _subscribe(self, symbol: str) -> None:
        how = {"prec": "P0", "freq": "F0", "len": str(LENGTH)}
        self._request({"event": "subscribe", "channel": "book", "symbol": f"t{symbol}"} | how)

    def _request(self, said: dict[str, Any]) -> None:
        self.sink.send(orjson.dumps(said).decode())


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """In this order. Raises DecodeError for one that is not listed."""
    known = {pair: info for group in orjson.loads(bodies[0]) for pair, info in group}
    return tuple(_instrument(symbol, known.get(symbol)) for symbol in symbols)


def _instrument(symbol: str, info: Any) -> Instrument:
    if info is None:
        raise DecodeError(f"bitfinex: lists no symbol {symbol!r}")
    coarse = max(Exact(info[3]).adjusted() - 1, 0)  # of the smallest order
    return Instrument(symbol, "bitfinex", TICK, Decimal(1, coarse - PLACES), depth=LENGTH)


VENUE = Venue(
    "bitfinex",
    "wss://api-pub.bitfinex.com",
    "https://api-pub.bitfinex.com",
    dialect=BitfinexDialect,
    listing=lambda symbols: (LISTING,),
    instruments=instruments,
    path=lambda symbols: "/ws/2",
    ping='{"event":"ping"}',
    requests=30,
    most=12,  # two channels each, of 25
)
