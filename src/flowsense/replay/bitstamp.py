"""Bitstamp's side of its WebSocket API v2 and of the requests for whole books."""

from typing import Any

import orjson

from flowsense.replay import Client, Json, Said
from flowsense.replay.shelf import Shelf, View, asking, changed, turned
from flowsense.schema import Events, Instrument

SHOWN = 100  # levels a side of order_book
CHANNELS = ("diff_order_book_", "order_book_", "live_trades_")
LISTING, DEPTH = "/api/v2/markets/", "/api/v2/order_book/"


class Speaker:
    """Topics are the channels."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.instruments = instruments
        self.shelves = {i.symbol: Shelf(i) for i in instruments}
        self.held = dict[str, View]()  # what was told of those that are not known just now
        self.trades, self.now = 0, 0  # us

    def connected(self, client: Client, path: str) -> list[bytes]:
        return []

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        m = asking(text)
        event, data = m.get("event"), m.get("data")
        channel = str(data.get("channel")) if isinstance(data, dict) else ""
        if event == "bts:heartbeat":
            return [_message("bts:heartbeat", "", {"status": "success"})]
        kinds = [kind for kind in CHANNELS if channel.startswith(kind)]
        known = kinds and channel.removeprefix(kinds[0]) in self.shelves
        if not known or event not in ("bts:subscribe", "bts:unsubscribe"):
            said = {"code": None, "message": "Incorrect JSON format."}
            return [_message("bts:error", "", said)]
        if event == "bts:subscribe":
            client.topics.add(channel)
            return [_message("bts:subscription_succeeded", channel, {})]
        client.topics.discard(channel)
        return [_message("bts:unsubscription_succeeded", channel, {})]

    def tell(self, events: Events) -> list[Said]:
        shelf = self.shelves[self.instruments[int(events["instrument"][0])].symbol]
        symbol, turn, out = shelf.instrument.symbol, turned(events), list[Said]()
        self.now = max(
            self.now + 1, int(events["ts_event"].max() or events["ts_recv"][-1]) // 1_000
        )
        if turn.lost or turn.anew:
            self.held.setdefault(symbol, shelf.view())
        (changes,) = shelf.shown(events, 10**9)
        for e in turn.trades:
            channel = f"live_trades_{symbol}"
            out.append(Said(channel, _message("trade", channel, self._trade(shelf, e))))
        if turn.anew:
            changes = changed(self.held.pop(symbol), shelf.view())
        if symbol in self.held or changes == View({}, {}):
            return out
        for kind, view in (("diff_order_book", changes), ("order_book", shelf.view(SHOWN))):
            channel = f"{kind}_{symbol}"
            out.append(Said(channel, _message("data", channel, self._levels(shelf, view))))
        return out

    def frame(self, client: Client, said: Said) -> bytes:
        return said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)

    def get(self, path: str) -> bytes | None:
        path = path.partition("?")[0]
        if path == LISTING:
            return orjson.dumps([_market(i) for i in self.instruments])
        symbol = path.removeprefix(DEPTH).strip("/")
        if not path.startswith(DEPTH) or symbol not in self.shelves:
            return None
        shelf = self.shelves[symbol]
        return orjson.dumps(self._levels(shelf, self.held.get(symbol) or shelf.view()))

    def _levels(self, shelf: Shelf, view: View) -> dict[str, Any]:
        bids, asks = ([[shelf.price(p), shelf.size(n)] for p, n in side.items()] for side in view)
        return self._times() | {"bids": bids, "asks": asks}

    def _trade(self, shelf: Shelf, e: Any) -> dict[str, Any]:
        self.trades = max(self.trades + 1, int(e["sequence"]))
        price, size = shelf.price(int(e["price"])), shelf.size(int(e["lots"]))
        return {
            **{"id": self.trades, "amount": float(size), "amount_str": size},
            **{"price": float(price), "price_str": price, "type": int(e["side"] < 0)},
            **{"buy_order_id": 1, "sell_order_id": 2},
            **self._times(),
        }

    def _times(self) -> dict[str, Any]:
        return {"timestamp": str(self.now // 1_000_000), "microtimestamp": str(self.now)}


def _market(i: Instrument) -> dict[str, Any]:
    base, counter = (max(-unit.exponent, 0) for unit in (i.lot, i.tick))
    return {
        **{"name": i.symbol.upper(), "market_symbol": i.symbol, "trading": "Enabled"},
        **{"base_decimals": base, "counter_decimals": counter},
    }


def _message(event: str, channel: str, data: Json) -> bytes:
    return orjson.dumps({"data": data, "channel": channel, "event": event})
