"""No label known inside a later block trains, whatever the horizon; noise stays noise."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from flowsense.errors import InputError
from flowsense.evaluate import scores, significance
from flowsense.forecast import DOWN, UP, Target
from flowsense.labels import Labels
from flowsense.schema import SECOND
from flowsense.train import split

ORDER = ("fit", "stop", "calibrate", "choose", "test")


def grid(n, step=SECOND, horizons=(5 * SECOND,)):
    ts = np.arange(n) * step
    return ts, ts[:, None] + np.array(horizons)


def random_rows(rng):
    """Irregular rows with pauses, labels that take from nothing to a fifth of the span."""
    n = int(rng.integers(50, 300))
    steps = rng.integers(1, 20 * SECOND, n) * rng.choice([1, 1, 1, 1, 40], n)
    ts = np.cumsum(steps)
    return ts, ts[:, None] + rng.integers(1, int(ts[-1] - ts[0]) // 5, (n, 3))


def leaks(one, ts, known_at, embargo):
    """Brute force: pairs of an early and a late block in which a label is known too late."""
    found = []
    for i, early in enumerate(ORDER):
        for late in ORDER[i + 1 :]:
            for t in range(known_at.shape[1]):
                a, b = getattr(one, early)[:, t], getattr(one, late)[:, t]
                if b.any() and any(k + embargo >= min(ts[b]) for k in known_at[a, t]):
                    found.append((early, late, t))
    return found


def test_shares_are_of_time_by_hand():
    ts = np.r_[np.arange(0, 50), np.arange(50, 100, 5), 100] * SECOND  # busy, then slow
    one = split.chronological(ts, ts[:, None] + 1)
    assert one.train.sum() == 50 + 4  # rows before 70 s
    assert ts[one.validation[:, 0]].tolist() == [70 * SECOND, 75 * SECOND]
    assert ts[one.test[:, 0]].min() == 80 * SECOND and one.test.sum() == 5


def test_an_overlapping_horizon_is_purged_for_its_target_alone():
    ts, known_at = grid(101, horizons=(SECOND, 20 * SECOND))
    one = split.chronological(ts, known_at)
    assert [ts[one.train[:, t]].max() // SECOND for t in (0, 1)] == [68, 49]
    assert not one.validation[:, 1].any() and one.validation[:, 0].sum() == 9
    assert [ts[one.test[:, t]].min() // SECOND for t in (0, 1)] == [80, 80]


def test_stop_is_the_last_fifth_and_choose_the_second_half():
    ts, known_at = grid(1_001, horizons=(1,))
    one = split.chronological(ts, known_at)
    spans = [(ts[getattr(one, k)[:, 0]][[0, -1]] // SECOND).tolist() for k in ORDER]
    assert spans == [[0, 559], [560, 699], [700, 749], [750, 799], [800, 1_000]]


def test_nights_are_nobodys_share_of_training_and_validation_either():
    day = np.arange(1_000)
    ts = np.r_[day, 20_000 + day] * SECOND  # 2,058 s, of which the night counts 60
    one = split.chronological(ts, ts[:, None] + 1, (0.47, 0.3, 0.23))
    rows = {k: int(getattr(one, k).sum()) for k in ORDER}
    assert rows == {"fit": 774, "stop": 194, "calibrate": 249, "choose": 309, "test": 474}


def test_masks_among_more_rows_stand_where_their_rows_are():
    ts, known_at = grid(100)
    one = split.chronological(ts, known_at)
    wide = one.among(150, 20)
    for name in one.__slots__:
        assert np.array_equal(getattr(wide, name)[20:120], getattr(one, name))
        assert getattr(wide, name).sum() == getattr(one, name).sum()


@pytest.mark.parametrize("seed", range(25))
def test_no_label_reaches_a_later_block(seed):
    rng = np.random.default_rng(seed)
    ts, known_at = random_rows(rng)
    embargo = int(rng.integers(0, 30 * SECOND))
    span = int(ts[-1] - ts[0])
    folds = split.walk_forward(ts, known_at, span // 3, span // 9, embargo)
    assert len(folds) > 1
    for one in (split.chronological(ts, known_at, embargo_ns=embargo), *folds):
        assert leaks(one, ts, known_at, embargo) == []
        assert not (one.train & one.validation | one.train & one.test).any()
        assert not (one.validation & one.test).any()
        assert not ((one.fit | one.stop) & ~one.train).any()
        assert not ((one.calibrate | one.choose) & ~one.validation).any()


@pytest.mark.parametrize("seed", range(10))
def test_nothing_else_is_purged(seed):
    rng = np.random.default_rng(seed)
    ts, _ = grid(1_001)
    known_at = ts[:, None] + rng.integers(1, 300 * SECOND, (1_001, 2))
    one = split.chronological(ts, known_at, embargo_ns=7 * SECOND)
    spans = {"train": (0, 700), "validation": (700, 800), "fit": (0, 560), "choose": (750, 800)}
    for name, (start, end) in spans.items():
        for row, (at, known) in enumerate(zip(ts // SECOND, known_at / SECOND, strict=True)):
            expected = (start <= at < end) & (known < end - 7)
            assert getattr(one, name)[row].tolist() == expected.tolist()


def test_the_oracle_sees_a_leak():
    ts, known_at = grid(100)
    one = split.chronological(ts, ts[:, None])  # purged as though labels were known at once
    assert ("stop", "calibrate", 0) in leaks(one, ts, known_at, 0)


def test_walk_forward_tests_each_row_after_the_first_window_once():
    ts, known_at = grid(1_000)
    folds = split.walk_forward(ts, known_at, 400 * SECOND, 70 * SECOND, 10 * SECOND)
    tested = np.sum([f.test[:, 0] for f in folds], axis=0)
    assert tested.tolist() == [0] * 400 + [1] * 600
    assert all(ts[f.test[:, 0]][0] - ts[f.train[:, 0]][0] == 400 * SECOND for f in folds)


def test_walk_forward_skips_blocks_without_rows():
    ts = np.r_[np.arange(500), np.arange(700, 800), np.arange(1_200, 1_300)] * SECOND
    folds = split.walk_forward(ts, ts[:, None] + 1, 300 * SECOND, 100 * SECOND)
    # 500, 600 and 800 to 1,100 test nothing, 1,200 has nothing to train on
    assert [int(ts[f.test[:, 0]][0]) // SECOND for f in folds] == [300, 400, 700]


def test_shorter_than_two_windows_is_70_10_20():
    ts, known_at = grid(500)
    (one,) = split.walk_forward(ts, known_at)
    whole = split.chronological(ts, known_at)
    assert all(np.array_equal(getattr(one, k), getattr(whole, k)) for k in one.__slots__)


def test_a_night_between_recordings_is_nobodys_share():
    ts = np.r_[np.arange(700), 80_000 + np.arange(300)] * SECOND
    one = split.chronological(ts, ts[:, None] + 1)
    assert one.validation.sum() > 30 and one.test.sum() == pytest.approx(212, abs=3)


def test_with_test_leaves_the_test_to_other_files():
    ts, known_at = grid(801)
    one = split.with_test(ts, known_at)
    assert not one.test.any() and leaks(one, ts, known_at, 0) == []
    assert one.validation.sum() == 101  # the last labels need not be purged: nothing follows
    both = one.followed_by(np.ones((7, 1), np.bool_))
    assert both.test[:, 0].tolist() == [False] * 801 + [True] * 7
    assert both.train.sum() == one.train.sum() and len(both.train) == 808


def test_blocks_left_empty_are_named():
    ts, known_at = grid(101, horizons=(SECOND, 20 * SECOND))
    y = np.ones(known_at.shape, np.float32)
    targets = (Target("mid", SECOND), Target("mid", 20 * SECOND))
    labels = Labels(targets, y, y, known_at, y > 0, y)
    named = split.chronological(ts, known_at).short_of(labels)
    assert list(named) == [
        f"mid@20s: no row is left for {block}: record longer or ask for shorter horizons"
        for block in ("early stopping", "calibration", "choice")
    ]


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (lambda ts, k: split.chronological(ts, k, (0.7, 0.1, 0.1)), "together 1"),
        (lambda ts, k: split.chronological(ts, k, (0.9, 0.0, 0.1)), "above 0"),
        (lambda ts, k: split.chronological(ts, k, embargo_ns=-1), "embargo of -1"),
        (lambda ts, k: split.chronological(ts[:1], k[:1]), "span no time"),
        (lambda ts, k: split.chronological(ts[:0], k[:0]), "span no time"),
        (lambda ts, k: split.chronological(ts[::-1], k), "in order"),
        (lambda ts, k: split.walk_forward(ts, k, 0, 1), "both spans"),
        (lambda ts, k: split.around(ts, k, [], -1), "embargo of -1"),
    ],
)
def test_what_cannot_be_split_is_refused(ask, why):
    with pytest.raises(InputError, match=why):
        ask(*grid(10))


def noise(n, horizon, rng):
    """Three random walks that know nothing, and the side of an unrelated walk's next steps."""
    ts, known_at = grid(n, horizons=(horizon * SECOND,))
    walk = np.r_[0, np.cumsum(rng.normal(size=n + horizon))]
    y = np.where(walk[horizon : n + horizon] > walk[:n], UP, DOWN)
    return ts, known_at, np.cumsum(rng.normal(size=(n, 3)), axis=0), y


def nearest(X, y, train, test):
    """A forecaster that remembers everything and knows nothing."""
    _, found = cKDTree(X[train]).query(X[test])
    return np.eye(3)[y[train][found]]


def test_noise_is_chance_on_a_purged_split_and_skill_on_shuffled_rows():
    rng = np.random.default_rng(0)
    ts, known_at, X, y = noise(6_000, 60, rng)
    folds = split.walk_forward(ts, known_at, 2_000 * SECOND, 500 * SECOND)
    parts = [(nearest(X, y, f.train[:, 0], f.test[:, 0]), f.test[:, 0]) for f in folds]
    p, test = np.concatenate([p for p, _ in parts]), np.any([t for _, t in parts], axis=0)
    right = scores.hits(p, y[test])[:, None]
    draws = significance.blocks(ts[test], 60 * SECOND, seed=0)
    low, high = significance.interval(draws.sums(np.c_[right, right * 0 + 1]) @ [[1], [0]] / len(p))
    assert low < 0.5 < high and abs(right.mean() - 0.5) < 0.08
    train = rng.random(6_000) < 0.8
    assert scores.accuracy(nearest(X, y, train, ~train), y[~train]) > 0.85


def test_a_test_block_without_rows_purges_nothing():
    ts, known_at = grid(100)
    one = split.around(ts, known_at, [(200 * SECOND, 300 * SECOND)])
    assert not one.test.any() and one.train.sum() + one.validation.sum() == 95
