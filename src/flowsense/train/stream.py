"""Several sources as one stream, for people: callbacks in its order, and running statistics."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Self, TypeVar

from flowsense.features.catalogue import CLOCKS, DEFAULT, spec
from flowsense.features.fold import Fold
from flowsense.features.statistics import Statistics, Summary
from flowsense.schema import Bars, Events, Instrument, Observations, checked
from flowsense.sources import Source, chunks
from flowsense.sources.open import open_source
from flowsense.tape import FeatureSpec, Rows, Tape
from flowsense.train.read import Paths

Heard = TypeVar("Heard", bound=Callable[[Any], object])


class Stream:
    """Recordings merged by `ts_recv`, one pass at a time, in flat memory.

    Callbacks are called in the order of the stream: the events before a row, then the rows of
    its instant, then the events after it. What a callback raises ends the pass and is raised.

    >>> import flowsense, polars
    >>> from flowsense.sources.ticks import Ticks
    >>> quotes = {"ts": [0.0, 1.5, 2.5], "bid": [9, 9, 9], "ask": [11, 11, 13]}
    >>> quotes |= {"bid_size": [5, 6, 6], "ask_size": [4, 4, 4]}
    >>> table = Ticks.of(polars.DataFrame(quotes), unit="s", symbol="ABC")
    >>> stream = flowsense.Stream.of(table, families=("spread",), clocks=("interval:1s",))
    >>> @stream.on_rows
    ... def show(rows):
    ...     print(rows.ts // 10**9, rows.X[:, stream.columns.index("spread")])
    >>> (abc,) = stream.run()
    [1] [2.]
    [2] [2.]
    >>> abc.mid, abc.change
    (11.0, 0.10000000000000009)
    """

    source: Source
    spec: FeatureSpec
    folded: Statistics
    callbacks: dict[str, list[Callable[[Any], object]]]

    def __init__(
        self,
        paths: Paths,
        *,
        families: tuple[str, ...] = DEFAULT,
        clocks: tuple[str, ...] = CLOCKS,
        format: str | None = None,
        **options: object,
    ) -> None:
        """Paths and options as `read` takes them. Raises InputError for what cannot be read."""
        self._begin(open_source(paths, format=format, **options), spec(families, clocks))

    @classmethod
    def of(
        cls,
        source: Source,
        *,
        families: tuple[str, ...] = DEFAULT,
        clocks: tuple[str, ...] = CLOCKS,
    ) -> Self:
        """Of a source that is open, or a table or events in memory."""
        stream = cls.__new__(cls)
        stream._begin(source, spec(families, clocks))
        return stream

    def _begin(self, source: Source, features: FeatureSpec) -> None:
        self.source, self.spec, self.callbacks = source, features, {}
        self.folded = Statistics(self.instruments)

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Its place in here is the `instrument` of every record and row."""
        return self.source.instruments

    @property
    def columns(self) -> tuple[str, ...]:
        """Of `rows.X`."""
        return self.spec.columns

    def on_events(self, heard: Callable[[Events], object]) -> Callable[[Events], object]:
        """Call it with each run of consecutive events."""
        return self._on("events", heard)

    def on_bars(self, heard: Callable[[Bars], object]) -> Callable[[Bars], object]:
        """Call it with bars, before the events that came with or after them."""
        return self._on("bars", heard)

    def on_observations(
        self, heard: Callable[[Observations], object]
    ) -> Callable[[Observations], object]:
        """Call it with observations, likewise."""
        return self._on("observations", heard)

    def on_rows(self, heard: Callable[[Rows], object]) -> Callable[[Rows], object]:
        """Call it with the rows of each instant of the first clock."""
        return self._on("rows", heard)

    def _on(self, kind: str, heard: Heard) -> Heard:
        self.callbacks.setdefault(kind, []).append(heard)
        return heard

    def run(self) -> tuple[Summary, ...]:
        """One whole pass -> the statistics at its end. Raises what reading and callbacks raise."""
        for _ in self:
            pass
        return self.statistics

    def __iter__(self) -> Iterator[Tape]:
        """One pass from the beginning; callbacks hear of a tape before it is given."""
        fold = Fold(self.spec, self.instruments)
        self.folded = Statistics(self.instruments)
        for events, bars, observations in chunks(self.source):
            for tape in fold.push(checked(events, len(self.instruments)), bars, observations):
                self.folded.push(tape)
                self._tell(tape)
                yield tape

    def _tell(self, tape: Tape) -> None:
        self._call("bars", tape.bars)
        self._call("observations", tape.observations)
        rows, at = tape.rows[0], 0
        if "rows" in self.callbacks:
            edges = rows.instants().tolist()
            for a, b in pairwise(edges):
                end = int(rows.event[a])
                self._call("events", tape.events[at:end])
                self._call("rows", rows.take(slice(a, b)))
                at = end
        self._call("events", tape.events[at:])

    def _call(self, kind: str, what: Any) -> None:
        if kind == "rows" or len(what):
            for heard in self.callbacks.get(kind, ()):
                heard(what)

    @property
    def statistics(self) -> tuple[Summary, ...]:
        """Of every instrument, as of what has been given until now."""
        return tuple(self.folded.summary(j) for j in range(len(self.instruments)))
