"""A venue whose trades are behind an address of their own: two connections, heard as one."""

import asyncio
from math import inf

import pytest
from sources.venues.talk import START, market

from flowsense.live.feed import Address, Feed
from flowsense.replay import speaker
from flowsense.replay.feed import Moment
from flowsense.replay.server import Replay
from flowsense.schema import TRADE, Decimal, Instrument
from flowsense.sources.venues import How, venue
from flowsense.testing.loop import run
from flowsense.wall import pause

USDM = Instrument("BTCUSDT", "binance-usdm", Decimal(1, -1), Decimal(1, -3))
N = 40


class Market:
    instruments = (USDM,)

    def __iter__(self):
        for k, events in enumerate(market(1, N, 1)):
            yield Moment(START + k * 10**9, 0, events)


async def followed(cut):
    """How often it was lost, what was traded, and the feed; `cut` topics end after 10 s."""
    lost, trades = [], []

    def hear(heard, told):
        lost.extend([heard.body] if heard is not None and heard.how is How.LOST else [])
        trades.extend(told.events["price"][told.events["action"] == TRADE].tolist())

    async with Replay(Market(), speaker("binance-usdm")((USDM,))) as replay:
        address = Address(replay.stream, replay.rest)
        feed = Feed(venue("binance-usdm"), (USDM,), hear, address=address)
        following = asyncio.create_task(feed.run())
        await pause(10)
        for seat in replay.seats:
            if any(cut in topic for topic in seat.client.topics):
                seat.transport.abort()
        await replay.over()
        assert len(replay.seats) == 2 and feed.state == "live"
        following.cancel()
        await asyncio.wait([following])
        return lost, trades, feed


@pytest.mark.parametrize(("cut", "expected"), [("nothing", 0), ("@trade", 1), ("@depth", 1)])
def test_when_either_is_lost_both_are_made_anew(cut, expected):
    lost, trades, feed = run(followed(cut))
    told = [m.what for m in Market() if m.what["action"][0] == TRADE]
    assert len(lost) == expected and feed.connections == expected + 1
    assert len(trades) >= len(told) - expected > 5


def test_a_second_connection_that_is_refused_is_a_loss():
    async def main():
        nobody = "@127.0.0.1:1/market"  # what stands before it is a user's name then
        told = venue("binance-usdm")._replace(beside=lambda symbols: nobody)
        async with Replay(Market(), speaker("binance-usdm")((USDM,)), speed=inf) as replay:
            address = Address(replay.stream, replay.rest)
            feed = Feed(told, (USDM,), lambda *_: None, address=address)
            following = asyncio.create_task(feed.run())
            await pause(20)
            assert feed.backoff.tries > 1 and "127.0.0.1:1 " in feed.why and not following.done()
            assert not replay.seats and feed.connections == 0
            following.cancel()
            await asyncio.wait([following])

    run(main())
