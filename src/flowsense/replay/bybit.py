"""Bybit v5 as it answers: orderbook to a depth, publicTrade, pings, and its listing."""

from collections import Counter
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import NAMESPACE_OID, uuid5

import orjson

from flowsense.replay import Client, Json, Said
from flowsense.replay.shelf import Shelf, View, listed, milliseconds, turned
from flowsense.schema import Events, Instrument
from flowsense.sources.venues.bybit import ARGS, LISTING, LOTS

DEPTHS = ("50", "200", "1000")


class Bybit:
    """Topics are those of the venue; u of each depth is counted from its first subscription."""

    def __init__(self, category: str, instruments: tuple[Instrument, ...]) -> None:
        self.category, self.ms = category, 0
        self.shelves = [Shelf(i) for i in instruments]
        self.by = {shelf.instrument.symbol: shelf for shelf in self.shelves}
        self.whole = set[str]()  # symbols whose book is known
        self.updates = dict[str, int]()  # u, by topic
        self.trades = Counter[str]()

    def connected(self, client: Client, path: str) -> list[bytes]:
        return []

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        try:
            json = orjson.loads(text)
            op, topics = json["op"], [*json.get("args", ())]
            wrong = self._wrong(client, op, topics)
        except (ValueError, KeyError, TypeError, AttributeError):
            json, op, topics, wrong = {}, "", [], "Request not valid"
        said = {"success": not wrong, "ret_msg": wrong, "conn_id": "cejreaspqfm9sjdo"}
        if op == "ping" and not wrong:
            said["ret_msg"] = "pong"
        answers = [orjson.dumps(said | {"req_id": json.get("req_id", ""), "op": op})]
        if wrong or op == "ping":
            return answers
        (client.topics.update if op == "subscribe" else client.topics.difference_update)(topics)
        return answers + self._first(op, topics)

    def _wrong(self, client: Client, op: str, topics: list[str]) -> str:
        if op not in ("subscribe", "unsubscribe", "ping"):
            return f"unknown op {op}"
        if self.category == "spot" and len(topics) > ARGS:
            return "args size >10"
        for topic in topics:
            name, _, rest = topic.partition(".")
            depth, symbol = rest.split(".", 1) if name == "orderbook" else ("50", rest)
            if name not in ("orderbook", "publicTrade") or depth not in DEPTHS:
                return f"error:handler not found,topic:{topic}"
            if symbol not in self.by:
                return f"error:handler not found,topic:{topic}"
            if op == "subscribe" and topic in client.topics:
                return f"error:already subscribed,topic:{topic}"
        return ""

    def _first(self, op: str, topics: list[str]) -> list[bytes]:
        books = [t.split(".", 2) for t in topics if t.startswith("orderbook.")]
        for _, depth, symbol in books if op == "subscribe" else ():
            self.updates.setdefault(f"orderbook.{depth}.{symbol}", 18_521_288)
        known = [(d, s) for _, d, s in books if op == "subscribe" and s in self.whole]
        return [orjson.dumps(self._snapshot(self.by[s], int(d))) for d, s in known]

    def tell(self, events: Events) -> list[Said]:
        shelf, self.ms = self.shelves[events["instrument"][0]], milliseconds(events[-1])
        symbol, turn, said = shelf.instrument.symbol, turned(events), list[Said]()
        if len(turn.trades):
            trades = [self._trade(shelf, e) for e in turn.trades]
            body = {"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": self.ms}
            said.append(Said(f"publicTrade.{symbol}", body | {"data": trades}))
        depths = [int(d) for d in DEPTHS if f"orderbook.{d}.{symbol}" in self.updates]
        changes = dict(zip(depths, shelf.shown(events, *depths), strict=True))
        if turn.lost:
            self.whole.discard(symbol)
        elif turn.anew:
            self.whole.add(symbol)
        for depth in depths if symbol in self.whole else ():
            topic = f"orderbook.{depth}.{symbol}"
            if turn.anew or self.updates[topic] == 0:
                self.updates[topic] = 1
                said.append(Said(topic, self._snapshot(shelf, depth)))
            elif changes[depth] != View({}, {}):
                self.updates[topic] += 1
                said.append(Said(topic, self._message(shelf, depth, "delta", changes[depth])))
        return said

    def _snapshot(self, shelf: Shelf, depth: int) -> Json:
        return self._message(shelf, depth, "snapshot", shelf.view(depth))

    def _message(self, shelf: Shelf, depth: int, kind: str, view: View) -> Json:
        topic = f"orderbook.{depth}.{shelf.instrument.symbol}"
        shelf.sequence += 3  # seq counts more than these messages
        data = {
            "s": shelf.instrument.symbol,
            "b": _levels(shelf, view.bids),
            "a": _levels(shelf, view.asks),
            "u": self.updates[topic],
            "seq": shelf.sequence,
        }
        return {"topic": topic, "type": kind, "ts": self.ms, "data": data, "cts": self.ms}

    def _trade(self, shelf: Shelf, e: Any) -> Json:
        symbol = shelf.instrument.symbol
        self.trades[symbol] += 1
        n = self.trades[symbol]
        return {
            "T": self.ms,
            "s": symbol,
            "S": "Buy" if e["side"] >= 0 else "Sell",  # of an unknown one too
            "v": shelf.size(int(e["lots"])),
            "p": shelf.price(int(e["price"])),
            "i": str(10**18 + n) if self.category == "spot" else str(uuid5(NAMESPACE_OID, f"{n}")),
            "BT": False,
            "RPI": False,
            "seq": shelf.sequence,
        }

    def renumber(self, instrument: int) -> None:
        """The service begins again: the next message is a snapshot with u 1."""
        symbol = self.shelves[instrument].instrument.symbol
        self.updates.update({t: 0 for t in self.updates if t.endswith(f".{symbol}")})

    def frame(self, client: Client, said: Said) -> bytes:
        return said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)

    def get(self, path: str) -> bytes | None:
        parts = urlsplit(path)
        if parts.path != LISTING:
            return None
        query = parse_qs(parts.query)
        mine = self.by if query.get("category") == [self.category] else {}
        found = [self._row(shelf) for s, shelf in mine.items() if s in query.get("symbol", [s])]
        result = {"category": self.category, "list": found, "nextPageCursor": ""}
        said = {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": self.ms}
        return orjson.dumps(said)

    def _row(self, shelf: Shelf) -> Json:
        i = shelf.instrument
        return {
            "symbol": i.symbol,
            "status": "Trading",
            "priceFilter": {"tickSize": listed(i.tick)},
            "lotSizeFilter": {LOTS[self.category]: listed(i.lot), "minOrderQty": listed(i.lot)},
        }


def _levels(shelf: Shelf, levels: dict[int, int]) -> list[list[str]]:
    return [[shelf.price(p), shelf.size(n) if n else "0"] for p, n in levels.items()]


SPOT, LINEAR, INVERSE = (partial(Bybit, category) for category in LOTS)
