"""A venue on the loopback address, heard by a client that knows nothing of it but its addresses."""

from math import inf

import aiohttp
import pytest
from binance_wire import spot, written

from flowsense.replay import speaker
from flowsense.replay.feed import feed
from flowsense.replay.server import Replay
from flowsense.replay.shelf import Shelf
from flowsense.sources.open import open_source
from flowsense.sources.venues import Get, Heard, How, venue
from flowsense.sources.venues.decoder import Decoder
from flowsense.testing.loop import run
from flowsense.wall import elapsed

NAME = "binance-spot"


def served(path, verbatim=True, **how):
    source = open_source(path)
    told = feed(source, NAME, verbatim=verbatim)
    return Replay(told, speaker(NAME)(told.instruments), **how)


async def heard(replay, path="/stream?streams=abcusdt@depth/abcusdt@trade"):
    """Every body, until the venue hangs up."""
    async with aiohttp.ClientSession() as session, session.ws_connect(replay.stream + path) as ws:
        return [message.data.encode() async for message in ws]


async def followed(replay, symbol="ABCUSDT"):
    """A decoder that has heard it all, and asked for its snapshots."""
    spoken = venue(NAME)
    async with aiohttp.ClientSession() as session:

        async def get(path):
            async with session.get(replay.rest + path) as reply:
                return await reply.read()

        listed = tuple([await get(path) for path in spoken.listing((symbol,))])
        decoder = Decoder(spoken, spoken.instruments((symbol,), listed))
        shelf, waiting = Shelf(decoder.sink.instruments[symbol]), [Heard(1, How.OPENED)]
        async with session.ws_connect(replay.stream + spoken.path((symbol,))) as ws:
            while True:
                told = decoder.hear(waiting.pop(0))
                shelf.apply(told.events)
                waiting += [
                    Heard(2, How.REPLY, await get(ask.path), ask.key)
                    for ask in told.asks
                    if isinstance(ask, Get)
                ]
                if not waiting:
                    message = await ws.receive()
                    if message.type is not aiohttp.WSMsgType.TEXT:
                        return decoder, shelf
                    waiting.append(Heard(3, How.MESSAGE, message.data.encode()))


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
        async with served(path, verbatim, speed=speed, hang_up=True) as replay:
            return await followed(replay)

    decoder, shelf = run(main())
    assert (shelf.bids, shelf.asks) == books[150]
    assert decoder.sink.ready["ABCUSDT"] and not decoder.sink.counts["gap"]
