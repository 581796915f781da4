"""Our connector at every venue that we serve, through all that a script can do to it."""

import asyncio
from dataclasses import dataclass

import pytest
from sources.venues.talk import START, market

from flowsense.live.feed import Address, Feed
from flowsense.replay import speaker
from flowsense.replay.faults import random
from flowsense.replay.feed import Moment
from flowsense.replay.server import Renumbered, Replay
from flowsense.replay.shelf import Shelf
from flowsense.schema import Decimal, Instrument
from flowsense.sources.venues import venue
from flowsense.testing.loop import run
from flowsense.wall import pause

SYMBOLS = {
    **dict.fromkeys(("binance-spot", "binance-usdm", "bybit-spot", "bybit-linear"), "BTCUSDT"),
    **{"binance-coinm": "BTCUSD_PERP", "bybit-inverse": "BTCUSD", "bitfinex": "tBTCUSD"},
    **{"kraken": "BTC/USD", "coinbase": "BTC-USD", "okx": "BTC-USDT", "deribit": "BTC-PERPETUAL"},
    **{"hyperliquid": "BTC", "kucoin": "BTC-USDT", "gate": "BTC_USDT", "dydx": "BTC-USD"},
    "bitstamp": "btcusd",
}
FAULTS = "drop duplicate delay swap reset eof close refuse status slow stale silence half-open"
SHOWN = {"kraken": 10, "hyperliquid": 20}  # levels a side
FAULTY, CLEAN = 60, 60  # messages, one a second


@dataclass
class Market:
    instruments: tuple
    seed: int

    def __iter__(self):
        for k, events in enumerate(market(self.seed, FAULTY + CLEAN, 1)):
            yield Moment(START + k * 10**9, 0, events)


def table(name):
    inverse = name in ("binance-coinm", "bybit-inverse", "deribit")
    contract = Decimal(1 if name != "binance-coinm" else 100, 0)
    depth = SHOWN.get(name, 100)
    unit = Decimal(1, -1), Decimal(1, -3), contract
    return (Instrument(SYMBOLS[name], name, *unit, inverse, depth=depth),)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
@pytest.mark.parametrize("name", SYMBOLS)
def test_after_all_that_a_script_can_do_the_book_is_the_markets(name, seed):
    told, ours, place = Market(table(name), seed), Shelf(table(name)[0]), speaker(name)
    faults = FAULTS.split() + (["renumber"] if isinstance(place(told.instruments), Renumbered) else [])
    script = random(seed, dict.fromkeys(faults, 1.5), FAULTY)

    async def main():
        async with Replay(told, place(told.instruments), faults=script) as replay:
            address = Address(replay.stream, replay.rest)
            feed = Feed(venue(name), told.instruments, lambda _, told: ours.apply(told.events), address=address)
            following = asyncio.create_task(feed.run())
            await replay.over()
            await pause(5)
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            return feed, replay

    feed, replay = run(main())
    theirs = Shelf(table(name)[0])
    for moment in told:
        theirs.apply(moment.what)
    depth = SHOWN.get(name, 100)
    print(len(script), feed.connections, feed.decoder.sink.counts, feed.decoder.errors, feed.state, feed.why)
    assert feed.connections > 3
    assert [[*ours.best(s, depth)] for s in (1, -1)] == [[*theirs.best(s, depth)] for s in (1, -1)]
