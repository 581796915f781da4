"""Bitstamp: worked examples, a market told whole and with holes, damaged bytes."""

import orjson
import pytest
from sources.venues.talk import Talk, survives, told_whole, told_with_holes

from flowsense.errors import DecodeError
from flowsense.schema import CLEAR, GAP, LAST, SET, SNAPSHOT, TRADE, Decimal, Instrument
from flowsense.sources.venues import Anew, Get, Heard, How, venue
from flowsense.sources.venues.bitstamp import VENUE
from flowsense.sources.venues.decoder import Decoder

TABLE = (
    Instrument("btcusd", "bitstamp", Decimal(1, 0), Decimal(1, -8)),
    Instrument("xrpeur", "bitstamp", Decimal(1, -5), Decimal(1, -6)),
)
T = 1_712_345_678_123_456  # us
ASKED = Get("btcusd", "/api/v2/order_book/btcusd/?group=1")


def said(when, bids, asks=()):
    stamps = {"timestamp": str(when // 10**6), "microtimestamp": str(when)}
    return stamps | {"bids": [*map(list, bids)], "asks": [*map(list, asks)]}


def hear(decoder, kind, *data):
    m = {"data": said(*data), "channel": f"{kind}_btcusd", "event": "data"}
    return decoder.hear(Heard(2, How.MESSAGE, orjson.dumps(m)))


def answer(decoder, *data):
    return decoder.hear(Heard(3, How.REPLY, orjson.dumps(said(*data)), "btcusd"))


def diff(decoder, when, *levels):
    return hear(decoder, "diff_order_book", T + when, *levels)


def best(decoder, when, *levels):
    return hear(decoder, "order_book", T + when, *levels)


@pytest.fixture
def decoder():
    found = Decoder(venue("bitstamp"), TABLE)
    assert len(found.hear(Heard(1, How.OPENED)).asks) == 6
    return found


@pytest.fixture
def whole(decoder):
    diff(decoder, 5, [("65000", "0.5")])
    answer(decoder, T + 5, [("65000", "0.5"), ("64999", "1")], [("65001", "2.00000000")])
    return decoder


def test_a_snapshot_is_asked_for_until_it_is_as_new_as_what_was_heard_first(decoder):
    assert diff(decoder, 5, [("65000", "0.5")]).asks == (ASKED,)
    assert diff(decoder, 7, [("65000", "0.00000000")]).asks == ()
    assert not len(answer(decoder, T + 4, [("65000", "9")]).events)
    assert decoder.sink.counts["snapshot too old"] == 1
    assert diff(decoder, 8, [("64999", "3")]).asks == (ASKED,)
    told = answer(decoder, T + 7, [("64999", "1")], [("65001", "2")])
    assert told.events[["action", "price", "lots", "bits"]].tolist() == [
        (CLEAR, 0, 0, SNAPSHOT),
        (SET, 64999, 100_000_000, SNAPSHOT),
        (SET, 65001, 200_000_000, SNAPSHOT | LAST),
        (SET, 64999, 300_000_000, LAST),
    ]
    assert told.events["sequence"].tolist() == [T + 7] * 3 + [T + 8]
    assert told.events["ts_event"][-1] == (T + 8) * 1_000


def test_what_order_book_says_otherwise_is_a_hole_once_no_diff_can_explain_it(whole):
    bids, asks = [("65000", "0.50"), ("64999", "1")], [("65001", "2")]
    assert not best(whole, 5, bids, asks).gaps
    assert not best(whole, 9, bids[1:], asks).gaps  # a diff up to then may come yet
    assert not diff(whole, 9, [("65000", "0")]).gaps
    assert not best(whole, 12, bids[1:], asks).gaps
    assert not diff(whole, 13, [("64999", "4")]).gaps  # nothing had happened up to 12
    assert not best(whole, 14, [("64999", "5")], asks).gaps
    told = diff(whole, 15, [("64998", "1")])
    assert told.events[["action", "bits"]].tolist() == [(CLEAR, GAP)] and told.asks == (ASKED,)
    told = answer(whole, T + 14, [("64999", "5")], asks)
    assert told.events["price"].tolist() == [0, 64999, 65001, 64998]


def test_two_channels_that_never_agree_are_compared_no_more(whole):
    for k in range(5, 11):
        told = best(whole, k, [("65000", "7")])
        assert len(told.gaps) == (k < 9)
        answer(whole, T + k + 1, [("65000", "0.5")])
    assert whole.sink.counts["books not compared"] == 1 and whole.sink.ready["btcusd"]


def test_a_diff_heard_again_is_left_out_and_time_that_falls_is_a_hole(whole):
    for when in (5, 6, 7, 6, 7):
        diff(whole, when, [("65000", "0.4")])
    assert whole.sink.counts["repeated depth"] == 3
    told = diff(whole, -60_000_000, [("65000", "0.3")])
    assert told.events["bits"].tolist() == [GAP] and told.asks == (ASKED,)
    assert len(answer(whole, T - 60_000_000, [("65000", "0.3")]).events) == 2


def test_a_trade_has_the_takers_side_and_a_request_to_reconnect_is_heeded(whole):
    data = {"id": 212337562, "timestamp": "1643643584", "amount": 0.0028, "price": 38416}
    data |= {"amount_str": "0.00280000", "price_str": "38416", "type": 1}
    data |= {"microtimestamp": "1643643584587000", "buy_order_id": 1, "sell_order_id": 2}
    m = {"data": data, "channel": "live_trades_btcusd", "event": "trade"}
    (e,) = whole.hear(Heard(4, How.MESSAGE, orjson.dumps(m))).events
    assert e[["action", "side", "price", "lots"]].tolist() == (TRADE, -1, 38416, 280_000)
    assert (e["sequence"], e["ts_event"]) == (212337562, 1643643584587000_000)
    m = b'{"event":"bts:request_reconnect","channel":"","data":""}'
    told = whole.hear(Heard(5, How.MESSAGE, m))
    assert isinstance(told.asks[0], Anew) and told.events["bits"].tolist() == [GAP]


def test_an_unknown_symbol_is_not_listed():
    with pytest.raises(DecodeError, match="lists no symbol 'x'"):
        VENUE.instruments(("x",), (b"[]",))


@pytest.mark.parametrize("seed", range(4))
def test_a_market_is_told_whole(seed):
    told_whole("bitstamp", TABLE, seed, resets=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_a_hole_is_seen_by_the_next_book_and_mended(seed):
    assert told_with_holes("bitstamp", TABLE, seed, n=60, late=1, heals=True).seen


def bodies():
    kinds = ("diff_order_book_btcusd", "order_book_btcusd")
    data = said(T + 1, [("65000", "0.50"), ("64999", "1")], [("65001", "2")])
    found = [orjson.dumps({"data": data, "channel": k, "event": "data"}) for k in kinds]
    trade = b'{"data":{"id":9,"amount_str":"0.1","price_str":"38416","type":0,'
    trade += b'"microtimestamp":"1643643584587000"},"channel":"live_trades_btcusd","event":"trade"}'
    return [*found, trade, b'{"event":"bts:error","channel":"","data":{"message":"x"}}']


def test_damaged_bytes_are_no_more_than_a_decode_error():
    survives(Talk("bitstamp", TABLE), bodies(), range(300))


@pytest.mark.soak
def test_many_damaged_bytes_are_no_more_than_a_decode_error():
    survives(Talk("bitstamp", TABLE), bodies(), range(200_000))
