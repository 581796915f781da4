"""Binance's side: combined and raw streams of depth updates and trades, subscriptions, REST.

Names and fields are those of "WebSocket Streams" and "Market Data" in Binance's documentation of
spot, USD-M and COIN-M futures. Depth is said at the recording's pace under every name that a
client may know it by (``@depth``, ``@depth@100ms``, ...). What Binance itself has said passes
unchanged, and its REST snapshot is made of the book that the recording has told until then; before
it has told one, it is the first that was recorded, which every client waits to reach.

Update ids of EVENTs are counted here, one for each level that changed. A loss in the recording is
a hole in them, so that clients see it; a snapshot without a loss is told as the differences. A
trade without an aggressor is told as one of a buyer. Candles are made of the trades, once somebody
has asked for their length: told with each trade, and as closed with the first message after it.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import orjson

from flowsense.replay import Client, Json, Said
from flowsense.replay.candles import Candle, Candles
from flowsense.replay.shelf import Shelf, View, text
from flowsense.schema import CLEAR, GAP, MILLISECOND, SET, SNAPSHOT, TRADE, Events, Instrument
from flowsense.sources import NO_EVENTS
from flowsense.sources.binance_lines import Market
from flowsense.sources.venues import Heard, How, venue
from flowsense.sources.venues.binance import LENGTHS
from flowsense.sources.venues.decoder import Decoder

DEPTHS = ("depth", "depth@0ms", "depth@100ms", "depth@250ms", "depth@500ms")
STREAM = re.compile(rb'\{"stream":"([^"]+)","data":')
DEPTH = re.compile(r"([^@]+)@depth(@\d+ms)?")
FIRST = 1_000_000  # update id that the venue stands at when a recording of EVENTs begins
RAW = "raw"  # of a client: it gets the data without the envelope
METHODS = "`SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, `SET_PROPERTY`, `GET_PROPERTY`"
PUBLIC, MARKET = ROOTS = "/public", "/market"  # of the USD-M market, each with streams of its own
PAST = 20_000  # trades that are told again to whom asks
DIGITS = 8  # decimals of every number of the spot market
KLINE = re.compile(r"[^@]+@kline_(\w+)")
SPANS = {1_000 * seconds: name for name, seconds in LENGTHS.items()}  # ms


class Kind(NamedTuple):
    """What differs between the markets."""

    market: Market
    name: str
    base: str  # of the paths


SPOT = Kind(Market.SPOT, "binance-spot", "/api/v3")
USDM = Kind(Market.USDM, "binance-usdm", "/fapi/v1")
COINM = Kind(Market.COINM, "binance-coinm", "/dapi/v1")


@dataclass
class Listed:
    """One symbol, as the venue knows it."""

    shelf: Shelf
    when: int = 0  # ms, of the latest that was heard
    trades: int = FIRST  # id of the last
    lost: bool = False  # since then the recording does not know the book
    offset: int = 0  # taken off recorded ids
    past: deque[dict[str, Any]] = field(
        default_factory=lambda: deque(maxlen=PAST)
    )  # trades, as REST has them
    first: bytes = b""  # snapshot that is recorded, until the book is whole
    candles: Candles = field(default_factory=Candles)


@dataclass(eq=False)
class Binance:
    """A Speaker. Fed with EVENTs by `tell`, or with what was recorded of Binance by `recorded`."""

    kind: Kind
    instruments: tuple[Instrument, ...]
    listed: list[Listed] = field(init=False)
    symbols: dict[str, int] = field(init=False)
    decoder: Decoder = field(init=False)  # follows what is recorded, as any client does

    def __post_init__(self) -> None:
        table = tuple(i._replace(venue=self.kind.name) for i in self.instruments)
        self.instruments = table
        self.listed = [Listed(Shelf(i, sequence=FIRST)) for i in table]
        self.symbols = {i.symbol: k for k, i in enumerate(table)}
        self.decoder = Decoder(venue(self.kind.name), table)
        self.decoder.hear(Heard(0, How.OPENED))

    def connected(self, client: Client, path: str) -> list[bytes]:
        url = urlsplit(path)
        if url.path.endswith("/stream"):
            names = parse_qs(url.query).get("streams", [""])[0]
        else:
            client.told[RAW], names = 1, unquote(url.path.partition("/ws")[2])
        client.told |= {root: 1 for root in ROOTS if url.path.startswith(root)}
        self._subscribe(client, names.split("/"))
        return []

    def _subscribe(self, client: Client, names: list[Any]) -> None:
        """Behind a root of its own a stream of another kind is accepted and never told."""
        root = next((root for root in ROOTS if client.told.get(root)), "")
        mine = (name for name in names if isinstance(name, str) and name)
        client.topics |= {name for name in mine if root in ("", root_of(name))}
        found = {m[1] for m in map(KLINE.fullmatch, client.topics) if m}
        for one in self.listed:
            more = {span for span, name in SPANS.items() if name in found}
            one.candles.spans = (*sorted(more.union(one.candles.spans)),)

    def asked(self, client: Client, text: bytes) -> list[bytes]:
        try:
            json = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return [refusal(None, 3, f"Invalid JSON: {error}")]
        if not isinstance(json, dict):
            return [refusal(None, 2, "Invalid request: expected an object")]
        number, given = json.get("id"), json.get("params")
        params, result = given if isinstance(given, list) else [], cast(Any, None)
        match json.get("method"):
            case "SUBSCRIBE":
                self._subscribe(client, params)
            case "UNSUBSCRIBE":
                client.topics -= {p for p in params if isinstance(p, str)}
            case "LIST_SUBSCRIPTIONS":
                result = sorted(client.topics)
            case "SET_PROPERTY" if params in (["combined", True], ["combined", False]):
                client.told[RAW] = int(not params[1])
            case "GET_PROPERTY" if params == ["combined"]:
                result = not client.told.get(RAW)
            case method:
                why = f"Invalid request: unknown variant `{method}`, expected one of {METHODS}"
                return [refusal(number, 2, why)]
        return [orjson.dumps({"result": result, "id": number})]

    def frame(self, client: Client, said: Said) -> bytes:
        bare, body = client.told.get(RAW), said.body
        if not isinstance(body, bytes):
            return orjson.dumps(body if bare else {"stream": said.topic, "data": body})
        start = STREAM.match(body)
        if start is None:
            return body
        if bare:
            return body[start.end() : -1]
        if start[1] == said.topic.encode():
            return body
        return b'{"stream":"%s","data":%s' % (said.topic.encode(), body[start.end() :])

    def tell(self, events: Events) -> list[Said]:
        k = int(events["instrument"][0])
        one, said, symbol = self.listed[k], list[Said](), self.instruments[k].symbol.lower()
        one.when = (int(events["ts_event"][0]) or int(events["ts_recv"][0])) // MILLISECOND
        said += self._candles(k, events)
        for part in parts(events):
            if part["action"][0] == TRADE:
                said.append(Said(f"{symbol}@trade", self._trade(k, part)))
            elif (update := self._update(k, part)) is not None:
                said += [Said(f"{symbol}@{name}", update) for name in DEPTHS]
        return said

    def _update(self, k: int, events: Events) -> Json | None:
        one, bits = self.listed[k], int(events["bits"][0])
        if events["action"][0] == CLEAR and bits & GAP:
            one.lost = True
            if not bits & SNAPSHOT:
                return None  # the venue knows its book, but the recording does not
        changed, before = told(one.shelf, events), one.shelf.sequence
        count = max(sum(map(len, changed)), 1)
        if one.lost and bits & SNAPSHOT:
            one.lost, before, changed = False, before + 1, View({}, {})
        one.shelf.sequence = before + count
        ids = {"U": before + 1, "u": before + count}
        if self.kind.market is not Market.SPOT:
            ids["pu"] = before
        bids, asks = (
            [self._level(one.shelf, *level) for level in side.items()] for side in changed
        )
        return self._begun(k, "depthUpdate") | ids | {"b": bids, "a": asks}

    def _trade(self, k: int, events: Events) -> Json:
        one, e = self.listed[k], events[0]
        one.trades += 1
        price, size = self._level(one.shelf, int(e["price"]), int(e["lots"]))
        body = self._begun(k, "trade") | {"t": one.trades, "p": price, "q": size, "T": one.when}
        row = {"id": one.trades, "price": price, "qty": size, "time": one.when}
        one.past.append(row | {"isBuyerMaker": bool(e["side"] < 0), "isBestMatch": True})
        if self.kind.market is Market.SPOT:
            return body | {"m": bool(e["side"] < 0), "M": True}
        body.pop("ps", None)
        return body | {"X": "MARKET", "m": bool(e["side"] < 0)}

    def _candles(self, k: int, events: Events) -> Iterator[Said]:
        """Those that are over by then, and those that run."""
        one = self.listed[k]
        for span, candle in one.candles.over(one.when):
            yield self._candle(k, SPANS[span], candle, True)
        trades = events[events["action"] == TRADE]
        for price, lots in zip(trades["price"].tolist(), trades["lots"].tolist(), strict=True):
            one.candles.traded(one.when, price, lots)
            for span, candle in one.candles.running.items():
                yield self._candle(k, SPANS[span], candle, False)

    def _candle(self, k: int, length: str, c: Candle, closed: bool) -> Said:
        shelf, symbol = self.listed[k].shelf, self.instruments[k].symbol
        prices = {n: self._number(shelf.price(p)) for n, p in zip("ohlc", c.ohlc, strict=True)}
        about = {"t": c.opened, "T": c.over - 1, "s": symbol, "i": length, "n": c.trades}
        volume = {"v": self._number(shelf.size(c.lots)), "x": closed}
        body = {"e": "kline", "E": self.listed[k].when, "s": symbol, "k": about | prices | volume}
        return Said(f"{symbol.lower()}@kline_{length}", body)

    def _begun(self, k: int, event: str) -> dict[str, Any]:
        when, symbol = self.listed[k].when, self.instruments[k].symbol
        more = {} if self.kind.market is Market.SPOT else {"T": when}
        pair = {"ps": symbol.split("_")[0]} if self.kind.market is Market.COINM else {}
        return {"e": event, "E": when} | more | {"s": symbol} | pair

    def _level(self, shelf: Shelf, price: int, lots: int) -> list[str]:
        return [self._number(shelf.price(price)), self._number(shelf.size(lots))]

    def _number(self, plain: str) -> str:
        if self.kind.market is not Market.SPOT:
            return plain
        whole, _, places = plain.partition(".")
        return f"{whole}.{places:0<{DIGITS}}"

    def begins(self, instrument: int, snapshot: bytes) -> None:
        """This is the first snapshot that a recording of Binance holds."""
        self.listed[instrument].first = snapshot

    def recorded(self, instrument: int, ts: int, body: bytes) -> list[Said]:
        """What Binance has said then."""
        one, start = self.listed[instrument], STREAM.match(body)
        topic = start[1].decode() if start else ""
        how, key = (How.MESSAGE, "") if topic else (How.REPLY, self.instruments[instrument][0])
        events = NO_EVENTS
        if not topic or "@depth" in topic:  # a snapshot, too, continues the book
            self._follow(one, self.decoder.hear(Heard(ts, how, body, key)).events)
        elif one.candles.spans and topic.endswith("@trade"):
            events = self.decoder.hear(Heard(ts, how, body)).events
        if not topic:
            return []
        one.when = ts // MILLISECOND
        said = [*self._candles(instrument, events)]
        if one.offset:
            body = renumbered(body, one.offset)
        depth = DEPTH.fullmatch(topic)
        names = [f"{depth[1]}@{name}" for name in DEPTHS] if depth else [topic]
        return said + [Said(name, body) for name in names]

    def _follow(self, one: Listed, events: Events) -> None:
        """The book as it was, until the recording knows it again: clients find that too old."""
        known = events[(events["action"] != TRADE) & (events["bits"] & (GAP | SNAPSHOT) != GAP)]
        if len(known):
            one.shelf.apply(known)
            one.shelf.sequence, one.first = int(known["sequence"][-1]), b""

    def renumber(self, instrument: int) -> None:
        """Update ids begin again, as after the venue lost its own count."""
        one = self.listed[instrument]
        if self.decoder.sink.last[self.instruments[instrument].symbol] < 0:
            one.shelf.sequence, one.trades = 0, 0
        else:
            one.offset = one.shelf.sequence

    def get(self, path: str) -> bytes | None:
        url = urlsplit(path)
        base, _, name = url.path.rpartition("/")
        if base != self.kind.base:
            return None
        asked = {key: values[0] for key, values in parse_qs(url.query).items()}
        match name:
            case "ping":
                return b"{}"
            case "time":
                return orjson.dumps({"serverTime": self._time()})
            case "exchangeInfo":
                return orjson.dumps(self._listing(asked))
            case "depth" if asked.get("symbol") in self.symbols:
                limit = asked.get("limit", "")
                wanted = int(limit) if limit.isdecimal() and len(limit) < 7 else 0
                return self._snapshot(self.symbols[asked["symbol"]], wanted or self._usual())
            case "historicalTrades" if asked.get("symbol") in self.symbols:
                return orjson.dumps(self._past(asked))
        return None

    def _past(self, asked: dict[str, str]) -> Json:
        """Of what was told as EVENTs; from an id on, or the last."""
        rows = self.listed[self.symbols[asked["symbol"]]].past
        limit = min(int(asked.get("limit", 500)), 1_000)
        if "fromId" not in asked:
            return [*rows][-limit:]
        return [row for row in rows if row["id"] >= int(asked["fromId"])][:limit]

    def _usual(self) -> int:
        return 100 if self.kind.market is Market.SPOT else 500

    def _time(self) -> int:
        return max((one.when for one in self.listed), default=0)

    def _snapshot(self, k: int, limit: int) -> bytes:
        one, symbol = self.listed[k], self.instruments[k].symbol
        if one.first:
            return one.first
        body: dict[str, Any] = {"lastUpdateId": one.shelf.sequence - one.offset}
        if self.kind.market is not Market.SPOT:
            body |= {"E": one.when, "T": one.when}
        if self.kind.market is Market.COINM:
            body |= {"symbol": symbol, "pair": symbol.split("_")[0]}
        for name, side in (("bids", 1), ("asks", -1)):
            levels = one.shelf.best(side, limit)
            body[name] = [self._level(one.shelf, *level) for level in levels]
        return orjson.dumps(body)

    def _listing(self, asked: dict[str, str]) -> Json:
        try:
            wanted = orjson.loads(asked.get("symbols", "[]"))
        except orjson.JSONDecodeError:
            wanted = []
        names = {*map(str, wanted)} if isinstance(wanted, list) else set()
        names |= {asked["symbol"]} if "symbol" in asked else set()
        told = [self._listed(i) for i in self.instruments if not names or i.symbol in names]
        begun = {"timezone": "UTC", "serverTime": self._time(), "rateLimits": []}
        return begun | {"exchangeFilters": [], "symbols": told}

    def _listed(self, i: Instrument) -> Json:
        tick, lot = (self._number(text(1, unit)) for unit in (i.tick, i.lot))
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "tickSize": tick},
            {"filterType": "LOT_SIZE", "minQty": lot, "stepSize": lot},
        ]
        body: dict[str, Any] = {"symbol": i.symbol}
        if self.kind.market is Market.COINM:
            size = {"contractSize": int(float(i.contract)), "contractStatus": "TRADING"}
            body |= {"pair": i.symbol.split("_")[0]} | size
        else:
            body["status"] = "TRADING"
        return body | {"filters": filters}


def parts(events: Events) -> Iterator[Events]:
    """What changes the book in one piece, each trade in another, in order."""
    cuts = np.flatnonzero(events["action"] == TRADE)
    ends = sorted({*cuts.tolist(), *(cuts + 1).tolist(), 0, len(events)})
    yield from (events[a:b] for a, b in pairwise(ends))


def told(shelf: Shelf, events: Events) -> View:
    """One message, into the shelf. What levels are now, of those that it changed."""
    if (events["action"] == CLEAR).any():
        was = shelf.view()
        shelf.apply(events)
        return shelf.differ(was, shelf.view())
    shelf.apply(events)
    sets = events[events["action"] == SET]
    return View(*(levels(sets[sets["side"] == side]) for side in (1, -1)))


def levels(sets: Events) -> dict[int, int]:
    return dict(zip(sets["price"].tolist(), sets["lots"].tolist(), strict=True))


def root_of(stream: str) -> str:
    _, _, kind = stream.partition("@")
    return PUBLIC if kind.startswith(("depth", "rpiDepth", "bookTicker")) else MARKET


def refusal(number: Any, code: int, why: str) -> bytes:
    return orjson.dumps({"error": {"code": code, "msg": why}, "id": number})


def renumbered(body: bytes, offset: int) -> bytes:
    json = orjson.loads(body)
    ids = {key: json["data"][key] - offset for key in ("U", "u", "pu") if key in json["data"]}
    return orjson.dumps(json | {"data": json["data"] | ids})


Spot, UsdM, CoinM = partial(Binance, SPOT), partial(Binance, USDM), partial(Binance, COINM)
