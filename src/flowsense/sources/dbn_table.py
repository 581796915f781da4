"""From what was found in DBN files to the instruments of a source, and what decoding them needs."""

from collections.abc import Iterator
from fractions import Fraction
from math import gcd
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import DEPTH, LARGEST, NEVER, Decimal, Instrument
from flowsense.sources.dbn_book import HOLE, NONE, SEEN
from flowsense.sources.dbn_metadata import Mapping
from flowsense.sources.dbn_records import (
    BARS,
    BBO_1M,
    MBO,
    MBP_10,
    NANO,
    TBBO,
    TRADES,
)
from flowsense.sources.dbn_survey import ID, Definition, File, Survey, spans, tellers
from flowsense.sources.units import Key, Units, common

BOOKS, FLOWS = range(BBO_1M + 1), (*range(TBBO + 1), TRADES)  # the fullest first
ONE = Decimal(1, 0)


class Given(NamedTuple):
    """Units that the user chose; None where the files decide."""

    tick: Decimal | None = None
    lot: Decimal | None = None
    units: Units | None = None  # of each symbol and venue, of which both decide


class Bearer(NamedTuple):
    """An id while it bears a symbol."""

    key: int  # publisher and instrument id
    start: int  # ns
    symbol: str


class Table(NamedTuple):
    """Instruments, how ids lead to them, and their state before the first message."""

    instruments: tuple[Instrument, ...]
    keys: NDArray[np.int64]  # (k,) sorted, then by start
    starts: NDArray[np.int64]  # (k,) ns, from when the id means the instrument
    places: NDArray[np.int64]  # (k,) of the instrument
    seen: NDArray[Any]  # (instruments,) SEEN
    holes: NDArray[Any]  # (h,) HOLE, in order of time

    def find(self, key: NDArray[np.int64], ts: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) the instrument of each message. Raises InputError for one that was not surveyed."""
        at = np.searchsorted(self.keys, key)
        at[at == len(self.keys)] = 0
        if not (self.keys[at] == key).all():
            raise InputError("DBN files changed while they were read: read them when complete")
        while True:
            after = np.minimum(at + 1, len(self.keys) - 1)
            later = (after > at) & (self.keys[after] == key) & (self.starts[after] <= ts)
            if not later.any():
                return self.places[at]
            at[later] += 1


def bearers(survey: Survey, files: list[File]) -> Iterator[Bearer]:
    """Symbols are those of the metadata, else of messages in the stream, else of definitions."""
    known = dict[int, set[Mapping]]()
    for file in files:
        for number, mappings in file.metadata.mappings.items():
            known.setdefault(number, set()).update(mappings)
    for key in survey.seen["key"].tolist():
        number = key & ID
        told = known.get(number) or survey.symbols.get(number, [])
        spans = sorted(span for span in told if span.symbol)
        if not spans:
            definition = survey.definitions.get(number)
            spans = [Mapping(0, NEVER, definition.symbol if definition else str(number))]
        last = ""
        for k, span in enumerate(spans):
            if span.symbol != last:
                yield Bearer(key, span.start if k else 0, span.symbol)
                last = span.symbol


def table(survey: Survey, files: list[File], dataset: str, given: Given) -> Table:
    """Raises InputError where a unit that was given cannot be."""
    rows = list(bearers(survey, files))
    publishers = {row.key >> 32 for row in rows}
    venue, ids = dataset.lower() or "databento", dict[Key, list[int]]()
    for row in rows:
        ids.setdefault((row.symbol, venue_of(row, venue, publishers)), []).append(row.key)
    places = {name: k for k, name in enumerate(ids)}
    of = [places[row.symbol, venue_of(row, venue, publishers)] for row in rows]
    seen, instruments = np.zeros(len(ids), SEEN), list[Instrument]()
    for k, ((symbol, venue), keys) in enumerate(ids.items()):
        instruments.append(describe(symbol, venue, keys, survey, given, seen[k : k + 1]))
    return Table(
        tuple(instruments),
        np.array([row.key for row in rows], np.int64),
        np.array([row.start for row in rows], np.int64),
        np.array(of, np.int64),
        seen,
        holes(seen, list(ids.values()), files),
    )


def holes(seen: NDArray[Any], ids: list[list[int]], files: list[File]) -> NDArray[Any]:
    """Where what tells of an instrument's book begins, and begins again."""
    told, out = tellers(files), list[tuple[int, int, bool]]()
    for k, keys in enumerate(ids):
        feed = int(seen["book"][k]) if seen["book"][k] != NONE else int(seen["flow"][k])
        mine = {id(f): f for key in keys for f in told.get((key, feed), [])}.values()
        in_order = sorted(mine, key=lambda f: (f.start, f.first))
        out += [(span.start, k, span.opens) for span in spans(in_order)]
    return np.array(sorted(out), HOLE)


def venue_of(row: Bearer, venue: str, publishers: set[int]) -> str:
    """Several publishers of one dataset have books of their own."""
    return venue if len(publishers) == 1 else f"{venue}.{row.key >> 32}"


def first(feeds: int, among: Any) -> int:
    return next((feed for feed in among if feeds >> feed & 1), NONE)


def describe(
    symbol: str, venue: str, keys: list[int], survey: Survey, given: Given, seen: NDArray[Any]
) -> Instrument:
    """Also fills its one SEEN."""
    found = survey.seen[np.searchsorted(survey.seen["key"], keys)]
    feeds = int(np.bitwise_or.reduce(found["feeds"]))
    book, flow, bar = first(feeds, BOOKS), first(feeds, FLOWS), first(feeds, BARS)
    definitions = [d for key in keys if (d := survey.definitions.get(key & ID))]
    steps = [*found["step"].tolist(), *(d.increment for d in definitions)]
    units = given.units[symbol, venue] if given.units else (given.tick, given.lot)
    tick = (
        nano(units[0], symbol, gcd(*found["step"].tolist())) if units[0] else gcd(*steps) or 10**9
    )
    lot = units[1] or ONE
    if int(found["most"].max(initial=0)) > LARGEST * tick:
        raise InputError(
            f"{symbol}: prices of more than 2**53 ticks of {tick}e-9: give another tick"
        )
    shown = DEPTH if book in (NONE, MBO, MBP_10) else 1
    if bar != NONE and book == flow == NONE:
        shown = 0
    seen["book"], seen["flow"], seen["bar"], seen["shown"] = book, flow, bar, shown
    seen["tick"], seen["scale"] = tick, scale(lot)
    seen["replay"] = seen["fills"] = seen["likely"] = NONE
    exact = common(Decimal(tick, NANO), Decimal(tick, NANO))
    worth = next((contract(d) for d in definitions), ONE)
    return Instrument(
        symbol, venue, Decimal(*exact), Decimal(*lot), worth, by_order=book == MBO, depth=shown
    )


def nano(tick: Decimal, symbol: str, step: int) -> int:
    """A given tick in 1e-9. Raises InputError where prices do not come in such steps."""
    exact = Fraction(tick.mantissa) * Fraction(10) ** (tick.exponent - NANO)
    if exact <= 0 or exact.denominator != 1:
        raise InputError(f"tick {float(tick)}: give one above 0, a multiple of 1e-9, such as 0.01")
    if step % int(exact):
        raise InputError(
            f"{symbol}: prices come in steps of {float(Decimal(step, NANO))}, and the tick "
            f"{float(tick)} does not divide that: give a finer one"
        )
    return int(exact)


def scale(lot: Decimal) -> int:
    """Lots of one unit, sizes being whole numbers. Raises InputError."""
    exact = Fraction(10) ** -lot.exponent / lot.mantissa if lot.mantissa > 0 else Fraction(0)
    if exact.denominator != 1 or not 0 < exact <= LARGEST >> 32:
        raise InputError(f"lot {float(lot)}: sizes are whole numbers: give 1 or a part of it")
    return int(exact)


def contract(definition: Definition) -> Decimal:
    """What a price of 1 is worth: 50 dollars for a future whose 0.25 are worth 12.50."""
    _, increment, factor, amount = definition
    if not (increment and factor and amount):
        return ONE
    exact = Fraction(amount * 10**18, increment * factor)
    if exact.denominator != 1:
        return ONE
    worth = Decimal(int(exact), NANO)
    return Decimal(*common(worth, worth))
