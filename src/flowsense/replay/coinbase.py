"""Coinbase Advanced Trade as it answers: level2, market_trades, status, heartbeats, products."""

from collections import deque
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson

from flowsense.replay import Client, Said
from flowsense.replay.shelf import Shelf, View, listed, turned
from flowsense.schema import SECOND, TRADING, Decimal, Events, Instrument
from flowsense.sources.venues.coinbase import LISTING

Body: TypeAlias = dict[str, Any]

KEPT = 100  # trades that a subscription begins with
BEAT = "heartbeats"


class Coinbase:
    """Topics are `channel` and `channel:product`."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.shelves = [Shelf(i) for i in instruments]
        self.by = {shelf.instrument.symbol: shelf for shelf in self.shelves}
        self.whole = set[str]()  # symbols whose book is known
        self.traded = {symbol: deque[Body](maxlen=KEPT) for symbol in self.by}
        self.states = dict.fromkeys(self.by, "online")
        self.now, self.beats, self.trades = 0, 0, 0

    def connected(self, client: Client, path: str) -> list[bytes]:
        return []

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        try:
            json = orjson.loads(text)
            what, channel, symbols = json["type"], json["channel"], json.get("product_ids", [])
            topics = [f"{channel}:{symbol}" for symbol in symbols] or [channel]
            known = channel in FIRST and all(symbol in self.by for symbol in symbols)
        except (ValueError, KeyError, TypeError, AttributeError):
            known, what = False, ""
        if not known or what not in ("subscribe", "unsubscribe"):
            wrong = {"type": "error", "message": "failure to subscribe"}
            return [orjson.dumps(wrong)]
        said = list[Body]()
        if what == "subscribe":
            client.topics.update(topics)
            said = [m for t in topics for m in FIRST[channel](self, t.partition(":")[2])]
        else:
            client.topics.difference_update(topics)
        said.append(self._message("subscriptions", {"subscriptions": _listed(client)}))
        return [self.frame(client, Said("", body)) for body in said]

    def tell(self, events: Events) -> list[Said]:
        shelf, before = self.shelves[events["instrument"][0]], self.now
        self.now = int(events["ts_event"][-1] or events["ts_recv"][-1])
        symbol, turn, said = shelf.instrument.symbol, turned(events), list[Said]()
        if self.now // SECOND > before // SECOND:
            said += [Said(BEAT, body) for body in self._beat("")]
        if len(turn.trades):
            trades = [self._trade(shelf, e) for e in turn.trades][::-1]  # the last one first
            self.traded[symbol].extendleft(trades[::-1])
            body = self._message("market_trades", {"type": "update", "trades": trades})
            said.append(Said(f"market_trades:{symbol}", body))
        if turn.phase is not None:
            self.states[symbol] = "online" if turn.phase == TRADING else "offline"
            said += [Said(f"status:{symbol}", body) for body in self._state(symbol)]
        (changes,) = shelf.shown(events, 10**9)
        if turn.lost:
            self.whole.discard(symbol)
        elif turn.anew:
            self.whole.add(symbol)
            said += [Said(f"level2:{symbol}", body) for body in self._snapshot(symbol)]
        elif symbol in self.whole and changes != View({}, {}):
            said.append(Said(f"level2:{symbol}", self._book(symbol, "update", changes)))
        return said

    def frame(self, client: Client, said: Said) -> bytes:
        """All that is said on a connection is counted there."""
        if not isinstance(said.body, dict):
            return said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)
        number = client.told.get("sequence_num", 0)
        client.told["sequence_num"] = number + 1
        return orjson.dumps(said.body | {"sequence_num": number})

    def get(self, path: str) -> bytes | None:
        parts = urlsplit(path)
        if parts.path != LISTING:
            return None
        wanted = parse_qs(parts.query).get("product_ids", [*self.by])
        found = [self._product(shelf.instrument) for s, shelf in self.by.items() if s in wanted]
        return orjson.dumps({"products": found, "num_products": len(found)})

    def _message(self, channel: str, event: Body) -> Body:
        head = {"channel": channel, "client_id": "", "timestamp": _stamp(self.now)}
        return head | {"events": [event]}

    def _snapshot(self, symbol: str) -> list[Body]:
        if symbol not in self.whole:
            return []
        return [self._book(symbol, "snapshot", self.by[symbol].view())]

    def _book(self, symbol: str, kind: str, view: View) -> Body:
        shelf, when = self.by[symbol], _stamp(self.now)
        updates = [
            {
                "side": side,
                "event_time": when,
                "price_level": shelf.price(price),
                "new_quantity": shelf.size(lots) if lots else "0",
            }
            for side, levels in (("bid", view.bids), ("offer", view.asks))
            for price, lots in levels.items()
        ]
        event = {"type": kind, "product_id": symbol, "updates": updates}
        return self._message("l2_data", event)

    def _past(self, symbol: str) -> list[Body]:
        event = {"type": "snapshot", "trades": [*self.traded.get(symbol, ())]}
        return [self._message("market_trades", event)]

    def _trade(self, shelf: Shelf, e: Any) -> Body:
        self.trades += 1
        return {
            "trade_id": str(self.trades),
            "product_id": shelf.instrument.symbol,
            "price": shelf.price(int(e["price"])),
            "size": shelf.size(int(e["lots"])),
            "side": "SELL" if e["side"] >= 0 else "BUY",  # of the maker; of an unknown one too
            "time": _stamp(self.now),
        }

    def _state(self, symbol: str) -> list[Body]:
        if symbol not in self.by:
            return []
        product = self._product(self.by[symbol].instrument)
        product = {"id": product.pop("product_id"), **product, "status_message": ""}
        return [self._message("status", {"type": "snapshot", "products": [product]})]

    def _beat(self, symbol: str) -> list[Body]:
        self.beats += 3  # as it does: it jumps where nothing was missed
        event = {"current_time": _stamp(self.now), "heartbeat_counter": self.beats}
        return [self._message(BEAT, event)]

    def _product(self, i: Instrument) -> Body:
        future = {"contract_size": listed(i.contract)} if i.contract != Decimal(1, 0) else None
        return {
            "product_id": i.symbol,
            "product_type": "FUTURE" if future else "SPOT",
            "base_increment": listed(i.lot),
            "price_increment": listed(i.tick),
            "quote_increment": listed(i.tick),
            "status": self.states[i.symbol],
            "alias": "",
            "future_product_details": future,
        }


FIRST = {  # what a subscription begins with
    "level2": Coinbase._snapshot,
    "market_trades": Coinbase._past,
    "status": Coinbase._state,
    BEAT: Coinbase._beat,
}


def _listed(client: Client) -> dict[str, list[str]]:
    found = dict[str, list[str]]()
    for topic in sorted(client.topics):
        channel, _, symbol = topic.partition(":")
        found.setdefault(channel, []).append(symbol or BEAT)
    return found


def _stamp(ts: int) -> str:
    return f"{np.datetime64(ts, 'ns')}Z"
