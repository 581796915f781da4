import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.model.graph.breaks import BREAK, WARM, Watch, delays, height

EVERY = 5_000


@pytest.fixture(scope="module")
def high():
    return height(EVERY)


def normal(rng, n, r):
    x, e = rng.standard_normal((2, n))
    return np.c_[x, r * x + np.sqrt(1 - r * r) * e]


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("r", [0.0, 0.6, -0.9])
def test_false_alarms_come_as_often_as_stated_whatever_the_correlation(r, high):
    rng, alarms, pairs, n = np.random.default_rng(9), 0, 100, 10_000
    for _ in range(pairs):
        alarms += np.count_nonzero(Watch.of(2, EVERY).push(normal(rng, n, r))[1])
    assert 0.6 < alarms / (pairs * n / EVERY) < 1.5


@pytest.mark.slow
@pytest.mark.compiled
def test_heavy_tails_raise_at_most_twice_as_many():
    rng, alarms = np.random.default_rng(10), 0
    for _ in range(40):
        alarms += np.count_nonzero(Watch.of(2, EVERY).push(rng.standard_t(4, (20_000, 2)))[1])
    assert alarms / (40 * 20_000 / EVERY) < 2


@pytest.mark.compiled
def test_a_break_is_told_with_its_side_and_soon(high):
    rng, told = np.random.default_rng(1), 0
    for _ in range(20):
        moves = np.r_[normal(rng, 2_000, 0.7), normal(rng, 200, 0.0)]
        _, alarm = Watch.of(2, EVERY).push(moves)
        told += alarm[2_000:].sum() == -1
    assert told >= 18


@pytest.mark.slow
@pytest.mark.compiled
def test_the_larger_the_change_the_shorter_the_delay(high):
    found = [np.median(delays(high, 0.6, after)) for after in (0.3, 0.0, -0.6)]
    assert found[0] > found[1] > found[2]
    assert found[1] < 150


@pytest.mark.slow
@pytest.mark.compiled
def test_pieces_of_a_stream_are_the_stream():
    moves = np.random.default_rng(2).standard_normal((3_000, 4))
    moves[np.random.default_rng(3).random(moves.shape) < 0.1] = np.nan
    start = Watch.of(4, 1_000)
    end, whole = start.push(moves)
    watch, parts = start, []
    for piece in np.array_split(moves, 13):
        watch, alarm = watch.push(piece)
        parts.append(alarm)
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert watch.state.tobytes() == end.state.tobytes()
    assert not start.state["seen"].any() and np.count_nonzero(whole) > 0


def test_a_rate_faster_than_its_warming_up_is_refused():
    with pytest.raises(InputError, match=f"give {2 * WARM} or more"):
        height(10)


def test_a_change_that_is_plain_to_see_is_told_at_once():
    """Two that were opposite are the same from row 700 on; by hand, without a simulated height."""
    x = np.random.default_rng(0).standard_normal(760)
    moves = np.c_[x, np.where(np.arange(760) < 700, -x, x) + 0.1 * np.roll(x, 1)]
    watch = Watch(np.array([[0, 1]]), 20.0, np.zeros(1, BREAK))
    _, alarm = watch.push(moves)
    assert alarm.sum() == 1 and 700 <= alarm.argmax() < 730
