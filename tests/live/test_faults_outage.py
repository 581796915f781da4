"""Connections that end, venues that refuse, and venues that are not there."""

from itertools import pairwise

import pytest
from live.followed import Told, following, table

from flowsense.live.refused import Refused
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

AT = 1.05  # s, when the fault begins


async def kept(source, *faults, until=5.0):
    """What became of a feed through these faults, and when it tried to connect, and did."""
    async with following(source, faults) as (found, _, task):
        found.tries, found.opened = noted(found.feed, "_open"), noted(found.feed, "_listen")
        await pause(until)
        found.error = task.exception() if task.done() else None
        return found


def noted(feed, name):
    """When this was done."""
    when, work = [], getattr(feed, name)

    def doing(*args):
        when.append(elapsed())
        return work(*args)

    setattr(feed, name, doing)
    return when


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "eof"},
        {"do": "reset"},
        {"do": "close", "code": 1001},
        {"do": "close", "code": 1013},
    ],
    ids=["eof", "reset", "closed", "overload"],
)
def test_a_connection_that_ends_is_made_again_within_a_second_with_all_that_was_subscribed(fault):
    """R11, outage 0 s: first try <= 1 s, all subscriptions restored, the gap of each is told."""
    source = Told(table("binance-spot", 2), 80, 0.05)
    found = run(kept(source, fault | {"at": AT}))
    whole = [at for at, _ in found.whole if at > AT]
    assert found.feed.connections == 2 and len(whole) == 2 and found.truth()
    assert sorted(gap.instrument for _, gap in found.gaps) == [0, 1]
    assert max(whole) - AT <= 1.5


@pytest.mark.parametrize("seconds", [3, 60, pytest.param(600, marks=pytest.mark.slow)])
def test_where_nobody_listens_it_is_back_two_seconds_after_somebody_does(seconds):
    """R11: refused for 3, 60 or 600 s: connected <= 2 s after it ends, with all subscriptions."""
    source, fault = Told(table("okx", 2), 20, 0.1), {"do": "refuse", "seconds": float(seconds)}
    end = AT + seconds
    found = run(kept(source, fault | {"at": AT}, until=end + 3.0))
    assert found.error is None and found.feed.connections == len(found.opened) == 2
    assert 0.0 <= found.opened[1] - end <= 2.0
    assert {k for at, k in found.whole if at >= end} == {0, 1}


@pytest.mark.parametrize("seconds", [60, pytest.param(600, marks=pytest.mark.slow)])
def test_where_nobody_answers_it_is_back_two_seconds_after_somebody_does(seconds):
    """R11: half-open for 60 or 600 s: the dead connection is given up <= 3 s later, tries go on,
    and the venue is heard <= 2 s after it is back."""
    source, fault = Told(table("okx", 2), 20, 0.1), {"do": "half-open", "seconds": float(seconds)}
    end = AT + seconds
    found = run(kept(source, fault | {"at": AT}, until=end + 3.0))
    assert found.error is None and found.feed.connections == len(found.opened) == 2
    assert 0.0 <= found.opened[1] - end <= 2.0
    assert {k for at, k in found.whole if at >= end} == {0, 1}
    assert min(at for at, state in found.states if state == "down") - AT <= 3.0


@pytest.mark.parametrize("code", [429, 503])
def test_a_venue_that_refuses_is_asked_ever_more_seldom(code):
    """R11: first try <= 1 s, then 1, 2, 4 ... 60 s with jitter, until it lets us in."""
    source = Told(table("okx", 1), 20, 0.1)
    faults = [{"at": 1.0, "do": "status", "code": code, "of": "stream", "seconds": 300.0}]
    found = run(kept(source, *faults, {"at": AT, "do": "reset"}, until=334.0))
    waits = [b - a for a, b in pairwise([AT, *found.tries[1:]])]
    usual = [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert found.error is None and found.feed.connections == len(found.opened) == 2
    assert all(0.75 * u <= w <= u + 0.01 for u, w in zip(usual, waits, strict=False))
    assert len(waits) > 9 and len({round(w / u, 3) for u, w in zip(usual, waits, strict=False)}) > 5


def test_a_stream_that_refuses_our_key_is_asked_once_and_the_variable_is_named(monkeypatch):
    """R11: 401, where the venue wants a key."""
    monkeypatch.setenv("FLOWSENSE_TEST_KEY", "abcdefgh0123")
    source = Told(table("okx", 1), 20, 0.1)
    faults = [{"at": 1.0, "do": "status", "code": 401, "of": "stream", "seconds": 60.0}]

    async def main():
        cut = {"at": AT, "do": "reset"}
        async with following(source, [*faults, cut], secret="FLOWSENSE_TEST_KEY") as (_, _, task):
            await task

    with pytest.raises(
        Refused, match="answered 401: set FLOWSENSE_TEST_KEY to a key that it takes"
    ):
        run(main())


def test_a_venue_that_does_not_know_us_is_asked_once_and_that_is_said():
    """R11: 401 stops, with a message that says what to do."""
    source = Told(table("okx", 1), 20, 0.1)
    faults = [{"at": 1.0, "do": "status", "code": 401, "of": "stream", "seconds": 60.0}]
    found = run(kept(source, *faults, {"at": AT, "do": "reset"}))
    assert isinstance(found.error, Refused) and found.feed.connections == 1
    assert "okx: the venue answered 401: it lets nobody in" in str(found.error)
