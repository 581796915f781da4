"""A venue on the loopback address: what was recorded is told, in order and in time."""

from math import inf

import pytest
from binance_wire import spot, written
from replay.venues import followed, get, heard, served

from flowsense.testing.loop import run
from flowsense.wall import elapsed


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
