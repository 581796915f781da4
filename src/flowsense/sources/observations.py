"""Alternative data by the time it was known: values of an index, of sentiment, of ready features.

=====  ================================  ====================================================
table  columns                           becomes an OBSERVATION
=====  ================================  ====================================================
long   ts, known, name, value            of each row, of the kind called `name`
wide   ts, known, then columns of        of each cell, of the kind called like its column
       numbers
=====  ================================  ====================================================

`ts` is when it happened and `known` when we could first have read it; without `ts` it is
`known`. What was published late, or corrected, is a further row with its own `known`. A table
that does not say when its values were known needs a `lag` from the one to the other: 0s too has
to be said, as whoever leaves it out lets the future leak into the past.

A blank cell is no observation; NaN is refused. A column `symbol` names the instrument, blank for
all of them. Such an instrument is of depth 0, and its tick and lot are 0: the table tells none.
"""

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.schema import Chunk, Decimal, Events, Instrument, kind_of
from flowsense.sources import NO_BARS, NO_EVENTS, Source
from flowsense.sources.batches import known, names, parts
from flowsense.sources.cells import TimeUnit, check_unit
from flowsense.sources.columns import listed, usual
from flowsense.sources.instants import instants, repeated
from flowsense.sources.observations_rows import Form, Found, columns_of, judge, records_of
from flowsense.sources.periods import period
from flowsense.sources.quarantine import Quarantine, unsound
from flowsense.sources.tabled import Tabled
from flowsense.sources.units import Units, key_of

UNTOLD = Decimal(0, 0)  # a tick or lot: of a common divisor it changes nothing


@dataclass(frozen=True, slots=True)
class Observations(Tabled):
    """A table of observations, surveyed when made. Raises InputError, as does every pass.

    `columns` is text like ``ts=date,value=close``; columns not named are looked for under their
    usual names, and ``value.vix=VIXCLS`` calls a kind `vix` that the table calls VIXCLS. `lag` is
    a length of time like ``16h`` or ``0s``. `prefix` is put before the names of all kinds. `unit`
    of the times is s, ms, us, ns or iso. `sort` holds the whole table in memory; without it a row
    known before the one above it is an error. `venue` is that of the instruments that a column
    `symbol` names. With `repeats` a row may repeat one known at the same time, and replaces it;
    without it that is an error.
    """

    columns: str = ""
    lag: str | None = None
    prefix: str = ""
    unit: TimeUnit | None = None
    sort: bool = False
    venue: str = "file"
    repeats: bool = False
    quarantine: Quarantine | None = field(default=None, compare=False)
    instruments: tuple[Instrument, ...] = field(init=False)
    form: Form = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_unit(self.unit)
        columns = columns_of(self.columns, self.content, names(self.content), self.name)
        lag = 0 if self.lag is None else period(self.lag)
        if not columns.known and self.lag is None:
            raise InputError(
                f"{self.name}: no column says when its values were known, and one that is used "
                "before leaks: say how long after they happened, like lag=16h, or lag=0s"
            )
        if columns.known and self.lag is not None:
            raise InputError(
                f"{self.name}: column {columns.known!r} says when its values were known: leave "
                "the lag out, or map known= to none"
            )
        form = Form(self.name, columns, self.unit, lag, self.prefix)
        rows = parts(self.content, columns.used(), form)
        skip = unsound(rows, judge(form, sort=self.sort), self.quarantine)
        form = self.surveyed(replace(form, skip=skip))
        table = tuple(Instrument(s, self.venue, UNTOLD, UNTOLD, depth=0) for s in form.symbols)
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "instruments", table)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Names of what it observes, in the order in which they come."""
        return tuple(map(self.form.called, self.form.kinds))

    def in_units(self, units: Units) -> Self:
        """Values have none, so any will do."""
        pairs = [units[key_of(i)] for i in self.instruments]
        table = [
            i._replace(tick=tick, lot=lot)
            for i, (tick, lot) in zip(self.instruments, pairs, strict=True)
        ]
        return self.among(table)

    def among(self, instruments: Iterable[Instrument]) -> Self:
        """With these in place of its own of the same symbol and venue."""
        others = {key_of(i): i for i in instruments}
        out = copy(self)
        table = tuple(others.get(key_of(i), i) for i in self.instruments)
        object.__setattr__(out, "instruments", table)
        return out

    def __iter__(self) -> Iterator[Events]:
        return iter(())

    def chunks(self) -> Iterator[Chunk]:
        """Each holds all that was known at its times."""
        kinds = {kind: k for k, kind in enumerate(self.form.kinds)}
        symbols = {symbol: k for k, symbol in enumerate(("", *self.form.symbols))}
        found = Found(kinds, symbols)
        for records in instants(self.records(self.form, found)):
            if len(kinds) > len(self.form.kinds) or len(symbols) > len(self.form.symbols) + 1:
                raise InputError(f"{self.name}: changed while it was read: read it when complete")
            yield Chunk(NO_EVENTS, NO_BARS, records)

    def records(self, form: Form, found: Found) -> Iterator[NDArray[Any]]:
        return records_of(self.content, form, found, sort=self.sort)

    def surveyed(self, form: Form) -> Form:
        """The form completed. Raises InputError, also on a table without values."""
        found, some = Found({}, {"": 0}), False
        for records in instants(self.records(form, found)):
            some = True
            again = repeated(records, ("ts_recv", "kind", "instrument", "ts_event"))
            if again is not None and not self.repeats:
                raise twice(records[again], form, found)
        if not some:
            raise InputError(f"{self.name}: holds no value: leave it out")
        numbers = dict[int, str]()
        for kind, name in form.columns.names:
            if kind not in found.kinds:
                there = listed(list(found.kinds))
                raise InputError(
                    f"{self.name}: value.{name}={kind}: there are values of {there} only"
                )
        for kind in found.kinds:
            other = numbers.setdefault(kind_of(form.called(kind)), kind)
            if other != kind:
                raise InputError(
                    f"{self.name}: {kind!r} and {other!r} have the same number: rename one"
                )
        symbols = tuple(found.symbols)[1:]
        return replace(form, kinds=tuple(found.kinds), symbols=symbols)


def twice(record: Any, form: Form, found: Found) -> InputError:
    """The error of what is told twice."""
    kinds = (k for k in found.kinds if kind_of(form.called(k)) == record["kind"])
    happened, known = (np.datetime64(int(record[n]), "ns") for n in ("ts_event", "ts_recv"))
    return InputError(
        f"{form.table}: two values of {next(kinds)} for {happened}, known at {known}: keep one"
    )


def claims(path: Path, head: bytes) -> bool:
    """A table that says when its values were known."""
    try:
        return known(path) and bool(usual("known", names(path)))
    except InputError:
        return False  # a damaged one is told of by whoever reads it


def open(
    paths: list[Path],
    *,
    columns: str = "",
    lag: str | None = None,
    prefix: str = "",
    unit: TimeUnit | None = None,
    sort: bool = False,
    venue: str = "file",
    quarantine: Quarantine | None = None,
) -> list[Source]:
    """One source per file, all with the options of `Observations`. Raises InputError."""
    return [
        Observations(path, columns, lag, prefix, unit, sort, venue, quarantine=quarantine)
        for path in paths
    ]
