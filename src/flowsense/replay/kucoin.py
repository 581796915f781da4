"""KuCoin spot as it answers: the door, subscriptions to books and trades, pings, snapshots."""

from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson

from flowsense.replay import Client, Said
from flowsense.replay.shelf import Shelf, View, changed, milliseconds, shortest, told
from flowsense.schema import MILLISECOND, Events, Instrument
from flowsense.sources.venues.kucoin import BOOK, DOOR, FINE, LIMIT, LISTING, SNAPSHOT, TRADES

TOKEN = "2neAiuYvAU61ZDXANAGAsiL4-iAExhsBXZxftpOeh_55i3Ysy2q2LEsEWU64mdzUOPusi34M_wGoSf7iNyEWJw"
SUBJECTS = {BOOK: "trade.l2update", TRADES: "trade.l3match"}


class Kucoin:
    """`stream` is the address that the door gives: that of whoever serves this."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.shelves = [Shelf(i) for i in instruments]
        self.by = {shelf.instrument.symbol: shelf for shelf in self.shelves}
        self.shown = {symbol: Shelf(shelf.instrument) for symbol, shelf in self.by.items()}
        self.lost = {*self.by}  # symbols whose book is not known
        self.trades, self.ms = Counter[str](), 0
        self.stream = "wss://ws-api-spot.kucoin.com"

    def connected(self, client: Client, path: str) -> list[bytes]:
        if parse_qs(urlsplit(path).query).get("token") != [TOKEN]:
            return [orjson.dumps(_error("", 401, "token is invalid"))]
        return [orjson.dumps({"id": "hQvf8jkno", "type": "welcome"})]

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        try:
            json = orjson.loads(text)
            number, what = str(json["id"]), json["type"]
            if what == "ping":
                return [orjson.dumps({"id": number, "type": "pong", "timestamp": self.ms * 1000})]
            said = self._answer(client, number, what, json["topic"])
            return [orjson.dumps(said)] if said["type"] == "error" or json.get("response") else []
        except (ValueError, KeyError, TypeError, AttributeError):
            return [orjson.dumps(_error("", 400, "type is not supported"))]

    def _answer(self, client: Client, number: str, what: str, topic: str) -> dict[str, Any]:
        name, _, symbols = topic.partition(":")
        topics = {f"{name}:{symbol}" for symbol in symbols.split(",")}
        if f"{name}:" not in SUBJECTS or not {*symbols.split(",")} <= {*self.by}:
            return _error(number, 404, f"topic {topic} is not found")
        if what not in ("subscribe", "unsubscribe"):
            return _error(number, 400, "type is not supported")
        client.topics = client.topics | topics if what == "subscribe" else client.topics - topics
        return {"id": number, "type": "ack"}

    def tell(self, events: Events) -> list[Said]:
        shelf, self.ms = self.shelves[events["instrument"][0]], milliseconds(events[-1])
        symbol, turn = shelf.instrument.symbol, told(shelf, events)
        if turn.lost:
            self.lost.add(symbol)
        elif turn.anew:
            self.lost.discard(symbol)
        said = [self._trade(shelf, e) for e in turn.trades]
        if len(said) < len(events) and symbol not in self.lost:
            said.append(self._update(shelf, self.shown[symbol]))
        return said

    def _update(self, shelf: Shelf, shown: Shelf) -> Said:
        """The venue's book changes without a word of why; a change of no level has the price 0."""
        bids, asks = changed(View(shown.bids, shown.asks), View(shelf.bids, shelf.asks))
        first = shelf.sequence + 1
        changes = {
            side: [
                [shortest(shelf.price(p)), shortest(shelf.size(n)), str(first + at + k)]
                for k, (p, n) in enumerate(levels.items())
            ]
            for side, levels, at in (("asks", asks, 0), ("bids", bids, len(asks)))
        }
        if not bids and not asks:
            changes["asks"].append(["0", "0", str(first)])
        shelf.sequence += max(len(bids) + len(asks), 1)
        shown.bids, shown.asks, shown.sequence = {**shelf.bids}, {**shelf.asks}, shelf.sequence
        data = {"changes": changes, "sequenceEnd": shelf.sequence, "sequenceStart": first}
        return _said(BOOK, shelf, data | {"time": self.ms})

    def _trade(self, shelf: Shelf, e: Events) -> Said:
        symbol = shelf.instrument.symbol
        self.trades[symbol] += 1
        data = {
            "makerOrderId": "671b5007389355000701b1d3",
            "price": shortest(shelf.price(int(e["price"]))),
            "sequence": str(self.trades[symbol]),
            "side": "buy" if e["side"] >= 0 else "sell",  # of an unknown one too
            "size": shortest(shelf.size(int(e["lots"]))),
            "takerOrderId": "671b50161777ff00074c168d",
            "time": str(self.ms * MILLISECOND),
            "tradeId": str(11_067_996_711_960_577 + sum(self.trades.values())),
            "type": "match",
        }
        return _said(TRADES, shelf, data)

    def frame(self, client: Client, said: Said) -> bytes:
        return said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)

    def get(self, path: str) -> bytes | None:
        where, query = urlsplit(path).path, parse_qs(urlsplit(path).query)
        symbol = query.get("symbol", [where.rpartition("/")[2]])[0]
        if where == DOOR:
            servers = [{"endpoint": f"{self.stream}/", "encrypt": True, "protocol": "websocket"}]
            pings = {"pingInterval": 18_000, "pingTimeout": 10_000}
            return _fine({"token": TOKEN, "instanceServers": [servers[0] | pings]})
        if symbol not in self.by:
            return None
        if where == SNAPSHOT:
            shown = self.shown[symbol]
            bids, asks = ([_pair(shown, *one) for one in shown.best(s, LIMIT)] for s in (1, -1))
            numbers = {"time": self.ms, "sequence": str(shown.sequence)}
            return _fine(numbers | {"bids": bids, "asks": asks})
        return _fine(_row(self.by[symbol])) if where == f"{LISTING}/{symbol}" else None


def _row(shelf: Shelf) -> dict[str, Any]:
    base, _, quote = shelf.instrument.symbol.partition("-")
    return {
        "symbol": shelf.instrument.symbol,
        "name": shelf.instrument.symbol,
        "baseCurrency": base,
        "quoteCurrency": quote,
        "baseMinSize": shelf.size(1),
        "baseIncrement": shelf.size(1),
        "priceIncrement": shelf.price(1),
        "enableTrading": True,
    }


def _pair(shelf: Shelf, price: int, lots: int) -> list[str]:
    return [shortest(shelf.price(price)), shortest(shelf.size(lots))]


def _said(topic: str, shelf: Shelf, data: dict[str, Any]) -> Said:
    symbol, subject = shelf.instrument.symbol, SUBJECTS[topic]
    name = f"{topic}{symbol}"
    body = {"topic": name, "type": "message", "subject": subject}
    return Said(name, body | {"data": {**data, "symbol": symbol}})


def _fine(data: Any) -> bytes:
    return orjson.dumps({"code": FINE, "data": data})


def _error(number: str, code: int, why: str) -> dict[str, Any]:
    return {"id": number, "type": "error", "code": code, "data": why}
