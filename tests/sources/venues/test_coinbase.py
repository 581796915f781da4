"""Coinbase: worked examples, a market told whole and with holes, and damaged bytes."""

from decimal import Decimal as Exact

import orjson
import pytest
from pyarrow import CompressedInputStream, OSFile
from sources.venues.talk import START, Talk, hear, market, survives, told_whole, told_with_holes

from flowsense.errors import DecodeError
from flowsense.schema import GAP, HALT, LAST, SNAPSHOT, STATUS, TRADE, Decimal, Instrument
from flowsense.sources.venues import Anew, Heard, How, venue
from flowsense.sources.venues.coinbase import PATIENCE
from flowsense.sources.venues.decoder import Decoder

BTC = Instrument("BTC-USD", "coinbase", Decimal(1, -2), Decimal(1, -8))
ETH = Instrument("ETH-USD", "coinbase", Decimal(1, -2), Decimal(1, -8))


def said(channel, sequence, *events):
    head = {"channel": channel, "client_id": "", "timestamp": "2026-04-07T14:30:00.123456789Z"}
    return orjson.dumps(head | {"sequence_num": sequence, "events": events})


def book(kind, sequence, *levels, symbol="BTC-USD"):
    updates = [
        {"side": side, "event_time": "", "price_level": price, "new_quantity": size}
        for side, price, size in levels
    ]
    return said("l2_data", sequence, {"type": kind, "product_id": symbol, "updates": updates})


def trades(sequence, kind, *each):
    found = [
        {"trade_id": i, "product_id": "BTC-USD", "price": "68900.5", "size": "0.0015", "side": side}
        for i, side in each
    ]
    found = [d | {"time": "2026-04-07T14:30:02.789012Z"} for d in found]
    return said("market_trades", sequence, {"type": kind, "trades": found})


SHOT = book("snapshot", 0, ("bid", "68900.00", "1.5"), ("offer", "68901.00", "0.5"))
BEAT = {"current_time": "", "heartbeat_counter": 42}


@pytest.fixture
def decoder():
    found = Decoder(venue("coinbase"), (BTC,))
    found.hear(Heard(START, How.OPENED))
    return found


def test_every_channel_is_asked_for_in_a_message_of_its_own():
    asks = Decoder(venue("coinbase"), (BTC,)).hear(Heard(1, How.OPENED)).asks
    assert [orjson.loads(a.text) for a in asks[:2]] == [
        {"type": "subscribe", "channel": "heartbeats"},
        {"type": "subscribe", "channel": "level2", "product_ids": ["BTC-USD"]},
    ]
    assert len(asks) == 4


def test_a_snapshot_and_what_levels_are_after_it(decoder):
    shot, beat, update = hear(
        decoder,
        SHOT,
        said("heartbeats", 1, BEAT),
        book("update", 2, ("offer", "68901.00", "0.00000000"), ("bid", "68900.5", "2")),
    )
    assert shot.events["price"].tolist() == [0, 6_890_000, 6_890_100]
    assert shot.events["bits"].tolist() == [SNAPSHOT, SNAPSHOT, SNAPSHOT | LAST]
    assert len(beat.events) == 0
    assert update.events["side"].tolist() == [1, -1]
    assert update.events["lots"].tolist() == [200_000_000, 0]
    assert update.events["ts_event"].tolist() == [1_775_572_200_123_456_789] * 2


def test_a_hole_in_any_channel_loses_every_book_and_heartbeats_that_jump_none(decoder):
    jump = said("heartbeats", 1, BEAT | {"heartbeat_counter": 99})
    _, jumped, hole = hear(decoder, SHOT, jump, said("heartbeats", 3, BEAT))
    assert not jumped.gaps and hole.events["bits"].tolist() == [GAP]
    assert [(g.since, g.until) for g in hole.gaps] == [(0, 3)]
    wanted = {"product_ids": ["BTC-USD"], "channel": "level2"}
    assert [orjson.loads(a.text) for a in hole.asks] == [
        {"type": what} | wanted for what in ("unsubscribe", "subscribe")
    ]


def test_snapshots_that_do_not_come_are_asked_for_again(decoder):
    hear(decoder, SHOT, said("heartbeats", 2, BEAT))
    soon = hear(decoder, book("update", 3, ("bid", "1", "1")), said("heartbeats", 5, BEAT))
    (late,) = hear(decoder, book("update", 6, ("bid", "1", "1")), ts=START + PATIENCE)
    assert not any(t.asks or len(t.events) for t in soon) and len(late.asks) == 2
    assert decoder.sink.counts["update without a book"] == 2


def test_what_was_heard_before_is_left_out(decoder):
    update = book("update", 1, ("bid", "68899", "1"))
    told = hear(decoder, SHOT, update, update, SHOT)
    assert [len(t.events) for t in told] == [3, 1, 0, 0]
    assert decoder.sink.counts["repeated message"] == 2


def test_trades_are_told_in_their_order_with_the_side_that_took(decoder):
    past, told = hear(
        decoder,
        trades(0, "snapshot", ("6", "BUY"), ("5", "SELL")),
        trades(1, "update", ("9", "SELL"), ("8", "BUY"), ("7", "BUY")),
    )
    assert len(past.events) == 0 and decoder.sink.counts["trade from before"] == 2
    assert told.events["action"].tolist() == [TRADE] * 3
    assert told.events["sequence"].tolist() == [7, 8, 9]
    assert told.events["side"].tolist() == [-1, -1, 1]


def test_a_halt_is_told_when_it_begins_and_when_it_ends(decoder):
    states = ("online", "offline", "offline", "online")
    bodies = [
        said("status", k, {"type": "snapshot", "products": [{"id": "BTC-USD", "status": s}]})
        for k, s in enumerate(states)
    ]
    found = [(e["action"], e["lots"]) for t in hear(decoder, *bodies) for e in t.events]
    assert found == [(STATUS, HALT), (STATUS, 0)]


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"error","message":"failure to subscribe"}',
        book("update", 1, ("bid", "68900.005", "1")),
        book("update", 1, ("buy", "68900", "1")),
        book("update", 1, symbol="ETH-USD"),
        book("other", 1),
        book("update", -1),
        trades(1, "update", ("7", "UNKNOWN")),
        b"[]",
    ],
)
def test_what_ends_a_connection_loses_the_book_and_asks_for_another(decoder, body):
    _, told = hear(decoder, SHOT, body)
    assert told.events["bits"].tolist() == [GAP] and isinstance(told.asks[-1], Anew)


def test_a_listing_gives_ticks_lots_and_contracts(data):
    folder = data / "exchange_json_fixtures" / "coinbase" / "test_data"
    bodies = []
    for name in ("http_products", "http_products_future"):
        with CompressedInputStream(OSFile(str(folder / f"{name}.json.zst")), "zstd") as stream:
            bodies.append(stream.read())
    found = venue("coinbase")
    wanted = "/api/v3/brokerage/market/products?product_ids=BTC-USD&product_ids=ETH-USD"
    assert found.listing(("BTC-USD", "ETH-USD")) == (wanted,)
    assert found.instruments(("BTC-USD", "BIT-24APR26-CDE"), tuple(bodies)) == (
        BTC,
        Instrument("BIT-24APR26-CDE", "coinbase", Decimal(5, 0), Decimal(1, 0), Decimal(1, -2)),
    )
    with pytest.raises(DecodeError, match="BTC-USDC is told as BTC-USD"):
        found.instruments(("BTC-USDC",), tuple(bodies))
    with pytest.raises(DecodeError, match="lists no symbol"):
        found.instruments(("X-USD",), (b'{"products":[]}',))


@pytest.mark.slow
def test_a_whole_recorded_book_is_told_as_it_is(decoder, data):
    path = data / "misc_l2" / "coinbase_btcusd_l2_snapshot_2026-08-07.json.zst"
    with CompressedInputStream(OSFile(str(path)), "zstd") as stream:
        recorded = orjson.loads(stream.read())
    sides = (("bid", recorded["bids"]), ("offer", recorded["asks"]))
    levels = [(side, *level[:2]) for side, of in sides for level in of]
    (told,) = hear(decoder, book("snapshot", 0, *levels))
    prices, lots = told.events["price"][1:], told.events["lots"][1:]
    assert len(prices) == 18_376 + 27_017 == len(levels)
    assert prices.tolist() == [int(Exact(p).scaleb(2)) for _, p, _ in levels]
    assert lots.tolist() == [int(Exact(n).scaleb(8)) for _, _, n in levels]


@pytest.mark.parametrize("seed", range(3))
def test_a_market_is_told_whole(seed):
    told_whole("coinbase", (BTC, ETH), seed, resets=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_a_hole_is_seen_on_the_next_message_and_mended(seed):
    assert told_with_holes("coinbase", (BTC, ETH), seed, n=40).seen


@pytest.mark.slow
def test_holes_of_many_seeds():
    assert sum(told_with_holes("coinbase", (BTC, ETH), s, 15).seen for s in range(8, 108)) > 50


def damaged(seeds):
    talk = Talk("coinbase", (BTC,))
    for events in market(1, 8, 1):
        talk.tell(events)
    n = talk.decoder.dialect.last
    past = trades(n + 2, "snapshot", ("6", "BUY"))
    update = book("update", n + 2, ("bid", "100", "2"))
    survives(talk, [update, past, said("heartbeats", n + 2, BEAT)], seeds)


def test_damaged_bytes_are_refused_and_nothing_else():
    damaged(range(300))


@pytest.mark.soak
def test_many_damaged_bytes_are_refused_and_nothing_else():
    damaged(range(300, 300_000))
