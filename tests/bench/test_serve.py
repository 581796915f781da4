"""What the venue of the measure says, and when a step holds."""

import numpy as np
import pytest

from flowsense.bench.barrage import apiece, looped
from flowsense.bench.serve import Load, held, middle_and_worst
from flowsense.replay.feed import apart
from flowsense.schema import ADD, CLEAR, EVENT, GAP, LAST, SECOND, SET, SNAPSHOT, zeros

STEP = Load(2, 1e4, 5e2, 200, 5.0, 9.9, 12.0, 13.0, 0, 0.0, {})


@pytest.fixture
def events():
    """A snapshot of two levels, and a message of three changes a second later."""
    out = zeros(EVENT, 6)
    out["ts_recv"] = out["ts_event"] = SECOND * np.array([1, 1, 1, 2, 2, 2])
    out["action"], out["price"], out["lots"] = (CLEAR, *[SET] * 5), (0, 9, 10, 9, 10, 11), 1
    out["bits"] = SNAPSHOT, SNAPSHOT, SNAPSHOT | LAST, 0, 0, LAST
    return out


def test_each_change_is_a_message_and_a_snapshot_stays_one(events):
    before = events.tobytes()
    assert [len(m.what) for m in apart(apiece(events))] == [3, 1, 1, 1]
    assert [len(m.what) for m in apart(events)] == [3, 3] and events.tobytes() == before


def test_what_was_one_message_fills_the_time_until_the_next(events):
    twice = np.concatenate([events, events[3:]])
    twice["ts_recv"][6:] = 3 * SECOND
    told = apiece(twice)["ts_recv"] - 2 * SECOND
    assert told.tolist() == [-SECOND] * 3 + [0, SECOND // 3, 2 * SECOND // 3] + [SECOND] * 3


@pytest.mark.parametrize(("seconds", "count"), [(0.5, 3), (1.05, 6), (1.5, 9), (2.5, 15)])
def test_the_recording_is_told_again_for_as_long_as_it_takes(events, seconds, count):
    told = looped(events, seconds)
    assert len(told) == count and (np.diff(told["ts_recv"]) >= 0).all()
    assert (told["action"][::6] == CLEAR).all() and not (told["action"] == ADD).any()


def test_a_recording_that_loses_something_is_told_again_from_before_that(events):
    lost = events[-1:].copy()
    lost["action"], lost["bits"], lost["ts_recv"] = CLEAR, GAP, lost["ts_recv"] + 1
    broken = np.concatenate([events, lost])
    assert looped(broken, 2.5).tobytes() == looped(events, 2.5).tobytes()


@pytest.mark.parametrize("worse", [{"p99_ms": 10.0}, {"unfolded": 1}, {"behind_s": 0.1}])
def test_a_step_holds_that_is_fast_complete_and_not_behind(worse):
    assert held(STEP) and not held(STEP._replace(**worse))
    assert held(STEP._replace(p99_ms=49.9), 50.0) and not held(STEP._replace(p99_ms=50.0), 50.0)


def test_the_middle_and_the_worst_of_a_hundred():
    assert middle_and_worst([float(k) for k in range(101)]) == {"p50": 50.0, "p99": 99.0}
