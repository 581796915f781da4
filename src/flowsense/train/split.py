"""Which rows train, choose and test: cut in time, purged by `known_at`, embargoed.

Shares are shares of time, never of rows; a pause longer than a minute counts as a minute, so
that nights between recordings are nobody's share. Lopez de Prado 2018, ch. 7. Which blocks of
time are tested is the matter of `train.schemes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from flowsense.errors import InputError
from flowsense.labels import Labels
from flowsense.schema import DAY, SECOND

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PAUSE = 60 * SECOND
STOP = 0.8  # of the training span fits, the rest stops early
TRAIN = 7 / 8  # of what is not tested; the last eighth validates
EMBARGO = 300 * SECOND  # the slowest features forget by e each minute: less than 1 % is left


@dataclass(frozen=True, slots=True)
class Split:
    """Masks (n, T) over rows and targets; no row is in two of train, validation, test.

    `fit` and `stop` lie in `train`, `calibrate` and `choose` in `validation`; each of these is
    purged against the next, so that no label of an earlier block is known at or after the
    start of a later one.
    """

    train: Bools
    validation: Bools
    test: Bools
    fit: Bools  # the first four fifths of the training span
    stop: Bools  # the last fifth: early stopping
    calibrate: Bools  # the first half of the validation span
    choose: Bools  # the second half: stack, thresholds, choice of the model

    def followed_by(self, scored: Bools) -> "Split":
        """The same, with the rows of test files (m, T) behind: `scored` are tested."""
        none = np.zeros_like(scored)
        parts = {name: scored if name == "test" else none for name in self.__slots__}
        return Split(**{k: np.concatenate([getattr(self, k), v]) for k, v in parts.items()})

    def among(self, rows: int, first: int) -> "Split":
        """The same masks over that many rows, of which these are those from `first` on."""
        n, targets = self.test.shape
        every = {name: np.zeros((rows, targets), np.bool_) for name in self.__slots__}
        for name, mask in every.items():
            mask[first : first + n] = getattr(self, name)
        return Split(**every)

    def short_of(self, labels: Labels) -> tuple[str, ...]:
        """One sentence per target and block that has no valid label left."""
        blocks = {"training": self.fit, "early stopping": self.stop}
        blocks |= {"calibration": self.calibrate, "choice": self.choose, "test": self.test}
        return tuple(
            f"{target}: no row is left for {name}: record longer or ask for shorter horizons"
            for t, target in enumerate(labels.targets)
            for name, rows in blocks.items()
            if not (rows[:, t] & labels.valid[:, t]).any()
        )


def chronological(
    ts: Ints,
    known_at: Ints,
    shares: tuple[float, float, float] = (0.7, 0.1, 0.2),
    embargo_ns: int = 0,
) -> Split:
    """Train, validation, test in that order. ts (n,) non-decreasing, known_at (n, T), ns.

    Raises InputError where the shares are not shares or the rows span no time.
    """
    b, c = _edges(ts, shares)
    return windowed(ts, known_at, (int(ts[0]), b, c, int(ts[-1]) + 1), embargo_ns)


def with_test(
    ts: Ints, known_at: Ints, shares: tuple[float, float] = (0.875, 0.125), embargo_ns: int = 0
) -> Split:
    """Train and validation only: the test rows come from other files."""
    (edge,) = _edges(ts, shares)
    end = int(ts[-1]) + 1
    # The other files may follow at once, but their first rows are theirs: nothing to purge.
    far = max(end, int(known_at.max()) + 1) + embargo_ns
    return windowed(ts, known_at, (int(ts[0]), edge, far, far), embargo_ns)


def walk_forward(
    ts: Ints,
    known_at: Ints,
    train_ns: int = 60 * DAY,
    test_ns: int = 7 * DAY,
    embargo_ns: int = 0,
) -> tuple[Split, ...]:
    """Windows of `train_ns` before test blocks of `test_ns`, moved on by `test_ns`.

    Every row after the first window is tested once, the last block may be shorter, one whose
    window holds no row to train on is left out; of each window the last eighth validates. A
    recording that does not hold two test blocks is cut 70 / 10 / 20 instead. Raises InputError
    as `chronological` does.
    """
    if train_ns <= 0 or test_ns <= 0:
        raise InputError(f"walk-forward of {train_ns} / {test_ns} ns: both spans must be above 0")
    if len(ts) == 0 or int(ts[-1] - ts[0]) < train_ns + 2 * test_ns:
        return (chronological(ts, known_at, embargo_ns=embargo_ns),)
    starts = range(int(ts[0]) + train_ns, int(ts[-1]) + 1, test_ns)
    windows = ((a - train_ns, a - train_ns // 8, a, a + test_ns) for a in starts)
    folds = (windowed(ts, known_at, w, embargo_ns) for w in windows)
    return tuple(fold for fold in folds if fold.test.any() and fold.train.any())


def around(
    ts: Ints, known_at: Ints, tests: Sequence[tuple[int, int]], embargo_ns: int = EMBARGO
) -> Split:
    """Test blocks [start, end) of ns anywhere; what lies before, between and after them trains.

    Before a block, labels known less than `embargo_ns` before its start are purged; behind it, of
    each target, the rows up to the last label of the block and `embargo_ns` longer, whose
    features still remember the block. Of what any target may learn from, in order, the last
    eighth of time validates; where that is no time, nothing trains. Lopez de Prado 2018, 7.4.
    """
    if embargo_ns < 0:
        raise InputError(f"embargo of {embargo_ns} ns: give 0 or more")
    tested, near = np.zeros(len(ts), np.bool_), np.zeros(known_at.shape, np.bool_)
    for start, end in tests:
        here = (ts >= start) & (ts < end)
        tested |= here
        if here.any():
            last = known_at[here].max(axis=0)
            near |= (ts < start)[:, None] & (known_at >= start - embargo_ns)
            near |= (ts >= end)[:, None] & (ts[:, None] <= last + embargo_ns)
    rest = ts[~tested & ~near.all(axis=1)]
    if len(rest) == 0 or rest[0] == rest[-1]:
        return _masks(ts, known_at, (0, 0, 0, 0, 0), tested, 0)
    (b,) = _edges(rest, (TRAIN, 1 - TRAIN))
    a, c = int(rest[0]), int(rest[-1]) + 1
    far = max(c, int(known_at.max()) + 1)  # no block follows on the last: nothing to purge there
    edges = (a, passed(rest, (a, b), STOP), b, passed(rest, (b, c), 0.5), far)
    made = _masks(ts, known_at, edges, tested, 0)
    out = near | tested[:, None]
    every = {name: getattr(made, name) & ~out for name in made.__slots__ if name != "test"}
    return Split(**every, test=made.test)


def _edges(ts: Ints, shares: tuple[float, ...]) -> tuple[int, ...]:
    """Where each block but the first begins, ns."""
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-9:
        raise InputError(f"shares {shares}: give one above 0 for each block, together 1")
    steps = np.diff(ts)
    if len(ts) < 2 or steps.min() < 0 or steps.sum() == 0:
        raise InputError(f"{len(ts)} rows that span no time in order cannot be split; give more")
    return cuts(ts, tuple(accumulate(shares[:-1])))


def passed(ts: Ints, span: tuple[int, int], share: float) -> int:
    """Where this share of a span has passed, ns."""
    rows = ts[(ts > span[0]) & (ts < span[1])]
    return cuts(np.r_[span[0], rows, span[1]], (share,))[0]


def cuts(ts: Ints, shares: tuple[float, ...]) -> tuple[int, ...]:
    """Where these shares of the time from the first to the last of `ts` have passed, ns."""
    active = np.r_[0, np.cumsum(np.minimum(np.diff(ts), PAUSE))]
    cuts = [share * float(active[-1]) for share in shares]
    rows = np.searchsorted(active, cuts)
    return tuple(int(ts[r]) - int(active[r] - c) for r, c in zip(rows, cuts, strict=True))


def windowed(
    ts: Ints, known_at: Ints, edges: tuple[int, int, int, int], embargo_ns: int = 0
) -> Split:
    """Blocks [a, b), [b, c), [c, d): each purged against the start of the next."""
    if embargo_ns < 0:
        raise InputError(f"embargo of {embargo_ns} ns: give 0 or more")
    a, b, c, d = edges
    middle, half = passed(ts, (a, b), STOP), passed(ts, (b, c), 0.5)
    return _masks(ts, known_at, (a, middle, b, half, c), (ts >= c) & (ts < d), embargo_ns)


def _masks(
    ts: Ints, known_at: Ints, edges: tuple[int, int, int, int, int], tested: Bools, embargo_ns: int
) -> Split:
    """Blocks between these edges, and the rows (n,) that are tested."""
    a, middle, b, half, c = edges

    def block(start: int, end: int, clear: int) -> Bools:
        within = (ts >= start) & (ts < end)
        return np.asarray(within[:, None] & (known_at < clear - embargo_ns))

    return Split(
        train=block(a, b, b),
        validation=block(b, c, c),
        test=np.repeat(tested[:, None], known_at.shape[1], axis=1),
        fit=block(a, middle, middle),
        stop=block(middle, b, b),
        calibrate=block(b, half, half),
        choose=block(half, c, c),
    )
