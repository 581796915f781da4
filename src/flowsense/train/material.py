"""What is trained on and what is scored: recordings side by side, and masks for each fold."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate.sample import Index
from flowsense.evaluate.score import Forecasts
from flowsense.forecast import Forecast, spell
from flowsense.labels import COLUMNS, Labels
from flowsense.model import Model
from flowsense.model.calibrated import Calibrated
from flowsense.schema import DAY, SECOND, Instrument
from flowsense.store.room import Room
from flowsense.train.config import RunConfig
from flowsense.train.dataset import MEMORY, Data, chained, forecasts, nothing, put, unsaid
from flowsense.train.schemes import WALK_FORWARD, Spans, cut
from flowsense.train.split import Split, with_test

WARM_UP = 600 * SECOND  # of stream before a block that is forecast, from which state is folded


@dataclass(frozen=True)
class Material:
    """The recording to learn from, then the test recordings, rows behind each other."""

    learn: Data
    tests: tuple[Data, ...]
    labels: Labels  # of all rows
    index: Index
    folds: tuple[Split, ...]  # masks over all rows
    left_out: tuple[str, ...]  # targets that these recordings are too short for, a sentence each
    room: Room = MEMORY  # where arrays with an entry per row lie

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return table((self.learn, *self.tests))

    def fit_labels(self, fold: Split) -> Labels:
        """The labels of the rows of `learn`, valid where a model may learn from them."""
        n = len(self.learn)
        found = self.labels.take(slice(n)).to_fit(fold.fit[:n], fold.stop[:n])
        self.release()
        return found

    def forecast(self, model: Model[Any], fold: Split) -> Forecast:
        """Of all rows; silent, with zeros, where the fold neither validates nor tests.

        Those are most rows of most folds: nothing is written there, so that they take no memory.
        """
        inside = any_of(fold.validation | fold.test)
        said = unsaid(model.targets, len(self.index.ts), self.room)
        for first, part in self.spoken(model, inside):
            rows = np.flatnonzero(inside[first : first + len(part.ready)])
            put(said, first + rows, taken(part, rows))
        self.release()
        return said

    def regimes(
        self, model: Model[Any], fold: Split, seen: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Write the likeliest regime of the rows (n,) that the fold tests, as it was seen then.

        Of the rows that it validates or tests, in order, the probability of each (m, R).
        """
        inside, tested = any_of(fold.validation | fold.test), any_of(fold.test)
        found = list[NDArray[np.float32]]()
        for first, part in self.spoken(model, inside):
            rows = np.flatnonzero(inside[first : first + len(part.ready)])
            found.append(part.aux["regime"][rows])
            known = rows[tested[first + rows] & part.ready[rows].any(axis=1)]
            seen[first + known] = part.aux["regime"][known].argmax(axis=1)
        return np.concatenate(found)

    def calibrated(self, model: Calibrated, fold: Split) -> Calibrated:
        """The model scaled on the validation rows of the fold."""
        inside = any_of(fold.validation)
        rows, parts = np.flatnonzero(inside), [nothing(model.targets, 0)]
        for first, part in self.spoken(model, inside):
            parts.append(taken(part, np.flatnonzero(inside[first : first + len(part.ready)])))
        columns = {name: getattr(self.labels, name)[rows] for name in COLUMNS}
        labels = Labels(self.labels.targets, **columns)
        found = model.on(chained(parts), labels, fold.calibrate[rows], fold.choose[rows])
        self.release()
        return found

    def ahead(self, model: Model[Any], fold: Split) -> int:
        """How many rows are forecast for a fold: to scale the model, then to choose and score it.

        With those before them, from which its state is folded.
        """
        n, found = len(self.learn), 0
        for inside in (any_of(fold.validation), any_of(fold.validation | fold.test)):
            if span := self.span(model, inside[:n]):
                found += int(np.diff(np.searchsorted(self.learn.ts, span))[0])
            ends = n + np.cumsum([0, *map(len, self.tests)])
            heard = (inside[a:b].any() * (b - a) for a, b in pairwise(ends.tolist()))
            found += sum(heard)
        return found

    def span(self, model: Model[Any], inside: NDArray[np.bool_]) -> tuple[int, ...]:
        """First time and end of the rows of `learn` that are forecast for those `inside` (n,)."""
        used = self.index.ts[: len(inside)][inside]
        before = max(WARM_UP, model.needs.back_ns)
        return (int(used[0]) - before, int(used[-1]) + 1) if len(used) else ()

    def spoken(
        self, model: Model[Any], inside: NDArray[np.bool_]
    ) -> Iterator[tuple[int, Forecast]]:
        """What is said of the rows `inside` (n,), and of others beside them; see `forecasts`."""
        n = len(self.learn)
        if span := self.span(model, inside[:n]):
            yield from forecasts(model, self.learn, *span)
        for test in self.tests:
            if inside[n : n + len(test)].any():
                for first, part in forecasts(model, test):
                    yield n + first, part
            n += len(test)

    def release(self) -> None:
        """Give back the memory of what can be read again."""
        for data in (self.learn, *self.tests):
            data.release()
        self.room.release()


class One(NamedTuple):
    """One target of a material, and what was said of it fold by fold."""

    labels: Labels
    folds: list[Split]
    said: dict[str, list[Forecast]]
    rules: dict[str, list[Forecast]]


def apart(of: Material, said: Forecasts, rules: Forecasts) -> Iterator[One]:
    """Target by target: labels and masks are copied, pages of files are held for one at a time."""
    for t in range(len(of.labels.targets)):
        one = np.arange(len(of.labels.targets)) == t
        labels, folds = of.labels.of(one), [narrowed(fold, one) for fold in of.folds]
        of.release()
        spoken, beside = (
            {name: [only(part, t) for part in parts] for name, parts in each.items()}
            for each in (said, rules)
        )
        yield One(labels, folds, spoken, beside)
        of.release()


def only(said: Forecast, t: int) -> Forecast:
    """What is said of one target."""
    one = slice(t, t + 1)
    return Forecast(said.targets[one], said.proba[:, one], said.value[:, one], said.ready[:, one])


def any_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) whether it holds for any target."""
    return np.asarray(mask.any(axis=1))


def taken(said: Forecast, rows: NDArray[np.int64]) -> Forecast:
    """What is said of these rows, without what it carries beside."""
    return Forecast(said.targets, said.proba[rows], said.value[rows], said.ready[rows])


def table(data: tuple[Data, ...]) -> tuple[Instrument, ...]:
    """Every instrument once, by symbol and venue."""
    return tuple({(i.symbol, i.venue): i for d in data for i in d.instruments}.values())


def material(
    learn: Data, tests: tuple[Data, ...], config: RunConfig, room: Room = MEMORY
) -> Material:
    """Cut time into folds. Raises InputError where no target is left."""
    folds = folds_of(learn, bool(tests), config)
    for test in tests:
        folds = tuple(fold.followed_by(scored_rows(test, config.unscored_ns)) for fold in folds)
    if config.split != "test":
        folds = tuple(replace(fold, test=getattr(fold, config.split)) for fold in folds)
    wanted = asked(learn.labels, config)
    labels = labels_of([d.labels for d in (learn, *tests)], wanted, room)
    folds = tuple(narrowed(fold, wanted) for fold in folds)
    walks = config.validation == WALK_FORWARD  # its last blocks may be short
    keep, left_out = possible(labels, folds[:1] if walks else folds)
    if not keep.any():
        raise InputError(f"the recording is too short for any target: {left_out[0]}")
    labels, folds = labels_of([labels], keep, room), tuple(narrowed(f, keep) for f in folds)
    folds = tuple(placed(fold, room) for fold in folds)
    of = Material(learn, tests, labels, index_of((learn, *tests)), folds, left_out, room)
    of.release()
    return of


def asked(labels: Labels, config: RunConfig) -> NDArray[np.bool_]:
    """(T,) which of the targets are asked for. Raises InputError for one that has no labels."""
    for target in config.targets:
        if target not in labels.targets:
            has = ", ".join(map(str, labels.targets))
            raise InputError(f"target {target}: the rows have {has}: prepare them again with it")
    return np.array([target in config.targets for target in labels.targets])


def labels_of(parts: list[Labels], targets: NDArray[np.bool_], room: Room) -> Labels:
    """Those of several recordings behind each other, of these targets (T,)."""
    if len(parts) == 1 and targets.all():
        return parts[0]
    kept = tuple(t for t, keep in zip(parts[0].targets, targets, strict=True) if keep)
    columns = {n: room.joined([getattr(p, n) for p in parts], targets) for n in COLUMNS}
    return Labels(kept, **columns)


def placed(fold: Split, room: Room) -> Split:
    """The same masks where there is room for them."""
    if room.folder is None:
        return fold
    held = room.zeros((len(fold.__slots__), *fold.test.shape), np.bool_)
    for k, name in enumerate(fold.__slots__):
        held[k] = getattr(fold, name)
    return Split(**dict(zip(fold.__slots__, held, strict=True)))


def folds_of(learn: Data, tests: bool, config: RunConfig) -> tuple[Split, ...]:
    """Masks over all its rows; those outside [start, end) are nobody's share of time."""
    first, end = np.searchsorted(learn.ts, (config.start, config.end))
    ts, known_at = learn.ts[first:end], learn.labels.known_at[first:end]
    if tests:
        if config.validation != WALK_FORWARD:
            raise InputError(
                f"validation {config.validation}: the test files are scored: leave one of them out"
            )
        folds: tuple[Split, ...] = (with_test(ts, known_at),)
    else:
        spans = Spans(config.train_ns, config.test_ns, config.embargo_ns, config.seed)
        folds = cut(config.validation, ts, known_at, spans)
    if len(ts) == len(learn):
        return folds
    return tuple(fold.among(len(learn), int(first)) for fold in folds)


def scored_rows(test: Data, unscored_ns: int) -> NDArray[np.bool_]:
    """(m, T) rows of a test file after its first `unscored_ns`, while state fills."""
    late = test.ts >= test.ts[0] + unscored_ns
    return np.asarray(np.repeat(late[:, None], len(test.labels.targets), axis=1))


def possible(labels: Labels, folds: tuple[Split, ...]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """(T,) which targets have a valid row in every block of these folds, and why others not."""
    why = [sentence for fold in reversed(folds) for sentence in fold.short_of(labels)]
    named = {sentence.split(":")[0]: sentence for sentence in why}
    keep = np.array([str(target) not in named for target in labels.targets])
    return keep, tuple(named.values())


def narrowed(fold: Split, keep: NDArray[np.bool_]) -> Split:
    """The masks of these targets (T,)."""
    if keep.all():
        return fold
    return Split(**{name: getattr(fold, name)[:, keep] for name in fold.__slots__})


def index_of(data: tuple[Data, ...]) -> Index:
    """Which row is which; instruments counted in the table of all recordings."""
    every = table(data)
    places = {(i.symbol, i.venue): k for k, i in enumerate(every)}
    who = [np.array([places[i.symbol, i.venue] for i in d.instruments])[d.instrument] for d in data]
    ts = np.concatenate([d.ts for d in data])
    return Index(ts, np.concatenate(who), names_of(every))


def names_of(instruments: tuple[Instrument, ...]) -> tuple[str, ...]:
    """The symbol, with its venue where two venues list it."""
    symbols = [i.symbol for i in instruments]
    return tuple(
        i.symbol if symbols.count(i.symbol) == 1 else f"{i.symbol}.{i.venue}" for i in instruments
    )


def describe(fold: Split, ts: NDArray[np.int64]) -> str:
    """How a fold cuts time, for people."""
    parts = []
    for name in ("train", "validation", "test"):
        rows = getattr(fold, name).any(axis=1)
        span = int(np.ptp(ts[rows])) if rows.any() else 0
        unit = DAY if span > 2 * DAY else SECOND
        parts.append(f"{name} {spell(max(span // unit * unit, 1))}, {int(rows.sum())} rows")
    return "; ".join(parts)
