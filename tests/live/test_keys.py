"""A venue that wants a key: it is said to the venue, shown to nobody, and stops us if refused."""

import asyncio
import traceback
from base64 import b64encode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from live.test_venues import Market, followed

from flowsense.errors import InputError
from flowsense.live.feed import Address, Feed, Refused
from flowsense.live.tables import instruments
from flowsense.replay import Client, speaker
from flowsense.replay.databento import Recording
from flowsense.replay.massive import Stocks
from flowsense.replay.server import Replay
from flowsense.schema import Decimal, Instrument
from flowsense.sources.venues import venue

CANARY = "canary0123456789"
STOCKS = venue("massive-stocks")


async def refusing(told):
    """A server of stocks that takes another key; what it is told is kept."""

    async def handle(request):
        socket, client = web.WebSocketResponse(), Client()
        speaker = Stocks((), key="another")
        await socket.prepare(request)
        told.append(f"{request.url} {dict(request.headers)}")
        for line in speaker.connected(client, request.path):
            await socket.send_bytes(line)
        async for message in socket:
            told.append(message.data)
            for line in speaker.asked(client, message.data.encode()):
                await socket.send_bytes(line)
        return socket

    app = web.Application()
    app.router.add_get("/stocks", handle)
    server = TestServer(app)
    await server.start_server()
    return server


async def heard(told):
    server = await refusing(told)
    address = Address(str(server.make_url("")).rstrip("/"), "")
    feed = Feed(
        STOCKS,
        STOCKS.instruments(("MSFT",), ()),
        lambda h, t: told.append(f"{h!r}{t!r}"),
        address=address,
    )
    try:
        await feed.run()
    finally:
        await server.close()


def test_a_refused_key_stops_and_is_said_once_and_shown_nowhere(monkeypatch):
    monkeypatch.setenv("MASSIVE_API_KEY", CANARY)
    told = []
    with pytest.raises(Refused, match="massive-stocks: the key of MASSIVE_API_KEY") as caught:
        asyncio.run(heard(told))
    said = [line for line in told if CANARY in line]
    assert said == [f'{{"action":"auth","params":"{CANARY}"}}']
    shown = traceback.format_exception(caught.value)
    assert CANARY not in "".join(shown) + repr(caught.value.__dict__)


def test_a_feed_without_the_key_that_it_wants_is_not_begun(monkeypatch):
    monkeypatch.delenv("MASSIVE_API_KEY", raising=False)
    with pytest.raises(InputError, match="set the environment variable MASSIVE_API_KEY"):
        Feed(STOCKS, (), print)


def test_a_list_that_is_refused_shows_no_key(monkeypatch):
    monkeypatch.setenv("MASSIVE_API_KEY", CANARY)

    async def asked():
        told = []
        server = await refusing(told)
        try:
            address = Address("", str(server.make_url("")).rstrip("/"))
            await instruments(venue("massive-crypto"), ("BTC-USD@1",), address)
        finally:
            await server.close()

    with pytest.raises(InputError, match="it answered 404") as caught:
        asyncio.run(asked())
    error = caught.value
    assert not isinstance(error.__cause__, aiohttp.ClientResponseError)
    assert CANARY not in "".join(traceback.format_exception(error))


def test_definitions_are_asked_for_by_a_posted_form_with_the_key_as_user(data, monkeypatch):
    monkeypatch.setenv("DATABENTO_API_KEY", CANARY)
    recording, forms = Recording(data / "dbn/dbn/test_data.definition.v3.dbn.zst"), []

    async def asked():
        async def definitions(request):
            forms.append(dict(await request.post()) | {"user": request.headers["Authorization"]})
            return web.Response(body=recording.head + recording.records)

        app = web.Application()
        app.router.add_post("/v0/timeseries.get_range", definitions)
        server = TestServer(app)
        await server.start_server()
        try:
            address = Address("", str(server.make_url("")).rstrip("/"))
            return await instruments(venue("databento/XNAS.ITCH/mbo"), ("MSFT",), address)
        finally:
            await server.close()

    (found,) = asyncio.run(asked())
    assert found.symbol == "MSFT" and forms[0]["schema"] == "definition"
    assert forms[0]["user"] == "Basic " + b64encode(f"{CANARY}:".encode()).decode()


def test_a_served_market_is_followed_over_a_socket_with_the_key_that_it_wants(monkeypatch):
    name, symbol = "massive-crypto", "BTC-USD@1"
    monkeypatch.setenv("MASSIVE_API_KEY", CANARY)
    small = Decimal(1, -8)
    table = (Instrument(symbol, name, small, small, depth=100),)
    ours, theirs = followed(Replay(Market(table), speaker(name)(table), hang_up=True), table)
    assert ours.bids and (ours.bids, ours.asks) == (theirs.bids, theirs.asks)
