"""KuCoin spot live: the door, worked examples, books known to a depth, random markets, 2021."""

from collections import Counter
from decimal import Decimal as Exact

import numpy as np
import orjson
import pytest
from sources.venues.crypto_recordings import bodies, heard
from sources.venues.talk import START, Talk, message, survives, told_whole, told_with_holes

from flowsense.errors import DecodeError
from flowsense.replay import speaker
from flowsense.replay.shelf import Shelf
from flowsense.schema import BEAT, CLEAR, GAP, LAST, SET, SNAPSHOT, TRADE, Decimal, Instrument
from flowsense.sources.venues import Get, Heard, How, Send, venue
from flowsense.sources.venues.decoder import Decoder

KUCOIN = venue("kucoin")
BTC = Instrument("BTC-USDT", "kucoin", Decimal(1, -1), Decimal(1, -4), depth=100)
TABLE = (BTC, Instrument("SHIB-USDT", "kucoin", Decimal(1, -9), Decimal(1, 0), depth=100))
ASKED = Get("BTC-USDT", "/api/v1/market/orderbook/level2_100?symbol=BTC-USDT")
WELCOME = b'{"id":"hQvf8jkno","type":"welcome"}'


def update(start, end, bids=(("100.1", "2", "12"),), asks=()):
    changes = {"asks": [*map(list, asks)], "bids": [*map(list, bids)]}
    data = {"changes": changes, "sequenceStart": start, "sequenceEnd": end, "symbol": "BTC-USDT"}
    head = {"topic": "/market/level2:BTC-USDT", "type": "message", "subject": "trade.l2update"}
    return orjson.dumps(head | {"data": data | {"time": 1729816425625}})


def shot(number, bids=(("100.0", "1"),), asks=(("101", "3"),)):
    data = {"time": 1729816425600, "sequence": str(number), "bids": [*map(list, bids)]}
    return orjson.dumps({"code": "200000", "data": data | {"asks": [*map(list, asks)]}})


def trade(number, side="buy", size="0.5", price="100.5"):
    data = {"symbol": "BTC-USDT", "sequence": "1", "side": side, "size": size, "price": price}
    more = {"time": "1729843222921000000", "type": "match", "tradeId": str(number)}
    head = {"topic": "/market/match:BTC-USDT", "type": "message", "subject": "trade.l3match"}
    return orjson.dumps(head | {"data": data | more})


def rows(told):
    return [
        (int(e["action"]), int(e["price"]), int(e["lots"]), int(e["bits"])) for e in told.events
    ]


@pytest.fixture
def decoder():
    found = Decoder(KUCOIN, (BTC,))
    found.hear(Heard(1, How.OPENED))
    return found


def hear(decoder, body, key=""):
    return decoder.hear(Heard(5, How.REPLY if key else How.MESSAGE, body, key))


def test_the_door_gives_an_address_with_a_token():
    theirs = speaker("kucoin")((BTC,))
    assert KUCOIN.address(theirs.get(KUCOIN.door)).startswith(
        "wss://ws-api-spot.kucoin.com/?token=2neAiu"
    )
    with pytest.raises(DecodeError, match="the venue says 400100: no"):
        KUCOIN.address(b'{"code":"400100","msg":"no"}')


def test_nothing_is_said_before_the_welcome(decoder):
    assert Decoder(KUCOIN, (BTC,)).hear(Heard(1, How.OPENED)).asks == ()
    assert hear(decoder, WELCOME).asks == tuple(
        Send(f'{{"id":"{k}","type":"subscribe","topic":"/market/{what}:BTC-USDT","response":true}}')
        for k, what in ((1, "match"), (2, "level2"))
    )


def test_what_the_venue_refuses_is_told_in_its_words(decoder):
    with pytest.raises(DecodeError, match="topic is not found"):
        decoder.take(
            Heard(5, How.MESSAGE, b'{"type":"error","code":404,"data":"topic is not found"}')
        )
    with pytest.raises(DecodeError, match="lists no symbol 'X'"):
        KUCOIN.instruments(("X",), ())
    with pytest.raises(DecodeError, match="more digits than"):
        decoder.take(Heard(5, How.MESSAGE, trade(1, price="9" * 39)))


def test_updates_wait_for_a_snapshot_that_they_continue(decoder):
    assert hear(decoder, update(11, 12)).asks == (ASKED,)
    changes = [("101", "0", "14"), ("101", "5", "13")]  # of one price, out of order
    assert hear(decoder, update(13, 14, [], changes)).asks == ()
    assert hear(decoder, shot(9), "BTC-USDT").asks == (ASKED,)  # 10 is missing
    told = hear(decoder, shot(11), "BTC-USDT")
    both = SNAPSHOT | LAST
    assert rows(told) == [(CLEAR, 0, 0, SNAPSHOT), (SET, 1000, 10000, 2), (SET, 1001, 20000, both)]
    assert rows(hear(decoder, update(12, 15, [("100.0", "0", "15")]))) == [(SET, 1000, 0, LAST)]
    assert rows(hear(decoder, update(16, 16, [("0", "0", "16")]))) == [(BEAT, 0, 0, 0)]


def test_a_hole_is_seen_on_the_next_message_and_closed_by_a_snapshot(decoder):
    hear(decoder, update(11, 12))
    hear(decoder, shot(12), "BTC-USDT")
    assert rows(hear(decoder, update(12, 12))) == []
    told = hear(decoder, update(14, 15))
    assert rows(told) == [(CLEAR, 0, 0, GAP)] and told.asks == (ASKED,)
    assert [(g.since, g.until) for g in told.gaps] == [(12, 14)]
    assert len(rows(hear(decoder, shot(14), "BTC-USDT"))) == 4


def test_trades_are_told_once_by_their_taker(decoder):
    assert rows(hear(decoder, trade(5))) == [(TRADE, 1005, 5000, 0)]
    told = hear(decoder, trade(4, "sell"))
    assert told.events["side"].tolist() == [-1]
    assert told.events["ts_event"].tolist() == [1729843222921000000]
    assert rows(hear(decoder, trade(5))) == []


def test_a_level_deeper_than_the_snapshot_went_is_not_told_of(decoder):
    deep = [(str(200 - k), "1") for k in range(100)]
    hear(decoder, update(11, 11, []))
    assert len(hear(decoder, shot(11, deep, []), "BTC-USDT").events) == 101
    told = hear(decoder, update(12, 13, [("100", "1", "12"), ("101", "2", "13")]))
    assert rows(told) == [(SET, 1010, 20000, LAST)]


class Deep(Talk):
    """Books of more levels than a snapshot has."""

    def compare(self):
        for i, (ours, theirs) in enumerate(zip(self.ours, self.theirs, strict=True)):
            for side, levels in ((1, ours.bids), (-1, ours.asks)):
                assert [*ours.best(side)] == [*theirs.best(side, len(levels))]
                assert not self.ready(i) or len(levels) >= 10


def test_what_is_known_of_a_moving_market_is_asked_for_again_in_time():
    talk, levels = Deep("kucoin", (BTC,)), range(1_000, 1_250)
    book = [(SET, 1, p, 5, SNAPSHOT) for p in levels]
    book += [(SET, -1, p + 250, 5, SNAPSHOT) for p in levels]
    talk.tell(message(START, 0, [(CLEAR, 0, 0, 0, SNAPSHOT), *book]))
    for k in range(140):  # the best bid leaves, an ask comes below the others
        rows = [(SET, 1, 1_249 - k, 0, 0), (SET, -1, 1_249 - k, 3, 0)]
        talk.tell(message(START + k, 0, rows))
    assert talk.seen == 0 and talk.decoder.sink.counts["book"] == 3


def test_a_book_of_which_too_little_is_known_is_lost():
    talk = Deep("kucoin", (BTC,))
    book = [(SET, s, 1_000 - s * d, 5, SNAPSHOT) for s in (1, -1) for d in range(1, 200)]
    talk.tell(message(START, 0, [(CLEAR, 0, 0, 0, SNAPSHOT), *book]))
    talk.tell(message(START, 0, [(SET, 1, 1_000 - d, 0, 0) for d in range(1, 95)]))
    assert talk.seen == 1 and talk.ready(0) and len(talk.ours[0].bids) == 100


@pytest.mark.parametrize("seed", range(2))
def test_books_and_trades_are_the_markets_after_every_message(seed):
    told_whole("kucoin", TABLE, seed, 80, resets=0.05)


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(20), marks=pytest.mark.slow)])
def test_what_is_lost_is_seen_and_mended(seeds):
    talks = [told_with_holes("kucoin", TABLE, seed, 40, resets=0.02) for seed in seeds]
    assert sum(talk.seen for talk in talks) > len(seeds)


GOOD = (
    update(21, 22, [("100.1", "2", "21")], [("102", "1", "22")]),
    trade(7),
    b'{"id":"1","type":"ack"}',
    WELCOME,
)


@pytest.mark.parametrize(
    "seeds", [range(300), pytest.param(range(100_000), marks=pytest.mark.soak)]
)
def test_mutated_bytes_are_refused_or_understood(seeds):
    survives(Talk("kucoin", TABLE), GOOD, seeds)
    survives(Talk("kucoin", TABLE), (shot(11),), seeds[:100], How.REPLY, "BTC-USDT")


@pytest.mark.slow
def test_a_recording_of_2021_gives_a_book_of_each_pair(data):
    folder = data / "cryptofeed_ws_raw"
    listed = orjson.loads(bodies(folder / "KUCOIN.0.zst")[0])["data"]
    pairs = {pair["symbol"]: orjson.dumps({"code": "200000", "data": pair}) for pair in listed}
    lines = [*heard(folder, "KUCOIN")]
    symbols = tuple(sorted({h.key for h in lines if h.key}))
    table = KUCOIN.instruments(symbols, tuple(pairs[s] for s in symbols))
    decoder, found, ours = Decoder(KUCOIN, table), Counter(), [Shelf(i) for i in table]
    for h in lines:
        for e in (events := decoder.hear(h).events):
            ours[e["instrument"]].apply(np.atleast_1d(e))
        found.update(events["action"].tolist())
    assert decoder.errors == [] and all(decoder.sink.ready.values())
    assert found == {CLEAR: 9, SET: 10325, TRADE: 18, BEAT: 1336}
    for shelf in ours:
        bids, asks = by_hand(lines, shelf.instrument)
        assert (shelf.bids, shelf.asks) == (bids, asks) and len(bids) > 100


def by_hand(lines, i):
    """The book at the end: the reply, and every later change within its depth, in order."""
    (body,) = (h.body for h in lines if h.key == i.symbol)
    data = orjson.loads(body)["data"]
    sides = {name: {Exact(p): Exact(s) for p, s in data[name]} for name in ("bids", "asks")}
    low, high = min(sides["bids"]), max(sides["asks"])
    for h in lines:
        if b"l2update" in h.body and i.symbol.encode() in h.body:
            changes = orjson.loads(h.body)["data"]["changes"]
            for name, side in sides.items():
                later = [c for c in changes[name] if int(c[2]) > int(data["sequence"])]
                side |= {Exact(p): Exact(s) for p, s, _ in later if low <= Exact(p) <= high}
    tick, lot = (Exact(u.mantissa).scaleb(u.exponent) for u in (i.tick, i.lot))
    return [
        {int(p / tick): int(s // lot) for p, s in side.items() if s // lot}
        for side in sides.values()
    ]
