"""Massive (once Polygon.io), live: US stocks and crypto pairs of one exchange, JSON arrays.

The server says `connected`, we say the key, it says `auth_success`, we subscribe. A venue here is a
set of channels, as plans and feeds go: quotes and trades, or bars of a second or a minute alone.

=============  ====================================================================================
message        becomes
=============  ====================================================================================
Q              SETs that lead to this best bid and ask, sizes in shares; a side of price or size 0
               is empty. `q` rises within a day: one that does not, and is no later, is left out
last quote     asked of REST on each connection: opens the book, unless a Q was faster
T              TRADE of nobody knows which side (the tape does not say), numbered by `q`; one with
               a condition of NO_FLOW, or of less than half a share, is counted and left out
XQ, XL2        SETs that lead to the touch, or to these up to 100 levels a side; one that is older
               than the last is left out. Another exchange's are counted and left out
XT             TRADE of the taker, if told (2 bought, 1 sold), once for each id
A, AM,         BAR, known when it was heard, and CLOSE. Trades in it: volume over average size,
XAS, XA        rounded
status         `auth_failed`, or not authorised for a channel: stop. `max_connections`,
               `auth_timeout`, or a channel that was refused: the connection is made anew
all others     counted by name
=============  ====================================================================================

Nothing tells of a hole: messages have no numbers that follow each other, and a client that reads
slowly is told late and then cut off. Each quote and each book is whole, so that the next one heals
what was missed; trades and bars that were missed are not told again. The server also cuts
connections from time to time; whatever was open is a gap until it has been told again.

A stock's tick is 0.0001, as prices below a dollar have it, and its lot one share; a pair's follow
from its price: 1e-8 each from a dollar up, below it a finer tick and a coarser lot. What lies
between (mid-point and retail prints, fractional shares) is rounded to the nearest and counted.
A pair is `BTC-USD@1`, the number being the exchange's (1 Coinbase, 2 Bitfinex, 6 Bitstamp, 10
Binance, 23 Kraken), for Massive tells books and trades of all of them in one stream; bars are of
all exchanges together, `BTC-USD`.

Massive, WebSocket: Overview, Stocks, Crypto; Conditions and Indicators; Changes to Bid and Ask
Sizes in Stocks Quotes, 2025 (docs). Assumed: a trade of 0 whole shares is a fractional one.
"""

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, InvalidOperation
from decimal import Decimal as Exact
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from msgspec import Raw, Struct

from flowsense.errors import DecodeError
from flowsense.schema import MILLISECOND, SECOND, Decimal, Instrument
from flowsense.sources.levels import Levels, flat, plain
from flowsense.sources.venues import KEY, Dialect, Venue
from flowsense.sources.venues.massive_forms import (
    NO_FLOW,
    READ,
    READ_KIND,
    READ_LAST,
    READS,
    Bar,
    Last,
    PairBook,
    PairQuote,
    PairTrade,
    Quote,
    Side,
    Status,
    Trade,
)
from flowsense.sources.venues.sink import Sink, Span

SECRET = "MASSIVE_API_KEY"
STREAM, REST = "wss://socket.massive.com", "https://api.massive.com"
CENT_PART, SHARE = Decimal(1, -4), Decimal(1, 0)
SNAPSHOT = "/v2/snapshot/locale/global/markets/crypto/tickers?tickers="
LAST_QUOTE = "/v2/last/nbbo/"
LATEST = 9 * 10**12  # ms: what is later is no time


class Channels(NamedTuple):
    """What one venue here subscribes to."""

    names: tuple[str, ...]
    crypto: bool = False
    depth: int = 1
    quiet: int = 60  # seconds: nobody quotes a stock all the time


class MassiveDialect:
    """The sink's `last` is the `q` of a quote, or the ms of a pair's."""

    def __init__(self, channels: Channels, symbols: tuple[str, ...], sink: Sink) -> None:
        self.channels, self.symbols, self.sink = channels, symbols, sink
        self.places = {s: (i.tick.exponent, i.lot.exponent) for s, i in sink.instruments.items()}
        self.when = dict[str, int]()  # ms of the last quote or book
        self.nameless = 0  # trades without an id
        self.tell: dict[type[Struct], Callable[[Any], None]] = {
            Status: self.status,
            Quote: self.quote,
            Trade: self.trade,
            PairQuote: self.pair_quote,
            PairBook: self.pair_book,
            PairTrade: self.pair_trade,
            Bar: self.bar,
        }

    def opened(self) -> None:
        self.when.clear()

    def message(self, body: bytes) -> None:
        for raw in READ.decode(body):
            ev = READ_KIND.decode(raw).ev
            self.sink.count(ev if ev in READS else f"message {ev[:20]}")
            if ev == "status" or ev in self.channels.names:
                found = READS[ev].decode(raw)
                self.tell[type(found)](found)

    def reply(self, key: str, body: bytes) -> None:
        """The quote that stood when we came."""
        last = READ_LAST.decode(body).results
        if last is not None and not self.sink.ready[key]:
            self.when[key] = last.t // MILLISECOND
            self.sink.whole(key, self.touch(key, last), ns(self.when[key]), last.q)

    def status(self, m: Status) -> None:
        if m.status == "connected":
            self.sink.send(f'{{"action":"auth","params":"{KEY}"}}')
        elif m.status == "auth_success":
            named = (
                f"{channel}.{pair(s)}" for channel in self.channels.names for s in self.symbols
            )
            params = ",".join(dict.fromkeys(named))
            self.sink.send(f'{{"action":"subscribe","params":"{params}"}}')
            if "Q" in self.channels.names:
                for symbol in self.symbols:
                    self.sink.get(symbol, LAST_QUOTE + quote(symbol, safe=""))
        elif m.status == "auth_failed":
            self.sink.stop(f"the key of {SECRET} was refused: set it to one of your account")
        elif "not authorized" in m.message.lower():
            names = ", ".join(self.channels.names)
            self.sink.stop(f"the plan of the key of {SECRET} does not include {names}")
        elif m.status != "success":
            self.sink.anew(f"{m.status[:40]}: {m.message[:100]}")

    def quote(self, m: Quote) -> None:
        last, latest = self.sink.last[m.sym], self.when.get(m.sym, 0)
        if self.sink.ready[m.sym] and m.q <= last and m.t <= latest:
            self.sink.count("repeated quote")
            return
        self.when[m.sym] = m.t
        self.sink.whole(m.sym, self.touch(m.sym, m), ns(m.t), m.q)

    def trade(self, m: Trade) -> None:
        left_out = next((NO_FLOW[c] for c in m.c or () if c in NO_FLOW), None)
        if left_out is not None:
            self.sink.count(f"trade that is no flow: {left_out}")
            return
        self.sold(m.sym, m, m.q)

    def pair_quote(self, m: PairQuote) -> None:
        if (symbol := self.mine(m)) and self.later(symbol, m.t):
            self.sink.whole(symbol, self.touch(symbol, m), ns(m.t), m.t)

    def pair_book(self, m: PairBook) -> None:
        if (symbol := self.mine(m)) and self.later(symbol, m.t):
            self.sink.whole(symbol, self.both(symbol, m.b, m.a), ns(m.t), m.t)

    def pair_trade(self, m: PairTrade) -> None:
        if symbol := self.mine(m):
            self.nameless += m.i == ""
            self.sold(symbol, m, str(m.i) if m.i != "" else f"nameless {self.nameless}")

    def bar(self, m: Bar) -> None:
        symbol = m.sym or m.pair
        if not 0 <= m.s < m.e:
            raise DecodeError(f"a bar from {m.s} to {m.e}")
        ohlc = [self.price(symbol, price) for price in (m.o, m.h, m.l, m.c)]
        volume = self.size(symbol, m.v)
        trades = round(float(volume) / m.z) if m.z > 0 else 0
        span = Span(ns(m.s), ns(m.e), min(trades, 2**31 - 1))
        self.sink.bar(symbol, span, ohlc, volume)

    def sold(self, symbol: str, m: Trade | PairTrade, number: int | str) -> None:
        price, size = self.price(symbol, m.p), self.size(symbol, m.s)
        if not any(digit in size for digit in "123456789"):
            self.sink.count("trade of less than a lot")
            return
        taker = {1: False, 2: True}.get(next(iter(m.c or ()), 0)) if type(m) is PairTrade else None
        levels = Levels(int(taker is True), int(taker is not True), f"{price},{size}")
        self.sink.trade(symbol, levels, ns(m.t), number, signed=taker is not None)

    def mine(self, m: PairQuote | PairBook | PairTrade) -> str:
        """The symbol, or nothing where it is another exchange's."""
        symbol = f"{m.pair}@{m.x}"
        if symbol in self.places:
            return symbol
        self.sink.count("message of another exchange")
        return ""

    def later(self, symbol: str, t: int) -> bool:
        if self.sink.ready[symbol] and t < self.when.get(symbol, 0):
            self.sink.count("late book")
            return False
        self.when[symbol] = t
        return True

    def touch(self, symbol: str, m: Quote | Last | PairQuote) -> Levels:
        return self.both(symbol, [(m.bp, m.bs)], [(m.ap, m.as_)])

    def both(self, symbol: str, bids: Side, asks: Side) -> Levels:
        bid, ask = self.levels(symbol, bids), self.levels(symbol, asks)
        return flat(len(bid) // 2, len(ask) // 2, bid + ask)

    def levels(self, symbol: str, side: Side) -> list[str]:
        """price, size, ... of those that are there; of two that round to one price the first."""
        numbers = list[str]()
        for raw_price, raw_size in side:
            price, size = self.price(symbol, raw_price), self.size(symbol, raw_size)
            if all(number.strip("0.") for number in (price, size)) and [price] != numbers[-2:-1]:
                numbers += price, size
        return numbers

    def price(self, symbol: str, raw: Raw) -> str:
        return self.rounded(raw, self.places[symbol][0], "price between ticks")

    def size(self, symbol: str, raw: Raw) -> str:
        return self.rounded(raw, self.places[symbol][1], "size between lots")

    def rounded(self, raw: Raw, exponent: int, name: str) -> str:
        """The number as text, with no more places than the unit has."""
        number = plain(bytes(raw).decode())
        whole, point, part = number.partition(".")
        if not point or not part[-exponent:].strip("0"):
            return whole if not point or not part.strip("0") else f"{whole}.{part[:-exponent]}"
        self.sink.count(name)
        try:
            return f"{Exact(number).quantize(Exact(1).scaleb(exponent), ROUND_HALF_EVEN):f}"
        except InvalidOperation:
            raise DecodeError(f"{number[:40]!r} is no price and no size") from None


def ns(ms: int) -> int:
    if not 0 <= ms < LATEST:
        raise DecodeError(f"{ms} is no time in ms")
    return ms * MILLISECOND


def pair(symbol: str) -> str:
    """As it is subscribed to."""
    return symbol.partition("@")[0]


def listing(channels: Channels, symbols: tuple[str, ...]) -> tuple[str, ...]:
    """Prices of pairs say their units; stocks have theirs by rule."""
    if not channels.crypto:
        return ()
    return (SNAPSHOT + ",".join(dict.fromkeys(ticker(symbol) for symbol in symbols)),)


def ticker(symbol: str) -> str:
    return f"X:{pair(symbol).replace('-', '')}"


def instruments(
    name: str, channels: Channels, symbols: tuple[str, ...], bodies: tuple[bytes, ...]
) -> tuple[Instrument, ...]:
    """With ticks and lots. Raises DecodeError for a pair that is not listed, or of no exchange."""
    if not channels.crypto:
        return tuple(Instrument(s, name, CENT_PART, SHARE, depth=channels.depth) for s in symbols)
    found = [t for body in bodies for t in msgspec.json.decode(body).get("tickers") or ()]
    prices = {t["ticker"]: price_of(t) for t in found}
    return tuple(pair_of(name, channels, symbol, prices) for symbol in symbols)


def price_of(found: dict[str, Any]) -> float:
    """The latest that a snapshot tells, 0.0 where there is none."""
    told = ((found.get(part) or {}).get(key) for part, key in PLACES)
    return next((float(price) for price in told if price), 0.0)


PLACES = (("lastTrade", "p"), ("day", "c"), ("prevDay", "c"))


def pair_of(name: str, channels: Channels, symbol: str, prices: dict[str, float]) -> Instrument:
    price = prices.get(ticker(symbol), 0.0)
    if price <= 0:
        raise DecodeError(f"{name}: lists no symbol {symbol!r}")
    if (channels.depth > 0) != symbol.partition("@")[2].isdigit():
        form = f"{pair(symbol)}@1, with an exchange" if channels.depth else pair(symbol)
        raise DecodeError(f"{name}: no symbol {symbol!r}: name it as {form}")
    finer = max(-Exact(price).adjusted(), 0)  # places before the first digit
    tick, lot = Decimal(1, -8 - finer), Decimal(1, min(finer - 8, 0))
    return Instrument(symbol, name, tick, lot, depth=channels.depth)


def venue(name: str, channels: Channels) -> Venue:
    return Venue(
        name,
        STREAM,
        REST,
        dialect=partial(_dialect, channels),
        listing=partial(listing, channels),
        instruments=partial(instruments, name, channels),
        path=lambda symbols: "/crypto" if channels.crypto else "/stocks",
        quiet_ns=channels.quiet * SECOND,
        secret=SECRET,
    )


def _dialect(channels: Channels, symbols: tuple[str, ...], sink: Sink) -> Dialect:
    return MassiveDialect(channels, symbols, sink)


STOCKS = venue("massive-stocks", Channels(("Q", "T")))
SECONDS = venue("massive-stocks-1s", Channels(("A",), depth=0))
MINUTES = venue("massive-stocks-1m", Channels(("AM",), depth=0, quiet=150))
CRYPTO = venue("massive-crypto", Channels(("XL2", "XT"), crypto=True, depth=100))
QUOTES = venue("massive-crypto-quotes", Channels(("XQ", "XT"), crypto=True))
CRYPTO_SECONDS = venue("massive-crypto-1s", Channels(("XAS",), crypto=True, depth=0))
CRYPTO_MINUTES = venue("massive-crypto-1m", Channels(("XA",), crypto=True, depth=0, quiet=150))
