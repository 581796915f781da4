"""From paths to a Reader that people hold in their hands: rows as tables of other libraries."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.features.catalogue import BAR_FAMILIES, CLOCKS, DEFAULT, spec
from flowsense.features.fold import Replay, join
from flowsense.features.observed import PREFIX
from flowsense.forecast import spell
from flowsense.schema import Events
from flowsense.sources import Source, chunks, kinds_of
from flowsense.sources.open import open_source
from flowsense.sources.units import shared
from flowsense.store.lake import digest
from flowsense.tape import FeatureSpec, Rows

if TYPE_CHECKING:
    import polars
    import pyarrow

RESULTS = "metrics.json"  # a folder with it is a run's, and may be replaced by another
Names = tuple[str, ...]
Paths = str | Path | Sequence[str | Path]


class Recording(Replay):
    """A Reader over recorded files, and a source of their events.

    Iterating gives tapes, each time from the start and in flat memory; the tables below hold one
    row per decision row, with nulls (NaN in numpy) where a column is missing.
    """

    source: Source

    def __init__(
        self, spec: FeatureSpec, source: Source, options: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(spec, source)
        self.options = {k: str(v) for k, v in (options or {}).items()}  # of the format

    @property
    def files(self) -> tuple[Path, ...]:
        return self.source.files

    def __repr__(self) -> str:
        symbols = ", ".join(i.symbol for i in self.instruments)
        clock, *_ = self.spec.clocks
        return f"<Recording of {symbols}: {len(self.spec.columns)} columns, {clock}>"

    def events(self) -> Iterator[Events]:
        """The events themselves, in chunks."""
        return iter(self.source)

    def rows(self) -> Rows:
        """All rows of the decision clock."""
        return join([tape.rows[0] for tape in self])

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

    What is left at its default is fitted to the recording: see `usual`. Raises InputError for what
    cannot be read.
    """
    listed = [paths] if isinstance(paths, str | Path) else list(paths)
    for path in map(Path, listed):
        if (path / RESULTS).is_file():
            raise InputError(f"{path}: holds the results of a run: name a recording to read")
    source = open_source(listed, format=format, **options)
    given = {"format": format} | options if format else options
    return Recording(spec(*usual(source, families, clocks)), source, given)


def usual(source: Source, families: Names, clocks: Names) -> tuple[Names, Names]:
    """Families and clocks, where they are the defaults those that suit a source.

    What it observes is read besides. Of bars alone there are the families of bars, and a row when
    each closes.
    """
    bare = bars_alone(source)
    if bare and clocks == CLOCKS:
        clocks = (f"interval:{spell(bar_step(source))}",)
    if families == DEFAULT:
        seen = tuple(PREFIX + name for name in kinds_of(source))
        families = (BAR_FAMILIES if bare else DEFAULT) + seen
    return families, clocks


def bars_alone(source: Source) -> bool:
    """Whether no instrument shows a book."""
    return all(i.depth == 0 for i in source.instruments) and len(source.instruments) > 0


def bar_step(source: Source) -> int:
    """ns that the shortest of its first bars lasts. Raises InputError where there is none."""
    first = next((chunk.bars for chunk in chunks(source) if len(chunk.bars)), None)
    if first is None:
        raise InputError(f"{source.name}: holds no bar: name another")
    return int((first["ts_recv"] + 1 - first["ts_open"]).min())


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
    units = shared([i for recording in (learn, *tests) for i in recording.instruments])
    learn, *others = (
        Recording(r.spec, r.source.in_units(units), r.options) for r in (learn, *tests)
    )
    return learn, tuple(others)


def hashes(files: tuple[Path, ...]) -> dict[str, str]:
    """SHA-256 of each file, by name; with its folder's where two have the same name."""
    names = [path.name for path in files]
    found = {}
    for path in files:
        alone = names.count(path.name) == 1
        found[path.name if alone else f"{path.parent.name}/{path.name}"] = digest(path).sha256
    return found
