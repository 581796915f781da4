"""dYdX v4's Indexer as it answers: subscriptions to books, trades and markets, and its listing."""

from collections import deque
from typing import Any

import numpy as np
import orjson

from flowsense.replay import Client, Json, Said
from flowsense.replay.shelf import Shelf, View, changed, milliseconds, shortest, told
from flowsense.schema import TRADING, Events, Instrument
from flowsense.sources.venues.dydx import BOOK, LIMIT, LISTING, MARKETS, TRADES

CONNECTION = "004a1efa-21bb-4b19-a2e9-a8ffadd6dc53"
PAST = 100  # trades that are told again to whoever subscribes
COUNT = "message_id"
SIDES = ("bids", "asks")


class Dydx:
    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.shelves = [Shelf(i) for i in instruments]
        self.by = {shelf.instrument.symbol: shelf for shelf in self.shelves}
        self.shown = {symbol: Shelf(shelf.instrument) for symbol, shelf in self.by.items()}
        self.past = {symbol: deque[Json](maxlen=PAST) for symbol in self.by}
        self.lost = {*self.by}  # symbols whose book is not known
        self.phases = dict.fromkeys(self.by, TRADING)
        self.ms, self.trades = 0, 0

    def connected(self, client: Client, path: str) -> list[bytes]:
        client.told.setdefault(COUNT, 0)
        return [orjson.dumps({"type": "connected", "connection_id": CONNECTION, COUNT: 0})]

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        try:
            json = orjson.loads(text)
            what, channel, symbol = json["type"], json["channel"], json.get("id", MARKETS)
            known = symbol in self.by or channel == MARKETS
        except (ValueError, KeyError, TypeError, AttributeError):
            return [self._error(client, "Invalid message: could not parse")]
        topic = f"{channel}:{symbol}"
        if not known or channel not in (BOOK, TRADES, MARKETS):
            return [
                self._error(client, f"Invalid subscription id for channel: ({channel}-{symbol})")
            ]
        if what == "subscribe" and topic in client.topics:
            why = f"Invalid subscribe message: already subscribed ({channel}-{symbol})"
            return [self._error(client, why)]
        if what == "unsubscribe":
            client.topics.discard(topic)
            return [self._numbered(client, "unsubscribed", channel, symbol, {})]
        client.topics.add(topic)
        contents = {"contents": self._contents(channel, symbol)}
        return [self._numbered(client, "subscribed", channel, symbol, contents)]

    def _contents(self, channel: str, symbol: str) -> Json:
        if channel == MARKETS:
            return {"markets": {one: self._market(one) for one in self.by}}
        if channel == TRADES:
            return {"trades": [*reversed(self.past[symbol])]}
        shelf = self.shown[symbol]
        bids, asks = (shelf.best(side, LIMIT) for side in (1, -1))
        return {
            name: [
                {"price": shortest(shelf.price(p)), "size": shortest(shelf.size(n))} for p, n in of
            ]
            for name, of in zip(SIDES, (bids, asks), strict=True)
        }

    def tell(self, events: Events) -> list[Said]:
        shelf, self.ms = self.shelves[events["instrument"][0]], milliseconds(events[-1])
        symbol, turn = shelf.instrument.symbol, told(shelf, events)
        if turn.lost:
            self.lost.add(symbol)
        elif turn.anew:
            self.lost.discard(symbol)
        trades = [self._trade(shelf, e) for e in turn.trades]
        self.past[symbol].extend(trades)
        said = [Said(f"{TRADES}:{symbol}", {"trades": trades})] if trades else []
        if turn.phase is not None:
            self.phases[symbol] = turn.phase
            market = {"trading": {symbol: self._market(symbol)}}
            said.append(Said(f"{MARKETS}:{MARKETS}", market))
        return said if symbol in self.lost else said + self._levels(shelf, self.shown[symbol])

    def _levels(self, shelf: Shelf, shown: Shelf) -> list[Said]:
        """One message for each level."""
        now = changed(View(shown.bids, shown.asks), View(shelf.bids, shelf.asks))
        shown.bids, shown.asks = {**shelf.bids}, {**shelf.asks}
        topic = f"{BOOK}:{shelf.instrument.symbol}"
        return [
            Said(topic, {name: [[shortest(shelf.price(p)), shortest(shelf.size(n))]]})
            for name, levels in zip(SIDES, now, strict=True)
            for p, n in levels.items()
        ]

    def _trade(self, shelf: Shelf, e: Events) -> Json:
        self.trades += 1
        return {
            "id": f"{self.trades:08x}-0000-5000-8000-000000000000",
            "size": shortest(shelf.size(int(e["lots"]))),
            "price": shortest(shelf.price(int(e["price"]))),
            "side": "BUY" if e["side"] >= 0 else "SELL",  # of an unknown one too
            "createdAt": f"{np.datetime64(self.ms, 'ms')}Z",
            "type": "LIMIT",
            "createdAtHeight": str(self.trades),
        }

    def _market(self, symbol: str) -> Json:
        shelf = self.by[symbol]
        return {
            "clobPairId": str([*self.by].index(symbol)),
            "ticker": symbol,
            "status": "ACTIVE" if self.phases[symbol] == TRADING else "PAUSED",
            "tickSize": shortest(shelf.price(1)),
            "stepSize": shortest(shelf.size(1)),
            "marketType": "CROSS",
        }

    def frame(self, client: Client, said: Said) -> bytes:
        if isinstance(said.body, bytes):
            return said.body
        channel, _, symbol = said.topic.partition(":")
        contents = {"version": "1.0.0", "contents": said.body}
        return self._numbered(client, "channel_data", channel, symbol, contents)

    def _numbered(
        self, client: Client, what: str, channel: str, symbol: str, more: dict[str, Any]
    ) -> bytes:
        client.told[COUNT] = client.told.get(COUNT, 0) + 1
        head = {"type": what, "connection_id": CONNECTION, COUNT: client.told[COUNT]}
        name = {} if channel == MARKETS else {"id": symbol}
        return orjson.dumps(head | {"channel": channel} | name | more)

    def _error(self, client: Client, why: str) -> bytes:
        head = {"type": "error", "message": why, "connection_id": CONNECTION}
        return orjson.dumps(head | {COUNT: client.told.get(COUNT, 0)})

    def get(self, path: str) -> bytes | None:
        if path.partition("?")[0] != LISTING:
            return None
        return orjson.dumps({"markets": {symbol: self._market(symbol) for symbol in self.by}})
