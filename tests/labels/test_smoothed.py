from itertools import pairwise

import numpy as np
import pytest
from touches import MS, held, label, path, walk

from flowsense.forecast import DOWN, FLAT, UP, Target
from flowsense.schema import ONE_SIDED, WHOLE

T = Target.parse


def one(target, quotes, row=200):
    found = label([T(target)], quotes, [row * MS])
    return found.y[0, 0], pytest.approx(found.move[0, 0]), bool(found.valid[0, 0])


def test_by_hand():
    """Before: 100 for 80 ms, 102 for 20. After: 102 for 50, 101 for 50."""
    quotes = path((10, 100), (180, 102), (250, 101), (400, 50))
    assert one("smoothed@100ms", quotes) == (UP, 1.1, True)  # 101.5 against 100.4
    assert one("smoothed:1t@100ms", quotes)[0] == UP
    assert one("smoothed:1.1t@100ms", quotes)[0] == FLAT
    assert one("smoothed:109bp@100ms", quotes)[0] == UP  # 1.1 of 100.4 are 109.6
    assert one("smoothed:110bp@100ms", quotes)[0] == FLAT


def test_a_mid_that_has_come_back_is_down_and_one_that_stays_up_is_up():
    back = path((10, 100), (150, 104), (200, 100), (400, 100))
    stays = path((10, 100), (150, 104), (400, 104))
    assert one("smoothed@100ms", back) == (DOWN, -2, True)
    assert one("smoothed@100ms", stays) == (UP, 2, True)


@pytest.mark.parametrize("ms", [150, 250])
def test_a_side_that_was_empty_in_either_window_is_no_label(ms):
    quotes = path((10, 100), (ms, 100, ONE_SIDED), (ms + 1, 100), (400, 100))
    assert not one("smoothed@100ms", quotes)[2]
    assert one("smoothed@20ms", quotes)[2]


def test_the_past_window_has_to_be_known():
    assert not one("smoothed@100ms", path((101, 100), (400, 100)))[2]
    assert one("smoothed@100ms", path((100, 100), (400, 100)))[2]


def mean(quotes, start, end):
    """Of the mid, one stretch after the other; None where there was none for a time."""
    edges = [start, *sorted({int(t) for t in quotes["ts"] if start < t < end}), end]
    total, lost = 0.0, set()
    for a, b in pairwise(edges):
        q = held(quotes, a)
        if q is None or q["state"] != WHOLE:
            return None, lost
        total, lost = total + (b - a) * int(q["mid2"]) / 2, lost | {int(q["breaks"])}
    return total / (end - start), lost


@pytest.mark.parametrize("seed", range(3))
def test_labels_are_what_adding_up_every_stretch_gives(seed):
    quotes, h = walk(400, seed), 150 * MS
    rows = np.arange(50 * MS, int(quotes["ts"][-1]), 90 * MS)
    got = label([T("smoothed:1.3t@150ms")], quotes, rows)
    assert 0.3 < got.valid.mean() < 0.9 and set(got.y[got.valid].tolist()) == {0, 1, 2}
    for i, row in enumerate(rows.tolist()):
        (past, a), (future, b) = mean(quotes, row - h, row), mean(quotes, row, row + h)
        whole = past is not None and future is not None and len(a | b) == 1
        assert got.valid[i, 0] == (whole and row + h <= quotes["ts"][-1])
        if got.valid[i, 0]:
            assert got.move[i, 0] == pytest.approx(future - past, abs=1e-5)
            assert got.y[i, 0] == np.sign(future - past) * (abs(future - past) > 1.3) + 1
