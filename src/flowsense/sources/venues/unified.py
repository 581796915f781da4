"""Any venue that ccxt hears, live: `ccxt:EXCHANGE:SYMBOL`, symbols as ccxt writes them (BTC/USDT).

Weaker than the venues that we speak to ourselves. ccxt keeps the book, and nothing that it hands
on has a number that follows another: what it missed is not seen here. Each view is the book as ccxt
has it, of which 20 levels a side are compared with the view before; trades are told once by id.

=======  ===========================================================================================
message  becomes
=======  ===========================================================================================
book     SETs that lead from the view before to this one; levels that only enter or leave it at its
         end are marked as scrolled. The first of a connection is a snapshot. One without a level
         is a loss, where there was a book
trades   TRADE of the taker, if ccxt says who it was, once for each id; what has none is known by
         time, price, size and side. Not later than the first view: of the past, left out
stop     nothing would help: a symbol, or all of it, is not to be had
=======  ===========================================================================================

ccxt makes floats of prices and sizes; the shortest text of each is taken for what the venue wrote,
which holds up to 15 digits. What is off the steps that ccxt lists is treated as `grid` says.

ccxt Pro, Unified API: watchOrderBook, watchTrades; Precision and Limits (docs).
"""

from difflib import get_close_matches
from functools import partial
from typing import Any

import orjson
from ccxt.pro import exchanges

from flowsense.errors import DecodeError, InputError
from flowsense.registry import unknown
from flowsense.schema import SECOND, Decimal, Instrument
from flowsense.sources.levels import Levels, decimal, flat, plain
from flowsense.sources.venues import Venue
from flowsense.sources.venues.fields import millis
from flowsense.sources.venues.grid import Grid
from flowsense.sources.venues.shown import Shown
from flowsense.sources.venues.sink import Sink

PREFIX = "ccxt:"
DEPTH = 20  # levels a side
QUIET = 30 * SECOND  # ccxt reads the list of all markets before it subscribes
SIDES = {"buy": 1, "sell": 0}


class UnifiedDialect:
    """It subscribes to nothing: what is heard is asked for by the client that hears it."""

    def __init__(self, symbols: tuple[str, ...], sink: Sink) -> None:
        self.symbols, self.sink = symbols, sink
        self.grids = {s: Grid(i, sink) for s, i in sink.instruments.items()}
        self.opened()

    def opened(self) -> None:
        self.books = {s: Shown(DEPTH, grid.read) for s, grid in self.grids.items()}
        self.begun = dict[str, int]()  # ns, of the first view

    def message(self, body: bytes) -> None:
        d = orjson.loads(body)
        if "stop" in d:
            self.sink.stop(str(d["stop"]))
            return
        if d["symbol"] not in self.grids:
            raise DecodeError(f"symbol {str(d['symbol'])[:40]!r} was not asked for")
        if "trades" in d:
            for trade in d["trades"]:
                self._trade(d["symbol"], *trade)
        else:
            self._book(d)

    def reply(self, key: str, body: bytes) -> None:
        raise DecodeError(f"nothing was asked for by the key {key[:40]!r}")

    def _book(self, d: dict[str, Any]) -> None:
        symbol, when, sink = d["symbol"], _when(d["ts"]), self.sink
        numbers = [plain(n) for side in (d["bids"], d["asks"]) for level in side for n in level]
        turn = self.books[symbol].replace(flat(len(d["bids"]), len(d["asks"]), numbers))
        now = self.books[symbol].whole()
        if not now.total:
            sink.count("empty view")
            if sink.ready[symbol]:
                sink.lost(symbol, "the view is empty")
        elif not sink.ready[symbol]:
            self.begun.setdefault(symbol, when or sink.ts_recv)
            sink.snapshot(symbol, now, when, 0)
        else:
            sink.update(symbol, turn.market, when, 0, turn.view)

    def _trade(
        self, symbol: str, number: str, ts: int, price: str, size: str, side: str | None
    ) -> None:
        when = _when(ts)
        if symbol not in self.begun or when <= self.begun[symbol]:
            self.sink.count("trade of the past")
            return
        if not number:
            self.sink.count("trade without an id")
            number = f"{ts} {price} {size} {side}"
        bids = SIDES[side] if side else 0
        taken = self.grids[symbol].taken(Levels(bids, 1 - bids, f"{plain(price)},{plain(size)}"))
        if taken.total:
            self.sink.trade(symbol, taken, when, number, signed=side is not None)


def _when(ts: int | None) -> int:
    """ns; 0 where the venue does not say."""
    return 0 if ts is None else millis(ts)


def instruments(
    name: str, symbols: tuple[str, ...], bodies: tuple[bytes, ...]
) -> tuple[Instrument, ...]:
    """Of what the client lists: tick, lot, contract and whether it is inverse, by symbol.

    Raises DecodeError for a symbol that is not listed, with the closest match.
    """
    known: dict[str, Any] = orjson.loads(bodies[0])
    return tuple(_instrument(name, symbol, known) for symbol in symbols)


def _instrument(name: str, symbol: str, known: dict[str, Any]) -> Instrument:
    if symbol not in known:
        close = get_close_matches(symbol.upper(), known, 1, 0.5)
        hint = f": did you mean {close[0]}?" if close else ""
        raise DecodeError(f"{name}: lists no symbol {symbol!r}{hint}")
    tick, lot, contract, inverse = known[symbol]
    worth = decimal(contract) if contract else Decimal(1, 0)
    return Instrument(symbol, name, decimal(tick), decimal(lot), worth, inverse, depth=DEPTH)


def venue(name: str) -> Venue:
    """Of ``ccxt:kraken``. Raises InputError with the closest match."""
    exchange = name.removeprefix(PREFIX)
    if exchange not in exchanges:
        raise InputError(unknown("exchange of ccxt", exchange, (*exchanges,)))
    return Venue(
        name,
        name,
        "",
        dialect=UnifiedDialect,
        listing=lambda symbols: (),
        instruments=partial(instruments, name),
        quiet_ns=QUIET,
    )
