"""Deribit's side of its JSON-RPC API over a WebSocket: books and trades in steps, heartbeats."""

from collections.abc import Set
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
from msgspec import Raw, json

from flowsense.replay import Client, Said
from flowsense.replay.shelf import Shelf, View, asking, listed, turned
from flowsense.schema import HALT, MILLISECOND, Events, Instrument
from flowsense.sources.venues.deribit import index

PARSING = {"code": -32700, "message": "Parse error"}


class Speaker:
    """Topics are the channels, those of 100 ms alone; every message is said when it is known."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.instruments = instruments
        self.shelves = {i.symbol: Shelf(i) for i in instruments}
        self.channels = {"platform_state"} | {
            f"{kind}.{symbol}.100ms" for kind in ("book", "trades") for symbol in self.shelves
        }
        self.traded = dict.fromkeys(self.shelves, 0)
        self.changes, self.now = 1_000, 0  # ids of all books; ms

    def connected(self, client: Client, path: str) -> list[bytes]:
        return []

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        m = asking(text)
        method, params = m.get("method"), m.get("params")
        wanted = params if isinstance(params, dict) else {}
        channels = wanted.get("channels")
        if method in ("public/subscribe", "public/unsubscribe") and isinstance(channels, list):
            return self._subscribe(client, m, channels, method == "public/subscribe")
        if method == "public/set_heartbeat":
            return [self._answer(m, "ok"), _note("heartbeat", {"type": "test_request"})]
        if method == "public/test":
            return [self._answer(m, {"version": "1.2.26"})]
        error = {"code": -32601, "message": "Method not found"} if m else PARSING
        return [orjson.dumps({"jsonrpc": "2.0", "id": m.get("id"), "error": error})]

    def _subscribe(self, client: Client, m: Any, channels: list[str], come: bool) -> list[bytes]:
        known = [c for c in channels if c in self.channels]
        said = [self._answer(m, known)]
        for channel in known:
            if not come:
                client.topics.discard(channel)
            elif channel not in client.topics:
                client.topics.add(channel)
                kind, _, rest = channel.partition(".")
                if kind == "book":
                    said.append(self._snapshot(self.shelves[rest.split(".")[0]], channel))
        return said

    def tell(self, events: Events) -> list[Said]:
        shelf = self.shelves[self.instruments[int(events["instrument"][0])].symbol]
        symbol, out = shelf.instrument.symbol, list[Said]()
        self.now = int(events["ts_event"].max() or events["ts_recv"][-1]) // MILLISECOND
        was, turn = (shelf.bids.keys() | (), shelf.asks.keys() | ()), turned(events)
        levels = _changes(was, shelf.shown(events, 10**9)[0], shelf)
        if turn.phase is not None:
            data = {"price_index": index(symbol), "locked": turn.phase == HALT}
            out.append(Said("platform_state", _channel("platform_state", data)))
        if len(turn.trades):
            channel = f"trades.{symbol}.100ms"
            trades = [self._trade(shelf, e) for e in turn.trades]
            out.append(Said(channel, _channel(channel, trades)))
        channel = f"book.{symbol}.100ms"
        if turn.anew:
            self._count(shelf)
            out.append(Said(channel, self._snapshot(shelf, channel)))
        elif any(levels) and not turn.lost:
            before = shelf.sequence
            self._count(shelf)
            data = self._data(shelf, "change", levels)
            out.append(Said(channel, _channel(channel, data | {"prev_change_id": before})))
        return out

    def frame(self, client: Client, said: Said) -> bytes:
        return said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)

    def get(self, path: str) -> bytes | None:
        parts = urlsplit(path)
        name = parse_qs(parts.query).get("instrument_name", [""])[0]
        if parts.path != "/api/v2/public/get_instrument" or name not in self.shelves:
            return None
        i = self.shelves[name].instrument
        tick, lot = number(listed(i.tick)), number(listed(i.lot))
        found = {
            **{"instrument_name": name, "kind": "future", "is_active": True, "tick_size": tick},
            **{"instrument_type": "reversed" if i.inverse else "linear", "tick_size_steps": []},
            **{"contract_size": lot, "min_trade_amount": lot, "price_index": index(name)},
        }
        return json.encode({"jsonrpc": "2.0", "result": found, "testnet": False})

    def _count(self, shelf: Shelf) -> None:
        self.changes += 1
        shelf.sequence = self.changes

    def _snapshot(self, shelf: Shelf, channel: str) -> bytes:
        levels = tuple(
            [["new", number(shelf.price(p)), number(shelf.size(n))] for p, n in side.items()]
            for side in shelf.view()
        )
        return _channel(channel, self._data(shelf, "snapshot", levels))

    def _data(self, shelf: Shelf, kind: str, levels: tuple[list[Any], ...]) -> dict[str, Any]:
        return {
            **{"type": kind, "timestamp": self.now, "instrument_name": shelf.instrument.symbol},
            **{"change_id": shelf.sequence, "bids": levels[0], "asks": levels[1]},
        }

    def _trade(self, shelf: Shelf, e: Any) -> dict[str, Any]:
        symbol = shelf.instrument.symbol
        self.traded[symbol] = number_ = max(self.traded[symbol] + 1, int(e["sequence"]))
        price = number(shelf.price(int(e["price"])))
        return {
            **{"trade_seq": number_, "trade_id": str(number_), "timestamp": self.now},
            **{"tick_direction": 0, "price": price, "mark_price": price, "index_price": price},
            **{"instrument_name": symbol, "direction": "buy" if e["side"] > 0 else "sell"},
            **{"amount": number(shelf.size(int(e["lots"]))), "contracts": int(e["lots"])},
        }

    def _answer(self, m: Any, result: Any) -> bytes:
        times = {"usIn": self.now * 1_000, "usOut": self.now * 1_000, "usDiff": 0}
        return orjson.dumps({"jsonrpc": "2.0", "id": m.get("id"), "result": result} | times)


def _changes(was: tuple[Set[int], ...], changes: View, shelf: Shelf) -> tuple[list[Any], ...]:
    return tuple(
        [
            [
                "delete" if not n else "change" if p in old else "new",
                *(number(shelf.price(p)), number(shelf.size(n))),
            ]
            for p, n in side.items()
            if n or p in old
        ]
        for old, side in zip(was, changes, strict=True)
    )


def _channel(name: str, data: Any) -> bytes:
    return _note("subscription", {"channel": name, "data": data})


def _note(method: str, params: dict[str, Any]) -> bytes:
    return json.encode({"jsonrpc": "2.0", "method": method, "params": params})


def number(text: str) -> Raw:
    """With a digit behind the point."""
    return Raw((text if "." in text else f"{text}.0").encode())
