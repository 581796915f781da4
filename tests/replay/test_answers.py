"""What served venues answer to clients that err, ping and leave, and what they list."""

import orjson
import pytest

from flowsense.replay import Client, speaker
from flowsense.schema import Decimal, Instrument

SYMBOLS = {"hyperliquid": "BTC", "kucoin": "BTC-USDT", "gate": "BTC_USDT", "dydx": "BTC-USD"}


def connected(name):
    table = (Instrument(SYMBOLS[name], name, Decimal(1, -1), Decimal(1, -5), depth=100),)
    venue, client = speaker(name)(table), Client()
    token = (
        orjson.loads(venue.get("/api/v1/bullet-public"))["data"]["token"]
        if name == "kucoin"
        else ""
    )
    venue.connected(client, f"/?token={token}")
    return venue, client


def said(venue, client, text):
    return [orjson.loads(body) for body in venue.asked(client, text)]


WRONG = {
    "hyperliquid": b'{"method":"subscribe","subscription":{"type":"l2Book","coin":"X"}}',
    "kucoin": b'{"id":"1","type":"subscribe","topic":"/market/level2:X","response":true}',
    "gate": b'{"channel":"spot.trades","event":"subscribe","payload":["X"]}',
    "dydx": b'{"type":"subscribe","channel":"v4_trades","id":"X"}',
}
RIGHT = {
    "hyperliquid": b'{"method":"subscribe","subscription":{"type":"l2Book","coin":"BTC"}}',
    "kucoin": b'{"id":"1","type":"subscribe","topic":"/market/level2:BTC-USDT","response":true}',
    "gate": b'{"channel":"spot.trades","event":"subscribe","payload":["BTC_USDT"]}',
    "dydx": b'{"type":"subscribe","channel":"v4_orderbook","id":"BTC-USD"}',
}


@pytest.mark.parametrize("name", SYMBOLS)
@pytest.mark.parametrize("text", [b"{", b"[]", b'"x"', b"{}", "wrong"])
def test_what_is_asked_wrongly_is_answered_by_an_error(name, text):
    venue, client = connected(name)
    (body,) = said(venue, client, WRONG[name] if text == "wrong" else text)
    assert body.get("error") or "error" in (body.get("type"), body.get("channel"))
    assert not client.topics


@pytest.mark.parametrize("name", SYMBOLS)
def test_who_leaves_a_topic_hears_it_no_more(name):
    venue, client = connected(name)
    assert said(venue, client, RIGHT[name]) and len(client.topics) == 1
    assert said(venue, client, RIGHT[name].replace(b'"subscribe"', b'"unsubscribe"'))
    assert client.topics == set()


@pytest.mark.parametrize(
    ("name", "text", "field", "pong"),
    [
        ("hyperliquid", b'{"method":"ping"}', "channel", "pong"),
        ("kucoin", b'{"id":"7","type":"ping"}', "type", "pong"),
        ("gate", b'{"time":1,"channel":"spot.ping"}', "channel", "spot.pong"),
    ],
)
def test_a_ping_is_answered(name, text, field, pong):
    assert [body[field] for body in said(*connected(name), text)] == [pong]


@pytest.mark.parametrize("name", SYMBOLS)
@pytest.mark.parametrize(
    "path", ["/", "/info", "/api/v4/spot/currency_pairs/X", '/info {"type":"x"}']
)
def test_what_is_not_there_is_not_found(name, path):
    venue, _ = connected(name)
    assert (name, path) == ("hyperliquid", "/info") or venue.get(path) is None


def test_a_door_without_a_token_is_shut():
    venue, client = speaker("kucoin")(()), Client()
    (body,) = map(orjson.loads, venue.connected(client, "/"))
    assert (body["type"], body["code"]) == ("error", 401)
