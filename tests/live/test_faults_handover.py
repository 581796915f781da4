"""A connection that will end: the next is heard before, and nothing is missed or told twice."""

import asyncio

import numpy as np
import pytest
from live.followed import Told, following, table
from live.test_silence import QUOTE, serving

from flowsense.live.care import Care
from flowsense.live.feed import Feed
from flowsense.schema import DAY, SECOND
from flowsense.sources.venues import venue
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

OF = ("spot", "usdm", "coinm")
SHUTDOWN = '{"e":"serverShutdown","E":1770000000000}'


async def ageing(replay, life, look):
    """The venue ends each connection when it is so old."""
    born = {}
    while True:
        for seat in [*replay.seats]:
            if elapsed() - born.setdefault(seat, elapsed()) >= life:
                await replay._goodbye(seat, 1001)
        await pause(look)


async def through(source, seconds, *faults, life=0.0, care=None):
    """What was told, where a connection lives for so long."""
    more = {"life_ns": round(life * SECOND)} if life else {}
    async with following(source, faults, care=care, **more) as (found, replay, _):
        clock = asyncio.create_task(ageing(replay, life, life / 500)) if life else None
        await pause(seconds)
        found.seats = len(replay.seats)
        if clock is not None:
            clock.cancel()
        return found


def untimed(found):
    events = found.stream().copy()
    events["ts_recv"] = 0
    return events.tobytes()


@pytest.mark.parametrize("name", ["binance-spot", "binance-usdm"])
def test_a_venue_that_will_shut_down_is_heard_on_another_connection_before(name):
    """R11: `serverShutdown`: no gap, no event lost or doubled, the old connection is closed."""
    faults = {"at": 1.05, "do": "say", "text": SHUTDOWN}
    clean = run(through(Told(table(name, 3), 120, 0.05), 7.0))
    found = run(through(Told(table(name, 3), 120, 0.05), 7.0, faults))
    assert found.feed.connections == 2 and not found.gaps and found.state == "live"
    assert untimed(found) == untimed(clean) and found.seats == clean.seats
    assert found.feed.decoder.sink.counts["repeated depth"] > 5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "symbols", "messages"),
    [
        ("binance-usdm", 3, 1_000),
        *(pytest.param(f"binance-{of}", 20, 20_000, marks=pytest.mark.soak) for of in OF),
    ],
)
def test_each_of_many_connections_is_left_before_it_ends(name, symbols, messages):
    """R11: connections that live for 200 s: none is ended by the venue, and all events are those of
    one connection that never ends."""
    source, care = (table(name, symbols), messages, 600 / messages), Care(silent=100.0)
    clean = run(through(Told(*source), 601.0, care=care))
    found = run(through(Told(*source), 601.0, life=200.0, care=care))
    assert found.feed.connections == 4 and not found.gaps and found.truth()
    assert untimed(found) == untimed(clean)


@pytest.mark.soak
def test_a_day_and_a_half_of_a_venue_that_closes_after_a_day():
    """R11: the 24 h close: the connection that takes over is made in the last hour before it."""
    care, hours = Care(silent=50_000.0, alive=300.0, look=60.0), 36
    source = Told(table("binance-spot", 2), hours * 15, 240.0)
    found = run(through(source, hours * 3_600.0, life=DAY / SECOND, care=care))
    assert found.feed.connections == 2 and not found.gaps and found.truth()
    when = found.stream()["ts_recv"]
    assert (np.diff(when) >= 0).all() and when[-1] - when[0] > 1.4 * DAY


def test_where_the_venue_ends_it_in_the_middle_of_a_handover_the_next_takes_over_at_once():
    """R11: the old connection is reset while both are heard."""
    source = Told(table("binance-spot", 2), 120, 0.05)

    async def main():
        async with following(source) as (found, replay, _):
            await pause(2.0)
            (old,) = replay.seats
            found.feed.soon.set()
            await pause(1.0)
            assert len(replay.seats) == 2
            old.transport.abort()
            await pause(4.0)
            return found

    found, clean = run(main()), run(through(source, 7.0))
    assert found.feed.connections == 2 and not found.gaps and untimed(found) == untimed(clean)


def test_a_venue_that_does_not_stop_talking_is_left_all_the_same(monkeypatch):
    """It answers no goodbye and goes on telling: who ends the feed waits a second at most."""
    monkeypatch.setenv("MASSIVE_API_KEY", "abc")

    async def speak(n, socket):
        for q in range(100_000):
            await socket.send_str(QUOTE % q)
            await pause(0.1)

    async def main():
        async with serving(speak) as (address, opened):
            spoken = venue("massive-stocks")
            table = spoken.instruments(("MSFT",), ())
            feed = Feed(spoken, table, lambda *_: None, address=address)
            task = asyncio.create_task(feed.run())
            await pause(3.0)
            feed._anew("a test wants another")
            await pause(3.0)
            opened, before = len(opened), elapsed()
            task.cancel()
            await asyncio.wait([task])
            return opened, elapsed() - before

    opened, seconds = run(main())
    assert opened == 2 and seconds <= 1.0
