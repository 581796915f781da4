"""A client of ccxt that is used like a WebSocket: its views and trades, as `sources.unified` reads.

ccxt opens connections, subscribes and answers pings; when any of them fails this one ends, and the
next begins anew.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import ccxt
import ccxt.pro
import orjson

from flowsense.errors import InputError
from flowsense.live.line import Piece
from flowsense.sources.venues.decoder import NOT_UNDERSTOOD
from flowsense.sources.venues.unified import DEPTH, PREFIX

FAILED = (ccxt.BaseError, aiohttp.ClientError, OSError, TimeoutError, *NOT_UNDERSTOOD)
NEVER = (ccxt.NotSupported, ccxt.BadSymbol, ccxt.AuthenticationError)
MOST = 10_000  # messages that wait to be read
FINE = 1e-8  # tick and lot where ccxt does not know them
BOOKS, TRADES = "watchOrderBook", "watchTrades"
BOTH = "bids", "asks"


class Unified:
    """Of one exchange, until one of its streams fails."""

    close_code: int | None = None

    def __init__(self, name: str, symbols: tuple[str, ...], stream: str, rest: str) -> None:
        """Of ``ccxt:kraken``; stream and rest: where it is, if not where ccxt says."""
        self.client, self.closed = (client := made(name, stream, rest)), False
        self.queue = asyncio.Queue[Piece | None]()
        watched: list[tuple[Any, Any]] = [(self._view, client.watch_order_book)]
        if client.has.get(TRADES):
            watched.append((self._trades, client.watch_trades))
        self.tasks = [
            asyncio.create_task(self._watch(say, watch, symbol))
            for symbol in symbols
            for say, watch in watched
        ]
        self.ending: asyncio.Task[None] | None = None

    async def _watch(self, say: Any, watch: Any, symbol: str) -> None:
        """One stream of one symbol, as often as ccxt has something new.

        Where too much waits to be read the connection counts as lost: trades cannot be left out.
        """
        try:
            await self.client.load_markets()  # once for all that wait for it
            while True:
                said = say(symbol, await watch(symbol))
                if self.queue.qsize() >= MOST:
                    raise ConnectionError(f"{MOST} messages were not read")
                self.queue.put_nowait(Piece(orjson.dumps(said)))
        except NEVER as error:
            self.queue.put_nowait(Piece(orjson.dumps({"stop": f"ccxt: {error}"[:200]})))
        except FAILED as error:
            self.queue.put_nowait(Piece(lost(error), aiohttp.WSMsgType.ERROR))

    @staticmethod
    def _view(symbol: str, book: Any) -> dict[str, Any]:
        sides = {side: [[*map(text, level[:2])] for level in book[side][:DEPTH]] for side in BOTH}
        return {"symbol": symbol, "ts": book["timestamp"]} | sides

    @staticmethod
    def _trades(symbol: str, trades: Any) -> dict[str, Any]:
        told = [
            (t["id"] or "", t["timestamp"], text(t["price"]), text(t["amount"]), t["side"])
            for t in trades
        ]
        return {"symbol": symbol, "trades": told}

    async def send_str(self, text: str) -> None:
        """Nothing: ccxt says what is to be said."""

    async def close(self) -> None:
        """ccxt is given the time that it needs, also where nobody waits for it."""
        if self.ending is None:
            self.closed, self.ending = True, asyncio.create_task(self._end())
        await asyncio.shield(self.ending)

    async def _end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.client.close()
        self.queue.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[Piece]:
        while (piece := await self.queue.get()) is not None:
            yield piece


def text(number: Any) -> str:
    """What the venue wrote, up to 15 digits of it."""
    return number if isinstance(number, str) else repr(number)


def lost(error: BaseException) -> ConnectionError:
    return ConnectionError(f"ccxt: {type(error).__name__}: {str(error)[:200]}")


def made(name: str, stream: str, rest: str) -> Any:
    """A client, which says nothing yet."""
    client = getattr(ccxt.pro, name.removeprefix(PREFIX))({"newUpdates": True})
    if stream != name:
        client.urls["api"] = moved(client.urls["api"], stream, rest)
    return client


def moved(urls: Any, stream: str, rest: str) -> Any:
    """The same paths behind other addresses."""
    if isinstance(urls, dict):
        return {name: moved(each, stream, rest) for name, each in urls.items()}
    scheme, _, place = str(urls).partition("://")
    path = place.partition("/")[2]
    return f"{stream if scheme.startswith('ws') else rest}/{path}".rstrip("/")


async def listed(name: str, stream: str, rest: str) -> bytes:
    """Tick, lot, contract and whether it is inverse of all that the exchange lists, by symbol.

    Raises OSError, and InputError for one whose books ccxt cannot hear.
    """
    client = made(name, stream, rest)
    if not client.has.get(BOOKS):
        raise InputError(f"{name}: ccxt hears no books of it: name another")
    try:
        markets = await client.load_markets()
    except FAILED as error:
        raise lost(error) from error
    finally:
        await client.close()
    return orjson.dumps(
        {
            symbol: [
                *(step(client, market["precision"].get(what)) for what in ("price", "amount")),
                text(market["contractSize"]) if market.get("contractSize") else None,
                bool(market.get("inverse")),
            ]
            for symbol, market in markets.items()
        }
    )


def step(client: Any, precision: float | None) -> str:
    """Of prices or of amounts."""
    if precision is None or client.precisionMode == ccxt.SIGNIFICANT_DIGITS:
        return repr(FINE)
    if client.precisionMode == ccxt.DECIMAL_PLACES:
        return repr(10.0 ** -int(precision))
    return repr(precision)
