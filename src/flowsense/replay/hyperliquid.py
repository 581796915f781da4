"""Hyperliquid as it answers: subscriptions to l2Book and trades, pings, and info that is posted."""

from collections import deque
from typing import Any

import orjson

from flowsense.replay import Client, Json, Said
from flowsense.replay.shelf import Shelf, milliseconds, shortest, told
from flowsense.schema import Events, Instrument
from flowsense.sources.venues.hyperliquid import DEPTH, PERPETUAL, SPOT

EVERY = 500  # ms at least from one l2Book to the next
PAST = 30  # trades of a coin that are told again to whoever subscribes
NOBODY = "0x" + 40 * "0"


class Hyperliquid:
    """Blocks are as fast as events come: with each, the books that are due are told."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.shelves = [Shelf(i) for i in instruments]
        self.by = {shelf.instrument.symbol: shelf for shelf in self.shelves}
        self.told = dict[str, int]()  # when each book that is known was told last, ms
        self.past = {coin: deque[Json](maxlen=PAST) for coin in self.by}
        self.ms, self.trades = 0, 0

    def connected(self, client: Client, path: str) -> list[bytes]:
        return []

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        try:
            json = orjson.loads(text)
            if json["method"] == "ping":
                return [b'{"channel":"pong"}']
            said = self._answer(client, json["method"], json["subscription"])
        except (ValueError, KeyError, TypeError):
            said = [_channel("error", f"Error parsing JSON: {text.decode(errors='replace')}")]
        return [orjson.dumps(body) for body in said]

    def _answer(self, client: Client, method: str, wanted: dict[str, str]) -> list[Json]:
        what, coin = wanted["type"], wanted["coin"]
        topic, known = f"{what}:{coin}", what in ("l2Book", "trades") and coin in self.by
        if not known or method not in ("subscribe", "unsubscribe"):
            return [_channel("error", f"Invalid subscription {orjson.dumps(wanted).decode()}")]
        more: dict[str, Any] = {"nSigFigs": None, "mantissa": None} if what == "l2Book" else {}
        said = [
            _channel("subscriptionResponse", {"method": method, "subscription": {**wanted, **more}})
        ]
        if method == "unsubscribe":
            client.topics.discard(topic)
            return said
        client.topics.add(topic)
        if what == "l2Book":
            return said + ([self._book(coin)] if coin in self.told else [])
        return [*said, _channel("trades", [*self.past[coin]])] if self.past[coin] else said

    def tell(self, events: Events) -> list[Said]:
        shelf, self.ms = self.shelves[events["instrument"][0]], milliseconds(events[-1])
        coin, turn = shelf.instrument.symbol, told(shelf, events)
        if turn.lost:
            self.told.pop(coin, None)
        elif turn.anew:
            self.told.setdefault(coin, self.ms - EVERY)
        trades = [self._trade(shelf, e) for e in turn.trades]
        self.past[coin].extend(trades)
        said = [Said(f"trades:{coin}", _channel("trades", trades))] if trades else []
        due = [one for one, ms in self.told.items() if self.ms - ms >= EVERY]
        self.told |= dict.fromkeys(due, self.ms)
        return said + [Said(f"l2Book:{one}", self._book(one)) for one in due]

    def _book(self, coin: str) -> Json:
        shelf = self.by[coin]
        levels = [
            [{"px": _text(shelf.price(p)), "sz": _text(shelf.size(n)), "n": 1} for p, n in side]
            for side in (shelf.best(1, DEPTH), shelf.best(-1, DEPTH))
        ]
        return _channel("l2Book", {"coin": coin, "time": self.ms, "levels": levels})

    def _trade(self, shelf: Shelf, e: Events) -> dict[str, Any]:
        self.trades += 1
        return {
            "coin": shelf.instrument.symbol,
            "side": "B" if e["side"] >= 0 else "A",  # of an unknown one too
            "px": _text(shelf.price(int(e["price"]))),
            "sz": _text(shelf.size(int(e["lots"]))),
            "time": self.ms,
            "hash": "0x" + 64 * "0",
            "tid": self.trades,
            "users": [NOBODY, NOBODY],
        }

    def frame(self, client: Client, said: Said) -> bytes:
        return said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)

    def get(self, path: str) -> bytes | None:
        where, _, body = path.partition(" ")
        if where != "/info":
            return None
        wanted = orjson.loads(body)["type"]
        if wanted == "meta":
            return orjson.dumps({"universe": [self._row(i) for i in self._fine(0, PERPETUAL)]})
        return orjson.dumps(self._pairs()) if wanted == "spotMeta" else None

    def _fine(self, least: int, most: int) -> list[Instrument]:
        """Whose price and size have so many decimals together; of more than SPOT none is listed."""
        found = (shelf.instrument for shelf in self.shelves)
        return [i for i in found if least <= max(0, -i.tick.exponent) + _decimals(i) <= most]

    def _row(self, i: Instrument) -> Json:
        return {"name": i.symbol, "szDecimals": _decimals(i), "maxLeverage": 20}

    def _pairs(self) -> Json:
        """Spot: the token 0 is what all are quoted in."""
        tokens: list[Any] = [{"name": "USDC", "szDecimals": 8, "weiDecimals": 8, "index": 0}]
        pairs: list[Any] = []
        for k, i in enumerate(self._fine(PERPETUAL + 1, SPOT)):
            size, name = _decimals(i), i.symbol.partition("/")[0]
            tokens.append({"name": name, "szDecimals": size, "weiDecimals": 8, "index": k + 1})
            pairs.append(
                {"name": i.symbol, "tokens": [k + 1, 0], "index": k, "isCanonical": k == 0}
            )
        return {"universe": pairs, "tokens": tokens}


def _decimals(i: Instrument) -> int:
    """Of a size."""
    return max(0, -i.lot.exponent)


def _channel(name: str, data: Any) -> Json:
    return {"channel": name, "data": data}


def _text(number: str) -> str:
    """With one decimal at least, as the venue writes them."""
    found = shortest(number)
    return found if "." in found else f"{found}.0"
