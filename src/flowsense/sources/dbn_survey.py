"""What DBN files hold, found by one pass over them: ids, feeds, price steps, definitions, spans."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import DAY, NEVER
from flowsense.sources.dbn_files import Piece, metadata_of, pieces
from flowsense.sources.dbn_messages import Batch, Part
from flowsense.sources.dbn_metadata import Mapping, Metadata
from flowsense.sources.dbn_records import (
    BARS,
    DEFINITION,
    LAYOUTS,
    MAPPING,
    MARKET,
    TBBO,
    UNDEFINED,
)

Ints = NDArray[np.int64]
SEEN = np.dtype(
    [
        ("key", "i8"),  # publisher and instrument id
        ("feeds", "i8"),  # bits
        ("step", "i8"),  # greatest common divisor of its prices, 1e-9
        ("most", "i8"),  # the greatest of them
    ]
)
ID = 0xFFFFFFFF  # of a key: the instrument id, without the publisher
DEFINED = ("min_price_increment", "display_factor", "min_price_increment_amount")
LEVELS, BARRED = np.zeros(len(MARKET), np.bool_), np.zeros(len(MARKET), np.bool_)  # by feed
LEVELS[[layout.feed for layout in LAYOUTS.values() if layout.levels]] = True
LEVELS[TBBO], BARRED[list(BARS)] = True, True


class Definition(NamedTuple):
    """What the venue says of an instrument, 1e-9; 0 where it does not."""

    symbol: str
    increment: int
    factor: int  # by which prices and amounts were multiplied
    amount: int  # that an increment is worth


class File(NamedTuple):
    """One file, and when its first and its last message came, ns; NEVER and 0 where it has none."""

    metadata: Metadata
    first: int = NEVER
    last: int = 0
    told: frozenset[tuple[int, int]] = frozenset()  # keys and feeds

    def after(self, ts: Ints, kinds: Ints) -> "File":
        """One with further messages; `kinds` are keys times the number of feeds, plus feed."""
        alike = bool((kinds == kinds[0]).all())
        more = (
            divmod(int(kind), len(MARKET)) for kind in (kinds[:1] if alike else np.unique(kinds))
        )
        first, last = min(self.first, int(ts[0])), max(self.last, int(ts.max()))
        return self._replace(first=first, last=last, told=self.told.union(more))

    @property
    def start(self) -> int:
        return min(self.metadata.start, self.first) if self.metadata.dataset else self.first

    @property
    def opens(self) -> bool:
        """It begins at midnight UTC, which is told with the orders that rest then."""
        return bool(self.metadata.dataset) and self.metadata.start % DAY == 0

    @property
    def end(self) -> int:
        """It tells all until then."""
        known = self.metadata.dataset and not self.metadata.limited and self.metadata.end < NEVER
        return max(self.metadata.end, self.last) if known else self.last


class Span(NamedTuple):
    """A stretch of time that the files tell without a hole."""

    start: int
    opens: bool  # a book without a snapshot is empty then
    end: int = NEVER


class Survey:
    """Grows with every piece."""

    def __init__(self) -> None:
        self.seen = np.zeros(0, SEEN)  # by key
        self.symbols: dict[int, list[Mapping]] = {}  # by instrument id, from messages of the stream
        self.definitions: dict[int, Definition] = {}
        self.counts = Counter[str]()

    def add(self, piece: Piece) -> None:
        self.counts += piece.counts
        for part in piece.described:
            if part.layout.feed == DEFINITION:
                self.define(part)
            elif part.layout.feed == MAPPING:
                self.map(part)
        if len(piece.batch.messages):
            self.measure(piece.batch)

    def define(self, part: Part) -> None:
        numbers = [part.raw[name].tolist() for name in DEFINED]
        symbols = zip(part.raw["instrument_id"].tolist(), part.raw["raw_symbol"], strict=True)
        for (number, symbol), of in zip(symbols, zip(*numbers, strict=True), strict=True):
            known = [x if 0 < x < UNDEFINED else 0 for x in of]
            self.definitions[number] = Definition(plain(symbol, part), *known)

    def map(self, part: Part) -> None:
        for number, symbol in zip(
            part.raw["instrument_id"], part.raw["stype_out_symbol"], strict=True
        ):
            self.symbols[int(number)] = [Mapping(0, NEVER, plain(symbol, part))]

    def measure(self, batch: Batch) -> None:
        """Feeds and price steps of every instrument."""
        m = batch.messages
        keys = m["key"][:1] if (m["key"] == m["key"][0]).all() else np.unique(m["key"])
        new = keys[~np.isin(keys, self.seen["key"])]
        if len(new):
            more = np.zeros(len(new), SEEN)
            more["key"] = new
            self.seen = np.sort(np.concatenate([self.seen, more]), order="key")
        at = np.searchsorted(self.seen["key"], m["key"])
        np.bitwise_or.at(self.seen["feeds"], at, 1 << m["feed"].astype(np.int64))
        priced = m["price"] != UNDEFINED
        self.divide(at[priced], m["price"][priced])
        for those, prices in ((LEVELS, batch.books[..., 0]), (BARRED, batch.bars[:, :4])):
            which = those[m["feed"]]
            of = prices[m["row"][which]]
            self.divide(np.repeat(at[which], of[:1].size), of.ravel())

    def divide(self, at: Ints, prices: Ints) -> None:
        known = self.seen["step"][at]
        changes = np.flatnonzero((known == 0) | (prices % np.maximum(known, 1) != 0))
        np.gcd.at(self.seen["step"], at[changes], prices[changes])
        np.maximum.at(self.seen["most"], at, np.abs(prices))


def plain(raw: bytes, part: Part) -> str:
    try:
        return raw.split(b"\0")[0].decode()
    except UnicodeDecodeError:
        raise InputError(f"{part.path}: the symbol {raw!r} is no text: copy it again") from None


def survey(paths: tuple[Path, ...]) -> tuple[Survey, list[File]]:
    """Reads everything once. Raises InputError, also for files that tell the same twice."""
    found, files = Survey(), list[File]()
    for path in paths:
        file = File(metadata_of(path))
        for piece in pieces(path):
            found.add(piece)
            if len(m := piece.batch.messages):
                file = file.after(m["ts_recv"], m["key"] * len(MARKET) + m["feed"])
        files.append(file)
    for those in tellers(files).values():
        for one, two in pairwise(those):
            if two.first < one.last:
                raise InputError(
                    f"{two.metadata.path} and {one.metadata.path}: both tell of instrument "
                    f"{min(one.told & two.told)[0] & ID} at the same time: leave one out"
                )
    return found, sorted(files, key=lambda f: (f.start, f.first))


def tellers(files: list[File]) -> dict[tuple[int, int], list[File]]:
    """Which files tell of a key and feed, in order of time."""
    out = dict[tuple[int, int], list[File]]()
    for file in sorted(files, key=lambda f: (f.start, f.first)):
        for told in file.told:
            out.setdefault(told, []).append(file)
    return out


def spans(files: list[File]) -> list[Span]:
    """Of files in order of time: what they tell without a hole."""
    out = list[Span]()
    for file in files:
        if out and file.start <= out[-1].end:
            out[-1] = out[-1]._replace(end=max(out[-1].end, file.end))
        else:
            out.append(Span(file.start, file.opens, file.end))
    return out
