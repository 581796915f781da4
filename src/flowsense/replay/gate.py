"""Gate spot as it answers: subscriptions to books and trades, pings, snapshots and its listing."""

from collections import Counter
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import orjson

from flowsense.replay import Client, Said
from flowsense.replay.shelf import Shelf, milliseconds, shortest, turned
from flowsense.schema import SET, Events, Instrument
from flowsense.sources.venues.gate import BOOK, DEPTH, LISTING, TRADES

Side: TypeAlias = dict[int, int]  # ticks to lots
SNAPSHOT = "/api/v4/spot/order_book"
KNOWN = {BOOK: "100ms", TRADES: ""}  # channels, and the speed that is spoken


class Gate:
    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.shelves = [Shelf(i) for i in instruments]
        self.by = {shelf.instrument.symbol: shelf for shelf in self.shelves}
        self.whole = set[str]()  # symbols whose book is known
        self.trades, self.ms = Counter[str](), 0

    def connected(self, client: Client, path: str) -> list[bytes]:
        return []

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        try:
            json = orjson.loads(text)
            channel, event = json["channel"], json.get("event", "")
            if channel == "spot.ping":
                said = [self._message("spot.pong", "", None)]
            else:
                said = self._answer(client, channel, event, json["payload"])
        except (ValueError, KeyError, TypeError, AttributeError):
            said = [self._message("", "", None) | _error(f"bad request {text[:40]!r}")]
        return [orjson.dumps(body) for body in said]

    def _answer(self, client: Client, channel: str, event: str, payload: list[str]) -> list[Any]:
        head = {"conn_id": "d9db9373dc5e081e", "payload": payload}
        speed = KNOWN.get(channel)
        symbols = payload[:1] if speed else payload
        bad = [s for s in symbols if s not in self.by] or payload[1:] != [speed] * bool(speed)
        if speed is None or (bad and speed) or not {*symbols} <= {*self.by}:
            return [self._message(channel, event, None) | head | _error(f"unknown {payload}")]
        topics = {f"{channel}:{symbol}" for symbol in symbols}
        if event == "unsubscribe":
            client.topics -= topics
        else:
            client.topics |= topics
        said = [self._message(channel, event, {"status": "success"}) | head]
        if channel == BOOK and event == "subscribe" and symbols[0] in self.whole:
            said.append(self._full(self.by[symbols[0]]))
        return said

    def tell(self, events: Events) -> list[Said]:
        shelf, self.ms = self.shelves[events["instrument"][0]], milliseconds(events[-1])
        symbol, turn = shelf.instrument.symbol, turned(events)
        said = [Said(f"{TRADES}:{symbol}", self._trade(shelf, e)) for e in turn.trades]
        if turn.lost or turn.anew:
            shelf.apply(events)
            shelf.sequence += 1
            (self.whole.discard if turn.lost else self.whole.add)(symbol)
            return said if turn.lost else [*said, Said(f"{BOOK}:{symbol}", self._full(shelf))]
        if symbol in self.whole and (events["action"] == SET).any():
            said += self._update(shelf, events)
        return said

    def _update(self, shelf: Shelf, events: Events) -> list[Said]:
        ((bids, asks),) = shelf.shown(events, DEPTH)
        if not bids and not asks:  # beyond what is shown
            return []
        first, shelf.sequence = shelf.sequence + 1, shelf.sequence + len(bids) + len(asks)
        body = self._book(shelf, {"U": first}, bids, asks)
        return [Said(f"{BOOK}:{shelf.instrument.symbol}", body)]

    def _full(self, shelf: Shelf) -> dict[str, Any]:
        return self._book(shelf, {"full": True, "U": shelf.sequence}, *shelf.view(DEPTH))

    def _book(self, shelf: Shelf, more: dict[str, Any], bids: Side, asks: Side) -> dict[str, Any]:
        head = {"t": self.ms, "l": str(DEPTH), "e": "depthUpdate", "E": self.ms // 1000}
        body = head | more | {"s": shelf.instrument.symbol, "u": shelf.sequence}
        return self._message(BOOK, "update", body | {"b": _of(shelf, bids), "a": _of(shelf, asks)})

    def _trade(self, shelf: Shelf, e: Events) -> dict[str, Any]:
        symbol = shelf.instrument.symbol
        self.trades[symbol] += 1
        one = {
            "id": 5_000_000 + sum(self.trades.values()),
            "id_market": self.trades[symbol],
            "create_time": self.ms // 1000,
            "create_time_ms": f"{self.ms}.000000",
            "side": "buy" if e["side"] >= 0 else "sell",  # of an unknown one too
            "currency_pair": symbol,
            "amount": shelf.size(int(e["lots"])),
            "price": shelf.price(int(e["price"])),
            "range": f"{self.trades[symbol]}-{self.trades[symbol]}",
        }
        return self._message(TRADES, "update", one)

    def _message(self, channel: str, event: str, result: Any) -> dict[str, Any]:
        head = {"time": self.ms // 1000, "time_ms": self.ms}
        return head | {"channel": channel, "event": event, "result": result}

    def frame(self, client: Client, said: Said) -> bytes:
        return said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)

    def get(self, path: str) -> bytes | None:
        where, query = urlsplit(path).path, parse_qs(urlsplit(path).query)
        if where == LISTING:
            return orjson.dumps([_row(shelf.instrument) for shelf in self.shelves])
        if where == SNAPSHOT and query.get("currency_pair", [""])[0] in self.by:
            shelf = self.by[query["currency_pair"][0]]
            bids, asks = shelf.view(int(query.get("limit", ["10"])[0]))
            times = {"id": shelf.sequence, "current": self.ms, "update": self.ms}
            return orjson.dumps(times | {"asks": _of(shelf, asks), "bids": _of(shelf, bids)})
        symbol = where.removeprefix(f"{LISTING}/")
        return orjson.dumps(_row(self.by[symbol].instrument)) if symbol in self.by else None


def _row(i: Instrument) -> dict[str, Any]:
    base, _, quote = i.symbol.partition("_")
    return {
        "id": i.symbol,
        "base": base,
        "quote": quote,
        "fee": "0.2",
        "min_quote_amount": "3",
        "amount_precision": max(0, -i.lot.exponent),
        "precision": max(0, -i.tick.exponent),
        "trade_status": "tradable",
    }


def _of(shelf: Shelf, levels: Side) -> list[list[str]]:
    return [[shortest(shelf.price(p)), shortest(shelf.size(n))] for p, n in levels.items()]


def _error(why: str) -> dict[str, Any]:
    return {"error": {"code": 2, "message": why}, "result": {"status": "fail"}}
