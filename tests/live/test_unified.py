"""Venues that ccxt hears: the real client against a venue of ours, and what its words become."""

import asyncio

import numpy as np
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from serve.parity import alike

from flowsense.errors import InputError
from flowsense.live import unified
from flowsense.live.care import Care
from flowsense.live.feed import Address, Feed
from flowsense.live.tables import instruments, wanted
from flowsense.replay.shelf import Shelf
from flowsense.schema import CLEAR, GAP, SCROLL, SET, SNAPSHOT, TRADE, Decimal, Instrument
from flowsense.sources.venues import Heard, How, Stop, venue
from flowsense.sources.venues.decoder import Decoder
from flowsense.testing.fitted import save

NAME = "ccxt:hitbtc"
BTC = Instrument("BTC/USDT", NAME, Decimal(1, -2), Decimal(1, -5), depth=20)
LISTED = {
    "BTCUSDT": {
        **{"type": "spot", "base_currency": "BTC", "quote_currency": "USDT"},
        **{"quantity_increment": "0.00001", "tick_size": "0.01", "margin_trading": False},
        **{"take_rate": "0.0025", "make_rate": "0.001", "fee_currency": "USDT"},
    }
}
BEGUN = 1_700_000_000_000  # ms
TALK = [  # channel, key, and what is said of the symbol
    ("orderbook/full", "snapshot", {"b": [["100.00", "1.5"]], "a": [["100.01", "0.00001"]]}),
    ("trades", "snapshot", [{"i": 1, "p": "99", "q": "1", "s": "sell", "t": -5}]),
    ("orderbook/full", "update", {"b": [["99.99", "2"]], "a": [["100.01", "0"], ["100.02", "3"]]}),
    ("trades", "update", [{"i": 2, "p": "100.02", "q": "0.5", "s": "buy", "t": 20}]),
    ("trades", "update", [{"i": 2, "p": "100.02", "q": "0.5", "s": "buy", "t": 20}]),
]


class Exchange:
    """It says TALK to each connection, one line at a time, and hangs up after the last."""

    def __init__(self):
        self.connections, self.asked = 0, []

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/api/3/ws/public", self.talk)
        app.router.add_get("/api/3/public/{what}", self.list)
        self.server = TestServer(app)
        await self.server.start_server()
        rest = str(self.server.make_url("")).rstrip("/")
        self.stream, self.rest = rest.replace("http", "ws"), rest
        return self

    async def __aexit__(self, *error):
        await self.server.close()

    async def list(self, request):
        return web.json_response(LISTED if request.match_info["what"] == "symbol" else {})

    async def talk(self, request):
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        channels = set()
        async for message in socket:
            channels.add(orjson.loads(message.data)["ch"])
            if len(channels) == 2:
                break
        for k, (channel, key, said) in enumerate(TALK):
            await asyncio.sleep(0.02)  # so that ccxt hands on each
            body = {"ch": channel, key: {"BTCUSDT": dated(said, k)}}
            await socket.send_str(orjson.dumps(body).decode())
        await asyncio.sleep(0.02)
        return socket


def dated(said, k):
    if isinstance(said, dict):
        return said | {"t": BEGUN + k, "s": k}
    return [one | {"t": BEGUN + one["t"]} for one in said]


def heard(connections):
    """Events of a feed until it was connected so often, and what it listed."""
    told = []

    async def main():
        async with Exchange() as exchange:
            table = await instruments(
                venue(NAME), ("BTC/USDT",), Address(exchange.stream, exchange.rest)
            )
            done = asyncio.Event()

            def hear(heard, made):
                told.append(made.events)
                lost = sum(bool((e["bits"] & GAP).any()) for e in told)
                if lost == connections:
                    done.set()

            care = Care(first=0.0, away=0.05)
            address = Address(exchange.stream, exchange.rest)
            feed = Feed(venue(NAME), table, hear, address=address, care=care)
            task = asyncio.create_task(feed.run())
            await asyncio.wait_for(done.wait(), 20)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return table, feed

    table, feed = asyncio.run(main())
    return table, feed, np.concatenate(told)


@pytest.mark.slow
def test_a_venue_that_ccxt_hears_is_listed_followed_and_connected_anew():
    table, feed, events = heard(2)
    assert table == (BTC,) and feed.connections == 2
    gaps = np.flatnonzero(events["bits"] == GAP)
    assert len(gaps) == 2 and events["action"][gaps].tolist() == [CLEAR] * 2
    one = events[: gaps[0]]
    shelf = Shelf(BTC)
    shelf.apply(one)
    assert shelf.view() == ({10_000: 150_000, 9_999: 200_000}, {10_002: 300_000})
    trades = one[one["action"] == TRADE]
    assert trades[["price", "lots", "side"]].tolist() == [(10_002, 50_000, 1)]
    assert feed.decoder.sink.counts["trade of the past"] >= 1


@pytest.mark.slow
def test_what_nobody_reads_ends_the_connection_and_fills_no_memory(monkeypatch):
    monkeypatch.setattr(unified, "MOST", 1)

    async def main():
        async with Exchange() as exchange:
            one = unified.Unified(NAME, ("BTC/USDT",), exchange.stream, exchange.rest)
            await asyncio.wait_for(asyncio.gather(*one.tasks), 20)
            pieces = [one.queue.get_nowait() for _ in range(one.queue.qsize())]
            await one.close()
            return pieces

    said = [piece.data for piece in asyncio.run(main())]
    assert [isinstance(data, ConnectionError) for data in said] == [False] + [True] * 2
    assert "1 messages were not read" in " ".join(map(str, said[1:]))


@pytest.mark.slow
def test_what_is_served_of_it_replays_to_the_bit(tmp_path):
    """Also where it hangs up again and again."""
    model = save(tmp_path / "model", clocks=("events:3",))
    name = (f"{NAME}:BTC/USDT",)
    pipeline, rows = alike({NAME: Exchange()}, name, model, tmp_path / "lake", seconds=6.0)
    assert pipeline.session.feeds[0].connections > 1 and rows


@pytest.mark.slow
@pytest.mark.parametrize(
    ("symbol", "why"),
    [("BTC/USD", "did you mean BTC/USDT"), ("XQZ", r"lists no symbol 'XQZ': give symbols as")],
)
def test_a_symbol_that_is_not_listed_is_one_sentence(symbol, why):
    async def main():
        async with Exchange() as exchange:
            await instruments(venue(NAME), (symbol,), Address(exchange.stream, exchange.rest))

    with pytest.raises(InputError, match=why):
        asyncio.run(main())


def test_an_exchange_whose_books_ccxt_does_not_hear_is_one_sentence():
    with pytest.raises(InputError, match="ccxt:weex: ccxt hears no books of it: name another"):
        asyncio.run(instruments(venue("ccxt:weex"), ("BTC/USDT",)))


def test_an_exchange_that_ccxt_does_not_hear_is_one_sentence():
    with pytest.raises(InputError, match="exchange of ccxt 'krakn' is unknown: did you mean krak"):
        venue("ccxt:krakn")
    assert wanted(["ccxt:kraken:BTC/USD", "ccxt:okx:BTC/USDT:USDT"]) == {
        "ccxt:kraken": ("BTC/USD",),
        "ccxt:okx": ("BTC/USDT:USDT",),
    }


@pytest.fixture
def decoder():
    found = Decoder(venue(NAME), (BTC,))
    found.hear(Heard(1, How.OPENED))
    return found


def view(bids, asks, ts=BEGUN):
    return orjson.dumps({"symbol": "BTC/USDT", "ts": ts, "bids": bids, "asks": asks})


def trades(*told):
    return orjson.dumps({"symbol": "BTC/USDT", "trades": told})


def say(decoder, body):
    return decoder.hear(Heard(2, How.MESSAGE, body))


def test_levels_that_only_leave_the_view_are_scrolled(decoder):
    asks = [[f"{101 + k}.0", "1"] for k in range(20)]
    say(decoder, view([["100.0", "1"]], asks))
    events = say(decoder, view([["100.0", "1"]], [["100.5", "2"], *asks[:-1]])).events
    made = [(e["action"], e["price"], e["lots"], e["bits"] & SCROLL) for e in events]
    assert (SET, 12_000, 0, SCROLL) in made and (SET, 10_050, 200_000, 0) in made


def test_an_empty_view_is_a_loss_and_the_next_a_snapshot(decoder):
    assert not len(say(decoder, view([], [])).events)  # before the first it is nothing
    say(decoder, view([["100.0", "1"]], [["1e2", "1"]]))
    lost = say(decoder, view([], []))
    assert lost.gaps[0].why == "the view is empty" and lost.events["bits"].tolist() == [GAP]
    assert say(decoder, view([["99.5", "1"]], [])).events["bits"][0] & SNAPSHOT


def test_trades_are_told_once_and_those_of_the_past_never(decoder):
    one = ("7", BEGUN + 5, "100.0", "0.5", "sell")
    assert not len(say(decoder, trades(one)).events)  # before there is a book
    say(decoder, view([["100.0", "1"]], []))
    nameless = ("", BEGUN + 6, "100.0", "1e-05", None)
    told = say(decoder, trades(one, one, nameless, nameless, ("8", BEGUN, "1", "1", "buy"))).events
    assert told[["lots", "side"]].tolist() == [(50_000, -1), (1, 0)]
    counts = decoder.sink.counts
    assert counts["trade of the past"] == 2 and counts["trade without an id"] == 2


def test_mutated_words_are_refused_or_understood(decoder):
    good = view([["100.0", "1"]], [["100.5", "2e-3"]]), trades(("7", BEGUN + 5, "1", "5", "sell"))
    for seed in range(300):
        rng, body = np.random.default_rng(seed), bytearray(good[seed % 2])
        for at in rng.integers(0, len(body), 2):
            body[at] = rng.choice([*b'"[]{},0-9e.nx'])
        events = say(decoder, bytes(body)).events
        assert (events["lots"] >= 0).all() and (events["price"] >= 0).all()
        if not decoder.open:
            decoder.hear(Heard(3, How.OPENED))


def test_what_cannot_be_is_refused_and_what_will_not_be_stops(decoder):
    say(decoder, view([["100.0", "1"]], []))
    for body in (b"[]", trades(("9", BEGUN + 9, "1", "1", "up")), view([["x", "1"]], [])):
        assert decoder.sink.counts["malformed message"] == 0
        assert say(decoder, body).asks
        decoder.sink.counts.clear()
        decoder.hear(Heard(3, How.OPENED))
        say(decoder, view([["100.0", "1"]], []))
    assert say(decoder, b'{"stop":"ccxt: no such market"}').asks == (Stop("ccxt: no such market"),)
