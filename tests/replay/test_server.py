"""A venue on the loopback address: what was recorded is told, in order and in time."""

import socket
from itertools import pairwise
from math import inf

import pytest
from aiohttp import ClientSession
from binance_wire import spot, written
from orjson import loads
from replay.venues import BOTH, followed, get, heard, served

from flowsense.errors import InputError
from flowsense.replay.faults import Step
from flowsense.replay.server import Replay
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause


@pytest.fixture
def recording(tmp_path):
    lines, books = spot(50)
    return written(tmp_path / "a.jsonl", lines), [line[20:] for line in lines[1:]], books


@pytest.mark.parametrize(("speed", "took"), [(1.0, 5.0), (10.0, 0.5), (inf, 0.0)])
def test_recorded_bytes_arrive_unchanged_in_order_and_in_time(recording, speed, took):
    path, bodies, _ = recording

    async def main():
        async with served(path, speed=speed, hang_up=True) as replay:
            return await heard(replay), elapsed()

    found, seconds = run(main())
    assert found == bodies and seconds == pytest.approx(took)


@pytest.mark.parametrize("verbatim", [True, False])
@pytest.mark.parametrize("speed", [1.0, inf])
def test_updates_and_a_snapshot_give_the_book(recording, verbatim, speed):
    path, _, books = recording

    async def main():
        async with served(path, verbatim=verbatim, speed=speed, hang_up=True) as replay:
            return await followed(replay)

    decoder, shelf, gaps = run(main())
    assert (shelf.bids, shelf.asks) == books[150]
    assert decoder.sink.ready["ABCUSDT"] and not gaps


def test_who_comes_after_the_end_is_told_so(recording):
    async def main():
        async with served(recording[0], at_once=True, speed=inf, hang_up=True) as replay:
            await replay.over()
            return await heard(replay), (await get(replay, "/api/v3/ping"))[::2]

    assert run(main()) == ([], (200, b"{}"))


def test_rounds_go_on_with_ids_and_times_without_a_hole(recording):
    async def main():
        async with served(recording[0], at_once=True, speed=100.0, loop=True) as replay:
            async with ClientSession() as http, http.ws_connect(replay.stream + BOTH) as ws:
                found = [loads((await ws.receive()).data)["data"] for _ in range(170)]
            return found

    found = run(main())
    assert all(b["U"] == a["u"] + 1 and b["E"] >= a["E"] for a, b in pairwise(found))
    assert found[-1]["E"] - found[0]["E"] > 3 * 5_000


def test_who_does_not_read_is_cut_off_and_others_hear_all(recording, monkeypatch):
    monkeypatch.setattr("flowsense.replay.seat.MOST", 300_000)
    faults = [{"at": 1 + k / 100, "do": "say", "text": "x" * 100_000} for k in range(40)]
    request = f"GET {BOTH} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    request += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

    async def main():
        async with served(recording[0], faults=faults, hang_up=True) as replay:
            deaf = socket.socket()
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            deaf.connect(("127.0.0.1", replay.port))
            deaf.sendall(request.encode())
            told = await heard(replay)
            deaf.close()
            return told, replay.served

    told, seats = run(main())
    assert seats == 2 and sum(len(body) == 100_000 for body in told) == 40
    assert told[-1] == recording[1][-1]


def test_connections_are_told_when_they_stand_and_when_they_are_gone(recording):
    heard = []

    async def main():
        async with served(recording[0], speed=inf) as replay:
            replay.heeds = lambda here: heard.append((here, len(replay.seats)))
            async with ClientSession() as http, http.ws_connect(replay.stream + "/ws"):
                await pause(0.1)

    run(main())
    assert heard == [(True, 1), (False, 0)]


def test_what_a_client_says_may_be_anything(recording):
    async def main():
        async with served(recording[0], at_once=True, speed=inf) as replay:
            async with ClientSession() as http, http.ws_connect(replay.stream + "/ws") as ws:
                for said in ("{", "3", '{"method":"SUBSCRIBE","params":[["x"]],"id":[]}'):
                    await ws.send_str(said)
                await ws.send_bytes(b"\xff")
                answers = [loads((await ws.receive()).data) for _ in range(4)]
            missing = [(await get(replay, path))[0] for path in ("/", "/api/v3/depth?symbol=\xff")]
            return answers, missing

    answers, missing = run(main())
    assert [a.get("error", {"code": 0})["code"] for a in answers] == [3, 2, 0, 3]
    assert missing == [404, 404]


class Rude:
    """A speaker that understands nothing."""

    def connected(self, client, path):
        return []

    def asked(self, client, text):
        raise ValueError("what?")

    def get(self, path):
        raise KeyError(path)


def test_what_a_speaker_does_not_understand_is_the_clients_fault(recording):
    async def main():
        async with (
            Replay(served(recording[0]).feed, Rude()) as replay,
            ClientSession() as http,
            http.ws_connect(replay.stream) as ws,
        ):
            await ws.send_str("?")
            return (await ws.receive()).data, (await get(replay, "/x"))[0]

    assert run(main()) == (1008, 400)


def test_what_ends_the_recording_is_told_to_who_waits_for_it(recording):
    class Broken(Rude):
        def tell(self, events):
            raise InputError("line 3: is wrong")

    async def main():
        told = served(recording[0], verbatim=False).feed
        async with Replay(told, Broken(), at_once=True) as replay:
            await replay.over()

    with pytest.raises(InputError, match="line 3: is wrong"):
        run(main())


def test_a_port_that_is_taken_and_a_speed_that_is_none_are_said(recording):
    async def main():
        async with served(recording[0]) as first, served(recording[0], port=first.port):
            pass

    with pytest.raises(InputError, match=r"port \d+: Address already in use: give another, or 0"):
        run(main())
    with pytest.raises(InputError, match=r"speed 0: give a number above 0, or inf"):
        served(recording[0], speed=0)
    with pytest.raises(InputError, match="renumber: this venue's ids cannot"):
        Replay(served(recording[0]).feed, Rude(), faults=[Step("renumber", at=1.0)])
