"""Recorded WebSocket lines of Binance spot, USD-M and COIN-M futures, as one source a instrument.

A line is `ns {json}`: the recorder's time and a message of a combined stream, or the reply to
`GET depth`, which stands in the stream where it arrived. The rules are those of "How to manage a
local order book correctly" in Binance's documentation of each market; `id` is the lastUpdateId of
the snapshot, U and u the first and final update id of a depthUpdate, pu the u of the one before::

                         spot (@depth)         USD-M, COIN-M (@depth)
    held by snapshot     u <= id               u < id
    first after it       U <= id + 1 <= u      U <= id <= u
    each after that      U == u before + 1     pu == u before
    else                 GAP, and nothing of the book before the next snapshot

A snapshot is told once an update is seen to continue it; one that is older than the updates at
hand is left out. An update heard twice (u and time not above the last one's) is left out; ids that
fall while time rises are a gap. What was left out is counted by name.

`sequence` is u, lastUpdateId or the trade's id. An update without levels is a BEAT. A trade of a
buyer who is the maker (m) has a seller as aggressor; trades heard before the book is whole lack
LAST; those that were no match in the book (X other than MARKET) and bookTickers are counted only.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

from flowsense.errors import InputError
from flowsense.schema import Decimal, Events, Instrument
from flowsense.sources import Source
from flowsense.sources.binance_decimals import Divisors, common, unit
from flowsense.sources.binance_decode import Feed, State, advance, belongs, decode, exact
from flowsense.sources.binance_lines import Market, parse
from flowsense.sources.binance_sync import Piece, Sync
from flowsense.sources.files import Block, blocks
from flowsense.sources.quarantine import Quarantine, sound
from flowsense.sources.units import Units, other

LINES = 500  # of a block: some thousand events
CLAIMED = re.compile(rb'\d{19} \{("stream":"(!|[^"@]*@)|"lastUpdateId":)')
VENUES = {m: f"binance-{m.value}" for m in Market}


class Survey(NamedTuple):
    """What one pass over a recording tells before the first event."""

    feed: Feed
    counts: Mapping[str, int]  # messages and irregularities by name


def claims(path: Path, head: bytes) -> bool:
    """By content: the first line is one of these recordings, whatever the file is called."""
    return CLAIMED.match(head) is not None


def open(
    paths: list[Path],
    *,
    tick: Decimal | None = None,
    lot: Decimal | None = None,
    quarantine: Quarantine | None = None,
) -> list[Source]:
    """One source an instrument and market, its files chained in order of time.

    Tick and lot are given where several recordings must share one unit. Raises InputError for a
    file that cannot be read or holds no depth update.
    """
    chains: dict[tuple[str, Market], list[tuple[int, Path]]] = {}
    for path in paths:
        start, symbol, market = begins(path, quarantine)
        chains.setdefault((symbol, market), []).append((start, path))
    return [
        BinanceRaw(tuple(path for _, path in sorted(chain)), *who, tick, lot, quarantine)
        for who, chain in chains.items()
    ]


def begins(path: Path, quarantine: Quarantine | None = None) -> tuple[int, str, Market]:
    """-> ns of the first line, symbol and market of the first depth update."""
    start = 0
    lines = sound(
        path, blocks(path, LINES), lambda b: parse(path, b, "trade", Counter()), quarantine
    )
    for block in lines:
        messages = parse(path, block, "trade", Counter())
        start = start or int(block.data[:19])
        for m in messages:
            if m.market is not None:
                return start, m.symbol, m.market
    raise InputError(f"{path}: holds no depth update: record the stream @depth as well")


def usable(
    path: Path, symbol: str, market: Market, trades: str, quarantine: Quarantine | None
) -> Iterator[Block]:
    """The file's lines; with a quarantine without those that cannot be used by themselves."""

    def check(block: Block) -> None:
        messages = parse(path, block, trades, Counter())
        exact(messages)
        for m in messages:
            belongs(symbol, market, m)

    return sound(path, blocks(path, LINES), check, quarantine)


def survey(
    paths: tuple[Path, ...],
    symbol: str,
    market: Market,
    trades: str = "trade",
    quarantine: Quarantine | None = None,
) -> Survey:
    """Reads everything once. Raises InputError."""
    divisors: tuple[Divisors, Divisors] = (set(), set())
    sync, now, out, counts = Sync(market), 0, list[Piece](), Counter[str]()
    for path in paths:
        for block in usable(path, symbol, market, trades, quarantine):
            messages = parse(path, block, trades, counts)
            for m in messages:
                sync, now = advance(symbol, sync, m, now, out, counts)
            out.clear()
            mantissa, decimals = exact(messages)
            for k, found in enumerate(divisors):
                found |= common(mantissa[:, k], decimals[:, k])
    if not counts["book"]:
        raise InputError(unready(paths, counts))
    if trades == "trade" and counts["aggTrade"] and not counts["trade"]:
        return survey(paths, symbol, market, "aggTrade", quarantine)
    return Survey(Feed(symbol, market, unit(divisors[0]), unit(divisors[1]), trades), counts)


def unready(paths: tuple[Path, ...], counts: Counter[str]) -> str:
    names = " + ".join(map(str, paths))
    if counts["snapshot"]:
        return f"{names}: no update continues the snapshot: give the file that precedes or follows"
    return f"{names}: no depth snapshot in it: give the file that precedes it as well"


@dataclass(frozen=True)
class BinanceRaw:
    """One instrument's recording: files that continue each other, in order of time.

    Tick and lot are the largest that divide every price and size in it, unless given. The first
    use reads the files once for that. Raises InputError that names file, line and value, also
    for a recording in which no update continues a snapshot. With a `quarantine` a bad line is put
    aside; an update that is missed then is a gap.
    """

    paths: tuple[Path, ...]
    symbol: str
    market: Market
    tick: Decimal | None = None
    lot: Decimal | None = None
    quarantine: Quarantine | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, given in (("tick", self.tick), ("lot", self.lot)):
            if given is not None and given.mantissa <= 0:
                raise InputError(f"{name} {float(given)}: give one above 0, such as 0.01")

    @property
    def name(self) -> str:
        return " + ".join(map(str, self.paths))

    @property
    def files(self) -> tuple[Path, ...]:
        return self.paths

    def in_units(self, units: Units) -> Self:
        pair = other(self, units)
        return self if pair is None else replace(self, tick=pair[0], lot=pair[1])

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        feed, inverse = self.survey.feed, self.market is Market.COINM
        dollars = 100 if self.symbol.startswith("BTCUSD_") else 10
        contract = Decimal(dollars if inverse else 1, 0)
        venue = VENUES[self.market]
        return (Instrument(self.symbol, venue, feed.tick, feed.lot, contract, inverse),)

    @cached_property
    def survey(self) -> Survey:
        found = survey(self.paths, self.symbol, self.market, quarantine=self.quarantine)
        tick, lot = self.tick or found.feed.tick, self.lot or found.feed.lot
        return found._replace(feed=replace(found.feed, tick=tick, lot=lot))

    @property
    def counts(self) -> Mapping[str, int]:
        """Messages and irregularities by name."""
        return self.survey.counts

    def __iter__(self) -> Iterator[Events]:
        feed, state = self.survey.feed, State(Sync(self.market))
        for path in self.paths:
            for block in usable(path, self.symbol, self.market, feed.trades, self.quarantine):
                state, events = decode(feed, state, path, block)
                if len(events):
                    yield events
