"""Deribit live, JSON-RPC API v2.1: channels `book.NAME.100ms`, `trades.NAME.100ms`, platform_state.

The `raw` channels want an account; these two tell the same in steps of 100 ms. All levels of a book
are shown. Rules of "book.(instrument_name).(interval)" and "Market Data Collection Best Practices"
in the documentation; `id` is the change_id of what the book holds::

    subscribed             a snapshot, whose change_id is the first id
    each after it          prev_change_id == id
    heard again            change_id and time are not above the last one's: left out
    else                   GAP, and the book alone is unsubscribed and subscribed to anew, as it is
                           where a change comes first after the answer to a subscription

Heartbeats are asked for, and their test_request is answered. `sequence` is change_id or trade_seq.
Sizes are amounts: USD of inverse futures and perpetuals, of which a lot is one contract, and of the
base currency of everything else. Trades that were not matched in the book of the instrument, those
of blocks and of legs of combos, are counted only. A locked index is a HALT of its instruments.
"""

from decimal import Decimal as Exact
from typing import Any

import msgspec
import orjson

from flowsense.errors import DecodeError
from flowsense.schema import HALT, MILLISECOND, TRADING, Decimal, Instrument
from flowsense.sources.levels import Levels, decimal, of, written
from flowsense.sources.venues import Venue
from flowsense.sources.venues.sink import Sink

SUBSCRIBED, BESIDE = 2, 1  # ids of requests
ZERO = Exact(0)
SIDES = {"buy": 1, "sell": -1}  # of the taker


class Params(msgspec.Struct, frozen=True):
    channel: str = ""
    type: str = ""
    data: msgspec.Raw = msgspec.Raw()


class Error(msgspec.Struct):
    code: int
    message: str


class Head(msgspec.Struct):
    """A notification, or the answer to a request."""

    method: str = ""
    params: Params = Params()
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: Error | None = None


class Book(msgspec.Struct):
    type: str
    instrument_name: str
    timestamp: int
    change_id: int
    bids: list[tuple[str, Exact, Exact]]
    asks: list[tuple[str, Exact, Exact]]
    prev_change_id: int | None = None


class Trade(msgspec.Struct):
    instrument_name: str
    direction: str
    price: Exact
    amount: Exact
    trade_seq: int
    timestamp: int
    block_trade_id: str | None = None
    combo_trade_id: str | int | None = None


class State(msgspec.Struct):
    price_index: str = ""
    locked: bool | str = False  # also "true", "partial", "false"


class Step(msgspec.Struct):
    tick_size: Exact


class Listed(msgspec.Struct):
    instrument_name: str
    kind: str
    instrument_type: str
    tick_size: Exact
    contract_size: Exact
    min_trade_amount: Exact
    tick_size_steps: list[Step] = []


class Reply(msgspec.Struct):
    result: Listed


HEAD, BOOK = msgspec.json.Decoder(Head), msgspec.json.Decoder(Book)
TRADES, STATE = msgspec.json.Decoder(list[Trade]), msgspec.json.Decoder(State)
CHANNELS, REPLY = msgspec.json.Decoder(list[str]), msgspec.json.Decoder(Reply)


class DeribitDialect:
    """The sink's `last` is the change_id of what the book holds."""

    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.times = dict[str, int]()  # ms, of the last message of each whole book
        self.begun = set[str]()  # channels whose subscription was answered, and nothing since
        self.locked = set[str]()  # price indices

    def opened(self) -> None:
        self.times.clear()
        self.begun.clear()
        kinds = ("trades", "book")
        channels = [f"{kind}.{symbol}.100ms" for kind in kinds for symbol in self.symbols]
        self._request("set_heartbeat", {"interval": 30}, BESIDE)
        self._request("subscribe", {"channels": ["platform_state", *channels]}, SUBSCRIBED)

    def message(self, body: bytes) -> None:
        head = HEAD.decode(body)
        if head.error is not None:
            self.sink.anew(f"deribit: {head.error.code} {head.error.message}")
        elif head.id == SUBSCRIBED:
            self.begun.update(CHANNELS.decode(head.result))
        elif head.method == "heartbeat" and head.params.type == "test_request":
            self._request("test", {}, BESIDE)
        elif head.method == "subscription":
            self._notified(head.params)

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError("nothing was asked for beside the stream")

    def _notified(self, params: Params) -> None:
        channel = params.channel.partition(".")[0]
        if channel == "book":
            self._book(BOOK.decode(params.data), params.channel)
        elif channel == "trades":
            for trade in TRADES.decode(params.data):
                self._trade(trade)
        elif channel == "platform_state":
            self._state(STATE.decode(params.data))

    def _book(self, m: Book, channel: str) -> None:
        symbol, sink, when = m.instrument_name, self.sink, m.timestamp * MILLISECOND
        if symbol not in sink.ready:
            raise DecodeError(f"symbol {symbol[:40]!r} was not asked for")
        follows = m.prev_change_id == sink.last[symbol]
        past = m.change_id <= sink.last[symbol] and m.timestamp <= self.times[symbol]
        if sink.ready[symbol] and past and not follows:
            sink.count("repeated depth")
            return
        if m.type == "snapshot":
            sink.snapshot(symbol, _levels(m), when, m.change_id)
        elif not sink.ready[symbol]:
            sink.count("update before its snapshot")
            if channel in self.begun:
                self._again(symbol, channel)
            return
        elif follows:
            sink.update(symbol, _levels(m), when, m.change_id)
        else:
            sink.lost(symbol, "change ids do not follow", m.prev_change_id or -1)
            self._again(symbol, channel)
            return
        self.begun.discard(channel)
        self.times[symbol] = m.timestamp

    def _again(self, symbol: str, channel: str) -> None:
        self.begun.discard(channel)
        self._request("unsubscribe", {"channels": [channel]}, BESIDE)
        self._request("subscribe", {"channels": [channel]}, SUBSCRIBED)

    def _trade(self, m: Trade) -> None:
        if m.block_trade_id is not None or m.combo_trade_id is not None:
            self.sink.count("trade outside the book")
            return
        level = [(m.price, m.amount)]
        levels = of(level, []) if SIDES[m.direction] > 0 else of([], level)
        self.sink.trade(m.instrument_name, levels, m.timestamp * MILLISECOND, m.trade_seq)

    def _state(self, m: State) -> None:
        locked = m.locked not in (False, "false")
        if not m.price_index or locked == (m.price_index in self.locked):
            return
        (self.locked.add if locked else self.locked.remove)(m.price_index)
        for symbol in self.symbols:
            if index(symbol) == m.price_index:
                self.sink.status(symbol, HALT if locked else TRADING, 0)

    def _request(self, method: str, params: dict[str, Any], which: int) -> None:
        said = {"jsonrpc": "2.0", "id": which, "method": f"public/{method}", "params": params}
        self.sink.send(orjson.dumps(said).decode())


def index(symbol: str) -> str:
    """The price index of an instrument.

    >>> index("BTC-PERPETUAL"), index("SOL_USDC-PERPETUAL"), index("ETH-27MAR26-3000-C")
    ('btc_usd', 'sol_usdc', 'eth_usd')
    """
    pair = symbol.partition("-")[0].lower()
    return pair if "_" in pair else f"{pair}_usd"


def _levels(m: Book) -> Levels:
    return of(_side(m.bids), _side(m.asks))


def _side(levels: list[tuple[str, Exact, Exact]]) -> list[tuple[Exact, Exact]]:
    return [(price, ZERO if action == "delete" else amount) for action, price, amount in levels]


def listing(symbols: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"/api/v2/public/get_instrument?instrument_name={s}" for s in symbols)


def instruments(symbols: tuple[str, ...], bodies: tuple[bytes, ...]) -> tuple[Instrument, ...]:
    """With ticks and lots, in this order. Raises DecodeError for a combo, or one not listed."""
    return tuple(_instrument(*each) for each in zip(symbols, bodies, strict=True))


def _instrument(symbol: str, body: bytes) -> Instrument:
    try:
        found = REPLY.decode(body).result
    except msgspec.ValidationError:
        raise DecodeError(f"deribit: lists no symbol {symbol!r}") from None
    if found.kind not in ("future", "option", "spot"):
        raise DecodeError(f"deribit: {symbol} is a {found.kind}: its prices may be below 0")
    inverse = found.instrument_type == "reversed" and found.kind == "future"
    tick = min([found.tick_size, *(step.tick_size for step in found.tick_size_steps)])
    lot = found.contract_size if inverse else min(found.contract_size, found.min_trade_amount)
    units = decimal(written(tick)), decimal(written(lot))
    return Instrument(symbol, "deribit", *units, Decimal(1, 0), inverse)


VENUE = Venue(
    "deribit",
    "wss://www.deribit.com",
    "https://www.deribit.com",
    dialect=DeribitDialect,
    listing=listing,
    instruments=instruments,
    path=lambda symbols: "/ws/api/v2",
)
