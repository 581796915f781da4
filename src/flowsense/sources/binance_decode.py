"""Blocks of lines to EVENTs: a fold, so that cuts at any line give the same events."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import EVENT, LAST, SET, TRADE, Decimal, Events, zeros
from flowsense.sources import NO_EVENTS
from flowsense.sources.binance_decimals import Ints, multiples, numbers
from flowsense.sources.binance_lines import Kind, Market, Message, parse, refused
from flowsense.sources.binance_sync import RULES, Piece, Sync
from flowsense.sources.files import Block


@dataclass(frozen=True, slots=True)
class Feed:
    """What must be known of a recording before its first event."""

    symbol: str
    market: Market
    tick: Decimal
    lot: Decimal
    trades: str = "trade"  # the stream that counts as flow: trade, or aggTrade where there is none


class State(NamedTuple):
    """All that the events to come depend on."""

    sync: Sync
    ts_recv: int = 0  # ns, the latest yet
    counts: tuple[tuple[str, int], ...] = ()  # what was met, by name


def decode(feed: Feed, state: State, path: Path, block: Block) -> tuple[State, Events]:
    """Changes nothing that it is given. Raises InputError that names file, line and value."""
    counts, out = Counter(dict(state.counts)), list[Piece]()
    messages = parse(path, block, feed.trades, counts)
    sync, now = state.sync, state.ts_recv
    for m in messages:
        sync, now = advance(feed.symbol, sync, m, now, out, counts)
    return State(sync, now, tuple(counts.items())), events(feed, out)


def advance(
    symbol: str, sync: Sync, m: Message, now: int, out: list[Piece], counts: Counter[str]
) -> tuple[Sync, int]:
    """One message on; `now` is the receive time, which never falls."""
    belongs(symbol, sync.market, m)
    if m.line.ts_recv < now:
        counts["receive time fell"] += 1
    now = max(now, m.line.ts_recv)
    return RULES[m.kind](sync, m, now, out, counts), now


def belongs(symbol: str, market: Market, m: Message) -> None:
    """A recording is of one instrument of one market. Raises InputError."""
    fix = "give each instrument files of its own"
    if m.symbol not in ("", symbol):
        raise refused(m.line, f"{m.symbol!r} in a recording of {symbol}", fix)
    if m.market not in (None, market):
        raise refused(m.line, f"a {m.market.value} update in a {market.value} recording", fix)


def exact(messages: list[Message]) -> tuple[Ints, Ints]:
    """Mantissas and decimals, (n, 2) each: price and size of every level. Raises InputError."""
    mantissa, decimals, bad = numbers([m.levels.text for m in messages if m.levels.total])
    if bad >= 0:
        raise wrong(messages, bad, "is no plain decimal of at most 18 digits, 0 or above")
    mantissa, decimals = mantissa.reshape(-1, 2), decimals.reshape(-1, 2)
    traded = np.repeat(
        np.array([m.kind is Kind.TRADE for m in messages], np.bool_),
        np.array([m.levels.total for m in messages], np.int64),
    )
    zero = np.flatnonzero((mantissa == 0) & np.column_stack([np.ones_like(traded), traded]))
    if len(zero):
        raise wrong(messages, int(zero[0]), "must be above 0")
    return mantissa, decimals


def whole(messages: list[Message], tick: Decimal, lot: Decimal) -> tuple[Ints, Ints]:
    """-> ticks and lots of every level. Raises InputError."""
    mantissa, decimals = exact(messages)
    columns = []
    for k, (name, unit) in enumerate((("tick", tick), ("lot", lot))):
        count, bad = multiples(mantissa[:, k], decimals[:, k], unit)
        if bad >= 0:
            size = f"{unit.mantissa}e{unit.exponent}"
            raise wrong(messages, 2 * bad + k, f"is no multiple, below 2**53, of the {name} {size}")
        columns.append(count)
    return columns[0], columns[1]


def wrong(messages: list[Message], number: int, why: str) -> InputError:
    """The error of the number at this place of all their numbers."""
    ends = np.cumsum([2 * m.levels.total for m in messages])
    i = int(np.searchsorted(ends, number, side="right"))
    at, name = number - int(ends[i]), ("price", "size")[number % 2]
    value = messages[i].levels.text.split(",")[at]
    return refused(messages[i].line, f"{name} {value[:40]!r} {why}")


def events(feed: Feed, pieces: list[Piece]) -> Events:
    """One event per level or trade; a CLEAR or BEAT has none and is one event all the same."""
    if not pieces:
        return NO_EVENTS
    told = [p.message for p in pieces if p.action in (SET, TRADE)]
    bare = [p.action not in (SET, TRADE) for p in pieces]
    bids, asks = (
        np.array([1 - k if b else p.message.levels[k] for p, b in zip(pieces, bare, strict=True)])
        for k in (0, 1)
    )
    n = bids + asks
    out = zeros(EVENT, int(n.sum()))

    def spread(values: list[int]) -> NDArray[np.int64]:
        return np.repeat(np.array(values), n)

    out["ts_event"] = spread([p.message.ts_event for p in pieces])
    out["ts_recv"] = spread([p.ts_recv for p in pieces])
    out["sequence"] = spread([p.message.last for p in pieces])
    out["action"] = spread([p.action for p in pieces])
    out["bits"] = spread([p.bits & ~LAST for p in pieces])
    out["bits"][np.cumsum(n) - 1] |= np.array([p.bits & LAST for p in pieces], np.uint8)
    out["side"] = np.repeat(np.tile([1, -1], len(n)), np.column_stack([bids, asks]).ravel())
    empty = np.repeat(np.array(bare), n)
    out["side"][empty] = 0
    out["price"][~empty], out["lots"][~empty] = whole(told, feed.tick, feed.lot)
    return out
