"""What served venues answer to clients that err, ping and leave, and what they list."""

from decimal import Decimal as Exact

import orjson
import pytest

from flowsense.replay import Client, speaker
from flowsense.schema import Decimal, Instrument
from flowsense.sources.venues import venue

SYMBOLS = {"hyperliquid": "BTC", "kucoin": "BTC-USDT", "gate": "BTC_USDT", "dydx": "BTC-USD"}


def connected(name):
    table = (Instrument(SYMBOLS[name], name, Decimal(1, -1), Decimal(1, -5), depth=100),)
    theirs, client, path = speaker(name)(table), Client(), "/"
    if name == "kucoin":
        path = venue(name).address(theirs.get(venue(name).door))
    theirs.connected(client, path)
    return theirs, client


def said(theirs, client, text):
    return [orjson.loads(body) for body in theirs.asked(client, text)]


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
    theirs, client = connected(name)
    (body,) = said(theirs, client, WRONG[name] if text == "wrong" else text)
    assert body.get("error") or "error" in (body.get("type"), body.get("channel"))
    assert not client.topics


@pytest.mark.parametrize("name", SYMBOLS)
def test_who_leaves_a_topic_hears_it_no_more(name):
    theirs, client = connected(name)
    assert said(theirs, client, RIGHT[name]) and len(client.topics) == 1
    assert said(theirs, client, RIGHT[name].replace(b'"subscribe"', b'"unsubscribe"'))
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
    theirs, _ = connected(name)
    assert (name, path) == ("hyperliquid", "/info") or theirs.get(path) is None


def test_a_door_without_a_token_is_shut():
    theirs, client = speaker("kucoin")(()), Client()
    (body,) = map(orjson.loads, theirs.connected(client, "/"))
    assert (body["type"], body["code"]) == ("error", 401)


@pytest.mark.parametrize("name", SYMBOLS)
def test_an_instrument_of_any_grid_is_listed_on_one_that_holds_it(name):
    table = (Instrument(SYMBOLS[name], name, Decimal(25, -2), Decimal(1, 1)),)
    served, spoken = speaker(name)(table), venue(name)
    bodies = tuple(served.get(path) for path in spoken.listing((SYMBOLS[name],)))
    (found,) = spoken.instruments((SYMBOLS[name],), bodies)
    for unit, of in ((found.tick, table[0].tick), (found.lot, table[0].lot)):
        assert (
            Exact(of.mantissa).scaleb(of.exponent) % Exact(unit.mantissa).scaleb(unit.exponent) == 0
        )
