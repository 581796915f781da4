"""OKX v5 as it answers: subscriptions to books, trades and instruments, pings, and its listing."""

from collections import Counter
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson

from flowsense.replay import Client, Json, Said
from flowsense.replay.shelf import Shelf, View, listed, milliseconds, shortest, turned
from flowsense.schema import AUCTION, BEAT, HALT, SET, TRADING, Decimal, Events, Instrument
from flowsense.sources.venues.okx import DEPTH, LISTING, kind

STATES = {TRADING: "live", AUCTION: "preopen", HALT: "suspend"}


class Okx:
    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.shelves = [Shelf(i) for i in instruments]
        self.by = {shelf.instrument.symbol: shelf for shelf in self.shelves}
        self.whole = set[str]()  # symbols whose book is known
        self.ended = dict[str, int]()  # the last seqId of a count that has begun again
        self.last, self.trades = dict[str, Json](), Counter[str]()
        self.states, self.ms = dict.fromkeys(self.by, "live"), 0

    def connected(self, client: Client, path: str) -> list[bytes]:
        return []

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        if text == b"ping":
            return [b"pong"]
        try:
            json = orjson.loads(text)
            answers = [self._answer(client, json["op"], arg) for arg in json["args"]]
        except (ValueError, KeyError, TypeError):
            answers = [[_error("60012", f"Invalid request: {text.decode(errors='replace')}")]]
        return [orjson.dumps(body) for bodies in answers for body in bodies]

    def _answer(self, client: Client, op: str, arg: dict[str, str]) -> list[Json]:
        channel, symbol = arg["channel"], arg.get("instId", "")
        if op not in ("subscribe", "unsubscribe"):
            return [_error("60012", f"Invalid request: {op}")]
        topic = f"{channel}:{symbol or arg['instType']}"
        if channel not in ("books", "trades", "instruments") or (symbol and symbol not in self.by):
            return [
                _error("60018", f"Wrong URL or channel:{channel},instId:{symbol} doesn't exist")
            ]
        said: list[Json] = [{"event": op, "arg": arg, "connId": "a4d3ae55"}]
        if op != "subscribe":
            client.topics.discard(topic)
            return said
        client.topics.add(topic)
        if channel == "instruments":
            rows = [self._row(s) for s in self.by if kind(s) == arg["instType"]]
            return [*said, {"arg": arg, "data": rows}]
        if channel == "trades":
            return said + ([self.last[symbol]] if symbol in self.last else [])
        return said + ([self._snapshot(self.by[symbol])] if symbol in self.whole else [])

    def tell(self, events: Events) -> list[Said]:
        shelf, self.ms = self.shelves[events["instrument"][0]], milliseconds(events[-1])
        symbol, turn, said = shelf.instrument.symbol, turned(events), list[Said]()
        for e in turn.trades:
            self.last[symbol] = self._trade(shelf, e)
            said.append(Said(f"trades:{symbol}", self.last[symbol]))
        if turn.phase is not None:
            self.states[symbol] = STATES[turn.phase]
            arg = {"channel": "instruments", "instType": kind(symbol)}
            row = {"arg": arg, "data": [self._row(symbol)]}
            said.append(Said(f"instruments:{kind(symbol)}", row))
        before, (changes,) = shelf.sequence, shelf.shown(events, DEPTH)
        shelf.sequence += len(changes.bids) + len(changes.asks)  # ids rise by any step
        if turn.lost:
            self.whole.discard(symbol)
        elif turn.anew:
            self.whole.add(symbol)
            said.append(Said(f"books:{symbol}", self._snapshot(shelf)))
        elif symbol in self.whole and np.isin(events["action"], (SET, BEAT)).any():
            before = self.ended.pop(symbol, before)
            said.append(Said(f"books:{symbol}", self._message(shelf, "update", changes, before)))
        return said

    def _snapshot(self, shelf: Shelf) -> Json:
        return self._message(shelf, "snapshot", shelf.view(DEPTH), -1)

    def _message(self, shelf: Shelf, action: str, view: View, before: int) -> Json:
        arg = {"channel": "books", "instId": shelf.instrument.symbol}
        both = {"asks": _levels(shelf, view.asks), "bids": _levels(shelf, view.bids)}
        sequence = self.ended.get(shelf.instrument.symbol, shelf.sequence)
        numbers = {"checksum": 0, "seqId": sequence, "prevSeqId": before}
        return {"arg": arg, "action": action, "data": [both | {"ts": str(self.ms)} | numbers]}

    def _trade(self, shelf: Shelf, e: Events) -> Json:
        symbol = shelf.instrument.symbol
        self.trades[symbol] += 1
        one = {
            "instId": symbol,
            "tradeId": str(self.trades[symbol]),
            "px": shortest(shelf.price(int(e["price"]))),
            "sz": shortest(shelf.size(int(e["lots"]))),
            "side": "buy" if e["side"] >= 0 else "sell",  # of an unknown one too
            "ts": str(self.ms),
            "count": "1",
            "source": "0",
            "seqId": shelf.sequence,
        }
        return {"arg": {"channel": "trades", "instId": symbol}, "data": [one]}

    def renumber(self, instrument: int) -> None:
        """seqId begins again; the next message names the one before, as maintenance makes it."""
        shelf = self.shelves[instrument]
        self.ended.setdefault(shelf.instrument.symbol, shelf.sequence)
        shelf.sequence = 0

    def frame(self, client: Client, said: Said) -> bytes:
        return said.body if isinstance(said.body, bytes) else orjson.dumps(said.body)

    def get(self, path: str) -> bytes | None:
        if not path.startswith(LISTING):
            return None
        query = parse_qs(urlsplit(path).query)
        mine = [s for s in self.by if kind(s) == query["instType"][0]]
        rows = [self._row(s) for s in mine if s in query.get("instId", [s])]
        return orjson.dumps({"code": "0", "msg": "", "data": rows})

    def _row(self, symbol: str) -> Json:
        shelf, (base, _, rest) = self.by[symbol], symbol.partition("-")
        i, base_quote = shelf.instrument, [base, rest.partition("-")[0]]
        spot = kind(symbol) == "SPOT" and not i.inverse and i.contract == Decimal(1, 0)
        lot = shortest(shelf.size(1))
        return {
            "instType": kind(symbol),
            "instId": symbol,
            "instFamily": "" if spot else "-".join(base_quote),
            "baseCcy": base_quote[0] if spot else "",
            "quoteCcy": base_quote[1] if spot else "",
            "settleCcy": "" if spot else base_quote[not i.inverse],
            "ctVal": "" if spot else shortest(listed(i.contract)),
            "ctMult": "" if spot else "1",
            "ctValCcy": "" if spot else base_quote[i.inverse],
            "ctType": "" if spot else "inverse" if i.inverse else "linear",
            "tickSz": shortest(shelf.price(1)),
            "lotSz": lot,
            "minSz": lot,
            "state": self.states[symbol],
        }


def _levels(shelf: Shelf, levels: dict[int, int]) -> Json:
    price, size = shelf.price, shelf.size
    return [
        [shortest(price(p)), shortest(size(n)), "0", str(int(n > 0))] for p, n in levels.items()
    ]


def _error(code: str, why: str) -> Json:
    return {"event": "error", "code": code, "msg": why, "connId": "a4d3ae55"}
