"""Gate spot live: worked examples, random markets of more levels than are shown, a recording."""

from collections import Counter

import orjson
import pytest
from sources.venues.crypto_recordings import bodies, heard
from sources.venues.talk import Talk, survives, told_whole, told_with_holes

from flowsense.errors import DecodeError
from flowsense.schema import CLEAR, GAP, LAST, SCROLL, SET, SNAPSHOT, TRADE, Decimal, Instrument
from flowsense.sources.venues import Get, Heard, How, venue
from flowsense.sources.venues.decoder import Decoder

GATE = venue("gate")
BTC = Instrument("BTC_USDT", "gate", Decimal(1, -1), Decimal(1, -3), depth=100)
TABLE = (BTC, Instrument("PEPE_USDT", "gate", Decimal(1, -10), Decimal(1, 0), depth=100))
ASKED = Get("BTC_USDT", "/api/v4/spot/order_book?currency_pair=BTC_USDT&limit=100&with_id=true")


def update(first, last, bids=(("100.1", "2"),), asks=(), **more):
    d = {"t": 1723161255208, "e": "depthUpdate", "s": "BTC_USDT", "U": first, "u": last, "l": "100"}
    sides = {"b": [*map(list, bids)], "a": [*map(list, asks)]}
    head = {"time": 1723161255, "channel": "spot.order_book_update", "event": "update"}
    return orjson.dumps(head | {"result": d | sides | more})


def shot(number, bids=(("100.0", "1"),), asks=(("101", "3"),)):
    times = {"id": number, "current": 1723161255300, "update": 1723161255200}
    return orjson.dumps(times | {"asks": [*map(list, asks)], "bids": [*map(list, bids)]})


def trade(number, side="buy", amount="0.2010000000", price="121.5"):
    one = {"id": number, "create_time_ms": "1619093543708.2642", "currency_pair": "BTC_USDT"}
    body = {"channel": "spot.trades", "event": "update"}
    return orjson.dumps(body | {"result": one | {"side": side, "amount": amount, "price": price}})


def rows(told):
    return [
        (int(e["action"]), int(e["price"]), int(e["lots"]), int(e["bits"])) for e in told.events
    ]


@pytest.fixture
def decoder():
    found = Decoder(GATE, (BTC,))
    found.hear(Heard(1, How.OPENED))
    return found


def hear(decoder, body, key=""):
    return decoder.hear(Heard(5, How.REPLY if key else How.MESSAGE, body, key))


def test_updates_wait_for_a_snapshot_that_they_continue(decoder):
    assert hear(decoder, update(11, 12)).asks == (ASKED,)
    assert hear(decoder, update(13, 13, [], [("101", "0")])).asks == ()
    assert hear(decoder, shot(9), "BTC_USDT").asks == (ASKED,)  # 10 is missing
    told = hear(decoder, shot(11), "BTC_USDT")
    both = SNAPSHOT | LAST
    assert rows(told) == [(CLEAR, 0, 0, SNAPSHOT), (SET, 1000, 1000, 2), (SET, 1001, 2000, both)]
    assert told.events["sequence"].tolist() == [13] * 3
    assert rows(hear(decoder, update(12, 14, [("100.0", "0")]))) == [(SET, 1000, 0, LAST)]


def test_a_hole_is_seen_on_the_next_message_and_closed_by_a_snapshot(decoder):
    hear(decoder, update(11, 12))
    hear(decoder, shot(12), "BTC_USDT")
    assert rows(hear(decoder, update(12, 12))) == []
    told = hear(decoder, update(14, 15))
    assert rows(told) == [(CLEAR, 0, 0, GAP)] and told.asks == (ASKED,)
    assert [(g.since, g.until) for g in told.gaps] == [(12, 14)]
    assert len(rows(hear(decoder, shot(14), "BTC_USDT"))) == 4
    assert decoder.sink.counts["repeated depth"] == 1


def test_a_full_view_takes_the_place_of_the_book(decoder):
    full = update(20, 20, [("99", "1")], [("102", "1")], full=True)
    assert [p for _, p, _, _ in rows(hear(decoder, full))] == [0, 990, 1020]
    assert rows(hear(decoder, update(21, 21, [("99.5", "1")]))) == [(SET, 995, 1000, LAST)]
    again = rows(hear(decoder, update(22, 30, [("98", "1")], [], full=True)))
    assert [p for _, p, _, _ in again] == [0, 980]
    bare = orjson.loads(update(40, 41, [("98", "1")], [], full=True))
    del bare["result"]["U"]
    assert GAP not in [bits for *_, bits in rows(hear(decoder, orjson.dumps(bare)))]
    hole = rows(hear(decoder, update(43, 50, [("98", "1")], [], full=True)))
    assert [bits for _, _, _, bits in hole] == [GAP, SNAPSHOT, SNAPSHOT | LAST]


def test_what_is_pushed_out_of_the_view_has_not_left_the_market(decoder):
    deep = [(str(200 - k), "1") for k in range(100)]
    hear(decoder, update(20, 20, deep, [], full=True))
    better = rows(hear(decoder, update(21, 21, [("200.5", "1")])))
    assert better == [(SET, 1010, 0, SCROLL), (SET, 2005, 1000, LAST)]


def test_what_rests_off_the_grid_is_cut_to_it(decoder):
    hear(decoder, update(20, 20, [("99", "1.23456"), ("98.05", "1"), ("97", "0.0005")], full=True))
    assert decoder.sink.counts["level off the ticks"] == 1
    assert decoder.sink.counts["size off the lots"] == 2
    assert rows(hear(decoder, update(21, 21, [("97", "2")]))) == [(SET, 970, 2000, LAST)]


def test_trades_are_told_once_by_their_taker(decoder):
    hear(decoder, update(20, 20, full=True))
    assert rows(hear(decoder, trade(5))) == [(TRADE, 1215, 201, LAST)]
    told = hear(decoder, trade(4, "sell"))
    assert told.events["side"].tolist() == [-1]
    assert told.events["ts_event"].tolist() == [1619093543708264000]
    assert rows(hear(decoder, trade(5))) == [] == rows(hear(decoder, trade(6, amount="0.0001")))


def test_what_the_venue_refuses_is_told_in_its_words(decoder):
    bad = b'{"channel":"spot.trades","event":"subscribe","error":{"code":2,"message":"unknown X"}}'
    with pytest.raises(DecodeError, match="unknown X"):
        decoder.take(Heard(5, How.MESSAGE, bad))
    with pytest.raises(DecodeError, match="lists no symbol 'X'"):
        GATE.instruments(("X",), ())


@pytest.mark.parametrize("seed", range(2))
def test_books_and_trades_are_the_markets_after_every_message(seed):
    told_whole("gate", TABLE, seed, 80)
    told_whole("gate", TABLE, seed, 40, depth=100, width=120, resets=0.05)


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(20), marks=pytest.mark.slow)])
def test_what_is_lost_is_seen_and_mended(seeds):
    talks = [told_with_holes("gate", TABLE, seed, 40, resets=0.02) for seed in seeds]
    assert sum(talk.seen for talk in talks) > len(seeds)


GOOD = (
    update(21, 22, [("100.1", "2"), ("99", "0")], [("102", "1")]),
    update(40, 40, [("98", "1")], [("103", "1")], full=True),
    trade(7),
    b'{"time":1,"channel":"spot.trades","event":"subscribe","result":{"status":"success"}}',
)


@pytest.mark.parametrize(
    "seeds", [range(300), pytest.param(range(100_000), marks=pytest.mark.soak)]
)
def test_mutated_bytes_are_refused_or_understood(seeds):
    survives(Talk("gate", TABLE), GOOD, seeds)
    survives(Talk("gate", TABLE), (shot(11),), seeds[:100], How.REPLY, "BTC_USDT")


def test_a_recording_of_2021_gives_a_book_of_each_pair(data):
    folder = data / "cryptofeed_ws_raw"
    pairs = {pair["id"]: pair for pair in orjson.loads(bodies(folder / "GATEIO.0.zst")[0])}
    lines = [*heard(folder, "GATEIO")]
    symbols = tuple(sorted({h.key for h in lines if h.key}))
    table = GATE.instruments(symbols, tuple(orjson.dumps(pairs[s]) for s in symbols))
    decoder, found = Decoder(GATE, table), Counter()
    for h in lines:
        found.update(decoder.hear(h).events["action"].tolist())
    assert decoder.errors == [] and all(decoder.sink.ready.values())
    assert found == {CLEAR: 10, SET: 1874, TRADE: 9}
    wanted = {"book": 10, "level off the ticks": 21, "size off the lots": 243, "gap": 0}
    assert {name: decoder.sink.counts[name] for name in wanted} == wanted
