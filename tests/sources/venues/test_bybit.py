"""Bybit: worked examples, a recording, a market told whole and with holes, and damaged bytes."""

from collections import Counter
from zipfile import ZipFile

import orjson
import pytest
from pyarrow import CompressedInputStream, OSFile
from sources.venues.talk import (
    START,
    Talk,
    hear,
    holed,
    market,
    survives,
    told_whole,
    told_with_holes,
)

from flowsense.errors import DecodeError
from flowsense.replay.shelf import Shelf
from flowsense.schema import CLEAR, GAP, LAST, SET, SNAPSHOT, TRADE, Decimal, Instrument
from flowsense.sources.venues import Anew, Heard, How, venue
from flowsense.sources.venues.decoder import Decoder

BTC = Instrument("BTCUSDT", "bybit-linear", Decimal(5, -1), Decimal(1, -3), depth=200)
ETH = Instrument("ETHUSDT", "bybit-linear", Decimal(5, -2), Decimal(1, -2), depth=200)
NOW = 1_709_891_679_000  # ms


def book(kind, update, bids=(), asks=(), symbol="BTCUSDT", ms=NOW):
    data = {"s": symbol, "b": [*map(list, bids)], "a": [*map(list, asks)], "u": update, "seq": 9}
    topic = {"topic": f"orderbook.200.{symbol}", "type": kind, "ts": ms + 2}
    return orjson.dumps(topic | {"data": data, "cts": ms})


def trades(*each):
    data = [
        {"T": NOW, "s": "BTCUSDT", "S": side, "v": "0.010", "p": "27451.00", "i": i, "BT": block}
        for side, i, block in each
    ]
    topic = {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": NOW, "data": data}
    return orjson.dumps(topic)


SHOT = book("snapshot", 100, [("27450.00", "0.500")], [("27451.00", "0.750")])


@pytest.fixture
def decoder():
    found = Decoder(venue("bybit-linear"), (BTC,))
    found.hear(Heard(START, How.OPENED))
    return found


def test_ten_topics_at_most_are_asked_for_at_once():
    table = tuple(BTC._replace(symbol=f"A{k}USDT") for k in range(7))
    asks = Decoder(venue("bybit-linear"), table).hear(Heard(1, How.OPENED)).asks
    args = [orjson.loads(a.text)["args"] for a in asks]
    assert [len(a) for a in args] == [10, 4]
    assert args[0][:2] == ["orderbook.200.A0USDT", "publicTrade.A0USDT"]


def test_a_snapshot_and_the_updates_that_follow_it(decoder):
    shot, update = hear(decoder, SHOT, book("delta", 101, [], [("27451.00", "0"), ("27452", "1")]))
    assert shot.events["price"].tolist() == [0, 54_900, 54_902]
    assert shot.events["lots"].tolist() == [0, 500, 750]
    assert shot.events["bits"].tolist() == [SNAPSHOT, SNAPSHOT, SNAPSHOT | LAST]
    assert update.events["price"].tolist() == [54_902, 54_904]
    assert update.events["ts_event"].tolist() == [NOW * 1_000_000] * 2


def test_a_venue_that_began_anew_counts_from_one(decoder):
    _, anew, update = hear(
        decoder,
        SHOT,
        book("snapshot", 1, [("27449.50", "1")], ms=NOW + 1),
        book("delta", 2, [("27449", "1")], ms=NOW + 2),
    )
    assert anew.events["action"].tolist()[0] == CLEAR and len(update.events) == 1
    assert decoder.sink.counts["gap"] == 0 and decoder.sink.last["BTCUSDT"] == 2


def test_what_was_heard_before_is_left_out(decoder):
    update = book("delta", 101, [("27449.50", "1")])
    told = hear(decoder, SHOT, update, update, SHOT)
    assert [len(t.events) for t in told] == [3, 1, 0, 0]
    assert decoder.sink.counts["repeated depth"] == 2


def test_a_hole_asks_for_the_symbol_alone_and_once_more_where_no_snapshot_comes(decoder):
    hole = book("delta", 102, [("27449.50", "1")])
    first = holed(decoder, SHOT, hole)
    assert first.events["bits"].tolist() == [GAP]
    assert [(g.since, g.until) for g in first.gaps] == [(100, 102)]
    wanted = {"args": ["orderbook.200.BTCUSDT"]}
    assert [orjson.loads(a.text) for a in first.asks] == [
        {"op": op} | wanted for op in ("unsubscribe", "subscribe")
    ]


def test_trades_are_told_once_and_block_trades_never(decoder):
    both = trades(("Buy", "a", False), ("Sell", "b", False), ("Sell", "c", True))
    _, told, again = hear(decoder, SHOT, both, both)
    assert told.events["action"].tolist() == [TRADE, TRADE] and len(again.events) == 0
    assert told.events["side"].tolist() == [1, -1] and told.events["lots"].tolist() == [10, 10]
    assert decoder.sink.counts["block trade"] == 2
    assert decoder.sink.counts["repeated trade"] == 2


@pytest.mark.parametrize(
    "body",
    [
        b'{"success":false,"ret_msg":"error:handler not found","op":"subscribe"}',
        book("delta", 101, [("27449.75", "1")]),
        book("delta", 101, symbol="ETHUSDT"),
        book("other", 101),
        trades(("None", "a", False)),
        trades(("Buy", 7, False)),
        b"{}",
    ],
)
def test_what_ends_a_connection_loses_the_book_and_asks_for_another(decoder, body):
    _, told = hear(decoder, SHOT, body)
    assert told.events["bits"].tolist() == [GAP] and isinstance(told.asks[-1], Anew)


def test_answers_and_pongs_are_counted_only(decoder):
    pongs = b'{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}', b'{"op":"pong"}'
    assert all(not t.asks and not len(t.events) for t in hear(decoder, SHOT, *pongs)[1:])


@pytest.mark.parametrize(
    ("category", "symbol", "units"),
    [
        ("spot", "BTCUSDT", (Decimal(1, -1), Decimal(1, -4))),
        ("linear", "ETHUSDT", (Decimal(5, -2), Decimal(1, -2))),
        ("inverse", "BTCUSD", (Decimal(5, -1), Decimal(1, 0), Decimal(1, 0), True)),
    ],
)
def test_a_listing_gives_ticks_and_lots(data, category, symbol, units):
    folder = data / "exchange_json_fixtures" / "bybit" / "test_data"
    path = folder / f"http_get_instruments_{category}.json.zst"
    with CompressedInputStream(OSFile(str(path)), "zstd") as stream:
        body = stream.read()
    found = venue(f"bybit-{category}")
    wanted = f"/v5/market/instruments-info?category={category}&symbol={symbol}"
    assert found.listing((symbol,)) == (wanted,)
    assert found.instruments((symbol,), (body,)) == (
        Instrument(symbol, found.name, *units, depth=200),
    )
    with pytest.raises(DecodeError, match="lists no symbol"):
        found.instruments(("X",), (b'{"retCode":10001,"result":{}}',))


def test_a_recorded_book_is_as_deep_as_its_topic_after_every_update(data):
    xrp = Instrument("XRPUSDT", "bybit-linear", Decimal(1, -4), Decimal(1, 0))
    decoder, shelf, counts = Decoder(venue("bybit-linear"), (xrp,)), Shelf(xrp), Counter()
    decoder.hear(Heard(START, How.OPENED))
    with ZipFile(data / "misc_l2" / "bybit_xrpusdt-ob500.data.zip") as archive:
        lines = archive.read(archive.namelist()[0]).splitlines()
    for (told,) in (hear(decoder, line) for line in lines):
        shelf.apply(told.events)
        counts.update(told.events["action"].tolist())
        assert (len(shelf.bids), len(shelf.asks)) == (500, 500)
    assert counts == {CLEAR: 1, SET: 3_966} and decoder.sink.counts["gap"] == 0
    assert [next(shelf.best(side)) for side in (1, -1)] == [(19_537, 10_605), (19_538, 6_702)]


@pytest.mark.parametrize("name", ["bybit-spot", "bybit-linear", "bybit-inverse"])
def test_a_market_is_told_whole(name):
    table = BTC._replace(venue=name), ETH._replace(venue=name)
    table = tuple(i._replace(inverse=name == "bybit-inverse") for i in table)
    told_whole(name, table, 1, resets=0.02)


def test_a_book_deeper_than_the_topic_is_told_as_deep_as_it():
    told_whole("bybit-linear", (BTC,), 5, n=60, depth=200, width=230)


def test_ids_that_begin_again_are_no_hole():
    talk = Talk("bybit-linear", (BTC, ETH))
    for k, events in enumerate(market(1, 80)):
        if k % 7 == 6:
            talk.speaker.renumber(k % 2)
        talk.tell(events)
    assert talk.mended() and not talk.seen and talk.trades == talk.truth


@pytest.mark.parametrize("seed", range(8))
def test_a_hole_is_seen_on_the_next_message_and_mended(seed):
    assert told_with_holes("bybit-linear", (BTC, ETH), seed, n=40).seen


@pytest.mark.slow
def test_holes_of_many_seeds():
    assert sum(told_with_holes("bybit-linear", (BTC, ETH), s, 15).seen for s in range(8, 108)) > 50


def damaged(seeds):
    talk = Talk("bybit-linear", (BTC,))
    for events in market(1, 8, 1):
        talk.tell(events)
    update = talk.decoder.sink.last["BTCUSDT"]
    answer = b'{"success":true,"ret_msg":"","conn_id":"x","op":"subscribe"}'
    block = trades(("Buy", "a", True))
    survives(talk, [book("delta", update + 2, [("100", "2")]), block, answer], seeds)


def test_damaged_bytes_are_refused_and_nothing_else():
    damaged(range(300))


@pytest.mark.soak
def test_many_damaged_bytes_are_refused_and_nothing_else():
    damaged(range(300, 300_000))
