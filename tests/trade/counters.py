"""A venue that takes orders, on a loop of its own beside the test, and a client of it."""

import asyncio
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from threading import Thread

from flowsense.replay.binance_orders import Orders
from flowsense.replay.counter import Counter
from flowsense.replay.ledger import Ledger
from flowsense.replay.mishaps import Mishaps
from flowsense.schema import Decimal, Instrument
from flowsense.sources.secret import Secret

KEY, SECRET = "k" * 64, "s" * 64
KEYS = Secret("KEY", KEY), Secret("SECRET", SECRET)
SYMBOL, USDM, SPOT = "BTCUSDT", "binance-usdm", "binance-spot"
ASKS, BIDS = ((60_000_0, 100), (60_001_0, 200)), ((59_999_0, 100), (59_998_0, 200))
QUICK = {"timeout": 400, "window": 500}  # ms
WINDOW = 600_000_000  # ns


def instrument(venue=USDM):
    return Instrument(SYMBOL, venue, Decimal(1, -1), Decimal(1, -3))


def ladder(instrument, side):
    return BIDS if side > 0 else ASKS


def orders(venue=USDM, *, rates=None, seed=0, fee="0.0005", **more):
    ledger = Ledger((instrument(venue),), ladder, fee=Fraction(fee), **more)
    return Orders(venue == SPOT, ledger, KEY, SECRET, mishaps=Mishaps(rates or {}, seed))


@contextmanager
def counter(*served):
    """The address at which they are served."""
    told, loop = Future(), asyncio.new_event_loop()

    async def go():
        async with Counter(*served) as one:
            stop = asyncio.Event()
            told.set_result((one.rest, stop))
            await stop.wait()

    thread = Thread(target=loop.run_until_complete, args=(go(),))
    thread.start()
    rest, stop = told.result(10)
    try:
        yield rest
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def hurried(client, window_ns=WINDOW):
    """Nobody counts requests here, and all that will arrive does so soon."""
    client.client.enableRateLimit, client.window_ns = False, window_ns
    return client


@contextmanager
def gateway(venue=USDM, served=None, **more):
    """(the client, the venue's own side)."""
    from flowsense.trade.unified import Unified

    served = served or orders(venue)
    with ExitStack() as stack:
        rest = stack.enter_context(counter(served))
        client = Unified(venue, (instrument(venue),), KEYS, rest=rest, **QUICK | more)
        stack.callback(client.close)
        hurried(client)
        yield client, served
