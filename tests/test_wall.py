"""Lanes do their work in order, one after the other, and let nobody wait who should not."""

import sys
import threading

import pytest

from flowsense.schema import MILLISECOND, NEVER
from flowsense.testing.virtual import Virtual
from flowsense.wall import Crew, Stamp, Stopwatch, Threads


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
    assert clock.now() == 50 and not stuck.done() and behind.cancelled()


def test_a_stopwatch_adds_up():
    watch = Stopwatch()
    assert list(watch.over(range(3))) == [0, 1, 2] and watch.seconds > 0


def test_a_crew_goes_on_beside_a_piece_of_work_that_hangs():
    """One thread does all, until it is waited for in vain; the spare one goes home."""
    go, crew = threading.Event(), Crew()
    hanging, other = crew.lane(), crew.lane()
    stuck, behind, free = hanging.submit(go.wait), hanging.submit(int), other.submit(int)
    crew.wait([stuck, free], crew.now() + 200_000_000)
    assert free.done() and not stuck.done() and not behind.done()
    assert other.submit(int).result(5) == 0
    go.set()
    assert behind.result(5) == 0
    crew.close()


def test_what_waits_in_a_lane_of_a_crew_that_closes_is_never_begun():
    begun, go, crew = threading.Event(), threading.Event(), Crew()
    lane = crew.lane()
    stuck, behind = lane.submit(lambda: begun.set() or go.wait()), lane.submit(int)
    assert begun.wait(5)
    lane.close()
    assert behind.cancelled()
    go.set()
    assert stuck.result(5)
    crew.close()


def test_no_stamp_is_given_to_two_threads():
    given, others = [], []

    def clock():
        """The first to look at it is held up by another."""
        if not others:
            others.append(threading.Thread(target=lambda: given.append(stamp())))
            others[0].start()
            others[0].join(0.02)
        return 0

    stamp = Stamp(clock)
    given.append(stamp())
    others[0].join()
    assert sorted(given) == [1, 2]
