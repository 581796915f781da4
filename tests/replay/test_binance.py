"""What Binance answers and tells, field by field."""

import orjson
import pytest
from markets import L2, stream

from flowsense.replay import Client, Said, speaker
from flowsense.schema import BEAT, CLEAR, GAP, LAST, SET, SNAPSHOT, TRADE, Decimal
from flowsense.sources.venues import venue

BTC = L2._replace(symbol="BTCUSDT", tick=Decimal(1, -1), lot=Decimal(1, -3))
PERP = BTC._replace(symbol="BTCUSD_PERP", contract=Decimal(100, 0), inverse=True)
MS = 1_700_000_000_000


def made(name="binance-spot", instrument=BTC):
    return speaker(name)((instrument,))


def tell(place, *lines):
    """Bodies of the topics without an interval; every line is a message of one time."""
    events = stream(*lines)
    events["ts_event"] = events["ts_recv"] = MS * 10**6
    return [said.body for said in place.tell(events) if said.topic.count("@") == 1]


def test_an_update_has_the_fields_of_its_market():
    lines = [(SET, 1, 1000, 2_000, 0), (SET, -1, 1001, 0, LAST)]
    (spot,) = tell(made(), *lines[:1], (SET, -1, 1001, 5, LAST))
    assert spot == {
        **{"e": "depthUpdate", "E": MS, "s": "BTCUSDT", "U": 1_000_001, "u": 1_000_002},
        **{"b": [["100.00000000", "2.00000000"]], "a": [["100.10000000", "0.00500000"]]},
    }
    (coin,) = tell(made("binance-coinm", PERP), *lines[:1])
    assert coin == {
        **{"e": "depthUpdate", "E": MS, "T": MS, "s": "BTCUSD_PERP", "ps": "BTCUSD"},
        **{"U": 1_000_001, "u": 1_000_001, "pu": 1_000_000, "b": [["100.0", "2.000"]], "a": []},
    }


def test_a_trade_has_the_fields_of_its_market():
    sold = (TRADE, -1, 1000, 7, LAST)
    number = {"t": 1_000_001, "T": MS, "E": MS, "e": "trade"}
    assert tell(made(), sold) == [
        number | {"s": "BTCUSDT", "p": "100.00000000", "q": "0.00700000", "m": True, "M": True}
    ]
    assert tell(made("binance-usdm"), sold) == [
        number | {"s": "BTCUSDT", "p": "100.0", "q": "0.007", "X": "MARKET", "m": True}
    ]


def test_ids_follow_and_a_loss_is_a_hole_that_the_next_snapshot_shows():
    place = made()
    ids = [
        [(body["U"] - 1_000_000, body["u"] - 1_000_000) for body in tell(place, *lines)]
        for lines in (
            [
                (CLEAR, 0, 0, 0, SNAPSHOT),
                (SET, 1, 10, 1, SNAPSHOT),
                (SET, 1, 9, 1, SNAPSHOT | LAST),
            ],
            [(BEAT, 0, 0, 0, 0)],
            [(SET, 1, 10, 2, LAST)],
            [(CLEAR, 0, 0, 0, SNAPSHOT), (SET, 1, 10, 2, SNAPSHOT | LAST)],
            [(CLEAR, 0, 0, 0, GAP)],
            [(CLEAR, 0, 0, 0, SNAPSHOT), (SET, 1, 11, 2, SNAPSHOT | LAST)],
            [(SET, 1, 11, 3, LAST)],
        )
    ]
    assert ids == [[(1, 2)], [(3, 3)], [(4, 4)], [(5, 5)], [], [(7, 8)], [(9, 9)]]
    shown = orjson.loads(place.get("/api/v3/depth?symbol=BTCUSDT"))
    assert (shown["lastUpdateId"], shown["bids"]) == (1_000_009, [["1.10000000", "0.00300000"]])


@pytest.mark.parametrize(
    ("path", "topics", "raw"),
    [
        ("/stream?streams=a@depth/b@trade", {"a@depth", "b@trade"}, False),
        ("/stream?streams=a%40depth%2Fb%40trade", {"a@depth", "b@trade"}, False),
        ("/stream", set(), False),
        ("/ws/a@depth/b@trade", {"a@depth", "b@trade"}, True),
        ("/ws", set(), True),
        ("/public/ws/a@depth/a@trade/a@bookTicker", {"a@depth", "a@bookTicker"}, True),
        ("/market/stream?streams=a@trade/a@depth@100ms", {"a@trade"}, False),
    ],
)
def test_a_path_subscribes(path, topics, raw):
    client = Client()
    assert made().connected(client, path) == [] and client.topics == topics
    assert bool(client.told.get("raw")) == raw


def test_a_message_subscribes_and_what_is_none_is_refused():
    place, client = made(), Client()
    place.connected(client, "/stream")

    def asked(method, *params):
        body = {"method": method, "params": [*params], "id": 3}
        (answer,) = place.asked(client, orjson.dumps(body))
        return orjson.loads(answer)

    assert asked("SUBSCRIBE", "a@depth", "b@trade") == {"result": None, "id": 3}
    assert asked("UNSUBSCRIBE", "b@trade") == {"result": None, "id": 3}
    assert asked("LIST_SUBSCRIPTIONS") == {"result": ["a@depth"], "id": 3}
    assert asked("GET_PROPERTY", "combined") == {"result": True, "id": 3}
    assert asked("SET_PROPERTY", "combined", False) == {"result": None, "id": 3}
    assert asked("GET_PROPERTY", "combined") == {"result": False, "id": 3}
    assert asked("SUBSCRIBEE")["error"]["code"] == 2
    for text, code in ((b"{", 3), (b"[]", 2), (b'{"method":"SUBSCRIBE","params":3,"id":1}', 0)):
        (answer,) = place.asked(client, text)
        assert orjson.loads(answer).get("error", {"code": 0})["code"] == code


@pytest.mark.parametrize(
    ("name", "topic", "path", "starts"),
    [
        ("recorded", "b@depth@100ms", "/stream", b'{"stream":"b@depth@100ms","data":{"u":1}}'),
        ("recorded", "b@depth", "/stream", b'{"stream":"b@depth","data":{"u":1}}'),
        ("recorded", "b@depth", "/ws", b'{"u":1}'),
        ("told", "b@trade", "/stream", b'{"stream":"b@trade","data":{"u":1}}'),
        ("told", "b@trade", "/ws", b'{"u":1}'),
    ],
)
def test_a_client_gets_the_name_and_the_envelope_that_it_asked_for(name, topic, path, starts):
    place, client = made(), Client()
    place.connected(client, path)
    recorded = b'{"stream":"b@depth@100ms","data":{"u":1}}'
    body = recorded if name == "recorded" else {"u": 1}
    assert place.frame(client, Said(topic, body)) == starts


@pytest.mark.parametrize(
    ("name", "instrument"),
    [("binance-spot", BTC), ("binance-usdm", BTC), ("binance-coinm", PERP)],
)
def test_its_listing_gives_the_instrument(name, instrument):
    place, spoken, who = made(name, instrument), venue(name), (instrument.symbol,)
    bodies = tuple(place.get(path) for path in spoken.listing(who))
    assert spoken.instruments(who, bodies) == (instrument._replace(venue=name),)


@pytest.mark.parametrize(
    "path",
    ["/", "/api/v3/depth", "/api/v3/depth?symbol=X", "/fapi/v1/ping", "/api/v3/klines?symbol=X"],
)
def test_what_is_not_served_is_not_there(path):
    assert made().get(path) is None


def test_requests_are_read_with_care():
    place = made()
    tell(place, *[(SET, 1, price, 1, 0) for price in range(900, 1200)], (SET, 1, 1200, 1, LAST))

    def bids(query):
        return len(orjson.loads(place.get(f"/api/v3/depth?symbol=BTCUSDT{query}"))["bids"])

    assert [bids(q) for q in ("", "&limit=5", "&limit=x", "&limit=-1", "&limit=5000")] == [
        *(100, 5, 100, 100, 301)
    ]
    assert orjson.loads(place.get("/api/v3/time")) == {"serverTime": MS}
    assert orjson.loads(place.get("/api/v3/exchangeInfo?symbols=["))["symbols"]
    assert orjson.loads(place.get("/api/v3/exchangeInfo?symbol=X"))["symbols"] == []
