"""Deribit: worked examples, a market told whole and with holes, damaged bytes."""

import orjson
import pytest
from sources.venues.talk import Talk, survives, told_whole, told_with_holes

from flowsense.errors import DecodeError
from flowsense.schema import CLEAR, GAP, HALT, LAST, SET, SNAPSHOT, TRADING, Decimal, Instrument
from flowsense.sources.files import blocks
from flowsense.sources.venues import Heard, How, Send, venue
from flowsense.sources.venues.decoder import Decoder
from flowsense.sources.venues.deribit import VENUE

TABLE = (
    Instrument("BTC-PERPETUAL", "deribit", Decimal(5, -1), Decimal(1, 1), inverse=True),
    Instrument("SOL_USDC-PERPETUAL", "deribit", Decimal(1, -4), Decimal(1, -1)),
)
CHANNEL = "book.BTC-PERPETUAL.100ms"


def note(channel, data):
    params = {"channel": channel, "data": data}
    return orjson.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params})


def change(now, before, bids=(("change", 42500.0, 950.0),), asks=(), when=1699999999500, **more):
    data = {"type": "change", "instrument_name": "BTC-PERPETUAL", "timestamp": when}
    ids = {"change_id": now, "prev_change_id": before, "bids": bids, "asks": asks}
    return note(CHANNEL, data | ids | more)


def first(now=123456789):
    bids, asks = (("new", 42500.0, 1000.0), ("new", 42499.5, 500.0)), (("new", 42501.0, 800.0),)
    data = {"type": "snapshot", "instrument_name": "BTC-PERPETUAL", "timestamp": 1699999999000}
    return note(CHANNEL, data | {"change_id": now, "bids": bids, "asks": asks})


def hear(decoder, body):
    return decoder.hear(Heard(2, How.MESSAGE, body))


@pytest.fixture
def decoder():
    found = Decoder(venue("deribit"), TABLE)
    asks = found.hear(Heard(1, How.OPENED)).asks
    methods = [orjson.loads(ask.text)["method"] for ask in asks]
    assert methods == ["public/set_heartbeat", "public/subscribe"]
    return found


@pytest.fixture
def whole(decoder):
    hear(decoder, first())
    return decoder


def test_the_documented_messages_are_these_levels(decoder):
    told = hear(decoder, first())
    assert told.events[["action", "side", "price", "lots"]].tolist() == [
        (CLEAR, 0, 0, 0),
        *[(SET, 1, 85000, 100), (SET, 1, 84999, 50), (SET, -1, 85002, 80)],
    ]
    levels = [["delete", 42499.5, 0.0], ["new", 42498.5, 300.0]]
    told = hear(decoder, change(123456790, 123456789, levels))
    assert told.events[["price", "lots", "bits"]].tolist() == [(84999, 0, 0), (84997, 30, LAST)]
    assert told.events["sequence"].tolist() == [123456790] * 2
    assert told.events["ts_event"][0] == 1699999999500_000_000


def test_a_hole_subscribes_to_that_book_anew(whole):
    told = hear(whole, change(123456795, 123456793))
    assert told.events[["action", "bits"]].tolist() == [(CLEAR, GAP)]
    assert [(g.since, g.until) for g in told.gaps] == [(123456789, 123456793)]
    asked = [orjson.loads(ask.text) for ask in told.asks]
    assert [(a["method"], a["params"]["channels"]) for a in asked] == [
        ("public/unsubscribe", [CHANNEL]),
        ("public/subscribe", [CHANNEL]),
    ]
    late = hear(whole, change(123456796, 123456795))  # said before it had heard us
    assert not len(late.events) and not late.asks
    assert hear(whole, first(123456799)).events["bits"][-1] == SNAPSHOT | LAST


def test_a_change_that_comes_first_after_the_answer_subscribes_anew(decoder):
    hear(decoder, b'{"jsonrpc":"2.0","id":2,"result":["%s"]}' % CHANNEL.encode())
    told = hear(decoder, change(5, 4))
    assert [type(ask) for ask in told.asks] == [Send, Send] and not len(told.events)
    assert not hear(decoder, change(6, 5)).asks


def test_a_message_heard_again_is_left_out_and_ids_that_begin_anew_are_a_hole(whole):
    for body in (first(), *[change(123456790, 123456789)] * 2, first()):
        told = hear(whole, body)
    assert not len(told.events) and whole.sink.counts["repeated depth"] == 3
    assert hear(whole, change(7, 6, when=1699999999900)).events["bits"].tolist() == [GAP]


def test_a_test_request_is_answered_and_a_locked_index_is_a_halt(decoder):
    beat = {"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}
    (ask,) = hear(decoder, orjson.dumps(beat)).asks
    assert orjson.loads(ask.text)["method"] == "public/test"
    state = {"price_index": "sol_usdc", "locked": True}
    for locked, phases in ((False, []), ("partial", [(1, HALT)]), (False, [(1, TRADING)])):
        told = hear(decoder, note("platform_state", state | {"locked": locked}))
        assert told.events[["instrument", "lots"]].tolist() == phases


def test_trades_outside_the_book_are_counted_only(whole):
    trade = {"timestamp": 1765531356452, "price": 92294.5, "amount": 10.0, "direction": "sell"}
    trade |= {"instrument_name": "BTC-PERPETUAL", "trade_seq": 271252854, "trade_id": "403691824"}
    others = [{"trade_seq": 7, "block_trade_id": "1", "price": 92294.51}, {"combo_trade_id": "43"}]
    told = hear(whole, note("trades.BTC-PERPETUAL.100ms", [trade, *(trade | o for o in others)]))
    fields = ["side", "price", "lots", "sequence", "bits"]
    assert told.events[fields].tolist() == [(-1, 184589, 1, 271252854, LAST)]
    assert whole.sink.counts["trade outside the book"] == 2


def test_instruments_have_the_finest_tick_and_a_contract_or_less_as_lot(data):
    folder = data / "exchange_json_fixtures" / "deribit" / "test_data"
    (block,) = blocks(folder / "http_get_instruments.json.zst")
    listed = orjson.loads(block.data)["result"]
    replies = tuple(orjson.dumps({"result": found}) for found in listed)
    names = tuple(found["instrument_name"] for found in listed)
    found = VENUE.instruments(names[:3], replies[:3])
    assert found[0] == TABLE[0]
    assert [(i.tick, i.lot, i.inverse) for i in found[1:]] == [
        (Decimal(5, -1), Decimal(1, 1), True),
        (Decimal(5, -4), Decimal(1, -1), False),
    ]
    steps = {"tick_size_steps": [{"above_price": 0.005, "tick_size": 0.0001}]}
    body = orjson.dumps({"result": listed[2] | steps})
    assert VENUE.instruments((names[2],), (body,))[0].tick == Decimal(1, -4)
    with pytest.raises(DecodeError, match="BTC-COMBO-1 is a future_combo"):
        VENUE.instruments(names[3:], replies[3:])
    with pytest.raises(DecodeError, match="lists no symbol 'X'"):
        VENUE.instruments(("X",), (b'{"error":{"code":13020,"message":"not_found"}}',))


@pytest.mark.parametrize("seed", range(4))
def test_a_market_is_told_whole(seed):
    told_whole("deribit", TABLE, seed, resets=0.02)


@pytest.mark.parametrize("seed", range(6))
def test_a_hole_is_seen_on_the_next_message_and_mended(seed):
    assert told_with_holes("deribit", TABLE, seed, n=60).seen


def bodies():
    trade = {"timestamp": 1765531356452, "price": 92294.5, "amount": 10.0, "direction": "sell"}
    trade |= {"instrument_name": "BTC-PERPETUAL", "trade_seq": 271252854, "trade_id": "403691824"}
    error = b'{"jsonrpc":"2.0","id":1,"error":{"code":10028,"message":"too_many_requests"}}'
    answer = b'{"jsonrpc":"2.0","id":2,"result":["trades.BTC-PERPETUAL.100ms"]}'
    return [first(), change(5, 4), note("trades.BTC-PERPETUAL.100ms", [trade]), error, answer]


def test_damaged_bytes_are_no_more_than_a_decode_error():
    survives(Talk("deribit", TABLE), bodies(), range(300))


@pytest.mark.soak
def test_many_damaged_bytes_are_no_more_than_a_decode_error():
    survives(Talk("deribit", TABLE), bodies(), range(200_000))
