"""Each fault does to a client what its name says; times are virtual, sockets are not."""

import asyncio

import aiohttp
import orjson
import pytest
from binance_wire import spot, written
from replay.venues import BOTH, followed, get, heard, served

from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

DEPTH = "/api/v3/depth?symbol=ABCUSDT&limit=1000"
N = 40


@pytest.fixture
def path(tmp_path):
    return written(tmp_path / "a.jsonl", spot(N)[0])


def ids(bodies):
    return [orjson.loads(body)["data"]["u"] - 100 for body in bodies]


def told(path, *faults):
    """Numbers of the messages that a client gets, from 1."""

    async def main():
        async with served(path, faults=faults, hang_up=True) as replay:
            return ids(await heard(replay))

    return run(main())


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"message": 3, "do": "drop", "count": 2}, [1, 2, 5, 6, 7]),
        ({"at": 0.25, "do": "drop", "symbol": "ABCUSDT"}, [1, 2, 4, 5, 6]),
        ({"message": 3, "do": "duplicate", "count": 2}, [1, 2, 3, 3, 4, 4, 5]),
        ({"message": 3, "do": "swap"}, [1, 2, 4, 3, 5]),
        ({"message": 3, "do": "swap", "count": 2}, [1, 2, 4, 3, 6, 5, 7]),
        ({"message": 2, "do": "delay", "seconds": 0.25}, [1, 3, 4, 2, 5]),
        ({"at": 0.25, "do": "silence", "seconds": 0.3}, [1, 2, 6, 7]),
        ({"message": N, "do": "swap"}, [*range(1, N + 1)]),
        ({"message": N + 1, "do": "drop"}, [*range(1, N + 1)]),
        ({"message": N, "do": "delay", "seconds": 60}, [*range(1, N + 1)]),
    ],
)
def test_messages_are_lost_doubled_late_or_out_of_order(path, fault, expected):
    found = told(path, fault)
    assert found[: len(expected)] == expected
    assert found[len(expected) :] == [*range(max(expected) + 1, N + 1)]


@pytest.mark.parametrize("how", ["digit", "cut", "utf8"])
def test_a_garbled_message_differs_as_said_and_the_next_does_not(path, how):
    bodies = []

    async def main():
        fault = {"message": 2, "do": "garble", "how": how}
        async with (
            served(path, faults=[fault], hang_up=True) as replay,
            aiohttp.ClientSession() as session,
            session.ws_connect(replay.stream + BOTH, decode_text=False) as ws,
        ):
            bodies.extend([m.data async for m in ws if m.type is aiohttp.WSMsgType.TEXT])

    run(main())
    whole = [line[20:] for line in spot(N)[0][1:]]
    assert [k for k in range(N) if bodies[k] != whole[k]] == [1]
    found, true = bodies[1], whole[1]
    if how == "digit":
        (at,) = [k for k in range(len(true)) if true[k] != found[k]]
        assert chr(true[at]).isdigit() and chr(found[at]).isdigit()
    else:
        assert found == true[: len(true) // 2] if how == "cut" else b"\xff" in found


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ({"do": "eof"}, aiohttp.WSMsgType.CLOSED, 1006),
        ({"do": "reset"}, aiohttp.WSMsgType.CLOSED, 1006),
        ({"do": "close", "code": 1012}, aiohttp.WSMsgType.CLOSE, 1012),
    ],
)
def test_a_connection_ends_as_said_and_another_goes_on(path, fault, kind, code):
    async def main():
        fault["message"] = 3
        async with served(path, faults=[fault], hang_up=True) as replay:
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(replay.stream + BOTH) as ws,
            ):
                first = [await ws.receive() for _ in range(3)]
                ended = ws.close_code
            return first, ended, ids(await heard(replay))

    first, ended, rest = run(main())
    assert first[2].type is kind and ended == code
    assert ids([m.data for m in first[:2]]) == [1, 2] and rest[-1] == N and rest[0] <= 4


def test_half_open_a_connection_hears_nothing_and_a_fresh_one_no_answer(path):
    async def main():
        fault = {"at": 0.25, "do": "half-open", "seconds": 2}
        async with (
            served(path, faults=[fault], hang_up=True) as replay,
            aiohttp.ClientSession() as session,
        ):
            ws = await session.ws_connect(replay.stream + BOTH, heartbeat=1.0)
            seen = [await ws.receive() for _ in range(3)]
            lost = elapsed()
            reader, writer = await asyncio.open_connection("127.0.0.1", replay.port)
            writer.write(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
            return [m.type for m in seen], lost, elapsed(), ids(await heard(replay))

    kinds, lost, later, rest = run(main())
    assert kinds[:2] == [aiohttp.WSMsgType.TEXT] * 2 and kinds[2] is not aiohttp.WSMsgType.TEXT
    assert 1.0 < lost < 2.25 and later == pytest.approx(2.25) and rest == [*range(rest[0], N + 1)]


def test_in_silence_pings_are_answered(path):
    async def main():
        fault = {"at": 0.05, "do": "silence", "seconds": 120}
        async with served(path, faults=[fault]) as replay, aiohttp.ClientSession() as session:
            ws = await session.ws_connect(replay.stream + BOTH, heartbeat=5.0)
            reading = asyncio.ensure_future(ws.receive())
            await pause(100)
            alive = not reading.done() and not ws.closed
            reading.cancel()
            await ws.close()
            return alive, (await get(replay, DEPTH))[0]

    assert run(main()) == (True, 200)


@pytest.mark.parametrize("last", [None, 2.25, 0.5])
def test_an_outage_refuses_and_ends_on_the_same_port(path, last):
    async def main():
        tries = []
        faults = [{"at": 0.25, "do": "refuse", "seconds": 3 if last is None else 2}]
        faults += [{"at": 1, "do": "refuse", "seconds": last}] if last else []
        async with served(path, faults=faults, hang_up=True) as replay:
            first = ids(await heard(replay))
            while not tries or tries[-1][1] != "ok":
                try:
                    status, _, _ = await get(replay, DEPTH)
                    tries.append((elapsed(), "ok" if status == 200 else status))
                except aiohttp.ClientConnectorError:
                    tries.append((elapsed(), "refused"))
                    await pause(0.5)
            return first, tries, ids(await heard(replay))

    first, tries, rest = run(main())
    end = 2.25 if last == 0.5 else 3.25
    assert first == [1, 2] and {what for at, what in tries if at < end} == {"refused"}
    assert tries[-1][0] <= end + 0.5 and rest[-1] == N


@pytest.mark.parametrize(("code", "again"), [(429, True), (418, True), (401, False), (500, False)])
def test_requests_are_answered_with_a_status_for_a_while(path, code, again):
    async def main():
        fault = {"at": 1, "do": "status", "code": code, "seconds": 2.5, "of": "both"}
        async with served(path, faults=[fault], at_once=True) as replay:
            found = []
            for _ in range(4):
                status, headers, _ = await get(replay, DEPTH)
                found.append((status, headers.get("Retry-After")))
                if status == code:
                    with pytest.raises(aiohttp.WSServerHandshakeError, match=str(code)):
                        await heard(replay)
                await pause(1.25)
            return found

    assert run(main()) == [
        (200, None),
        (code, "3" if again else None),
        (code, "1" if again else None),
        (200, None),
    ]


def test_replies_come_late_and_are_older_or_newer_or_of_when_it_began(path):
    async def asked(snapshot):
        fault = {"at": 1, "do": "slow", "seconds": 9, "by": 1.0, "snapshot": snapshot}
        faults = [fault if snapshot != "stale" else {"at": 1, "do": "stale"}]
        async with served(path, faults=faults, at_once=True, verbatim=False) as replay:
            await pause(2.05)
            since, (_, _, body) = elapsed(), await get(replay, DEPTH)
            return round(elapsed() - since, 6), orjson.loads(body)["lastUpdateId"]

    took, last = zip(*(run(asked(name)) for name in ("older", "newer", "stale")), strict=True)
    assert took == (1.0, 1.0, 0.0)
    assert last[1] - last[0] == 10 and 10 <= last[0] - last[2] <= 11


@pytest.mark.parametrize("verbatim", [True, False])
def test_ids_that_begin_again_are_a_hole_and_then_a_new_book(path, verbatim):
    async def main():
        fault = {"at": 2.05, "do": "renumber"}
        how = {"verbatim": verbatim, "hang_up": True}
        async with served(path, faults=[fault], **how) as replay:
            return await followed(replay)

    decoder, shelf, gaps = run(main())
    assert [gap.until for gap in gaps] == [1] and decoder.sink.last["ABCUSDT"] < 50
    assert (shelf.bids, shelf.asks) == spot(N)[1][100 + N]


def test_everybody_is_told_a_text(path):
    async def main():
        fault = {"at": 1, "do": "say", "text": '{"e":"serverShutdown"}'}
        async with served(path, faults=[fault], hang_up=True) as replay:
            return await heard(replay)

    assert (
        run(main())[9:11][0] == b'{"e":"serverShutdown"}'
        or run(main())[10] == b'{"e":"serverShutdown"}'
    )
