"""Bitfinex's side of WebSocket API 2: numbers of the connection, books with checksums, trades."""

from typing import Any
from zlib import crc32

import orjson

from flowsense.replay import Client, Said
from flowsense.replay.shelf import Shelf, asking, listed, milliseconds, shortest, turned
from flowsense.schema import HALT, Events, Instrument

SEQ_ALL, OB_CHECKSUM = 65_536, 131_072
LENGTH, CHECKED = 250, 25
WRONG = 10_000, "event: unknown"
KEPT = 30  # trades that a subscription begins with


class Speaker:
    """Topics are `book/SYMBOL`, `trades/SYMBOL` and `info`, `cs/SYMBOL` of who wants checksums.

    What is told of a client: the flags that it has set, its last number, and its channels by topic.
    """

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.instruments = instruments
        self.shelves = {i.symbol: Shelf(i) for i in instruments}
        self.traded = {i.symbol: list[bytes]() for i in instruments}
        self.trades, self.phase, self.now = 0, 0, 0

    def connected(self, client: Client, path: str) -> list[bytes]:
        client.topics.add("info")
        platform = {"status": int(self.phase != HALT)}
        return [
            orjson.dumps({"event": "info", "version": 2, "serverId": "x", "platform": platform})
        ]

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        m = asking(text)
        event, channel = m.get("event"), m.get("chanId")
        if event == "ping":
            return [orjson.dumps({"event": "pong", "ts": self.now, "cid": m.get("cid")})]
        if event == "conf" and isinstance(m.get("flags"), int):
            client.told["flags"] = m["flags"]
            return [orjson.dumps({"event": "conf", "status": "OK", "flags": m["flags"]})]
        if event == "subscribe":
            return self._subscribe(client, m)
        topics = [t for t, number in client.told.items() if "/" in t and number == channel]
        if event != "unsubscribe" or not topics:
            code, why = (10_400, "unsubscribe: invalid") if event == "unsubscribe" else WRONG
            return [orjson.dumps({"event": "error", "msg": why, "code": code})]
        client.topics -= {topics[0], topics[0].replace("book/", "cs/")}
        del client.told[topics[0]]
        return [orjson.dumps({"event": "unsubscribed", "status": "OK", "chanId": channel})]

    def _subscribe(self, client: Client, m: Any) -> list[bytes]:
        channel, symbol = m.get("channel"), str(m.get("symbol")).removeprefix("t")
        topic = f"{channel}/{symbol}"
        wrong = (10_300, "symbol: invalid") if symbol not in self.shelves else None
        wrong = wrong if channel in ("book", "trades") else (10_302, "channel: unknown")
        wrong = (10_301, "subscribe: dup") if topic in client.topics else wrong
        if wrong:
            return [orjson.dumps(m | {"event": "error", "code": wrong[0], "msg": wrong[1]})]
        client.told["channels"] = client.told.get("channels", 17_000) + 1
        client.told[topic] = client.told["channels"]
        client.topics.add(topic)
        if channel == "book" and client.told.get("flags", 0) & OB_CHECKSUM:
            client.topics.add(f"cs/{symbol}")
        said = m | {"event": "subscribed", "chanId": client.told[topic], "pair": symbol}
        shelf, kept = self.shelves[symbol], b",".join(self.traded[symbol][::-1])
        first = _snapshot(shelf) if channel == "book" else b"[%s]" % kept
        return [orjson.dumps(said), self.frame(client, Said(topic, first))]

    def tell(self, events: Events) -> list[Said]:
        shelf = self.shelves[self.instruments[int(events["instrument"][0])].symbol]
        symbol, turn, out = shelf.instrument.symbol, turned(events), list[Said]()
        self.now = milliseconds(events[-1])
        (changes,) = shelf.shown(events, LENGTH)
        if turn.phase is not None and turn.phase != self.phase:
            self.phase = turn.phase
            code = 20_060 if turn.phase == HALT else 20_061
            out.append(Said("info", orjson.dumps({"event": "info", "code": code, "msg": ""})))
        for e in turn.trades:
            trade = self._trade(shelf, e)
            self.traded[symbol] = [*self.traded[symbol][1 - KEPT :], trade]
            out += [Said(f"trades/{symbol}", b'"%s",%s' % (w, trade)) for w in (b"te", b"tu")]
        topic = f"book/{symbol}"
        if turn.anew:
            out.append(Said(topic, _snapshot(shelf)))
        elif not turn.lost:
            for sign, side in ((1, changes.bids), (-1, changes.asks)):
                out += [Said(topic, _level(shelf, sign, p, n)) for p, n in side.items()]
        if out and out[-1].topic == topic:
            out.append(Said(f"cs/{symbol}", b'"cs",%d' % _checksum(shelf)))
        return out

    def frame(self, client: Client, said: Said) -> bytes:
        body = said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)
        if said.topic == "info":
            return body
        client.told["number"] = client.told.get("number", 0) + 1
        number = b",%d" % client.told["number"] if client.told.get("flags", 0) & SEQ_ALL else b""
        channel = client.told[said.topic.replace("cs/", "book/")]
        return b"[%d,%s%s]" % (channel, body, number)

    def get(self, path: str) -> bytes | None:
        if path != "/v2/conf/pub:info:pair,pub:info:pair:futures":
            return None
        pairs = [
            [i.symbol, [None, None, None, listed(i.lot), "2000.0", *[None] * 3, 0.2, 0.1]]
            for i in self.instruments
        ]
        return orjson.dumps([pairs, []])

    def _trade(self, shelf: Shelf, e: Any) -> bytes:
        self.trades = max(self.trades + 1, int(e["sequence"]))
        sign = b"" if e["side"] > 0 else b"-"
        size, price = number(shelf.size(int(e["lots"]))), number(shelf.price(int(e["price"])))
        return b"[%d,%d,%s%s,%s]" % (self.trades, self.now, sign, size, price)


def number(text: str) -> bytes:
    """As JavaScript writes it.

    >>> number("0.00000056"), number("100.50"), number("0.000001")
    (b'5.6e-7', b'100.5', b'0.000001')
    """
    text = shortest(text)
    digits = text.replace(".", "").lstrip("0")
    if not text.startswith("0.000000"):
        return text.encode()
    places = len(text) - 2 - len(digits) + 1
    return f"{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e-{places}".encode()


def _level(shelf: Shelf, sign: int, price: int, lots: int) -> bytes:
    """Price, count and amount; how many orders there are is not known, and 1 is said."""
    size = number(shelf.size(lots)) if lots else b"1"
    parts = number(shelf.price(price)), bool(lots), b"" if sign > 0 else b"-", size
    return b"[%s,%d,%s%s]" % parts


def _snapshot(shelf: Shelf) -> bytes:
    levels = [_level(shelf, sign, *level) for sign in (1, -1) for level in shelf.best(sign, LENGTH)]
    return b"[%s]" % b",".join(levels)


def _checksum(shelf: Shelf) -> int:
    """Signed."""
    sides = [[*shelf.best(sign, CHECKED)] for sign in (1, -1)]
    parts = [
        b"%s:%s%s" % (number(shelf.price(side[k][0])), minus, number(shelf.size(side[k][1])))
        for k in range(CHECKED)
        for side, minus in zip(sides, (b"", b"-"), strict=True)
        if k < len(side)
    ]
    found = crc32(b":".join(parts))
    return found - 2**32 if found >= 2**31 else found
