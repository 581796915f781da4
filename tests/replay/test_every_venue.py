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


@pytest.mark.parametrize(
    "seed",
    [pytest.param(k, marks=pytest.mark.slow if k == 3 else pytest.mark.soak) for k in range(20)],
)
@pytest.mark.parametrize("name", SYMBOLS)
def test_after_all_that_a_script_can_do_the_book_is_the_markets(name, seed):
    """Seed 3 begins a connection while requests are answered with 429, which KuCoin's door is."""
    told, place, ours = Market(table(name), seed), speaker(name)(table(name)), Shelf(table(name)[0])
    faults = [*FAULTS.split(), *(["renumber"] if isinstance(place, Renumbered) else [])]
    script = random(seed, dict.fromkeys(faults, 1.5), FAULTY)

    def hear(_, told):
        ours.apply(told.events)

    async def main():
        async with Replay(told, place, faults=script) as replay:
            address = Address(replay.stream, replay.rest)
            feed = Feed(venue(name), told.instruments, hear, address=address)
            following = asyncio.create_task(feed.run())
            await replay.over()
            await pause(5)
            assert feed.state == "live" and feed.connections > 1
            following.cancel()
            await asyncio.wait([following])

    run(main())
    theirs, depth = Shelf(table(name)[0]), SHOWN.get(name, 100)
    for moment in told:
        theirs.apply(moment.what)
    assert [[*ours.best(s, depth)] for s in (1, -1)] == [[*theirs.best(s, depth)] for s in (1, -1)]
