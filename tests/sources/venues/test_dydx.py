"""dYdX v4 live: one count for a connection, worked examples, random markets, the count of 2021."""

import re

import orjson
import pytest
from sources.venues.crypto_recordings import lines
from sources.venues.talk import START, Talk, message, survives, told_whole, told_with_holes

from flowsense.errors import DecodeError
from flowsense.schema import (
    CLEAR,
    GAP,
    HALT,
    LAST,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
    Decimal,
    Instrument,
)
from flowsense.sources.venues import Anew, Heard, How, venue
from flowsense.sources.venues.decoder import Decoder
from flowsense.sources.venues.dydx import Numbers

DYDX = venue("dydx")
BTC = Instrument("BTC-USD", "dydx", Decimal(1, 0), Decimal(1, -4), depth=100)
TABLE = (BTC, Instrument("SOL-USD", "dydx", Decimal(1, -2), Decimal(1, -1), depth=100))


def told(number, contents, channel="v4_orderbook", what="channel_data"):
    head = {"type": what, "connection_id": "004a1efa", "message_id": number, "channel": channel}
    return orjson.dumps(head | {"id": "BTC-USD", "version": "1.0.0", "contents": contents})


def book(number, bids=(("100", "1"),), asks=(("101", "3"),)):
    sides = (("bids", bids), ("asks", asks))
    levels = {name: [{"price": p, "size": s} for p, s in side] for name, side in sides}
    return told(number, levels, what="subscribed")


def trade(number, key, side="BUY", kind="LIMIT", what="channel_data"):
    one = {"id": key, "side": side, "size": "0.5", "price": "101", "type": kind}
    contents = {"trades": [one | {"createdAt": "2024-01-01T00:00:01.500Z"}]}
    return told(number, contents, "v4_trades", what)


def rows(told):
    return [
        (int(e["action"]), int(e["price"]), int(e["lots"]), int(e["bits"])) for e in told.events
    ]


def hear(decoder, body):
    return decoder.hear(Heard(5, How.MESSAGE, body))


@pytest.fixture
def decoder():
    """All three subscriptions answered, the last id is 3."""
    found = Decoder(DYDX, (BTC,))
    asks = found.hear(Heard(1, How.OPENED)).asks
    assert [orjson.loads(a.text)["channel"] for a in asks] == [
        "v4_markets",
        "v4_orderbook",
        "v4_trades",
    ]
    hear(found, b'{"type":"connected","connection_id":"004a1efa","message_id":0}')
    markets = {"markets": {"BTC-USD": {"status": "ACTIVE"}}}
    for body in (
        told(1, markets, "v4_markets", "subscribed"),
        book(2),
        trade(3, "a", what="subscribed"),
    ):
        hear(found, body)
    return found


def test_levels_follow_the_book_that_was_subscribed_to(decoder):
    update = told(4, {"bids": [["100", "0"], ["99", "2"]]})
    assert rows(hear(decoder, update)) == [(SET, 100, 0, 0), (SET, 99, 20000, LAST)]
    batch = told(5, [{"asks": [["101", "1"]]}, {"bids": [["98", "1"]]}], what="channel_batch_data")
    assert rows(hear(decoder, batch)) == [(SET, 101, 10000, LAST), (SET, 98, 10000, LAST)]
    again = told(5, {"bids": [["98", "0"]]})
    assert rows(hear(decoder, again)) == [] and decoder.sink.counts["repeated depth"] == 1


def test_a_crossed_book_is_told_as_it_is(decoder):
    assert rows(hear(decoder, told(4, {"bids": [["103", "1"]]}))) == [(SET, 103, 10000, LAST)]


def test_a_missing_id_loses_the_books_and_the_connection(decoder):
    heard = hear(decoder, told(5, {"bids": [["99", "2"]]}))
    assert rows(heard) == [(CLEAR, 0, 0, GAP)]
    assert heard.asks == (Anew("message ids do not follow"),)
    assert [(g.since, g.until) for g in heard.gaps] == [(2, 5)]


def test_trades_of_the_past_and_deleveraged_ones_are_left_out(decoder):
    heard = hear(decoder, trade(4, "b", "SELL"))
    assert rows(heard) == [(TRADE, 101, 5000, LAST)] and heard.events["side"].tolist() == [-1]
    assert heard.events["ts_event"].tolist() == [1704067201500000000]
    assert rows(hear(decoder, trade(5, "c", kind="DELEVERAGED"))) == []
    assert decoder.sink.counts["trade of the past"] == 1


def test_a_market_that_is_not_active_is_halted(decoder):
    paused = {"trading": {"BTC-USD": {"status": "PAUSED"}, "ETH-USD": {"status": "ACTIVE"}}}
    assert rows(hear(decoder, told(4, paused, "v4_markets"))) == [(STATUS, 0, HALT, LAST)]
    assert rows(hear(decoder, told(5, paused, "v4_markets"))) == []
    active = {"trading": {"BTC-USD": {"status": "ACTIVE"}}}
    assert rows(hear(decoder, told(6, active, "v4_markets"))) == [(STATUS, 0, TRADING, LAST)]


def test_what_the_venue_refuses_is_told_in_its_words(decoder):
    with pytest.raises(DecodeError, match="Invalid id: X"):
        decoder.take(
            Heard(5, How.MESSAGE, b'{"type":"error","message":"Invalid id: X","message_id":3}')
        )
    with pytest.raises(DecodeError, match="lists no symbol 'X'"):
        DYDX.instruments(("X",), (b'{"markets":{}}',))


def test_an_update_before_its_book_says_that_the_book_was_lost():
    decoder = Decoder(DYDX, (BTC,))
    decoder.hear(Heard(1, How.OPENED))
    assert hear(decoder, told(2, {}, "v4_blockheight", "subscribed")).asks == ()
    heard = hear(decoder, told(4, {"bids": [["99", "2"]]}))
    assert heard.asks == (Anew("message ids do not follow"),)
    with pytest.raises(DecodeError, match="nothing was asked for"):
        decoder.open = True
        decoder.take(Heard(5, How.REPLY, b"{}", "BTC-USD"))


def test_answers_may_come_late_and_nothing_else():
    numbers = Numbers()
    numbers.asked = 2
    assert numbers.hear(3, False) and not numbers.hole  # 1 and 2 are the answers
    assert numbers.hear(2, True) and numbers.hear(1, True) and not numbers.hole
    assert not numbers.hear(2, False)
    assert numbers.hear(5, False) and numbers.hole


def test_no_hole_is_seen_in_the_count_of_2021(data):
    numbers, n, late = Numbers(), 0, 0
    for line in lines(data / "cryptofeed_ws_raw" / "DYDX.ws.1.0.zst"):
        numbers.asked += b'{"type":"subscribe"' in line
        if found := re.search(rb'"type":"(\w+)","connection_id":"[^"]*","message_id":(\d+)', line):
            late += int(found[2]) < numbers.last
            n += numbers.hear(int(found[2]), found[1] == b"subscribed")
    assert (n, late, numbers.hole, numbers.missing) == (4732, 10, False, set())


def test_a_book_of_which_too_little_is_known_is_subscribed_to_again():
    talk = Talk("dydx", (BTC,), depth=100)
    levels = [(SET, s, 1_000 - s * d, 5, SNAPSHOT) for s in (1, -1) for d in range(1, 200)]
    talk.compare = lambda: None  # while a message is not told whole
    talk.tell(message(START, 0, [(CLEAR, 0, 0, 0, SNAPSHOT), *levels]))
    talk.hear(How.LOST)
    talk.connect()
    assert [len(side) for side in (talk.ours[0].bids, talk.ours[0].asks)] == [100, 100]
    talk.tell(message(START, 0, [(SET, 1, 1_000 - d, 0, 0) for d in range(1, 95)]))
    ours, theirs = talk.ours[0], talk.theirs[0]
    assert talk.ready(0) and [*ours.best(1)] == [*theirs.best(1, 100)]


@pytest.mark.parametrize("seed", range(2))
def test_books_and_trades_are_the_markets_after_every_message(seed):
    told_whole("dydx", TABLE, seed, 60, resets=0.05)


@pytest.mark.parametrize("seeds", [range(3), pytest.param(range(20), marks=pytest.mark.slow)])
def test_what_is_lost_is_seen_and_mended(seeds):
    talks = [told_with_holes("dydx", TABLE, seed, 40, resets=0.02) for seed in seeds]
    assert sum(talk.seen for talk in talks) > len(seeds)


GOOD = (
    told(9, {"bids": [["100", "0"], ["99", "2"]]}),
    told(10, [{"asks": [["101", "1"]]}, {"bids": [["98", "1"]]}], what="channel_batch_data"),
    trade(11, "b"),
    book(12),
    told(13, {"trading": {"BTC-USD": {"status": "PAUSED"}}}, "v4_markets"),
)


@pytest.mark.parametrize(
    "seeds", [range(300), pytest.param(range(100_000), marks=pytest.mark.soak)]
)
def test_mutated_bytes_are_refused_or_understood(seeds):
    survives(Talk("dydx", TABLE), GOOD, seeds)
