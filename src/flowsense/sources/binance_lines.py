"""Recorded lines, `ns {json}` each, to messages: which they are, when, and their levels' text.

A diff stream is told from a partial-depth one by the name of the stream alone: the futures send
both as depthUpdate. Events that are known but say nothing of book or trades are only counted.
"""

import re
from collections import Counter
from enum import Enum
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import orjson

from flowsense.errors import InputError
from flowsense.sources.files import Block
from flowsense.sources.levels import Levels, pairs

Json: TypeAlias = dict[str, Any]
OTHER = re.compile(  # streams of the three markets beside the differences of the book
    "aggTrade|assetIndex|avgPrice|blockTrade|bookTicker|compositeIndex|continuousKline|"
    "contractInfo|depth5|depth10|depth20|forceOrder|indexPrice|indexPriceKline|kline|markPrice|"
    "markPriceKline|miniTicker|referencePrice|rpiDepth|ticker|trade"
)
MILLISECONDS, MICROSECONDS, END = 10**12, 10**15, 10**16  # of an exchange time: the years 2001-2286


class Market(Enum):
    SPOT, USDM, COINM = "spot", "usdm", "coinm"


class Kind(Enum):
    UPDATE, SNAPSHOT, TRADE = "depth", "snapshot", "trade"


class Line(NamedTuple):
    """Where a message stands, and the recorder's time of it, ns."""

    path: Path
    number: int
    ts_recv: int


class Message(NamedTuple):
    """One message of the book or of the tape."""

    kind: Kind
    line: Line
    symbol: str  # "" where a snapshot does not say
    market: Market | None  # where the message tells
    ts_event: int  # ns; 0 where the message does not say
    first: int  # U; snapshot and trade: the same as last
    last: int  # u, lastUpdateId, or the trade's id
    previous: int  # pu of the futures, else -1
    levels: Levels


def parse(path: Path, block: Block, trades: str, counts: Counter[str]) -> list[Message]:
    """The block's messages in order; every other event is counted by name. Raises InputError."""
    out = []
    for number, text in enumerate(block.data.splitlines(), block.first):
        stamp, _, body = text.partition(b" ")
        try:
            at = Line(path, number, _stamp(stamp))
            message = message_of(at, orjson.loads(body), trades, counts)
        except (KeyError, ValueError) as error:
            raise refused(Line(path, number, 0), _why(error)) from None
        if message is not None:
            out.append(message)
    return out


def _why(error: KeyError | ValueError) -> str:
    match error:
        case KeyError():
            return f"the message has no field {error}"
        case orjson.JSONDecodeError():
            return f"what follows the time is not JSON ({error})"
    return str(error)


def _stamp(text: bytes) -> int:
    if len(text) != 19 or not text.isdigit():
        raise ValueError(f"{_short(text)} is no time of 19 digits (ns)")
    return int(text)


def message_of(at: Line, json: Any, trades: str, counts: Counter[str]) -> Message | None:
    if not isinstance(json, dict):
        raise ValueError(f"{_short(json)} is no JSON object")
    if "lastUpdateId" in json:
        counts["snapshot"] += 1
        return _snapshot(at, json)
    name = _stream(str(json["stream"])) if "stream" in json else _notice(json)
    if name not in ("depth", trades):
        counts[name] += 1
        return None
    data = json.get("data")
    if not isinstance(data, dict):
        raise ValueError(f"data {_short(data)} is no JSON object")
    match = data.get("X", "MARKET") == "MARKET"
    counts[name if match else f"{name} {data['X']}"] += 1
    if name == "depth":
        return _update(at, data)
    return _trade(at, data, trades) if match else None


def _notice(json: Json) -> str:
    """What a connection says of itself."""
    if "id" in json and ("result" in json or "error" in json):
        return "reply"
    if json.get("e") == "serverShutdown":
        return "serverShutdown"
    raise ValueError(f"keys {_short(list(json))} are neither a stream's nor a snapshot's")


@lru_cache(maxsize=256)
def _stream(stream: str) -> str:
    """depth of btcusdt@depth@100ms, kline of btcusdt@kline_1m, ticker of !ticker@arr."""
    symbol, _, rest = stream.partition("@")
    name = symbol[1:] if symbol.startswith("!") else rest.partition("@")[0]
    name = name.partition("_")[0]
    if name != "depth" and not OTHER.fullmatch(name):
        raise ValueError(f"stream {_short(stream)} is not one of Binance's")
    return name


def _update(at: Line, d: Json) -> Message:
    first, last, previous = _id(d, "U"), _id(d, "u"), _id(d, "pu") if "pu" in d else -1
    if not previous < first <= last:
        raise ValueError(f"update ids pu {previous}, U {first}, u {last} do not rise")
    market = Market.COINM if "ps" in d else Market.USDM if "pu" in d else Market.SPOT
    when, levels = _time(d, "T" if "T" in d else "E"), pairs(d["b"], d["a"])
    return Message(Kind.UPDATE, at, str(d["s"]), market, when, first, last, previous, levels)


def _snapshot(at: Line, d: Json) -> Message:
    last, when = _id(d, "lastUpdateId"), _time(d, "T") if "T" in d else 0
    symbol, levels = str(d.get("symbol", "")), pairs(d["bids"], d["asks"])
    return Message(Kind.SNAPSHOT, at, symbol, None, when, last, last, -1, levels)


def _trade(at: Line, d: Json, trades: str) -> Message:
    number, sold, pair = _id(d, "t" if trades == "trade" else "a"), d["m"], [[d["p"], d["q"]]]
    if type(sold) is not bool:
        raise ValueError(f"m {_short(sold)} is neither true nor false")
    levels = pairs([], pair) if sold else pairs(pair, [])
    return Message(Kind.TRADE, at, str(d["s"]), None, _time(d, "T"), number, number, -1, levels)


def past(at: Line, symbol: str, d: Json) -> Message:
    """A trade as REST tells it. Raises ValueError and KeyError as the others."""
    trade = {"s": symbol, "t": d["id"], "p": d["price"], "q": d["qty"], "T": d["time"]}
    return _trade(at, trade | {"m": d["isBuyerMaker"]}, "trade")


def _id(d: Json, key: str) -> int:
    value = d[key]
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError(f"{key} {_short(value)} is no whole number below 2**63")
    return value


def _time(d: Json, key: str) -> int:
    """ns, of a time in ms or, where the stream was asked for it, in us."""
    value = _id(d, key)
    if MILLISECONDS <= value < 10 * MILLISECONDS:
        return value * 1_000_000
    if MICROSECONDS <= value < END:
        return value * 1_000
    raise ValueError(f"{key} {value} is no time in ms (13 digits) or us (16 digits)")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def refused(at: Line, why: str, fix: str = "cut the file there or record it again") -> InputError:
    return InputError(f"{at.path}: line {at.number}: {why}: {fix}")
