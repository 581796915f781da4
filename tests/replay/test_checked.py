"""Kraken, Deribit, Bitfinex and Bitstamp served: what they answer to who asks wrongly."""

import orjson
import pytest

from flowsense.replay import Client, speaker
from flowsense.schema import Decimal, Instrument
from flowsense.sources.venues import venue

ASKED = {
    "kraken": b'{"method":"%s","params":{"channel":"trade","symbol":["%s"]}}',
    "deribit": b'{"id":1,"method":"public/%s","params":{"channels":["book.%s.100ms"]}}',
    "bitfinex": b'{"event":"%s","channel":"book","symbol":"t%s"}',
    "bitstamp": b'{"event":"bts:%s","data":{"channel":"live_trades_%s"}}',
}
FAILED = ("error", "bts:error")


def served(name):
    theirs = speaker(name)((Instrument("A-B", name, Decimal(1, -2), Decimal(1, -4)),))
    return theirs, Client()


def failed(body):
    m = orjson.loads(body)
    return m.get("event") in FAILED or bool(m.get("error")) or m.get("result") == []


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_wrongly_is_answered_by_an_error(name):
    theirs, client = served(name)
    wrong = [(b"shout", b"A-B"), (b"subscribe", b"X-Y"), (b"unsubscribe", b"X-Y")]
    for text in (b"{", b"[]", b'"x"', b"{}", b"\xff", *(ASKED[name] % which for which in wrong)):
        (body,) = theirs.asked(client, text)
        assert failed(body) and not client.topics


@pytest.mark.parametrize("name", ["kraken", "bitfinex"])
def test_who_subscribes_twice_is_told_so(name):
    theirs, client = served(name)
    text = ASKED[name] % (b"subscribe", b"A-B")
    assert not failed(theirs.asked(client, text)[0]) and failed(theirs.asked(client, text)[0])


@pytest.mark.parametrize("name", ["kraken", "deribit", "bitstamp"])
def test_who_leaves_a_topic_hears_it_no_more(name):
    theirs, client = served(name)
    for which in (b"subscribe", b"unsubscribe"):
        (body, *_) = theirs.asked(client, ASKED[name] % (which, b"A-B"))
        assert not failed(body) and len(client.topics) == (which == b"subscribe")


@pytest.mark.parametrize("name", ASKED)
def test_what_is_not_there_is_not_found(name):
    assert served(name)[0].get("/x") is None


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("symbol", ["AAPL", "BTCUSD_PERP", "tA", "X/Y-Z"])
def test_instruments_of_any_recording_are_listed(name, symbol):
    theirs = speaker(name)((Instrument(symbol, name, Decimal(25, -2), Decimal(1, 1)),))
    bodies = tuple(theirs.get(path) for path in venue(name).listing((symbol,)))
    (found,) = venue(name).instruments((symbol,), bodies)
    finer = float(found.tick), float(found.lot)
    assert found.symbol == symbol and (0.25 / finer[0]) % 1 == (10 / finer[1]) % 1 == 0


def test_pings_are_answered():
    pings = {name: venue(name).ping.encode() for name in ASKED if venue(name).ping}
    for name, ping in pings.items():
        (body,) = served(name)[0].asked(Client(), ping)
        assert not failed(body) and (b"pong" in body or b"heartbeat" in body)
    assert len(pings) == 3
