"""Lanes do their work in order, one after the other, and let nobody wait who should not."""

import sys
import threading

import pytest

from flowsense.schema import MILLISECOND, NEVER
from flowsense.testing.virtual import Virtual
from flowsense.wall import Stopwatch, Threads


def test_a_lane_works_in_order_and_tells_what_failed():
    workers, seen = Threads(), []
    lane = workers.lane()
    work = [lane.submit(lambda k=k: seen.append(k) or 1 / k) for k in (2, 0, 1)]
    workers.wait(work, workers.now() + 10**10)
    assert seen == [2, 0, 1] and work[0].result() == 0.5
    with pytest.raises(ZeroDivisionError):
        work[1].result()
    lane.close()


def test_a_closed_lane_begins_nothing_more():
    workers, go, begun = Threads(), threading.Event(), threading.Event()
    lane = workers.lane()
    first, second = lane.submit(lambda: begun.set() or go.wait()), lane.submit(go.is_set)
    assert begun.wait(10)
    workers.wait([first], workers.now() + MILLISECOND)
    assert not first.done()
    lane.close()
    assert second.cancelled()
    go.set()
    assert first.result(10) is True


def test_closing_a_lane_does_not_wait_for_what_its_thread_takes_meanwhile():
    """The closing thread stops at its second line until the lane has done all that was queued."""
    lane, go, lines = Threads().lane(), threading.Event(), []
    lane.submit(go.wait)
    last = lane.submit(go.is_set)

    def watched(frame, event, _):
        if frame.f_code.co_name == "close" and event == "line":
            lines.append(frame.f_lineno)
            if len(lines) == 2:
                go.set()
                assert last.result(10)
        return watched

    closing = threading.Thread(target=lambda: sys.settrace(watched) or lane.close(), daemon=True)
    closing.start()
    closing.join(2)
    assert len(lines) >= 2 and not closing.is_alive()


def test_virtual_work_is_known_when_its_time_has_come():
    clock = Virtual()
    a, b = clock.lane(), clock.lane()
    slow = a.submit(lambda: clock.sleep(30) or clock.now())
    after, quick = a.submit(clock.now), b.submit(lambda: clock.sleep(10))
    clock.wait([slow, quick], 20)
    assert (clock.now(), quick.done(), slow.done()) == (20, True, False)
    clock.wait([slow, after], 100)
    assert (clock.now(), slow.result(), after.result()) == (30, 30, 30)


def test_virtual_work_that_hangs_never_ends_nor_does_what_waits_behind_it():
    clock = Virtual()
    lane = clock.lane()
    stuck, behind = lane.submit(lambda: clock.sleep(NEVER)), lane.submit(clock.now)
    clock.wait([stuck], 50)
    lane.close()
    assert clock.now() == 50 and stuck.cancelled() and behind.cancelled()


def test_a_stopwatch_adds_up():
    watch = Stopwatch()
    assert list(watch.over(range(3))) == [0, 1, 2] and watch.seconds > 0
