import asyncio
from contextlib import aclosing, closing

import httpx
import pytest
from serving import READ, running, started
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from flowsense.client import ApiError, AsyncClient, Client, Place, read
from flowsense.serve.stream import brief
from flowsense.served import Health, Hole
from flowsense.testing.service import SPEC, Simulated


@pytest.fixture(scope="module")
def server():
    with running() as server:
        server.advance(400)
        yield server


def test_awaited_it_says_the_same(server):
    async def run():
        async with AsyncClient(server.url + "/", key=READ) as client:
            said = await client.latest("BTCUSDT"), await client.explain("BTCUSDT")
            row = await client.predict("BTCUSDT", {SPEC.columns[0]: 1.0})
            stood = await client.status(), await client.health(), await client.reload()
            return said, row, stood

    (latest, why), row, (status, health, swap) = asyncio.run(run())
    assert latest == server.service.latest("BTCUSDT") == why.prediction
    assert row.symbol == "BTCUSDT" and status.state == "running" and health.ready and swap.accepted


def test_awaited_the_stream_is_the_same(server):
    async def run():
        async with AsyncClient(server.url) as client, aclosing(client.stream(since=0)) as stream:
            return [(await anext(stream)).prediction.sequence for _ in range(30)]

    assert asyncio.run(run()) == list(range(1, 31))


def test_a_pipeline_is_started_and_stopped():
    with running() as server, Client(server.url) as client:
        assert [client.stop().state, client.start().state] == ["stopped", "running"]


def test_awaited_a_pipeline_is_started_and_stopped_and_reads_a_recording():
    events = Simulated().events[:300]
    told = [dict(zip(events.dtype.names, e.tolist(), strict=True)) for e in events]

    async def run(url):
        async with AsyncClient(url) as client:
            stood = (await client.stop()).state, (await client.start()).state
            return stood, await client.predict_events(told, venue="")

    with running() as server:
        stood, found = asyncio.run(run(server.url))
    assert stood == ("stopped", "running") and found[0].sequence == 0


def test_awaited_what_is_not_there_cannot_be_reached():
    async def run():
        async with AsyncClient("http://127.0.0.1:9") as client:
            with pytest.raises(ApiError, match="cannot be reached"):
                await client.status()
            async with aclosing(client.stream()) as stream:
                await anext(stream)

    with pytest.raises(ApiError, match="cannot be reached"):
        asyncio.run(run())


@pytest.mark.parametrize("status", [200, 404, 502])
def test_another_server_is_not_understood(status):
    answer = httpx.Response(status, content=b"<html>", headers={"retry-after": "3"})
    with pytest.raises(ApiError) as refused:
        read(answer, Health)
    assert (refused.value.code, refused.value.status) == ("not_flowsense", status)
    assert refused.value.after == (0.0 if status == 200 else 3.0)


def closed(code):
    return ConnectionClosedError(Close(code, "because"), None)


def place():
    found = Place("https://desk.example", ["A", "B"], None, "json")
    found.reached()
    return found


def test_it_waits_longer_each_time_until_it_hears_something():
    here = place()
    waits = [here.wait(closed(1013)) for _ in range(8)]
    assert waits == [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 5.0, 5.0]
    here.heard('{"hole": {"after": 3, "next": 9, "count": 5, "why": "slow"}}')
    assert here.wait(OSError()) == 0.1


def test_it_comes_back_to_where_it_was():
    here = place()
    assert here.address.startswith("wss://desk.example/api/v1/predict/stream?format=json")
    assert "since" not in here.address and "symbols=A%2CB" in here.address
    found = here.heard('{"hole": {"after": 3, "next": 9, "count": 5, "why": "slow"}}')
    assert found.hole == Hole(3, 9, 5, "slow") and here.address.endswith("since=8")


def last(server, since):
    """All that is heard until the stream fails, and how."""
    with Client(server.url) as client, closing(client.stream(since=since)) as stream:
        heard = [next(stream).prediction.sequence for _ in range(server.service.count - since)]
        server.on_loop(server.service.fail, "the engine broke")
        server.on_loop(server.service.listeners[0].__self__.look)
        with pytest.raises(ApiError, match="failed: the engine broke") as failed:
            next(stream)
    return heard, failed.value.code


def test_who_listens_is_told_that_the_pipeline_failed_after_all_that_it_said():
    with running(started(100)) as server:
        count = server.service.count
        assert last(server, 0) == (list(range(1, count + 1)), "failed")
        assert last(server, count - 3) == ([count - 2, count - 1, count], "failed")


def test_a_close_frame_holds_the_beginning_of_a_long_reason():
    assert brief("é" * 100) == "é" * 60 and brief("short") == "short"


@pytest.mark.parametrize("code", [1002, 1007, 1008, 1009])
def test_it_does_not_come_back_where_that_would_not_help(code):
    with pytest.raises(ApiError, match="because"):
        place().wait(closed(code))
