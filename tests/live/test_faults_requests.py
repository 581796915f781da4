"""Requests for snapshots where there is no end of gaps: one at a time, and never too many."""

import re
from collections import Counter

import pytest
from live.followed import Told, following, table

from flowsense.live.refused import Refused
from flowsense.live.requests import Requests, later
from flowsense.testing.loop import BEGIN, run
from flowsense.wall import elapsed, pause

NAME, SYMBOLS = "binance-spot", 3
MOST = 6_000  # weight a minute, and what a snapshot weighs by its levels: Binance, spot, limits
WEIGHTS = {"depth?100": 5, "depth?1000": 50}
TRADES = 25  # weight of a page of trades


@pytest.fixture
def asked(monkeypatch):
    """When requests were made, and how many of one path were under way at once, at most."""
    when, most, under, one = [], [0], Counter(), Requests._try

    async def counted(self, path, wait):
        of, symbol, limit = re.search(r"/(\w+\?)symbol=(\w+).*&limit=(\d+)", path).groups()
        when.append((elapsed(), WEIGHTS.get(of + limit, TRADES)))
        under[of + symbol] += 1
        most[0] = max(most[0], *under.values())
        try:
            return await one(self, path, wait)
        finally:
            under[of + symbol] -= 1

    monkeypatch.setattr(Requests, "_try", counted)
    return when, most


def busiest(when, span=60.0):
    """Most weight in any minute."""
    return max(sum(w for b, w in when if a <= b < a + span) for a, _ in when)


async def followed(source, faults, seconds):
    async with following(source, faults) as (found, _, _):
        await pause(seconds)
        return found


@pytest.mark.slow
@pytest.mark.parametrize("refused", [True, pytest.param(False, marks=pytest.mark.soak)])
def test_gaps_without_end_are_no_storm(asked, refused):
    """R3: of 20 symbols a gap every 100 ms for 60 s, with and without 429: at most 1 snapshot in
    flight per symbol, never over the venue's weight, and healthy <= 10 s after it ends."""
    source = Told(table(NAME, 20), 2_840, 0.025)
    faults = [{"at": 1.0 + 0.1 * k, "do": "drop"} for k in range(600)]
    if refused:
        faults += [{"at": 20.0 + k, "do": "status", "seconds": 0.9} for k in range(0, 41, 4)]
    found, (when, most) = run(followed(source, faults, 71.0)), asked
    assert len(found.gaps) > 100 and len(when) > 60 and most == [1]
    assert busiest(when) <= MOST and found.feed.connections == 1
    assert found.state == "live" and max(at for at, _ in found.whole) < 71.0


@pytest.mark.parametrize("again", [4.0, pytest.param(30.0, marks=pytest.mark.slow)])
def test_where_the_venue_wants_no_requests_none_is_made_on_the_next_connection_either(asked, again):
    """R3: 429 with Retry-After holds for all symbols, also where the connection is lost then."""
    source = Told(table(NAME, SYMBOLS), 200, 0.25)
    faults = [{"at": 2.0, "do": "status", "seconds": again}, {"at": 2.1, "do": "drop", "count": 3}]
    faults += [{"at": 3.5, "do": "reset"}]
    found, (when, _) = run(followed(source, faults, 48.0)), asked
    late = [at for at, _ in when if at >= 2.0]
    assert late[0] < 5.0 and not [at for at in late[1:] if at < 2.0 + again - 0.01]
    assert found.state == "live" and found.feed.connections == 2


@pytest.mark.parametrize(("code", "obeyed"), [(429, 3_600.0), (418, 86_400.0)])
def test_a_venue_that_wants_none_for_a_day_is_said_to_and_asked_once_an_hour(code, obeyed, asked):
    """R3: Retry-After: 86400 is told at once; a rate is asked for again in an hour, a ban is not;
    what the stream tells goes on being heard."""
    source = Told(table(NAME, 1), 40, 0.1)
    faults = [{"at": 1.0, "do": "status", "code": code, "seconds": 86_400.0}]

    async def main():
        async with following(source, [*faults, {"at": 1.0, "do": "drop"}]) as (found, _, _):
            await pause(4.0)
            feed, heard = found.feed, len(found.events)
            assert feed.state == "resync" and f"answered with {code}: none for {obeyed:.0f} s" in (
                feed.why
            )
            return feed.barred, heard

    (barred, heard), (when, _) = run(main()), asked
    assert obeyed - 5.0 < barred <= obeyed and heard >= 35 and len(when) == 2


@pytest.mark.parametrize("code", [401, 451])
def test_a_request_that_the_venue_takes_from_nobody_like_us_stops_with_a_sentence(code):
    """R3: it is not asked for again for ever."""
    source = Told(table(NAME, 1), 40, 0.1)
    faults = [{"at": 1.0, "do": "status", "code": code, "seconds": 60.0}]

    async def main():
        async with following(source, [*faults, {"at": 1.0, "do": "drop"}]) as (_, _, task):
            await task

    said = f"binance-spot: a request was answered with {code}: it lets nobody in from here without"
    with pytest.raises(Refused, match=said):
        run(main())


def test_where_there_is_a_key_its_variable_is_named(monkeypatch):
    """R3: 401 for a snapshot, with a key of ours."""
    monkeypatch.setenv("FLOWSENSE_TEST_KEY", "abcdefgh0123")
    source = Told(table(NAME, 1), 40, 0.1)
    faults = [{"at": 1.0, "do": "status", "code": 401, "seconds": 60.0}]
    faults += [{"at": 1.0, "do": "drop"}]

    async def main():
        async with following(source, faults, secret="FLOWSENSE_TEST_KEY") as (_, _, task):
            await task

    with pytest.raises(Refused, match="401: set FLOWSENSE_TEST_KEY to a key that it takes"):
        run(main())


def test_when_to_come_again_is_read_as_number_or_date():
    async def main():
        return [later(said) for said in ("0", "120", "", "soon", "-5", "9" * 400, IN_AN_HOUR, PAST)]

    assert run(main(), begin=BEGIN) == [0, 120, 60, 60, 60, float("inf"), 3_600, 0]


IN_AN_HOUR, PAST = "Tue, 14 Nov 2023 23:13:20 GMT", "Tue, 14 Nov 2023 22:00:00 GMT"
