"""Bitfinex: worked examples, its recording, a market told whole and with holes, damaged bytes."""

from zlib import crc32

import numpy as np
import orjson
import pytest
from sources.venues.talk import Talk, market, survives, told_whole, told_with_holes

from flowsense.errors import DecodeError
from flowsense.replay.shelf import Shelf
from flowsense.schema import (
    CLEAR,
    GAP,
    HALT,
    LAST,
    SET,
    STATUS,
    TRADE,
    TRADING,
    Decimal,
    Instrument,
)
from flowsense.sources.files import blocks
from flowsense.sources.venues import Anew, Heard, How, Send, venue
from flowsense.sources.venues.bitfinex import VENUE
from flowsense.sources.venues.decoder import Decoder

TINY = Decimal(1, -8)
TABLE = tuple(Instrument(s, "bitfinex", TINY, TINY, depth=250) for s in ("BTCUSD", "PNKETH"))
TRADES, BOOK = 17001, 17002  # channels


def hear(decoder, text):
    return decoder.hear(Heard(2, How.MESSAGE, text.encode()))


@pytest.fixture
def decoder():
    found = Decoder(venue("bitfinex"), TABLE)
    asks = [orjson.loads(ask.text) for ask in found.hear(Heard(1, How.OPENED)).asks]
    assert asks[0] == {"event": "conf", "flags": 196_608} and len(asks) == 5
    for channel, chan in (("book", BOOK), ("trades", TRADES)):
        event = {"event": "subscribed", "channel": channel, "chanId": chan, "symbol": "tBTCUSD"}
        hear(found, orjson.dumps(event).decode())
    return found


@pytest.fixture
def whole(decoder):
    hear(decoder, f"[{BOOK},[[7254.7,3,3.3],[7254,1,1],[7254.8,2,-0.5]],1]")
    return decoder


def test_a_book_is_levels_by_the_sign_of_their_amount(decoder):
    told = hear(decoder, f"[{BOOK},[[7254.7,3,3.3],[7254,1,1],[7254.8,2,-0.5]],1]")
    assert told.events[["action", "side", "price", "lots"]].tolist() == [
        (CLEAR, 0, 0, 0),
        (SET, 1, 725_470_000_000, 330_000_000),
        (SET, 1, 725_400_000_000, 100_000_000),
        (SET, -1, 725_480_000_000, 50_000_000),
    ]
    for text, wanted in (
        ("[7254.8,1,-5.6e-7]", (-1, 725_480_000_000, 56, LAST)),
        ("[7254.8,0,-1]", (-1, 725_480_000_000, 0, LAST)),
        ("[7254.7,0,1]", (1, 725_470_000_000, 0, LAST)),
    ):
        (e,) = hear(decoder, f"[{BOOK},{text},{decoder.dialect.number + 1}]").events
        assert e[["side", "price", "lots", "bits"]].tolist() == wanted


def test_a_checksum_is_of_the_text_of_the_numbers_best_first_in_turn(whole):
    right = crc32(b"7254.7:3.3:7254.8:-0.5:7254:1")
    assert not hear(whole, f'[{BOOK},"cs",{right - 2**32},2]').asks
    hear(whole, f"[{BOOK},[5e-8,1,1e-7],3]")
    right = crc32(b"7254.7:3.3:7254.8:-0.5:7254:1:5e-8:1e-7")
    assert not hear(whole, f'[{BOOK},"cs",{right},4]').asks
    told = hear(whole, f'[{BOOK},"cs",{right + 1},5]')
    assert told.events[["action", "bits"]].tolist() == [(CLEAR, GAP)]
    assert told.asks == (Send('{"event":"unsubscribe","chanId":17002}'),)
    assert not len(hear(whole, f"[{BOOK},[7254,0,1],6]").events)
    (ask,) = hear(whole, '{"event":"unsubscribed","status":"OK","chanId":17002}').asks
    wanted = {"event": "subscribe", "channel": "book", "symbol": "tBTCUSD"}
    assert orjson.loads(ask.text) == wanted | {"prec": "P0", "freq": "F0", "len": "250"}


def test_a_number_that_is_missing_needs_a_connection_and_one_heard_again_nothing(whole):
    hear(whole, f"[{BOOK},[7254,1,2],2]")
    hear(whole, f"[{BOOK},[7254,1,2],2]")
    assert whole.sink.counts["repeated message"] == 1
    hear(whole, f'[{TRADES},"hb",3]')
    told = hear(whole, '[1,"hb",5]')  # of a channel whose subscription was not answered yet
    assert told.events["bits"].tolist() == [GAP] and isinstance(told.asks[0], Anew)
    assert [(g.since, g.until) for g in told.gaps] == [(2, 5)]


def test_numbers_that_begin_anew_need_a_connection(decoder):
    hear(decoder, f'[{TRADES},"hb",5000]')
    assert isinstance(hear(decoder, f'[{TRADES},"hb",1]').asks[0], Anew)


def test_a_trade_is_told_once_and_maintenance_is_a_halt(whole):
    hear(whole, f"[{TRADES},[[401597393,1574694475039,0.005,7244.9]],2]")
    (e,) = hear(whole, f'[{TRADES},"te",[401597395,1574694478808,-0.005,7245.3],3]').events
    assert e[["action", "side", "lots", "sequence"]].tolist() == (TRADE, -1, 500_000, 401597395)
    assert e["price"] == 724_530_000_000 and e["ts_event"] == 1574694478808_000_000
    assert not len(hear(whole, f'[{TRADES},"tu",[401597395,1574694478808,-0.005,7245.3],4]').events)
    told = hear(whole, '{"event":"info","code":20060,"msg":""}')
    assert told.events[["action", "lots"]].tolist() == [(STATUS, HALT)] * 2
    told = hear(whole, '{"event":"info","code":20061,"msg":""}')
    assert told.events["lots"].tolist()[:2] == [TRADING] * 2 and isinstance(told.asks[0], Anew)


def test_lots_are_coarser_where_orders_are_large_and_sizes_are_rounded_up():
    pairs = [["BTCUSD", [None, None, None, "0.00006"]], ["SHIB:USD", [None, None, None, "200000"]]]
    listed = (orjson.dumps([pairs, [["BTCF0:USTF0", [None, None, None, "0.0001"]]]]),)
    found = VENUE.instruments(("SHIB:USD", "BTCF0:USTF0"), listed)
    assert [(i.tick, i.lot) for i in found] == [(TINY, Decimal(1, -4)), (TINY, TINY)]
    decoder = Decoder(VENUE, found)
    decoder.hear(Heard(1, How.OPENED))
    hear(decoder, '{"event":"subscribed","channel":"book","chanId":1,"symbol":"tSHIB:USD"}')
    told = hear(decoder, "[1,[[0.0000123,1,90071992547.12340001]],1]")
    assert told.events["lots"].tolist() == [0, 900_719_925_471_235]
    with pytest.raises(DecodeError, match="lists no symbol 'X'"):
        VENUE.instruments(("X",), listed)


def recorded(data):
    for block in blocks(data / "cryptofeed_ws_raw" / "BITFINEX.ws.11.0.zst"):
        for line in block.data.splitlines():
            stamp, _, body = line.partition(b": ")
            if body and b" <-" not in stamp:
                yield Heard(int(float(stamp) * 1e9), How.MESSAGE, body)


def slowly(heard):
    """Symbol and side to price to amount, by the present rules of "Order Books"."""
    books, channels, said = {}, {}, 0
    for m in (orjson.loads(h.body) for h in heard):
        if isinstance(m, dict):
            channels |= {m["chanId"]: m["symbol"]} if m.get("channel") == "book" else {}
        elif m[0] in channels and m[1] != "hb":
            symbol, levels = channels[m[0]], m[1] if isinstance(m[1][0], list) else [m[1]]
            for price, count, amount in levels:
                side = books.setdefault((symbol[1:], 1 if amount > 0 else -1), {})
                side.pop(price, None)
                side |= {price: abs(amount)} if count else {}
                said += 1
    return books, said


def test_the_recording_is_seven_whole_books_without_a_hole(data):
    heard = [h for h in recorded(data) if b'"ticker"' not in h.body]
    books, said = slowly(heard)
    table = tuple(Instrument(s, "bitfinex", TINY, TINY) for s in sorted({s for s, _ in books}))
    decoder, shelves = Decoder(VENUE, table), [Shelf(i) for i in table]
    decoder.hear(Heard(1, How.OPENED))
    told = [decoder.hear(h) for h in heard]
    assert not decoder.errors and not any(t.asks or t.gaps for t in told)
    events = np.concatenate([t.events for t in told])
    assert np.bincount(events["action"])[[SET, CLEAR]].tolist() == [said, 7] == [2_926, 7]
    for k, shelf in enumerate(shelves):
        shelf.apply(events[events["instrument"] == k])
        for side in (1, -1):
            found = {round(p / 1e8, 8): round(n / 1e8, 8) for p, n in shelf.best(side)}
            assert found == books[table[k].symbol, side] and len(found) <= 100


@pytest.mark.parametrize("seed", range(4))
def test_a_market_is_told_whole(seed):
    told_whole("bitfinex", TABLE, seed, resets=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_a_hole_is_seen_on_the_next_message_and_mended(seed):
    assert told_with_holes("bitfinex", TABLE, seed, n=40).seen


def test_a_wrong_checksum_is_mended_for_its_book_alone():
    talk = Talk("bitfinex", TABLE)
    for k, events in enumerate(market(5, 60, 2)):
        if k == 30:
            book = next(b for b in talk.decoder.dialect.books.values() if b.symbol == "BTCUSD")
            book.sides[0].put(book.sides[0].prices[-1], None)
        talk.tell(events)
    assert talk.decoder.sink.counts["checksum mismatch"] == 1
    assert talk.seen == 1 and all(map(talk.ready, range(2)))


def bodies():
    first = f"[{BOOK},[[7254.7,3,3.3],[7254,1,1],[7254.8,2,-0.5]],5]"
    texts = [first, f"[{BOOK},[7254,1,2],5]", f'[{TRADES},"te",[4,1574694478808,-0.005,7245.3],5]']
    event = '{"event":"subscribed","channel":"book","chanId":17002,"symbol":"tBTCUSD"}'
    return [t.encode() for t in [*texts, event, '{"event":"info","code":20051,"msg":""}']]


def test_damaged_bytes_are_no_more_than_a_decode_error():
    survives(Talk("bitfinex", TABLE), bodies(), range(300))


@pytest.mark.soak
def test_many_damaged_bytes_are_no_more_than_a_decode_error():
    survives(Talk("bitfinex", TABLE), bodies(), range(200_000))
