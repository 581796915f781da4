"""OKX: worked examples, a market told whole and with holes, its recording, and damaged bytes."""

import zlib
from collections import Counter
from itertools import chain, zip_longest

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

from flowsense.errors import DecodeError, InputError
from flowsense.replay.shelf import Shelf, shortest
from flowsense.schema import (
    BEAT,
    CLEAR,
    GAP,
    HALT,
    LAST,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    Decimal,
    Instrument,
)
from flowsense.sources.venues import Anew, Heard, How, venue
from flowsense.sources.venues.decoder import Decoder

SPOT = Instrument("BTC-USDT", "okx", Decimal(1, -1), Decimal(1, -8), depth=400)
SWAP = SPOT._replace(symbol="BTC-USDT-SWAP", lot=Decimal(1, -2), contract=Decimal(1, -2))
ONE, NOW = Decimal(1, 0), 1_790_269_660_000  # ms


def books(action, before, sequence, bids=(), asks=(), symbol="BTC-USDT", ms=NOW):
    d = {"asks": [[*a, "0", "1"] for a in asks], "bids": [[*b, "0", "1"] for b in bids]}
    d |= {"ts": str(ms), "checksum": 0, "seqId": sequence, "prevSeqId": before}
    arg = {"channel": "books", "instId": symbol}
    return orjson.dumps({"arg": arg, "action": action, "data": [d]})


def traded(number, ms, side="sell"):
    d = {"instId": "BTC-USDT", "tradeId": number, "px": "42219.9", "sz": "0.12060306"}
    d |= {"side": side, "ts": str(ms), "count": "3", "source": "0", "seqId": 7}
    return orjson.dumps({"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [d]})


SHOT = books("snapshot", -1, 10, [("42219.9", "1.5")], [("42220", "0.00000001")])


@pytest.fixture
def decoder():
    found = Decoder(venue("okx"), (SPOT,))
    found.hear(Heard(START, How.OPENED))
    return found


def test_books_are_subscribed_to_before_trades_so_that_their_replay_is_known():
    (ask,) = Decoder(venue("okx"), (SPOT,)).hear(Heard(1, How.OPENED)).asks
    args = orjson.loads(ask.text)["args"]
    assert [a["channel"] for a in args] == ["books", "trades", "instruments"]


def test_a_snapshot_and_the_updates_that_follow_it(decoder):
    shot, update, beat = hear(
        decoder,
        SHOT,
        books("update", 10, 17, [("42219.9", "0"), ("42218", "2")]),
        books("update", 17, 17),
    )
    assert shot.events["price"].tolist() == [0, 422199, 422200]
    assert shot.events["lots"].tolist() == [0, 150_000_000, 1]
    assert shot.events["bits"].tolist() == [SNAPSHOT, SNAPSHOT, SNAPSHOT | LAST]
    assert update.events["lots"].tolist() == [0, 200_000_000]
    assert update.events["sequence"].tolist() == [17, 17]
    assert beat.events["action"].tolist() == [BEAT]


def test_ids_that_fall_follow_where_they_name_the_one_before(decoder):
    hear(decoder, SHOT, books("update", 10, 3, [("1", "1")]), books("update", 3, 5, [("2", "1")]))
    assert decoder.sink.ready["BTC-USDT"] and decoder.sink.last["BTC-USDT"] == 5


def test_what_was_heard_before_is_left_out(decoder):
    update = books("update", 10, 17, [("42218", "2")])
    told = hear(decoder, SHOT, update, update, SHOT)
    assert [len(t.events) for t in told] == [3, 1, 0, 0]
    assert decoder.sink.counts["repeated depth"] == 2 and decoder.sink.counts["gap"] == 0


def test_a_hole_asks_for_the_symbol_alone_and_once_more_where_no_snapshot_comes(decoder):
    hole = books("update", 12, 17, [("42218", "2")], ms=NOW + 100)
    first = holed(decoder, SHOT, hole)
    assert first.events["action"].tolist() == [CLEAR] and first.events["bits"].tolist() == [GAP]
    assert [(g.since, g.until) for g in first.gaps] == [(10, 17)]
    args = [{"channel": "books", "instId": "BTC-USDT"}]
    assert [orjson.loads(a.text) for a in first.asks] == [
        {"op": "unsubscribe", "args": args},
        {"op": "subscribe", "args": args},
    ]


def test_a_snapshot_that_updates_have_overtaken_is_asked_for_once_more(decoder):
    hole = books("update", 12, 17, [("42218", "2")], ms=NOW + 100)
    told = hear(decoder, SHOT, hole, hole, SHOT, SHOT)
    assert [len(t.asks) for t in told] == [0, 2, 0, 2, 0]
    assert decoder.sink.counts["snapshot older than the updates"] == 1
    assert decoder.sink.ready["BTC-USDT"]


def test_trades_of_the_past_and_those_told_twice_are_left_out(decoder):
    old, now = traded("5", NOW - 1), traded("6", NOW, "buy")
    told = hear(decoder, old, SHOT, old, now, now, traded("7", NOW))
    trades = [e for t in told for e in t.events if e["action"] == TRADE]
    assert [(e["side"], e["price"], e["lots"], e["sequence"]) for e in trades] == [
        (1, 422199, 12_060_306, 6),
        (-1, 422199, 12_060_306, 7),
    ]
    assert decoder.sink.counts["trade before the book"] == 2


def test_a_halt_is_told_when_it_begins_and_when_it_ends(decoder):
    def state(s, symbol="BTC-USDT"):
        data = [{"instId": symbol, "state": s}, {"instId": "OTHER", "state": s}]
        return orjson.dumps({"arg": {"channel": "instruments", "instType": "SPOT"}, "data": data})

    told = hear(decoder, *map(state, ("live", "suspend", "suspend", "live")))
    found = [(e["action"], e["lots"]) for t in told for e in t.events]
    assert found == [(STATUS, HALT), (STATUS, 0)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"event":"error","code":"60014","msg":"Requests too frequent"}',
        b'{"event":"notice","code":"64008","msg":"The connection will soon be closed"}',
        books("update", 10, 11, [("0.05", "1")]),
        books("update", 10, 11, [("1e5", "1")]),
        books("update", 10, 11, [("1", "1")], symbol="ETH-USDT"),
        books("update", 10, -11),
        b"",
    ],
)
def test_what_ends_a_connection_loses_the_book_and_asks_for_another(decoder, body):
    _, told = hear(decoder, SHOT, body)
    assert told.events["bits"].tolist() == [GAP] and isinstance(told.asks[-1], Anew)


def test_a_listing_gives_ticks_lots_and_contracts(data):
    folder = data / "exchange_json_fixtures" / "okx" / "test_data"
    bodies = [unpacked(folder / f"http_get_instruments_{k}.json.zst") for k in ("spot", "swap")]
    names = ("BTC-USD", "BTC-USD-SWAP", "ETH-USDT-SWAP")
    assert venue("okx").listing(names) == tuple(
        f"/api/v5/public/instruments?instType={kind}" for kind in ("SPOT", "SWAP")
    )
    assert venue("okx").instruments(names, tuple(bodies)) == (
        SPOT._replace(symbol="BTC-USD"),
        SWAP._replace(symbol="BTC-USD-SWAP", lot=ONE, contract=Decimal(1, 2), inverse=True),
        SWAP._replace(symbol="ETH-USDT-SWAP", tick=Decimal(1, -2), contract=Decimal(1, -1)),
    )
    with pytest.raises(DecodeError, match="lists no symbol 'ETH-USD-SWAP'"):
        venue("okx").instruments(("ETH-USD-SWAP",), tuple(bodies))
    with pytest.raises(InputError, match="no spot pair, swap or future"):
        venue("okx").listing(("BTC-USD-220514-22000-C",))


@pytest.mark.parametrize("seed", range(3))
def test_a_market_is_told_whole(seed):
    told_whole("okx", (SPOT, SWAP), seed, resets=0.02)


def test_a_book_deeper_than_the_channel_is_told_as_deep_as_it():
    told_whole("okx", (SPOT,), 5, n=40, depth=400, width=440)


def test_ids_that_begin_again_are_no_hole():
    talk = Talk("okx", (SPOT, SWAP))
    for k, events in enumerate(market(1, 80)):
        if k % 7 == 6:
            talk.speaker.renumber(k % 2)
        talk.tell(events)
    assert talk.mended() and not talk.seen and talk.trades == talk.truth


@pytest.mark.parametrize("seed", range(8))
def test_a_hole_is_seen_on_the_next_message_and_mended(seed):
    assert told_with_holes("okx", (SPOT, SWAP), seed, n=40).seen


@pytest.mark.slow
def test_holes_of_many_seeds():
    assert sum(told_with_holes("okx", (SPOT, SWAP), s, 15).seen for s in range(8, 108)) > 50


def valid():
    """A talk with a book, and messages that would continue it."""
    talk = Talk("okx", (SPOT,))
    for events in market(1, 8, 1):
        talk.tell(events)
    sequence = talk.decoder.sink.last["BTC-USDT"]
    return talk, [
        books("update", sequence + 1, sequence + 2, [("100", "2")]),
        orjson.dumps({"event": "subscribe", "arg": {"channel": "books", "instId": "BTC-USDT"}}),
        traded("1", 5),
    ]


def damaged(seeds):
    talk, bodies = valid()
    survives(talk, bodies, seeds)


def test_damaged_bytes_are_refused_and_nothing_else():
    damaged(range(300))


@pytest.mark.soak
def test_many_damaged_bytes_are_refused_and_nothing_else():
    damaged(range(300, 300_000))


def unpacked(path):
    with CompressedInputStream(OSFile(str(path)), "zstd") as stream:
        return stream.read()


def recorded(data):
    """Bodies of 2022 from books and trades; the ids that books lacked then are put in."""
    seen = Counter()
    for line in unpacked(data / "cryptofeed_ws_raw" / "OKX.ws.1.0.zst").splitlines():
        stamp, _, body = line.partition(b": ")
        if not body.startswith(b'{"arg"') or b'"tickers"' in body:
            continue
        json, ts = orjson.loads(body), int(float(stamp) * 1e6) * 1_000
        if "action" in json:
            symbol, new = json["arg"]["instId"], json["action"] == "snapshot"
            json["data"][0] |= {"prevSeqId": -1 if new else seen[symbol], "seqId": seen[symbol] + 1}
            seen[symbol] += 1
        yield ts, json


def checksum(shelf):
    """CRC-32 over the best 25 levels of each side, as OKX made it until June 2026."""
    sides = (
        [f"{shortest(shelf.price(p))}:{shortest(shelf.size(n))}" for p, n in shelf.best(s, 25)]
        for s in (1, -1)
    )
    text = ":".join(x for x in chain(*zip_longest(*sides)) if x is not None)
    return (zlib.crc32(text.encode()) ^ 2**31) - 2**31


@pytest.mark.slow
def test_books_of_the_recording_have_the_checksums_that_the_venue_gave(data):
    replies = unpacked(data / "cryptofeed_ws_raw" / "OKX.0.zst").splitlines()
    listed = tuple(r.partition(b": ")[2] for r in replies if b"instType=OPTION" not in r[:90])
    names = ("BTC-USDT", "UNI-USD-SWAP", "BTC-USD-220527")
    table = venue("okx").instruments(names, listed[:3])
    assert table[1][2:6] == (Decimal(1, -3), ONE, Decimal(1, 1), True)
    decoder, shelves, counts = Decoder(venue("okx"), table), [Shelf(i) for i in table], Counter()
    decoder.hear(Heard(0, How.OPENED))
    for ts, json in recorded(data):
        told = decoder.hear(Heard(ts, How.MESSAGE, orjson.dumps(json)))
        counts.update(told.events["action"].tolist())
        if "action" in json:
            shelf = shelves[names.index(json["arg"]["instId"])]
            shelf.apply(told.events)
            assert checksum(shelf) == json["data"][0]["checksum"]
            assert shelf is not shelves[0] or (len(shelf.bids), len(shelf.asks)) == (400, 400)
    assert counts == {CLEAR: 3, SET: 8264, TRADE: 71}
    assert decoder.sink.counts == {
        "books": 290,
        "book": 3,
        "trades": 74,
        "trade before the book": 3,
    }
