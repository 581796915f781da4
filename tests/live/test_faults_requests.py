"""Requests for snapshots where there is no end of gaps: one at a time, and never too many."""

from collections import Counter

import pytest
from live.followed import Told, following, table

from flowsense.live.requests import Requests
from flowsense.sources.venues import venue
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

NAME, SYMBOLS = "binance-spot", 3
RATE = venue(NAME).requests


@pytest.fixture
def asked(monkeypatch):
    """When requests were made, and how many of one path were under way at once, at most."""
    when, most, under, one = [], [0], Counter(), Requests._try

    async def counted(self, path, wait):
        when.append(elapsed())
        under[path] += 1
        most[0] = max(most[0], *under.values())
        try:
            return await one(self, path, wait)
        finally:
            under[path] -= 1

    monkeypatch.setattr(Requests, "_try", counted)
    return when, most


def busiest(when, span=60.0):
    """Most in any minute."""
    return max(sum(a <= b < a + span for b in when) for a in when)


async def followed(source, faults, seconds):
    async with following(source, faults) as (found, _, _):
        await pause(seconds)
        return found


@pytest.mark.slow
@pytest.mark.parametrize("refused", [False, True])
def test_gaps_without_end_are_no_storm(asked, refused):
    """R3: a gap every 100 ms for 60 s, with and without 429: at most 1 snapshot in flight per
    symbol, never over the venue's rate, and healthy <= 10 s after it ends."""
    source = Told(table(NAME, SYMBOLS), 1_400, 0.05)
    faults = [{"at": 1.0 + 0.1 * k, "do": "drop"} for k in range(600)]
    if refused:
        faults += [{"at": 20.0 + k, "do": "status", "seconds": 0.9} for k in range(0, 41, 4)]
    found, (when, most) = run(followed(source, faults, 71.0)), asked
    assert len(found.gaps) > 30 and len(when) > 60 and most == [1]
    assert busiest(when) <= RATE and found.feed.connections == 1
    assert found.state == "live" and max(at for at, _ in found.whole) < 71.0


@pytest.mark.parametrize("again", [4.0, pytest.param(30.0, marks=pytest.mark.slow)])
def test_where_the_venue_wants_no_requests_none_is_made_on_the_next_connection_either(asked, again):
    """R3: 429 with Retry-After holds for all symbols, also where the connection is lost then."""
    source = Told(table(NAME, SYMBOLS), 200, 0.25)
    faults = [{"at": 2.0, "do": "status", "seconds": again}, {"at": 2.1, "do": "drop", "count": 3}]
    faults += [{"at": 3.5, "do": "reset"}]
    found, (when, _) = run(followed(source, faults, 48.0)), asked
    late = [at for at in when if at >= 2.0]
    assert late[0] < 5.0 and not [at for at in late[1:] if at < 2.0 + again - 0.01]
    assert found.state == "live" and found.feed.connections == 2
