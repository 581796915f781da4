"""Silence outlives connections: it is forgiven longer each time, and its end is told."""

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from flowsense.ensemble.code import Code
from flowsense.live.care import Care
from flowsense.live.feed import Address, Feed
from flowsense.schema import CONTROL
from flowsense.sources.venues import venue
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

QUOTE = '[{"ev":"Q","sym":"MSFT","bp":10,"bs":1,"ap":11,"as":1,"t":1,"q":%d}]'


@asynccontextmanager
async def serving(speak):
    """A server of which `speak` is what it says on the n-th connection."""
    opened = []

    async def handle(request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        opened.append(elapsed())
        speaking = asyncio.create_task(speak(len(opened), socket))
        async for _ in socket:
            pass
        speaking.cancel()
        return socket

    app = web.Application()
    app.router.add_get("/stocks", handle)
    server = TestServer(app)
    await server.start_server()
    try:
        yield Address(str(server.make_url("")).rstrip("/"), ""), opened
    finally:
        await server.close()


async def followed(speak, seconds, care=None, name="massive-stocks"):
    """When connections were opened, and what was told of silence: (seconds, stale)."""
    async with serving(speak) as (address, opened):
        said = []

        def hear(heard, told):
            for e in told.events[told.events["action"] == CONTROL]:
                assert e["price"] == Code.STALE
                said.append((elapsed(), int(e["lots"])))

        spoken = venue(name)
        table = spoken.instruments(("MSFT",), ())
        feed = Feed(spoken, table, hear, address=address, care=care)
        task = asyncio.create_task(feed.run())
        await pause(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return opened, said


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("MASSIVE_API_KEY", "abc")


def test_the_end_of_silence_is_told_though_it_comes_on_another_connection():
    async def speak(n, socket):
        for q in range(100 if n > 1 else 1):
            await socket.send_str(QUOTE % q)
            await pause(1.0)

    opened, said = run(followed(speak, 100))
    assert [stale for _, stale in said] == [1, 0] and len(opened) == 2
    assert 0.0 <= said[1][0] - opened[1] < 0.5


async def nothing(n, socket):
    await pause(10_000)


def test_an_instrument_that_is_always_silent_is_asked_again_ever_more_seldom():
    opened, said = run(followed(nothing, 1_200, Care(look=5.0)))
    waits = [b - a for a, b in pairwise(opened)]
    assert [stale for _, stale in said] == [1] and 4 <= len(opened) <= 7
    assert all(b > 1.5 * a for a, b in pairwise(waits))


def test_a_venue_that_says_how_long_it_may_be_silent_is_left_alone_for_that():
    opened, said = run(followed(nothing, 140, Care(look=5.0), "massive-stocks-1m"))
    assert len(opened) == 1 and not said
