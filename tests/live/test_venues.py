"""Over sockets: what a venue is asked for before it speaks, and a book kept up to its end."""

import asyncio
from dataclasses import dataclass

import pytest
from sources.venues.talk import START, market

from flowsense.live.feed import Address, Feed
from flowsense.live.tables import instruments
from flowsense.replay import speaker
from flowsense.replay.faults import script
from flowsense.replay.feed import Moment
from flowsense.replay.server import Replay
from flowsense.replay.shelf import Shelf
from flowsense.schema import Decimal, Instrument
from flowsense.sources.venues import How, venue
from flowsense.testing.loop import run

SYMBOLS = {
    "hyperliquid": "BTC",
    "kucoin": "BTC-USDT",
    "gate": "BTC_USDT",
    "dydx": "BTC-USD",
    "okx": "BTC-USDT-SWAP",
    "bybit-spot": "BTCUSDT",
    "bybit-linear": "BTCUSDT",
    "coinbase": "BTC-USD",
    "kraken": "BTC/USD",
    "deribit": "BTC_USDC-PERPETUAL",
    "bitfinex": "BTCUSD",
    "bitstamp": "btcusd",
}
DEPTH = {"hyperliquid": 20, "okx": 400, "bybit-spot": 200, "bybit-linear": 200, "coinbase": 10}
DEPTH |= {"kraken": 10, "deribit": 10, "bitstamp": 10, "bitfinex": 250}
FINEST = (Decimal(1, -8), Decimal(1, -8))  # of what has no tick of its own
SHOWN = {"kraken": 10}  # of the market's levels


@dataclass
class Market:
    """Random, of one instrument, a message a second."""

    instruments: tuple

    def __iter__(self):
        for k, events in enumerate(market(1, 40, 1)):
            yield Moment(START + k * 10**9, 0, events)


def followed(replay, table):
    """A book as it was heard, its market listed first, and as it was told, at the end."""
    ours, theirs, ended = Shelf(table[0]), Shelf(table[0]), asyncio.Event()
    symbol, spoken = table[0].symbol, venue(table[0].venue)

    def hear(heard, told):
        if heard is not None and heard.how is How.LOST and replay.ended.is_set():
            ended.set()
        elif not ended.is_set():
            ours.apply(told.events)

    async def main():
        async with replay:
            address = Address(replay.stream, replay.rest)
            assert await instruments(spoken, (symbol,), address) == table
            following = asyncio.create_task(Feed(spoken, table, hear, address=address).run())
            await ended.wait()
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    run(main())
    for moment in Market(table):
        theirs.apply(moment.what)
    return ours, theirs


FAULTS = (
    {"at": 4, "do": "drop", "count": 3},
    {"at": 9, "do": "duplicate", "count": 4},
    {"at": 14, "do": "garble", "how": "cut"},
    {"at": 18, "do": "reset"},
    {"at": 24, "do": "drop"},
)


@pytest.mark.parametrize(
    ("name", "faults"),
    [
        ("hyperliquid", ()),  # its listing is posted for
        ("kucoin", ()),  # behind a door
        ("dydx", FAULTS),  # one count for all
        ("coinbase", FAULTS),
        *(pytest.param(name, FAULTS, marks=pytest.mark.slow) for name in SYMBOLS),
    ],
)
def test_a_venue_is_listed_entered_and_followed(name, faults):
    symbol, units = SYMBOLS[name], (Decimal(1, -1), Decimal(1, -5))
    units = FINEST if name == "bitfinex" else units
    table = (Instrument(symbol, name, *units, depth=DEPTH.get(name, 100)),)
    steps = script([*faults], "faults", [symbol])
    replay = Replay(Market(table), speaker(name)(table), faults=steps, hang_up=True)
    ours, theirs = followed(replay, table)
    assert ours.bids and ours.view() == theirs.view(SHOWN.get(name, 1_000))
