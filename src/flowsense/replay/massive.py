"""Massive's side of its WebSocket: the key, subscriptions, quotes, books, trades and bars.

Bars are made of the trades, and told with the first record at or after their end. It numbers the
quotes and trades of a symbol together. A key is taken if it is `key`, or any where that is empty.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import orjson

from flowsense.replay import Client, Said
from flowsense.replay.candles import Candles
from flowsense.replay.shelf import Shelf
from flowsense.schema import CLOSE, LAST, MILLISECOND, TRADE, Events, Instrument

WAYS = {1: "2", -1: "1", 0: ""}  # conditions of a pair's trade: bought, sold
DEPTH = 100
SECOND, MINUTE = 1_000, 60_000  # ms


class Massive:
    """What stocks and pairs have in common."""

    letters = ("", "", "", "A", "AM")  # quote, trade, book, bars of a second and of a minute
    field = "sym"

    def __init__(self, instruments: tuple[Instrument, ...], key: str = "") -> None:
        self.shelves = [Shelf(i) for i in instruments]
        self.key, self.numbers = key, Counter[str]()
        self.now = 0  # ms, of the last record
        self.touches = dict[int, str]()
        self.candles = [Candles((SECOND, MINUTE)) for _ in instruments]

    def connected(self, client: Client, path: str) -> list[bytes]:
        return [status("connected", "Connected Successfully")]

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        said = orjson.loads(text)
        action, params = said["action"], said["params"]
        if action == "auth":
            if not params or (self.key and params != self.key):
                return [status("auth_failed", "authentication failed")]
            client.told["auth"] = 1
            return [status("auth_success", "authenticated")]
        if "auth" not in client.told:
            return [status("error", "not authorized")]
        topics = params.split(",")
        if action == "unsubscribe":
            client.topics -= set(topics)
        else:
            client.topics |= set(topics)
        return [status("success", f"{action}d to: {topic}") for topic in topics]

    def tell(self, events: Events) -> list[Said]:
        k = int(events[0]["instrument"])
        shelf = self.shelves[k]
        now = int(max(events[-1]["ts_event"], events[-1]["ts_recv"])) // MILLISECOND
        self.now = now
        said = [*self.closed(k, now)]
        for e in events:
            if e["action"] in (TRADE, CLOSE):
                self.candles[k].traded(now, int(e["price"]), int(e["lots"]))
            if e["action"] == TRADE:
                said += self.topic(k, 1, f"{self.trade(k, e)},{self.stamp(k, now)}")
        shelf.apply(events)
        if events[-1]["bits"] & LAST:
            said += self.book(k, now)
        return said

    def book(self, k: int, now: int) -> Iterator[Said]:
        touch = self.touch(self.shelves[k])
        if touch != self.touches.get(k):
            self.touches[k] = touch
            yield from self.topic(k, 0, f"{touch},{self.stamp(k, now)}")

    def touch(self, shelf: Shelf) -> str:
        parts = list[str]()
        for side, price, size in ((1, "bp", "bs"), (-1, "ap", "as")):
            ticks, lots = next(shelf.best(side, 1), (0, 0))
            parts.append(f'"{price}":{number(shelf.price(ticks))}')
            parts.append(f'"{size}":{number(shelf.size(lots))}')
        return ",".join(parts)

    def trade(self, k: int, e: Any) -> str:
        shelf = self.shelves[k]
        self.numbers[f"trade {k}"] += 1
        return (
            f'"i":{self.identity(k)},"p":{number(shelf.price(int(e["price"])))},'
            f'"s":{number(shelf.size(int(e["lots"])))},"c":[{self.condition(int(e["side"]))}]'
        )

    def identity(self, k: int) -> str:
        return f'"{self.numbers[f"trade {k}"]}"'

    def condition(self, side: int) -> str:
        return ""

    def stamp(self, k: int, now: int) -> str:
        self.numbers[f"all {k}"] += 1
        return f'"t":{now},"q":{self.numbers[f"all {k}"]},"z":3'

    def closed(self, k: int, now: int) -> Iterator[Said]:
        shelf = self.shelves[k]
        for span, c in self.candles[k].over(now):
            prices = zip("ohlc", map(shelf.price, c.ohlc), strict=True)
            parts = [f'"{name}":{number(price)}' for name, price in prices]
            volume = shelf.size(c.lots)
            parts.append(f'"v":{number(volume)},"z":{float(volume) / c.trades}')
            parts.append(f'"s":{c.opened},"e":{c.over}')
            yield from self.topic(k, 3 if span == SECOND else 4, ",".join(parts))

    def topic(self, k: int, which: int, fields: str) -> Iterator[Said]:
        """To who has subscribed to it, or to all of its channel."""
        ev, symbol = self.letters[which], self.shelves[k].instrument.symbol.partition("@")[0]
        body = f'{{"ev":"{ev}","{self.field}":"{symbol}",{fields}}}'.encode()
        yield Said(f"{ev}.{symbol}", body)
        yield Said(f"{ev}.*", body)

    def frame(self, client: Client, said: Said) -> bytes:
        return b"[" + (said.body if isinstance(said.body, bytes) else b"") + b"]"

    def get(self, path: str) -> bytes | None:
        return None


class Stocks(Massive):
    """Channels Q, T, A and AM."""

    letters = ("Q", "T", "", "A", "AM")

    def get(self, path: str) -> bytes | None:
        """The quote that stands."""
        symbol = path.removeprefix("/v2/last/nbbo/")
        k = next((k for k, s in enumerate(self.shelves) if s.instrument.symbol == symbol), None)
        if k is None or symbol == path:
            return None
        touch = self.touch(self.shelves[k])
        for name, other in (("bp", "p"), ("bs", "s"), ("ap", "P"), ("as", "S")):
            touch = touch.replace(f'"{name}"', f'"{other}"')
        q, now = self.numbers[f"all {k}"], self.now * MILLISECOND
        return f'{{"status":"OK","results":{{"T":"{symbol}",{touch},"t":{now},"q":{q}}}}}'.encode()


class Crypto(Massive):
    """Channels XQ, XL2, XT, XAS and XA, of pairs like BTC-USD@1."""

    letters = ("XQ", "XT", "XL2", "XAS", "XA")
    field = "pair"

    def book(self, k: int, now: int) -> Iterator[Said]:
        yield from super().book(k, now)
        sides = (f'"{name}":[{self.side(k, side)}]' for name, side in (("b", 1), ("a", -1)))
        yield from self.topic(k, 2, f"{','.join(sides)},{self.stamp(k, now)}")

    def side(self, k: int, side: int) -> str:
        shelf = self.shelves[k]
        pairs = ((shelf.price(ticks), shelf.size(lots)) for ticks, lots in shelf.best(side, DEPTH))
        return ",".join(f"[{number(price)},{number(size)}]" for price, size in pairs)

    def identity(self, k: int) -> str:
        return str(self.numbers[f"trade {k}"])

    def condition(self, side: int) -> str:
        return WAYS[side]

    def stamp(self, k: int, now: int) -> str:
        exchange = self.shelves[k].instrument.symbol.partition("@")[2] or "1"
        return f'"t":{now},"x":{exchange},"r":{now}'

    def get(self, path: str) -> bytes | None:
        """The snapshot of all tickers, of which clients take prices."""
        if not path.startswith("/v2/snapshot/locale/global/markets/crypto/tickers"):
            return None
        tickers = (
            f'{{"ticker":"{ticker(s)}","lastTrade":{{"p":{price(s)}}}}}' for s in self.shelves
        )
        return f'{{"status":"OK","tickers":[{",".join(tickers)}]}}'.encode()


def ticker(shelf: Shelf) -> str:
    return f"X:{shelf.instrument.symbol.partition('@')[0].replace('-', '')}"


def price(shelf: Shelf) -> str:
    """Of the best bid, or one of the size that the tick belongs to."""
    ticks, _ = next(shelf.best(1, 1), (10**8, 0))
    return number(shelf.price(ticks))


def number(text: str) -> str:
    """As JSON writes it: without zeros at its end."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def status(name: str, message: str) -> bytes:
    return orjson.dumps([{"ev": "status", "status": name, "message": message}])
