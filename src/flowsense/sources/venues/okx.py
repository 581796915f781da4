"""OKX v5 public WebSocket: spot pairs, swaps and futures; channels books, trades, instruments.

`books` shows 400 levels a side at 100 ms. A message names the one that it follows; ids rise by
any step ("Order book channel" and "API changelog" of OKX's documentation, 2026)::

    action snapshot, prevSeqId -1       the book, whole
    prevSeqId == seqId before           the next update, also where seqId falls: the venue has
                                        counted anew
    the same, seqId == prevSeqId        nothing has changed for a minute: BEAT
    neither, seqId and ts not above     heard before: left out
    else                                GAP: the symbol's channel is subscribed to anew

The field `checksum` is 0 since June 2026 and means nothing. Updates are dropped until the snapshot
comes; where none does for long (`chained.PATIENCE`), the next of them asks again: 480 requests an
hour are allowed. `trades` begins with one of the past: a trade before the first book is left out.

A size of a swap or future is in contracts of `ctVal * ctMult`. `instruments` says when trading
stops; what is live when we connect is taken to trade.
"""

from typing import Any

import orjson

from flowsense.errors import DecodeError, InputError
from flowsense.schema import AUCTION, HALT, TRADING, Decimal, Instrument
from flowsense.sources.levels import decimal, pairs
from flowsense.sources.venues import Venue
from flowsense.sources.venues.chained import Chain, Step
from flowsense.sources.venues.fields import millis, whole
from flowsense.sources.venues.sink import Sink

DEPTH = 400  # levels a side
WIDTH = 4  # of a level: price, size, nothing, orders
PHASES = {"live": TRADING, "preopen": AUCTION, "suspend": HALT, "rebase": HALT, "settling": HALT}
LISTING = "/api/v5/public/instruments?instType="


class OkxDialect:
    """The sink's `last` is the seqId of the book."""

    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.chain = Chain(symbols, sink, self._resubscribe)
        self.phases = dict.fromkeys(symbols, TRADING)

    def opened(self) -> None:
        self.chain.opened()
        both = [book(s) | {"channel": c} for s in self.symbols for c in ("books", "trades")]
        kinds = dict.fromkeys(map(kind, self.symbols))
        self._say("subscribe", both + [{"channel": "instruments", "instType": k} for k in kinds])

    def message(self, body: bytes) -> None:
        if body == b"pong":
            self.sink.count("pong")
            return
        json = orjson.loads(body)
        if "event" in json:
            self._event(json)
            return
        channel = json["arg"]["channel"]
        self.sink.count(channel if channel in ("books", "trades", "instruments") else "other")
        for d in json["data"]:
            if channel == "books":
                self._book(json["arg"]["instId"], json["action"], d)
            elif channel == "trades":
                self._trade(d)
            elif channel == "instruments":
                self._phase(d)

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError("nothing was asked for beside the stream")

    def _event(self, json: dict[str, Any]) -> None:
        name = json["event"]
        self.sink.count(f"event {name}" if name in ("subscribe", "unsubscribe") else "event")
        if name in ("error", "notice"):  # a notice says that the connection will be closed
            self.sink.anew(f"okx: {json.get('code')}: {json.get('msg')}")

    def _book(self, symbol: str, action: str, d: dict[str, Any]) -> None:
        if action not in ("snapshot", "update"):
            raise DecodeError(f"action {str(action)[:40]!r} is neither snapshot nor update")
        levels, when = pairs(d["bids"], d["asks"], WIDTH), millis(d["ts"])
        follows = d["prevSeqId"] == self.sink.last[symbol]
        sequence = whole(d["seqId"])
        self.chain.take(Step(symbol, action == "snapshot", levels, when, sequence, follows))

    def _resubscribe(self, symbol: str) -> None:
        self._say("unsubscribe", [book(symbol)])
        self._say("subscribe", [book(symbol)])

    def _trade(self, d: dict[str, Any]) -> None:
        symbol, when, side = d["instId"], millis(d["ts"]), d["side"]
        one = [[d["px"], d["sz"]]]
        if side not in ("buy", "sell"):
            raise DecodeError(f"side {str(side)[:40]!r} is neither buy nor sell")
        levels, number = pairs(one, []) if side == "buy" else pairs([], one), whole(d["tradeId"])
        if symbol in self.phases and when < self.chain.since.get(symbol, when + 1):
            self.sink.count("trade before the book")
            return
        self.sink.trade(symbol, levels, when, number)

    def _phase(self, d: dict[str, Any]) -> None:
        symbol, phase = d["instId"], PHASES.get(d["state"], HALT)
        if self.phases.get(symbol, phase) != phase:
            self.phases[symbol] = phase
            self.sink.status(symbol, phase, 0)

    def _say(self, op: str, what: list[dict[str, str]]) -> None:
        self.sink.send(orjson.dumps({"op": op, "args": what}).decode())


def book(symbol: str) -> dict[str, str]:
    return {"channel": "books", "instId": symbol}


def kind(symbol: str) -> str:
    """Of an instrument. Raises InputError.

    >>> kind("BTC-USDT"), kind("BTC-USDT-SWAP"), kind("BTC-USD-261225")
    ('SPOT', 'SWAP', 'FUTURES')
    """
    parts = symbol.split("-")
    if len(parts) > 3:
        raise InputError(f"okx: {symbol!r} is no spot pair, swap or future like BTC-USDT-SWAP")
    return "SPOT" if len(parts) < 3 else "SWAP" if parts[2] == "SWAP" else "FUTURES"


def listing(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(LISTING + k for k in dict.fromkeys(map(kind, symbols)))


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for one that is not listed."""
    known = {d["instId"]: d for body in bodies for d in orjson.loads(body)["data"]}
    return tuple(_instrument(symbol, known.get(symbol)) for symbol in symbols)


def _instrument(symbol: str, d: Any) -> Instrument:
    if d is None:
        raise DecodeError(f"okx: lists no symbol {symbol!r}")
    tick, lot, contract = decimal(d["tickSz"]), decimal(d["lotSz"]), Decimal(1, 0)
    if d["ctVal"]:
        value, times = decimal(d["ctVal"]), decimal(d["ctMult"])
        contract = Decimal(value.mantissa * times.mantissa, value.exponent + times.exponent)
    return Instrument(symbol, "okx", tick, lot, contract, d["ctType"] == "inverse", depth=DEPTH)


VENUE = Venue(
    "okx",
    "wss://ws.okx.com:8443",
    "https://www.okx.com",
    dialect=OkxDialect,
    listing=listing,
    instruments=instruments,
    path=lambda symbols: "/ws/v5/public",
    ping="ping",
)
