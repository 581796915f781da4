"""Validation schemes by name: which blocks of time are tested, one after the other.

Walk-forward is the default and the only one that is a track record: time series cross-validation
tests fewer, larger blocks. The others train on what comes after a test block as well: they say
how much of a score hangs on the days it was measured on, not what would have been earned.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations
from math import comb
from typing import NamedTuple, Protocol

import numpy as np

from flowsense.errors import InputError
from flowsense.schema import DAY
from flowsense.train.split import (
    EMBARGO,
    TRAIN,
    Ints,
    Split,
    around,
    chronological,
    cuts,
    passed,
    walk_forward,
    windowed,
)

SHARES = (0.7, 0.1, 0.2)  # train, validation, test of a single split
TESTED = 0.2  # of the time, by each block of Monte Carlo cross-validation
MOST = 1_000  # fits of one model
WALK_FORWARD = "walk-forward"
FORMS = (
    "walk-forward, split, split:70/20/10, time-series:5, time-series:5/rolling, monte-carlo:10 "
    "or cpcv:6/2"
)
BLOCKS = {
    "fit": "training",
    "stop": "early stopping",
    "calibrate": "calibration",
    "choose": "choice",
    "test": "test",
}


class Spans(NamedTuple):
    """What the schemes share of a run's configuration."""

    train_ns: int = 60 * DAY
    test_ns: int = 7 * DAY
    embargo_ns: int = EMBARGO  # of schemes that train behind a test block
    seed: int = 0


class Scheme(Protocol):
    def folds(self, ts: Ints, known_at: Ints, spans: Spans) -> Iterator[Split]: ...


@dataclass(frozen=True, slots=True)
class WalkForward:
    """`split.walk_forward`: nothing trains behind a test block, so purging is enough."""

    def folds(self, ts: Ints, known_at: Ints, spans: Spans) -> Iterator[Split]:
        yield from walk_forward(ts, known_at, spans.train_ns, spans.test_ns)


@dataclass(frozen=True, slots=True)
class Single:
    """One split in time: train, validation, test."""

    shares: tuple[float, float, float] = SHARES

    def folds(self, ts: Ints, known_at: Ints, spans: Spans) -> Iterator[Split]:
        yield chronological(ts, known_at, self.shares)


@dataclass(frozen=True, slots=True)
class TimeSeries:
    """Time in `count` + 1 equal blocks: each but the first is tested by what lies before it.

    All of it, or with `rolling` the one block before. The last eighth of that validates.
    """

    count: int
    rolling: bool = False

    def folds(self, ts: Ints, known_at: Ints, spans: Spans) -> Iterator[Split]:
        edges = equal(ts, self.count + 1)
        for k in range(1, self.count + 1):
            a, c, d = edges[k - 1 if self.rolling else 0], edges[k], edges[k + 1]
            yield windowed(ts, known_at, (a, passed(ts, (a, c), TRAIN), c, d))


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """`count` blocks of a fifth of the time, begun at random; the rest trains each time.

    Blocks may overlap, so a row may be tested often or never.
    """

    count: int

    def folds(self, ts: Ints, known_at: Ints, spans: Spans) -> Iterator[Split]:
        starts = np.random.default_rng(spans.seed).uniform(0, 1 - TESTED, self.count)
        for start in starts.tolist():
            a, b = cuts(ts, (start, start + TESTED))
            yield around(ts, known_at, [(a, b)], spans.embargo_ns)


@dataclass(frozen=True, slots=True)
class Combinatorial:
    """Time in `groups` equal blocks; every choice of `tested` of them is tested by the others.

    Each row is tested C(groups - 1, tested - 1) times: so many paths, each forecasting every row
    once, the j-th path being the j-th test of each block. Lopez de Prado 2018, ch. 12.
    """

    groups: int
    tested: int

    def folds(self, ts: Ints, known_at: Ints, spans: Spans) -> Iterator[Split]:
        edges = equal(ts, self.groups)
        for chosen in combinations(range(self.groups), self.tested):
            blocks = [(edges[g], edges[g + 1]) for g in chosen]
            yield around(ts, known_at, blocks, spans.embargo_ns)


def equal(ts: Ints, parts: int) -> tuple[int, ...]:
    """Edges of so many blocks of equal time, ns; the last is behind the last row."""
    within = cuts(ts, tuple(k / parts for k in range(1, parts)))
    return (int(ts[0]), *within, int(ts[-1]) + 1)


def parse(text: str) -> Scheme:
    """``walk-forward``, ``cpcv:6/2`` and the like. Raises InputError."""
    for pattern, make in PATTERNS:
        if found := re.fullmatch(pattern, text):
            return make(text, tuple(part for part in found.groups() if part))
    close = get_close_matches(text.lower(), FORMS.replace(" or ", ", ").split(", "), 1)
    hint = f"did you mean {close[0]}?" if close and ":" not in text else f"write {FORMS}"
    raise InputError(f"validation {text!r}: {hint}")


def _single(text: str, parts: tuple[str, ...]) -> Scheme:
    percent = [int(part) for part in parts]
    if not percent:
        return Single()
    if sum(percent) != 100 or min(percent) == 0:
        raise InputError(f"validation {text!r}: give three percentages above 0, together 100")
    train, validation, test = (part / 100 for part in percent)
    return Single((train, validation, test))


def _series(text: str, parts: tuple[str, ...]) -> Scheme:
    return TimeSeries(_count(text, parts[0]), rolling=len(parts) > 1)


def _monte_carlo(text: str, parts: tuple[str, ...]) -> Scheme:
    return MonteCarlo(_count(text, parts[0]))


def _combinatorial(text: str, parts: tuple[str, ...]) -> Scheme:
    groups, tested = (int(part) for part in parts)
    if not 0 < tested < groups:
        raise InputError(f"validation {text!r}: test at least 1 group and fewer than all {groups}")
    if groups > MOST or comb(groups, tested) > MOST:
        raise InputError(f"validation {text!r}: is more than {MOST} fits of each model: ask fewer")
    return Combinatorial(groups, tested)


def _count(text: str, part: str) -> int:
    if not 0 < int(part) <= MOST:
        raise InputError(f"validation {text!r}: give 1 to {MOST} test blocks")
    return int(part)


PATTERNS: tuple[tuple[str, Callable[[str, tuple[str, ...]], Scheme]], ...] = (
    (WALK_FORWARD, lambda _text, _parts: WalkForward()),
    (r"split(?::(\d{1,2})/(\d{1,2})/(\d{1,2}))?", _single),
    (r"time-series:(\d{1,9})(?:/(rolling))?", _series),
    (r"monte-carlo:(\d{1,9})", _monte_carlo),
    (r"cpcv:(\d{1,9})/(\d{1,9})", _combinatorial),
)


def cut(text: str, ts: Ints, known_at: Ints, spans: Spans) -> tuple[Split, ...]:
    """One Split for each fit. ts (n,) non-decreasing, known_at (n, T), ns.

    Raises InputError where a fold has no row left for one of its blocks, whatever the target.
    """
    scheme = parse(text)
    if len(ts) < 2 or int(ts[-1]) == int(ts[0]):
        raise InputError(f"validation {text}: {len(ts)} rows that span no time cannot be cut")
    found = tuple(scheme.folds(ts, known_at, spans))
    if isinstance(scheme, WalkForward | Single):
        return found  # targets without rows are left out by name
    for k, fold in enumerate(found, 1):
        empty = [what for name, what in BLOCKS.items() if not getattr(fold, name).any()]
        if empty:
            raise InputError(
                f"validation {text}: the recording is too short: fold {k} of {len(found)} has no "
                f"row left for {empty[0]}: record longer, ask for fewer blocks or a shorter embargo"
            )
    return found
