import numpy as np
import pytest
from excited import intensity

from flowsense.model.hawkes.law import counted, evaluate, law
from flowsense.model.hawkes.stream import Stream
from flowsense.schema import SECOND


@pytest.fixture
def stream(known, points):
    made = Stream(known)
    for ts, kind in zip(points.ts[:200].tolist(), points.kind[:200].tolist(), strict=True):
        made.push(ts, kind)
    return made


def test_intensities_are_the_sums_over_all_points(known, points, stream):
    t = int(points.ts[199]) + SECOND // 10
    slow = [intensity(known, points, k, t, 200) for k in range(3)]
    assert np.allclose(stream.at_time(t), slow, rtol=1e-10)


def test_looking_changes_nothing(points, stream):
    t = int(points.ts[199])
    before = stream.at_time(t)
    stream.at_time(t + 5 * SECOND), stream.numbers(t + SECOND), stream.next_kind(t)
    assert stream.at_time(t).tobytes() == before.tobytes()


def test_time_that_falls_stands_still(points, stream):
    t = int(points.ts[199])
    stream.push(t - SECOND, -1)
    assert stream.at[0] == t


def test_its_numbers_are_what_the_law_reads(known, points, stream):
    t = int(points.ts[199])
    out = np.zeros((1, 1, 5))
    tables = tuple(x[None] for x in law(known, np.array([1e-6]), np.array([1.0, -1.0, 0.0])))
    evaluate(stream.numbers(t)[None], np.zeros(1, np.int64), tables, counted(), out)
    assert np.allclose(out[0, 0, :3] / 1e-6, stream.at_time(t), rtol=1e-3)
    assert np.isclose(stream.next_kind(t).sum(), 1)
