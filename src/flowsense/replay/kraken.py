"""Kraken's side of WebSocket API v2: the book to a depth with its checksum, trades, the status."""

from collections import deque
from typing import Any
from zlib import crc32

import numpy as np
import orjson
from msgspec import Raw, json

from flowsense.replay import Client, Said
from flowsense.replay.shelf import Shelf, View, asking, listed, told
from flowsense.schema import Events, Instrument

CHECKED = 10  # levels a side under the checksum
SYSTEM = ("online", "post_only", "maintenance")  # by phase
NAMED = {"BTC": "XBT", "DOGE": "XDG"}  # as the listing does
CHANNELS = ("book", "trade")
KEPT = 50  # trades that a subscription may begin with


class Speaker:
    """Topics are `status`, `trade/SYMBOL` and `book/SYMBOL/DEPTH`."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.instruments = instruments
        self.shelves = {i.symbol: Shelf(i) for i in instruments}
        self.traded = {i.symbol: deque[Any](maxlen=KEPT) for i in instruments}
        self.depths = {10}  # that anybody has ever asked for
        self.system, self.now = SYSTEM[0], 0

    def connected(self, client: Client, path: str) -> list[bytes]:
        client.topics.add("status")
        return [self._status()]

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        m = asking(text)
        method, params = m.get("method"), m.get("params")
        if method == "ping":
            return [orjson.dumps({"method": "pong", **self._stamps(m)})]
        wanted = params if isinstance(params, dict) else {}
        symbols = wanted.get("symbol")
        known = method in ("subscribe", "unsubscribe") and wanted.get("channel") in CHANNELS
        if not known or not isinstance(symbols, list):
            wrong = {"error": "Malformed request", "method": method, "success": False}
            return [orjson.dumps(wrong | self._stamps(m))]
        return [one for symbol in symbols for one in self._subscribe(client, m, symbol)]

    def _subscribe(self, client: Client, m: Any, symbol: str) -> list[bytes]:
        method, channel = m["method"], m["params"]["channel"]
        found: dict[str, Any] = {"channel": channel, "symbol": symbol}
        if channel == "book":
            found["depth"] = m["params"].get("depth", 10)
        topic = "/".join(map(str, [channel, symbol, *([found["depth"]] if len(found) > 2 else [])]))
        wrong = self._refused(client, method, symbol, topic)
        if wrong:
            said = {"error": wrong, "method": method, "success": False, "symbol": symbol}
            return [orjson.dumps(said | self._stamps(m))]
        said = {"method": method, "result": found, "success": True} | self._stamps(m)
        if method == "unsubscribe":
            client.topics.discard(topic)
            return [orjson.dumps(said)]
        client.topics.add(topic)
        found["snapshot"] = m["params"].get("snapshot", channel == "book")
        return [orjson.dumps(said), *self._first(symbol, found)]

    def _refused(self, client: Client, method: str, symbol: str, topic: str) -> str:
        if symbol not in self.shelves:
            return f"Currency pair not supported {symbol}"
        if (topic in client.topics) == (method == "subscribe"):
            return "Already subscribed" if method == "subscribe" else "Subscription Not Found"
        return ""

    def _first(self, symbol: str, found: dict[str, Any]) -> list[bytes]:
        if not found["snapshot"]:
            return []
        if found["channel"] == "trade":
            return [said("trade", "snapshot", [*self.traded[symbol]])]
        self.depths.add(found["depth"])
        return [self._book(self.shelves[symbol], self.shelves[symbol].view(found["depth"]))]

    def tell(self, events: Events) -> list[Said]:
        shelf = self.shelves[self.instruments[int(events["instrument"][0])].symbol]
        symbol, out = shelf.instrument.symbol, list[Said]()
        self.now = int(events["ts_event"].max()) or int(events["ts_recv"][-1])
        before = {depth: shelf.view(depth) for depth in self.depths}
        turn = told(shelf, events)
        if turn.phase is not None:
            self.system = SYSTEM[turn.phase]
            out.append(Said("status", self._status()))
        if len(turn.trades):
            trades = [self._trade(shelf, e) for e in turn.trades]
            self.traded[symbol].extend(trades)
            out.append(Said(f"trade/{symbol}", said("trade", "update", trades)))
        for depth, was in before.items():
            now, topic = shelf.view(depth), f"book/{symbol}/{depth}"
            if turn.anew:
                out.append(Said(topic, self._book(shelf, now)))
            elif now != was and not turn.lost:
                changes = shelf.differ(was, now)
                if changes != View({}, {}):
                    out.append(Said(topic, self._book(shelf, now, changes)))
        return out

    def frame(self, client: Client, said: Said) -> bytes:
        return said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)

    def get(self, path: str) -> bytes | None:
        if path.partition("?")[0] != "/0/public/AssetPairs":
            return None
        pairs = {}
        for i in self.instruments:
            name = "/".join(NAMED.get(c, c) for c in i.symbol.split("/"))
            pairs[name.replace("/", "")] = {
                **{"altname": name.replace("/", ""), "wsname": name, "status": "online"},
                **{
                    "pair_decimals": max(-i.tick.exponent, 0),
                    "lot_decimals": max(-i.lot.exponent, 0),
                },
                **{"tick_size": listed(i.tick), "ordermin": listed(i.lot)},
            }
        return orjson.dumps({"error": [], "result": pairs})

    def _book(self, shelf: Shelf, now: View, changes: View | None = None) -> bytes:
        shown = now if changes is None else changes
        levels = [
            [
                {"price": number(shelf.price(p)), "qty": number(shelf.size(n))}
                for p, n in side.items()
            ]
            for side in shown
        ]
        best = shelf.view(CHECKED)
        numbers = [
            part
            for side in best[::-1]
            for p, n in side.items()
            for part in (shelf.price(p), shelf.size(n))
        ]
        digits = "".join(part.replace(".", "").lstrip("0") for part in numbers)
        data = {
            **{"symbol": shelf.instrument.symbol, "bids": levels[0], "asks": levels[1]},
            **{"checksum": crc32(digits.encode()), "timestamp": stamp(self.now)},
        }
        return said("book", "snapshot" if changes is None else "update", [data])

    def _trade(self, shelf: Shelf, e: Any) -> dict[str, Any]:
        shelf.sequence = max(shelf.sequence + 1, int(e["sequence"]))
        return {
            "symbol": shelf.instrument.symbol,
            "side": "buy" if e["side"] > 0 else "sell",
            "price": number(shelf.price(int(e["price"]))),
            "qty": number(shelf.size(int(e["lots"]))),
            "ord_type": "market",
            "trade_id": shelf.sequence,
            "timestamp": stamp(int(e["ts_event"]) or self.now),
        }

    def _status(self) -> bytes:
        data = {"api_version": "v2", "connection_id": 1, "system": self.system, "version": "2.0.0"}
        return said("status", "update", [data])

    def _stamps(self, m: Any) -> dict[str, Any]:
        times = {"time_in": stamp(self.now), "time_out": stamp(self.now)}
        return times | ({"req_id": m["req_id"]} if "req_id" in m else {})


def said(channel: str, kind: str, data: list[Any]) -> bytes:
    return json.encode({"channel": channel, "type": kind, "data": data})


def number(text: str) -> Raw:
    """A JSON number with all of its digits."""
    return Raw(text.encode())


def stamp(ts: int) -> str:
    return f"{np.datetime64(ts // 1_000, 'us')}Z"
