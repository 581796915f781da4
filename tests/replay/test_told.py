"""OKX, Bybit and Coinbase served: what they answer, and instruments of any recording as theirs."""

import orjson
import pytest
from sources.venues.talk import START, Talk, market, message

from flowsense.replay import Client, speaker
from flowsense.schema import CLEAR, GAP, HALT, SET, STATUS, TRADING, Decimal, Instrument
from flowsense.sources.venues import Heard, How, venue

SYMBOLS = {
    "okx": "BTC-USDT",
    "bybit-spot": "BTCUSDT",
    "bybit-linear": "BTCUSDT",
    "coinbase": "BTC-USD",
}
WHAT = {
    "okx": b'{"op":"%s","args":[{"channel":"trades","instId":"%s"}]}',
    "bybit-spot": b'{"op":"%s","args":["publicTrade.%s"]}',
    "bybit-linear": b'{"op":"%s","args":["orderbook.50.%s"]}',
    "coinbase": b'{"type":"%s","channel":"market_trades","product_ids":["%s"]}',
}

BOOK = {
    "okx": b'{"op":"subscribe","args":[{"channel":"books","instId":"BTC-USDT"}]}',
    "bybit-spot": b'{"op":"subscribe","args":["orderbook.200.BTCUSDT"]}',
    "bybit-linear": b'{"op":"subscribe","args":["orderbook.1000.BTCUSDT"]}',
    "coinbase": b'{"type":"subscribe","channel":"level2","product_ids":["BTC-USD"]}',
}


def served(name, symbol=None, **more):
    table = (Instrument(symbol or SYMBOLS[name], name, Decimal(25, -2), Decimal(1, 1), **more),)
    return speaker(name)(table), Client()


def said(theirs, client, text):
    return [orjson.loads(body) for body in theirs.asked(client, text)]


def failed(body):
    return body.get("success") is False or "error" in (body.get("event"), body.get("type"))


@pytest.mark.parametrize("name", SYMBOLS)
def test_what_is_asked_wrongly_is_answered_by_an_error(name):
    theirs, client = served(name)
    unknown = WHAT[name] % (b"shout", SYMBOLS[name].encode())
    for text in (b"{", b"[]", b'"x"', b"{}", unknown, WHAT[name] % (b"subscribe", b"X-Y")):
        (body,) = said(theirs, client, text)
        assert failed(body) and not client.topics


@pytest.mark.parametrize("name", SYMBOLS)
def test_who_leaves_a_topic_hears_it_no_more(name):
    (theirs, client), symbol = served(name), SYMBOLS[name].encode()
    assert not any(map(failed, said(theirs, client, WHAT[name] % (b"subscribe", symbol))))
    assert len(client.topics) == 1
    assert not any(map(failed, said(theirs, client, WHAT[name] % (b"unsubscribe", symbol))))
    assert client.topics == set()


def test_a_ping_is_answered_and_bybit_takes_ten_topics_of_spot_at_once_and_each_once():
    theirs, client = served("bybit-spot")
    assert served("okx")[0].asked(client, b"ping") == [b"pong"]
    assert said(theirs, client, b'{"op":"ping"}')[0]["ret_msg"] == "pong"
    one = b'{"op":"subscribe","args":["publicTrade.BTCUSDT"]}'
    assert [said(theirs, client, one)[0]["success"] for _ in range(2)] == [True, False]
    many = orjson.dumps({"op": "subscribe", "args": ["publicTrade.BTCUSDT"] * 11})
    assert said(theirs, client, many)[0]["ret_msg"] == "args size >10"


@pytest.mark.parametrize("name", SYMBOLS)
def test_what_is_not_there_is_not_found(name):
    assert served(name)[0].get("/x") is None


@pytest.mark.parametrize("name", [*SYMBOLS, "bybit-inverse"])
@pytest.mark.parametrize("symbol", ["AAPL", "BTCUSD_PERP", "A-B"])
def test_instruments_of_any_recording_are_listed_with_their_grid(name, symbol):
    (theirs, _), spoken = served(name, symbol), venue(name)
    bodies = tuple(theirs.get(path) for path in spoken.listing((symbol,)))
    (found,) = spoken.instruments((symbol,), bodies)
    assert (found.symbol, found.tick, found.lot) == (symbol, Decimal(25, -2), Decimal(1, 1))
    assert found.inverse == (name == "bybit-inverse")


@pytest.mark.parametrize("name", ["okx", "coinbase"])
def test_contracts_are_listed_with_their_size(name):
    theirs, _ = served(name, "BTCUSD_PERP", contract=Decimal(1, 2), inverse=name == "okx")
    bodies = tuple(theirs.get(path) for path in venue(name).listing(("BTCUSD_PERP",)))
    (found,) = venue(name).instruments(("BTCUSD_PERP",), bodies)
    assert (found.contract, found.inverse) == (Decimal(1, 2), name == "okx")


@pytest.mark.parametrize("name", SYMBOLS)
def test_of_a_book_that_is_not_known_nothing_is_said_until_it_begins_again(name):
    theirs, client = served(name)
    theirs.asked(client, BOOK[name])
    (first,) = market(1, 1, 1)
    books = [
        [said for said in theirs.tell(events) if said.topic in client.topics]
        for events in (
            first,
            message(START, 0, [(CLEAR, 0, 0, 0, GAP)]),
            message(START, 0, [(SET, 1, 990, 5, 0)]),
            first,
        )
    ]
    assert [len(said) for said in books] == [1, 0, 0, 1]


@pytest.mark.parametrize("name", ["okx", "coinbase"])
def test_a_halt_is_told_and_so_is_its_end(name):
    table = (Instrument(SYMBOLS[name], name, Decimal(1, -1), Decimal(1, -5)),)
    talk = Talk(name, tuple(i._replace(depth=400 if name == "okx" else 10) for i in table))
    found = []
    for phase in (HALT, TRADING):
        for said in talk.speaker.tell(message(START, 0, [(STATUS, 0, 0, phase, 0)])):
            body = talk.speaker.frame(talk.client, said)
            found += talk.decoder.hear(Heard(START, How.MESSAGE, body)).events["lots"].tolist()
    assert found == [HALT, TRADING]
