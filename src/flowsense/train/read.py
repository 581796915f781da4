"""From paths to a Reader that people hold in their hands: rows as tables of other libraries."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import gcd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.catalogue import CLOCKS, DEFAULT, spec
from flowsense.features.fold import Replay
from flowsense.schema import Decimal, Events
from flowsense.sources import Source
from flowsense.sources.merge import Key, Merged, key_of
from flowsense.sources.open import expand, open_source
from flowsense.tape import FeatureSpec, Rows

if TYPE_CHECKING:
    import polars
    import pyarrow

Paths = str | Path | Sequence[str | Path]


class Recording(Replay):
    """A Reader over recorded files, and a source of their events.

    Iterating gives tapes, each time from the start and in flat memory; the tables below hold one
    row per decision row, with nulls (NaN in numpy) where a column is missing.
    """

    source: Source

    def __init__(self, spec: FeatureSpec, source: Source, files: tuple[Path, ...]) -> None:
        super().__init__(spec, source)
        self.files = files

    def __repr__(self) -> str:
        symbols = ", ".join(i.symbol for i in self.instruments)
        clock, *_ = self.spec.clocks
        return f"<Recording of {symbols}: {len(self.spec.columns)} columns, {clock}>"

    def events(self) -> Iterator[Events]:
        """The events themselves, in chunks."""
        return iter(self.source)

    def rows(self) -> Rows:
        """All rows of the decision clock."""
        parts = [tape.rows[0] for tape in self]
        columns: list[Any] = [np.concatenate(c) for c in zip(*parts, strict=True)]
        return Rows(*columns)

    def to_arrow(self) -> "pyarrow.Table":
        """ts (UTC, ns), instrument (symbol), then the columns as float32."""
        import pyarrow as pa

        rows = self.rows()
        symbols = pa.array([i.symbol for i in self.instruments])
        who = pa.DictionaryArray.from_arrays(pa.array(rows.instrument), symbols)
        ts = pa.array(rows.ts).cast(pa.timestamp("ns", "UTC"))
        pairs = zip(rows.X.T, rows.valid.T, strict=True)
        values = [pa.array(np.ascontiguousarray(x), mask=~known) for x, known in pairs]
        return pa.table([ts, who, *values], names=["ts", "instrument", *self.spec.columns])

    def to_polars(self) -> "polars.DataFrame":
        """`to_arrow` as a polars DataFrame."""
        import polars as pl

        frame = pl.from_arrow(self.to_arrow())
        assert isinstance(frame, pl.DataFrame)
        return frame

    def to_pandas(self) -> Any:
        """`to_arrow` as a pandas DataFrame; pandas must be installed."""
        return self.to_arrow().to_pandas()

    def to_numpy(self) -> NDArray[np.float32]:
        """(n, F) the columns alone, NaN where missing."""
        rows = self.rows()
        return np.where(rows.valid, rows.X, np.float32(np.nan))


def read(
    paths: Paths,
    *,
    format: str | None = None,
    families: tuple[str, ...] = DEFAULT,
    clocks: tuple[str, ...] = CLOCKS,
    **options: object,
) -> Recording:
    """Files, folders and globs as one Reader; `options` are those of the format.

    Raises InputError for what cannot be read.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    source = open_source(listed, format=format, **options)
    given = tuple(sorted({one.path for path in listed for one in expand(path)}))
    return Recording(spec(families, clocks), source, files_of(source) or given)


def files_of(source: Source) -> tuple[Path, ...]:
    """The files that it reads, in order; none where it is of another package."""
    from flowsense.sources.binance import BinanceRaw
    from flowsense.sources.lobster import Lobster
    from flowsense.sources.recorded import Recorded
    from flowsense.sources.ticks import Ticks

    match source:
        case Merged():
            return tuple(path for one in source.sources for path in files_of(one))
        case BinanceRaw():
            return source.paths
        case Lobster():
            return source.pair.message, source.pair.orderbook
        case Recorded() | Ticks():
            return (source.path,)
    return ()


class Unit(Decimal):
    """A tick or a lot as every format takes it: some read numbers, some the text."""

    def __str__(self) -> str:
        digits = str(self.mantissa).rjust(1 - self.exponent, "0")
        whole = len(digits) + min(self.exponent, 0)
        point = "." if self.exponent < 0 else ""
        return digits[:whole] + point + digits[whole:] + "0" * max(self.exponent, 0)

    @classmethod
    def parse(cls, name: str, text: str) -> "Unit":
        """Exactly, from text like ``0.01``. Raises InputError."""
        whole, _, decimals = text.partition(".")
        digits = whole + decimals
        if not (digits.isascii() and digits.isdigit()) or int(digits) == 0:
            raise InputError(f"--{name} {text!r}: write a number above 0, like 0.01")
        return cls(int(digits), -len(decimals))


Units = Mapping[Key, tuple[Unit, Unit]]  # tick and lot


def alike(
    learn: Recording, tests: tuple[Recording, ...]
) -> tuple[Recording, tuple[Recording, ...]]:
    """The same, with one tick and one lot for an instrument that several of them tell of.

    Formats that do not say their units are read in the greatest common divisors of their numbers,
    and these differ from file to file. Raises InputError for a file on both sides, and where a
    recording cannot be read in other units.
    """
    trained = {path.resolve() for path in learn.files}
    for path in (path for test in tests for path in test.files):
        if path.resolve() in trained:
            raise InputError(f"{path}: is named for training and for testing: leave it out of one")
    units: dict[Key, tuple[Unit, Unit]] = {}
    for i in (i for recording in (learn, *tests) for i in recording.instruments):
        tick, lot = units.get(key_of(i), (Unit(*i.tick), Unit(*i.lot)))
        units[key_of(i)] = common(tick, i.tick), common(lot, i.lot)
    learn, *others = (
        Recording(r.spec, in_units(r.source, units), r.files) for r in (learn, *tests)
    )
    return learn, tuple(others)


def common(a: Decimal, b: Decimal) -> Unit:
    """The greatest common divisor, in lowest terms."""
    exponent = min(a.exponent, b.exponent)
    x, y = (u.mantissa * 10 ** (u.exponent - exponent) for u in (a, b))
    mantissa = gcd(x, y)
    while mantissa % 10 == 0 and exponent < 0:
        mantissa, exponent = mantissa // 10, exponent + 1
    return Unit(mantissa, exponent)


def in_units(source: Source, units: Units) -> Source:
    """The source itself where its units are these, else one that reads the same files in them."""
    from flowsense.sources.binance import BinanceRaw
    from flowsense.sources.ticks import Ticks

    if isinstance(source, Merged):
        return Merged(tuple(in_units(one, units) for one in source.sources))
    wanted = {units[key_of(i)] for i in source.instruments}
    if all(
        units[key_of(i)] == (common(i.tick, i.tick), common(i.lot, i.lot))
        for i in source.instruments
    ):
        return source
    tick, lot = next(iter(wanted))
    if len(wanted) == 1 and isinstance(source, BinanceRaw):
        return replace(source, tick=tick, lot=lot)
    if len(wanted) == 1 and isinstance(source, Ticks):
        return replace(source, tick=str(tick), lot=str(lot))
    raise InputError(
        f"{source.name}: its tick {float(source.instruments[0].tick)} is another in the other "
        "recordings: give --tick and --lot, or record it again"
    )


def hashes(files: tuple[Path, ...]) -> dict[str, str]:
    """SHA-256 of each file, by name; with its folder's where two have the same name."""
    names = [path.name for path in files]
    found = {}
    for path in files:
        of = sha256()
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                of.update(piece)
        alone = names.count(path.name) == 1
        found[path.name if alone else f"{path.parent.name}/{path.name}"] = of.hexdigest()
    return found
