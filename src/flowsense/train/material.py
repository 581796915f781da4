"""What is trained on and what is scored: recordings side by side, and masks for each fold."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.evaluate.sample import Index
from flowsense.forecast import Forecast, spell
from flowsense.labels import Labels, join
from flowsense.model import Model
from flowsense.schema import DAY, NEVER, SECOND, Instrument
from flowsense.train.config import RunConfig
from flowsense.train.dataset import Dataset, chained, forecast
from flowsense.train.schemes import WALK_FORWARD, Spans, cut
from flowsense.train.split import Split, with_test

WARM_UP = 600 * SECOND  # of stream before a block that is forecast, from which state is folded


@dataclass(frozen=True)
class Material:
    """The recording to learn from, then the test recordings, rows behind each other."""

    learn: Dataset
    tests: tuple[Dataset, ...]
    labels: Labels  # of all rows
    index: Index
    folds: tuple[Split, ...]  # masks over all rows
    left_out: tuple[str, ...]  # targets that these recordings are too short for, a sentence each

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return table((self.learn, *self.tests))

    def fit_labels(self, fold: Split) -> Labels:
        """The labels of the rows of `learn`, valid where a model may learn from them."""
        n = len(self.learn)
        return self.labels.take(slice(n)).to_fit(fold.fit[:n], fold.stop[:n])

    def forecast(self, model: Model[object], fold: Split) -> Forecast:
        """Of all rows; folded over what lies before the fold's own blocks, silent elsewhere."""
        inside = fold.validation | fold.test | fold.train
        used = self.index.ts[: len(self.learn)][inside[: len(self.learn)].any(axis=1)]
        span = (int(used.min()) - WARM_UP, int(used.max()) + 1) if len(used) else (0, NEVER)
        parts = [forecast(model, self.learn, start=span[0], end=span[1])]
        return chained(parts + [forecast(model, test) for test in self.tests])


def table(data: tuple[Dataset, ...]) -> tuple[Instrument, ...]:
    """Every instrument once, by symbol and venue."""
    return tuple({(i.symbol, i.venue): i for d in data for i in d.instruments}.values())


def material(learn: Dataset, tests: tuple[Dataset, ...], config: RunConfig) -> Material:
    """Cut time into folds. Raises InputError where no target is left."""
    labels, folds = learn.labels, folds_of(learn, bool(tests), config)
    scored = [scored_rows(test, config.unscored_ns) for test in tests]
    for rows in scored:
        folds = tuple(fold.followed_by(rows) for fold in folds)
    labels = join([labels, *(test.labels for test in tests)])
    if config.split != "test":
        folds = tuple(replace(fold, test=getattr(fold, config.split)) for fold in folds)
    walks = config.validation == WALK_FORWARD  # its last blocks may be short
    keep, left_out = possible(labels, folds[:1] if walks else folds)
    if not keep.any():
        raise InputError(f"the recording is too short for any target: {left_out[0]}")
    labels, folds = labels.of(keep), tuple(narrowed(fold, keep) for fold in folds)
    return Material(learn, tests, labels, index_of((learn, *tests)), folds, left_out)


def folds_of(learn: Dataset, tests: bool, config: RunConfig) -> tuple[Split, ...]:
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
    return tuple(fold.among(len(learn), int(first)) for fold in folds)


def scored_rows(test: Dataset, unscored_ns: int) -> NDArray[np.bool_]:
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
    return Split(**{name: getattr(fold, name)[:, keep] for name in fold.__slots__})


def index_of(data: tuple[Dataset, ...]) -> Index:
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
