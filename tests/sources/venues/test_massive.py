"""Massive live: what each of the vendor's examples becomes, and both sides of the protocol."""

import json
import traceback

import numpy as np
import orjson
import pytest

from flowsense.errors import DecodeError, InputError
from flowsense.replay import Client
from flowsense.replay.massive import Crypto, Stocks
from flowsense.schema import (
    BEAT,
    CLEAR,
    CLOSE,
    EVENT,
    GAP,
    LAST,
    SCROLL,
    SET,
    SNAPSHOT,
    TRADE,
    Instrument,
    zeros,
)
from flowsense.sources.secret import secret
from flowsense.sources.venues import KEY, Anew, Get, Heard, How, Send, Stop, venue
from flowsense.sources.venues.decoder import Decoder

SEEDS = [*range(3), *(pytest.param(k, marks=pytest.mark.soak) for k in range(3, 60))]
LISTED = b'{"tickers":[{"ticker":"X:BTCUSD","lastTrade":{"p":60000.5}}]}'
CHANNEL = {
    "massive-stocks": ("MSFT", b""),
    "massive-crypto": ("BTC-USD@1", LISTED),
    "massive-crypto-quotes": ("BTC-USD@1", LISTED),
    "massive-stocks-1s": ("SPCE", b""),
    "massive-stocks-1m": ("GTE", b""),
    "massive-crypto-1s": ("BCD-USD", LISTED.replace(b"BTC", b"BCD")),
    "massive-crypto-1m": ("BCD-USD", LISTED.replace(b"BTC", b"BCD").replace(b"60000.5", b"0.78")),
}


def decoder(name):
    spoken = venue(name)
    symbol, listed = CHANNEL[name]
    found = Decoder(spoken, spoken.instruments((symbol,), (listed,) if listed else ()))
    found.hear(Heard(1, How.OPENED))
    return found


def tell(found, *messages, ts=2):
    return found.hear(Heard(ts, How.MESSAGE, orjson.dumps([*messages])))


def rows(told):
    names = ("action", "side", "price", "lots", "bits")
    return [tuple(int(e[name]) for name in names) for e in told.events]


def quote(q, bid=(100.01, 3), ask=(100.02, 5), t=1_000, **more):
    sides = {"bp": bid[0], "bs": bid[1], "ap": ask[0], "as": ask[1]}
    return {"ev": "Q", "sym": "MSFT", **sides, "t": t, "q": q, **more}


def trade(q, price=100.01, size=7, conditions=(), **more):
    c = [*conditions]
    return {"ev": "T", "sym": "MSFT", "p": price, "s": size, "c": c, "t": 1_000, "q": q, **more}


def test_the_key_is_said_when_asked_for_and_then_the_channels():
    found = decoder("massive-stocks")
    greeted = tell(found, {"ev": "status", "status": "connected", "message": "Connected"})
    assert greeted.asks == (Send('{"action":"auth","params":"{key}"}'),)
    taken = tell(found, {"ev": "status", "status": "auth_success", "message": "authenticated"})
    assert taken.asks == (
        Send('{"action":"subscribe","params":"Q.MSFT,T.MSFT"}'),
        Get("MSFT", "/v2/last/nbbo/MSFT"),
    )


def test_the_quote_that_stood_opens_the_book_unless_a_later_one_was_faster(data):
    body = data / "polygon/test_rest/mocks/v2/last/nbbo/AAPL.json"
    found = Decoder(venue("massive-stocks"), venue("massive-stocks").instruments(("AAPL",), ()))
    found.hear(Heard(1, How.OPENED))
    assert not found.hear(Heard(2, How.REPLY, b'{"status":"NOT_FOUND"}', "AAPL")).asks
    told = found.hear(Heard(2, How.REPLY, body.read_bytes(), "AAPL"))
    assert [row[1:4] for row in rows(told)[1:]] == [(-1, 1556600, 14), (1, 1556500, 1)]
    assert told.events["sequence"].tolist() == [26006043] * 3
    assert not len(found.hear(Heard(3, How.REPLY, body.read_bytes(), "AAPL")).events)


@pytest.mark.parametrize(
    ("status", "message", "says"),
    [("auth_failed", "no", "MASSIVE_API_KEY"), ("error", "You are not authorized", "include Q, T")],
)
def test_a_key_that_is_refused_stops_and_names_its_variable(status, message, says):
    told = tell(decoder("massive-stocks"), {"ev": "status", "status": status, "message": message})
    assert [type(ask) for ask in told.asks] == [Stop] and says in told.asks[0].why


def test_a_quote_that_moves_away_and_back_is_seen_through_a_view_of_one_level():
    found = decoder("massive-stocks")
    opened = tell(found, quote(1))
    assert rows(opened) == [
        (CLEAR, 0, 0, 0, SNAPSHOT),
        (SET, -1, 1000200, 5, SNAPSHOT),
        (SET, 1, 1000100, 3, SNAPSHOT | LAST),
    ]
    assert rows(tell(found, quote(2, bid=(100.015, 4)))) == [
        (SET, 1, 1000100, 0, SCROLL),
        (SET, 1, 1000150, 4, LAST),
    ]
    assert rows(tell(found, quote(3, bid=(0, 0)))) == [(SET, 1, 1000150, 0, LAST)]
    assert rows(tell(found, quote(4, bid=(0, 0)))) == [(BEAT, 0, 0, 0, 0)]
    assert rows(tell(found, quote(3, bid=(99.0, 1)))) == []  # told again, or late
    assert rows(tell(found, quote(1, bid=(99, 1), t=2_000)))[-1] == (SET, 1, 990000, 1, LAST)


def test_trades_are_told_once_unsigned_and_without_those_that_are_no_flow():
    found = decoder("massive-stocks")
    told = tell(found, trade(5), trade(5), trade(6, conditions=(12, 37)), trade(7, 1.5, 2, (2,)))
    assert rows(told) == [(TRADE, 0, 1000100, 7, 0)] * 2
    assert found.sink.counts["repeated trade"] == 1
    assert found.sink.counts["trade that is no flow: average price"] == 1
    told = tell(found, trade(8, 100.01235, 1.5), trade(9, 1e-4, 0.4))
    assert rows(told) == [(TRADE, 0, 1000124, 2, 0)]
    assert found.sink.counts["trade of less than a lot"] == 1


def test_a_pair_is_heard_at_one_exchange_with_who_took():
    found = decoder("massive-crypto")
    pair = {"pair": "BTC-USD", "t": 1_000, "p": 0.5, "s": 1e-8}
    sold, bought, unsaid = (
        {"ev": "XT", **pair, "i": i, "c": c, "x": 1} for i, c in enumerate(([1], [2], []))
    )
    told = tell(found, sold, bought, bought, unsaid, {**sold, "i": 9, "x": 2})
    assert told.events["side"].tolist() == [-1, 1, 0]
    assert told.events["price"].tolist() == [50_000_000] * 3
    assert found.sink.counts["message of another exchange"] == 1


def test_a_bar_is_told_once_when_it_is_heard_with_its_close():
    found = decoder("massive-stocks-1s")
    bar = {"ev": "A", "sym": "SPCE", "v": 200, "o": 25.39, "c": 25.4, "h": 25.41, "l": 25.38}
    bar |= {"z": 50, "s": 1_000, "e": 2_000}
    told = tell(found, bar, bar, ts=2_500_000_000)
    assert told.bars.tolist() == [
        (1_000_000_000, 2_500_000_000, 253900, 254100, 253800, 254000, 200, 4, 0)
    ]
    assert rows(told) == [(CLOSE, 0, 254000, 200, LAST)]
    lost = found.hear(Heard(3_000_000_000, How.LOST))
    assert rows(lost) == [(CLEAR, 0, 0, 0, GAP)] and len(lost.bars) == 0
    wrong = tell(decoder("massive-stocks-1s"), bar | {"h": 25.0})
    assert len(wrong.events) == len(wrong.bars) == 0


def examples(data):
    spec = json.loads((data / "polygon" / "websocket_spec_examples.json").read_text())
    for path, what in spec["paths"].items():
        content = what["get"]["responses"]["200"]["content"]
        yield path, next(iter(content.values()))["example"]


def test_every_example_of_the_vendor_is_told_or_counted_by_name(data):
    told, counted = set(), set()
    for path, example in examples(data):
        for name in CHANNEL:
            found = decoder(name)
            heard = tell(found, example)
            counted |= {path} if found.sink.counts else set()
            if path.split("/")[1] == name.split("-")[1]:
                assert not found.errors
                told |= {path} if len(heard.events) + len(heard.bars) else set()
    assert len(counted) == 33
    assert told == {f"/stocks/{name}" for name in ("Q", "T", "A", "AM")} | {
        f"/crypto/{name}"
        for name in ("XQ", "XL2", "XA", "XAS")  # that of XT is of exchange 3
    }


def test_units_of_a_pair_follow_its_price_and_it_is_named_with_its_exchange():
    shib = b'{"tickers":[{"ticker":"X:SHIBUSD","day":{"c":0.0000125}}]}'
    (found,) = venue("massive-crypto").instruments(("SHIB-USD@1",), (shib,))
    assert (found.tick, found.lot, found.depth) == ((1, -13), (1, -3), 100)
    for symbol in ("SHIB-USD", "BTC-USD@1"):
        with pytest.raises(DecodeError, match="no symbol"):
            venue("massive-crypto").instruments((symbol,), (shib,))


@pytest.mark.parametrize("status", ["max_connections", "auth_timeout", "error"])
def test_other_refusals_begin_anew(status):
    told = tell(decoder("massive-stocks"), {"ev": "status", "status": status, "message": "why"})
    assert [(type(ask), ask.why) for ask in told.asks] == [(Anew, f"{status}: why")]
    assert not tell(decoder("massive-stocks"), {"ev": "status", "status": "success"}).asks


def test_a_book_that_is_late_is_left_out_and_an_empty_one_empties():
    found = decoder("massive-crypto")
    book = {"ev": "XL2", "pair": "BTC-USD", "x": 1, "t": 1_000, "b": [[1, 1]], "a": [[2, 1]]}
    assert len(tell(found, book).events) == 3
    assert not len(tell(found, book | {"t": 999, "b": []}).events)
    assert found.sink.counts["late book"] == 1
    assert rows(tell(found, book | {"b": [], "a": []})) == [
        (SET, -1, 200_000_000, 0, 0),
        (SET, 1, 100_000_000, 0, LAST),
    ]


def test_trades_without_an_id_are_all_told():
    found = decoder("massive-crypto")
    sold = {"ev": "XT", "pair": "BTC-USD", "t": 1_000, "p": 0.5, "s": 1, "c": None, "x": 1}
    assert len(tell(found, sold, sold).events) == 2


# the law: a market through the speaker is the market


def market(rng, levels, steps):
    """Messages of a trade and two SETs, and the book after each: {(side, price): lots}."""
    book = {}
    for step in range(steps):
        events = zeros(EVENT, 3)
        events["ts_event"] = events["ts_recv"] = 10_000_000 * (step + 1)
        events["side"] = rng.choice([-1, 1], 3)
        events["price"] = 1_000_000 - events["side"] * rng.integers(1, levels, 3) * 100
        events["action"], events["lots"] = [TRADE, SET, SET], 5
        for e in events[1:]:
            key = int(e["side"]), int(e["price"])
            e["lots"] = rng.integers(1, 99)
            if key in book and rng.random() < 0.5:
                e["lots"] = 0
                del book[key]
            else:
                book[key] = int(e["lots"])
        events[-1]["bits"] = LAST
        yield events, dict(book)


def apply(book, told):
    for e in told.events:
        key = int(e["side"]), int(e["price"])
        if e["action"] == CLEAR:
            book.clear()
        elif e["action"] == SET and e["lots"]:
            book[key] = int(e["lots"])
        elif e["action"] == SET:
            del book[key]


def talk(speaker, found, client):
    """The beginning: key and subscriptions, as a socket would carry them."""
    said = speaker.connected(client, found.venue.path(found.symbols))
    while said:
        told = found.hear(Heard(1, How.MESSAGE, said.pop(0)))
        for ask in told.asks:
            if isinstance(ask, Get):
                found.hear(Heard(1, How.REPLY, speaker.get(ask.path), ask.key))
            else:
                said += speaker.asked(client, ask.text.replace(KEY, "k").encode())


@pytest.mark.parametrize(
    ("name", "side", "depth"),
    [
        ("massive-stocks", Stocks, 1),
        ("massive-crypto", Crypto, 100),
        ("massive-crypto-quotes", Crypto, 1),
    ],
)
def test_books_and_trades_are_the_markets_whatever_messages_are_missed(name, side, depth):
    rng = np.random.default_rng(3)
    symbol = CHANNEL[name][0]
    base = decoder(name).sink.instruments[symbol]
    table = (Instrument(symbol, name, base.tick, base.lot, depth=base.depth),)
    speaker, found, client, mine = side(table), Decoder(venue(name), table), Client(), {}
    found.hear(Heard(1, How.OPENED))
    talk(speaker, found, client)
    traded = heard = checked = stale = 0
    for events, book in market(rng, 30, 200):
        missed = rng.random() < 0.1
        for said in speaker.tell(events):
            if said.topic not in client.topics:
                continue
            stale = (missed and not said.topic.startswith(("T", "XT"))) or stale
            if not missed:
                told = found.hear(Heard(2, How.MESSAGE, speaker.frame(client, said)))
                apply(mine, told)
                heard += int((told.events["action"] == TRADE).sum())
                stale = stale and said.topic.startswith(("T", "XT"))
        traded += not missed
        if not stale:
            checked += 1
            assert mine == (book if depth > 1 else dict(top(book)))
    assert traded == heard and checked > 100 and not found.errors


def top(book):
    for side in (1, -1):
        prices = [price for s, price in book if s == side]
        if prices:
            price = max(prices) if side > 0 else min(prices)
            yield (side, price), book[side, price]


def test_bars_of_the_speaker_are_those_of_its_trades():
    table = decoder("massive-stocks-1s").sink.instruments
    speaker, found, client = Stocks((*table.values(),)), decoder("massive-stocks-1s"), Client()
    talk(speaker, found, client)
    bars = list[tuple[int, ...]]()
    for events, _ in market(np.random.default_rng(0), 30, 250):
        for said in speaker.tell(events):
            if said.topic in client.topics:
                told = found.hear(Heard(2, How.MESSAGE, speaker.frame(client, said)))
                bars += told.bars.tolist()
    assert len(bars) == 2 and not found.errors
    assert [(bar[0], bar[6]) for bar in bars] == [(0, 99 * 5), (10**9, 100 * 5)]


def mutated(rng, body):
    """One byte flipped, cut, inserted, or a number swapped for another type."""
    at, kind = int(rng.integers(len(body))), int(rng.integers(4))
    if kind == 3:
        return body.replace(b"1", rng.choice([b'"1"', b"null", b"-1", b"1e30", b"[]", b"1e-30"]), 1)
    byte = bytes([int(rng.integers(256))])
    return body[:at] + (byte, b"", byte + body[at : at + 1])[kind] + body[at + 1 :]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_is_heard_nothing_but_a_decode_error_comes_of_it(seed):
    rng = np.random.default_rng(seed)
    book = {"ev": "XL2", "pair": "BTC-USD", "x": 1, "t": 1_000, "b": [[1.5, 2]], "a": [[1.6, 1]]}
    bar = {"ev": "A", "sym": "SPCE", "v": 2, "o": 5, "c": 5, "h": 5, "l": 5, "s": 1, "e": 2, "z": 1}
    cases = (
        ("massive-stocks", [quote(1), trade(2)]),
        ("massive-crypto", [book]),
        ("massive-stocks-1s", [bar]),
    )
    for name, messages in cases:
        found = decoder(name)
        body = orjson.dumps(messages)
        for _ in range(100):
            found.hear(Heard(2, How.OPENED))
            found.hear(Heard(3, How.MESSAGE, mutated(rng, body)))
        found.hear(Heard(3, How.OPENED))
        told = found.hear(Heard(4, How.MESSAGE, body))
        assert len(told.events) or len(told.bars) or found.sink.counts["repeated bar"]


# no key is ever shown


def test_a_key_is_shown_by_nothing(monkeypatch):
    canary = "canary0123456789"
    monkeypatch.setenv("MASSIVE_API_KEY", canary)
    key, found = secret("MASSIVE_API_KEY"), decoder("massive-stocks")
    told = tell(found, {"ev": "status", "status": "connected"})
    assert canary not in f"{key!r} {key} {told!r} {found.__dict__!r} {found.sink.__dict__!r}"
    assert key.bearer() == {"Authorization": f"Bearer {canary}"}
    with pytest.raises(TypeError):
        __import__("copy").copy(key)
    monkeypatch.setenv("MASSIVE_API_KEY", f'{canary}"')
    with pytest.raises(InputError, match="MASSIVE_API_KEY") as caught:
        secret("MASSIVE_API_KEY")
    assert canary not in "".join(traceback.format_exception(caught.value))


def test_a_key_that_is_missing_is_asked_for_by_its_name(monkeypatch):
    monkeypatch.delenv("MASSIVE_API_KEY", raising=False)
    with pytest.raises(InputError, match="set the environment variable MASSIVE_API_KEY"):
        secret("MASSIVE_API_KEY")
