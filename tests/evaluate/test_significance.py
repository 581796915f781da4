from itertools import pairwise

import numpy as np
import pytest

from flowsense.evaluate import significance
from flowsense.schema import SECOND

HOUR = 3_600 * SECOND


def by_rows(blocks, rows):
    """The sums again, row by row."""
    out, edges = [], np.r_[blocks.begin, len(blocks.first)]
    for a, b in pairwise(edges):
        total = np.zeros(rows.shape[1])
        for first, end, wraps in zip(*(x[a:b] for x in blocks[:3]), strict=True):
            total += rows[first:].sum(0) + rows[:end].sum(0) if wraps else rows[first:end].sum(0)
        out.append(total)
    return np.array(out)


def test_mean_block():
    assert significance.mean_block(SECOND) == 60 * SECOND
    assert significance.mean_block(30 * SECOND) == 300 * SECOND


def test_sums_against_counting():
    rng = np.random.default_rng(0)
    ts = np.sort(rng.integers(0, HOUR, 700))
    rows = rng.normal(size=(700, 3))
    blocks = significance.blocks(ts, SECOND, seed=1, resamples=20)
    assert blocks.wraps.any() and not blocks.wraps.all()
    assert blocks.sums(rows) == pytest.approx(by_rows(blocks, rows))


def test_a_resample_spans_as_much_time_as_the_rows():
    ts = np.arange(36_000) * SECOND // 10
    blocks = significance.blocks(ts, SECOND, seed=0)
    n = blocks.sums(np.ones((len(ts), 1)))[:, 0]
    assert np.abs(n - len(ts)).max() < 100  # one row at each of some 60 edges, at most
    lengths = np.diff(np.r_[blocks.begin, len(blocks.first)])
    assert lengths.mean() == pytest.approx(1 + 60, rel=0.02)  # 60 cuts in 60 mean blocks


def test_rows_of_one_moment_stay_together():
    ts = np.repeat(np.arange(0, HOUR, SECOND), 2)
    pair = np.tile([1.0, -1.0], len(ts) // 2)[:, None]
    assert not significance.blocks(ts, SECOND, seed=0).sums(pair).any()


@pytest.mark.slow
def test_on_independent_rows_the_interval_is_the_binomial_one():
    rng = np.random.default_rng(4)
    ts, right = np.arange(40_000) * SECOND, rng.random(40_000) < 0.6
    rows = np.stack([right, np.ones(40_000)], axis=1)
    sums = significance.blocks(ts, SECOND, seed=0).sums(rows)
    low, high = significance.interval(sums[:, 0] / sums[:, 1])
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.24 / 40_000), rel=0.2)
    assert low < 0.6 < high


@pytest.mark.slow
def test_intervals_of_dependent_rows_cover():
    rng, covered, naive = np.random.default_rng(5), 0, 0
    ts = np.arange(7_200) * SECOND
    for seed in range(200):  # each outcome is shared by 10 s on average
        keep = np.maximum.accumulate(np.where(rng.random(7_200) < 0.1, np.arange(7_200), 0))
        right = (rng.random(7_200) < 0.6)[keep]
        sums = significance.blocks(ts, SECOND, seed=seed).sums(right[:, None].astype(float))
        low, high = significance.interval(sums[:, 0] / 7_200)
        covered += low < 0.6 < high
        naive += abs(right.mean() - 0.6) < 1.96 * np.sqrt(0.24 / 7_200)
    assert covered >= 180 and naive < 120


def test_twenty_days_are_drawn_whole():
    day = np.repeat(np.arange(21), 5)
    ts = day * significance.DAY + np.tile(np.arange(5) * SECOND, 21)
    sums = significance.blocks(ts, SECOND, seed=0).sums(np.eye(21)[day])
    assert set(np.unique(sums % 5)) == {0} and (sums.sum(axis=1) == 105).all()


@pytest.mark.slow
def test_intervals_of_labels_that_overlap_for_days_cover():
    hours, ahead, rng, covered = 24_000, 120, np.random.default_rng(6), 0
    ts = np.arange(hours) * HOUR
    for seed in range(60):
        walk = np.r_[0, np.cumsum(rng.choice((-1.0, 1.0), hours + ahead))]
        up = (1 + np.sign(walk[ahead:-1] - walk[: -ahead - 1])) / 2
        sums = significance.blocks(ts, ahead * HOUR, seed=seed).sums(up[:, None])
        low, high = significance.interval(sums[:, 0] / hours)
        covered += low < 0.5 < high
    assert covered >= 50  # 37 where each day is drawn for itself


def test_a_day_is_a_block_where_ten_horizons_are_no_longer():
    ts = np.arange(24 * 30) * HOUR
    expected = [significance.blocks(ts, h * HOUR, seed=0).expected for h in (1, 2, 3, 24)]
    assert expected == [30, 30, 24, 3]


def test_a_night_takes_no_time():
    ts = np.r_[np.arange(1_000), np.arange(1_000) + 40_000] * SECOND
    n = significance.blocks(ts, SECOND, seed=0).sums(np.ones((2_000, 1)))
    assert n.std() < 60  # were it time, resamples would hold none to thousands of the rows


def test_too_short_for_an_interval():
    assert significance.blocks(np.arange(100) * SECOND, SECOND, seed=0) is None
    assert significance.blocks(np.zeros(0, np.int64), SECOND, seed=0) is None


def test_long_spans_take_longer_blocks():
    ts = np.arange(0, 15 * significance.DAY, 60 * SECOND)
    blocks = significance.blocks(ts, SECOND, seed=0, resamples=10)
    assert blocks.expected == pytest.approx(significance.MOST, rel=0.01)


def test_undefined_resamples_are_left_out_unless_most_are():
    assert significance.interval(np.r_[np.arange(101.0), [np.nan] * 50]) == (2.5, 97.5)
    assert significance.interval(np.array([1.0, np.nan])) is None
