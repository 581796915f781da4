"""Peeking after every block costs no more than the level; a difference is seen soon."""

import numpy as np
import pytest
from scipy import stats

from flowsense.errors import InputError
from flowsense.evaluate.sequential import AIM, WARM, Answer, Sequential, compared
from flowsense.schema import SECOND

MINUTE = 60 * SECOND


def rows(difference, per_minute=3):
    return np.arange(len(difference)) * (MINUTE // per_minute), difference


def wrong(law, blocks=250, trials=150, per_minute=3):
    """Share of comparisons of equals in which one who looks after every block is misled."""
    said = 0
    for seed in range(trials):
        gap = law(np.random.default_rng(seed), blocks * per_minute)
        said += compared(*rows(gap, per_minute), SECOND).better is not None
    return said / trials


LAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.exponential(size=n) - 1,
    "heavy": lambda rng, n: rng.standard_t(2.2, size=n),
    "signs": lambda rng, n: rng.choice((-1.0, 0.0, 1.0), n),
    "bursts": lambda rng, n: rng.normal(size=n) * (1 + 9 * (np.arange(n) // 60 % 5 == 0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_equals_are_called_unequal_at_most_as_often_as_the_level_says(law):
    assert wrong(LAWS[law]) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


@pytest.mark.slow
def test_a_t_test_that_is_looked_at_as_often_is_misled():
    """The same, with the usual test at the usual level."""
    said = 0
    for seed in range(150):
        x = np.random.default_rng(seed).normal(size=(250, 3)).sum(axis=1)
        n = np.arange(1, 251)
        mean, square = np.cumsum(x) / n, np.cumsum(x * x) / n
        t = mean[9:] / np.sqrt((square - mean * mean)[9:] / (n[9:] - 1))
        said += (np.abs(t) > stats.t.ppf(0.975, n[9:] - 1)).any()
    assert said / 150 > 0.25


@pytest.mark.slow
def test_labels_that_overlap_are_held_together_by_their_block():
    """Rows every 5 s of labels 30 s ahead, in blocks of 300 s."""
    said = 0
    for seed in range(150):
        gap = np.convolve(
            np.random.default_rng(seed).normal(size=60 * 200 + 5), np.ones(6), "valid"
        )
        ts = np.arange(len(gap)) * 5 * SECOND
        said += compared(ts, gap, 30 * SECOND).better is not None
    assert said / 150 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 150)


@pytest.mark.slow
def test_intervals_hold_the_mean_at_all_times():
    fold, missed = Sequential(SECOND), 0
    for seed in range(60):
        gap = np.random.default_rng(seed).exponential(size=450)
        state, out = fold.init(), False
        for ts, x in zip(*(np.split(part, 150) for part in rows(gap)), strict=True):
            state = fold.push(state, ts, x)
            found = fold.answer(state).interval
            out |= found is not None and not found[0] <= 1 <= found[1]
        missed += out
    assert missed <= 0.05 * 60 + 2 * np.sqrt(0.05 * 0.95 * 60)


def test_the_side_with_the_smaller_loss_is_called_better():
    gap = np.random.default_rng(0).normal(-0.5, 1, 600)
    a, b = compared(*rows(gap), SECOND), compared(*rows(-gap), SECOND)
    assert (a.better, b.better) == ("a", "b") and a.at == b.at
    assert a.at % MINUTE == 0 and WARM * MINUTE < a.at < 100 * MINUTE
    assert a.interval[0] < -0.5 < a.interval[1] < 0
    assert b.interval == pytest.approx((-a.interval[1], -a.interval[0]))


def test_the_answer_leaves_zero_out_when_something_is_decided():
    fold, state = Sequential(SECOND), Sequential(SECOND).init()
    gap = np.random.default_rng(1).normal(0.3, 1, 900)
    for ts, x in zip(*(np.split(part, 300) for part in rows(gap)), strict=True):
        before, state = fold.answer(state).better, fold.push(state, ts, x)
        found = fold.answer(state)
        if before is None and found.better:
            assert found.interval[0] >= 0 and found.better == "b"
    assert found.better == "b"


def test_cutting_the_stream_changes_nothing():
    fold, rng = Sequential(SECOND), np.random.default_rng(2)
    ts = np.sort(rng.integers(0, 90 * MINUTE, 2_000))
    gap = rng.normal(0.1, 1, 2_000)
    whole = fold.push(fold.init(), ts, gap)
    for cuts in (np.arange(1, 2_000), np.sort(rng.choice(2_000, 40))):
        state = fold.init()
        for part in zip(np.split(ts, cuts), np.split(gap, cuts), strict=True):
            state = fold.push(state, *part)
        assert all(np.array_equal(x, y) for x, y in zip(state, whole, strict=True))


def test_a_block_counts_once_its_end_is_past():
    fold = Sequential(SECOND)
    state = fold.push(fold.init(), *rows(np.random.default_rng(3).normal(size=WARM + 3), 1))
    open_, end = fold.answer(state).blocks, (WARM + 3) * MINUTE
    assert fold.answer(fold.until(state, end - 1)).blocks == open_
    passed = fold.until(fold.until(state, end), end + SECOND)
    assert fold.answer(passed).blocks == open_ + 1
    later = np.array([end + 7 * MINUTE]), np.array([0.5])
    assert fold.answer(fold.push(passed, *later)) == fold.answer(fold.push(state, *later))


def test_the_bound_by_hand():
    """Robbins: sum^2 = (V + w) log((V + w) / (w level^2)); V = 3, w = 1, level 0.05."""
    fold = Sequential(SECOND)
    assert fold.bound(3.0, 1.0) == pytest.approx(np.sqrt(4 * np.log(4 / 0.0025)))


def test_the_scale_is_settled_by_the_first_blocks_alone():
    fold = Sequential(SECOND)
    ts, gap = rows(np.full(WARM + 1, 2.0), per_minute=1)
    warm = fold.push(fold.init(), ts, gap)
    a = -2 * np.log(0.05)
    assert warm.scale[1] == pytest.approx(4 * AIM / (a + np.log(a + 1)))
    assert fold.answer(warm) == Answer(None, None, 0, None, None)


@pytest.mark.parametrize("n", [0, 1, 5, 3_000])
def test_equal_forecasts_and_short_streams_decide_nothing(n):
    assert compared(*rows(np.zeros(n)), SECOND).better is None


def test_what_cannot_be_compared_is_refused():
    fold = Sequential(SECOND)
    with pytest.raises(InputError, match="difference nan"):
        fold.push(fold.init(), np.array([1]), np.array([np.nan]))
    state = fold.push(fold.init(), np.array([5 * MINUTE]), np.array([1.0]))
    with pytest.raises(InputError, match="not in order of time"):
        fold.push(state, np.array([MINUTE]), np.array([1.0]))
    with pytest.raises(InputError, match="between 0 and 1"):
        Sequential(SECOND, level=1.0)
