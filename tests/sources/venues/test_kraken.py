"""Kraken: worked examples, a market told whole and with holes, its checksums, damaged bytes."""

import random
import re
from functools import partial
from zlib import crc32

import orjson
import pytest
from sources.venues.talk import Talk, market, survives, told_whole, told_with_holes

from flowsense.schema import (
    CLEAR,
    GAP,
    HALT,
    LAST,
    SCROLL,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
    Decimal,
    Instrument,
)
from flowsense.sources.files import blocks
from flowsense.sources.venues import Heard, How, venue
from flowsense.sources.venues.decoder import Decoder
from flowsense.sources.venues.kraken import KrakenDialect, name

BTC = Instrument("BTC/USD", "kraken", Decimal(1, -1), Decimal(1, -8))
TABLE = (BTC, Instrument("SHIB/USD", "kraken", Decimal(1, -8), Decimal(1, -5)))
# the book of "Book checksum (WebSocket v2)" in the documentation: zeros at an end count
BIDS = """45283.5 0.10000000 45283.4 1.54582015 45282.1 0.10000000 45281.0 0.10000000
45280.3 1.54592586 45279.0 0.07990000 45277.6 0.03310103 45277.5 0.30000000
45277.3 1.54602737 45276.6 0.15445238"""
ASKS = """45285.2 0.00100000 45286.4 1.54571953 45286.6 1.54571109 45289.6 1.54560911
45290.2 0.15890660 45291.8 1.54553491 45294.7 0.04454749 45296.1 0.35380000
45297.5 0.09945542 45299.5 0.18772827"""
CHECKSUM = 3310070434


def book(kind, bids, asks, checksum, symbol="BTC/USD", when=""):
    text = f'"symbol":"{symbol}","bids":{levels(bids)},"asks":{levels(asks)},"checksum":{checksum}'
    text += f',"timestamp":"2023-10-06T17:35:55.44029{when}Z"' if when else ""
    return f'{{"channel":"book","type":"{kind}","data":[{{{text}}}]}}'.encode()


def levels(text):
    numbers = text.split()
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return "[" + ",".join(f'{{"price":{price},"qty":{qty}}}' for price, qty in pairs) + "]"


def of(bids, asks):
    digits = (n.replace(".", "").lstrip("0") for n in f"{asks} {bids}".split())
    return crc32("".join(digits).encode())


@pytest.fixture
def decoder():
    found = Decoder(venue("kraken"), TABLE)
    found.hear(Heard(1, How.OPENED))
    return found


@pytest.fixture
def whole(decoder):
    hear(decoder, book("snapshot", BIDS, ASKS, CHECKSUM))
    return decoder


def hear(decoder, body):
    return decoder.hear(Heard(2, How.MESSAGE, body))


def test_the_documented_book_has_the_documented_checksum(decoder):
    told = hear(decoder, book("snapshot", BIDS, ASKS, CHECKSUM))
    assert told.events["action"].tolist() == [CLEAR] + [SET] * 20 and not told.asks
    assert told.events["bits"].tolist() == [SNAPSHOT] * 20 + [SNAPSHOT | LAST]
    assert told.events[["price", "lots"]][1].tolist() == (452835, 10_000_000)


def test_a_level_that_leaves_the_depth_or_comes_back_is_no_flow(whole):
    bids = BIDS.rsplit(maxsplit=2)[0]
    better = f"45283.6 0.50000000 {bids}"
    told = hear(whole, book("update", "45283.6 0.50000000", "", of(better, ASKS)))
    fell, came = told.events
    assert fell[["price", "lots", "bits"]].tolist() == (452766, 0, SCROLL)
    assert came[["price", "lots", "bits"]].tolist() == (452836, 50_000_000, LAST)
    told = hear(whole, book("update", "45283.6 0 45276.6 0.15445238", "", CHECKSUM))
    back, gone = told.events
    assert back[["price", "lots", "bits"]].tolist() == (452766, 15_445_238, SCROLL)
    assert gone[["price", "lots", "bits"]].tolist() == (452836, 0, LAST)


def test_a_wrong_checksum_is_a_hole_until_the_snapshot_that_was_asked_for(whole):
    told = hear(whole, book("update", "45283.5 0.20000000", "", CHECKSUM))
    assert told.events[["action", "bits"]].tolist() == [(CLEAR, GAP)] and len(told.gaps) == 1
    asked = [orjson.loads(ask.text) for ask in told.asks]
    assert [a["method"] for a in asked] == ["unsubscribe", "subscribe"]
    assert {a["params"]["symbol"][0] for a in asked} == {"BTC/USD"}
    assert not len(hear(whole, book("update", "45283.5 0.30000000", "", 1)).events)
    told = hear(whole, book("snapshot", BIDS, ASKS, CHECKSUM + 1))
    assert [type(ask).__name__ for ask in told.asks] == ["Anew"] and not len(told.events)


def test_what_is_heard_again_is_left_out_and_an_old_snapshot_too(decoder):
    first = book("snapshot", BIDS, ASKS, CHECKSUM, when=5)
    now = of("45283.6 0.50000000 " + BIDS.rsplit(maxsplit=2)[0], ASKS)
    more = book("update", "45283.6 0.5", "", now, when=6)
    heard = [len(hear(decoder, body).events) for body in (first, first, more, first, more)]
    assert heard == [21, 0, 2, 0, 0] and decoder.sink.counts["repeated depth"] == 3


@pytest.mark.parametrize("price", ["1e-7", "1.0E-7", "0.0000001", "0.00000010"])
def test_small_prices_and_few_levels_are_checked_however_they_are_written(decoder, price):
    digits = b"10" + b"2500000"  # at 8 places, and 5
    told = hear(decoder, book("snapshot", f"{price} 25", "", crc32(digits), "SHIB/USD"))
    assert told.events[["price", "lots"]][1].tolist() == (10, 2_500_000)
    told = hear(decoder, book("update", f"{price} 0.00", "", 0, "SHIB/USD"))
    assert told.events[["price", "lots", "bits"]].tolist() == [(10, 0, LAST)]


def test_trades_have_the_takers_side_and_halts_are_told(whole):
    trade = {"symbol": "BTC/USD", "side": "sell", "price": 45283.5, "qty": 0.1, "ord_type": "limit"}
    trade |= {"trade_id": 4665906, "timestamp": "2023-09-25T07:49:37.708706Z"}
    told = hear(whole, orjson.dumps({"channel": "trade", "type": "update", "data": [trade]}))
    (e,) = told.events
    assert e[["action", "side", "price", "lots"]].tolist() == (TRADE, -1, 452835, 10_000_000)
    assert (e["ts_event"], e["sequence"]) == (1_695_628_177_708_706_000, 4665906)
    hear(whole, orjson.dumps({"channel": "trade", "type": "snapshot", "data": [trade]}))
    assert whole.sink.counts["trade from before"] == 1
    system = orjson.dumps({"channel": "status", "type": "update", "data": [{"system": "X"}]})
    phases = ("online", []), ("maintenance", [HALT] * 2), ("new", []), ("online", [TRADING] * 2)
    for word, phase in phases:
        told = hear(whole, system.replace(b"X", word.encode()))
        assert told.events["lots"][told.events["action"] == STATUS].tolist() == phase


@pytest.mark.parametrize("seed", range(4))
def test_a_market_is_told_whole(seed):
    told_whole("kraken", TABLE, seed, depth=10, resets=0.02)


@pytest.mark.parametrize("seed", range(8))
def test_a_hole_is_seen_on_the_next_message_and_mended(seed):
    assert told_with_holes("kraken", TABLE, seed, n=60, depth=10, heals=True).seen


def flipped(rng, body):
    """One digit of a price or a size is another; the checksum is as it was."""
    spans = list(re.finditer(rb'"(?:price|qty)":([0-9.]+)', body))
    start, end = rng.choice(spans).span(1)
    at = rng.choice([k for k in range(start, end) if body[k] != ord(".")])
    other = rng.choice([c for c in b"0123456789" if c != body[at]])
    return body[:at] + bytes([other]) + body[at + 1 :]


def good(seed, n):
    """Messages of books as a venue sends them, after what a client has asked for."""
    talk = Talk("kraken", TABLE, 10)
    talk.said = []
    for events in market(seed, n, 2, width=14):
        for said in talk.speaker.tell(events):
            if said.topic.startswith("book/"):
                talk.said.append(said.body)
    return talk.said


def test_a_flipped_digit_is_caught_on_that_message():
    bodies = good(3, 60)
    for seed in range(40):
        rng = random.Random(seed)
        k = rng.randrange(2, len(bodies))
        decoder = Decoder(venue("kraken"), TABLE)
        for body in (None, *bodies[:k]):
            decoder.hear(Heard(1, How.MESSAGE if body else How.OPENED, body or b""))
        told = hear(decoder, flipped(rng, bodies[k]))
        assert [len(told.gaps), told.events["bits"].tolist()] == [1, [GAP]]


def shown(rng, n):
    """n good messages of a book of up to 16 levels a side, of which ten are shown."""
    sides, kind = (dict.fromkeys(range(20, 17, -1), 5), dict.fromkeys(range(21, 24), 5)), "snapshot"
    before = ({}, {})
    for _ in range(n):
        k, lots = rng.randrange(2), rng.choice((0, 0, 1, 70, 300, 1_000, 12_340_000))
        sides[k][rng.randint(5, 20) if k == 0 else rng.randint(21, 36)] = lots
        books = [
            {p: q for p, q in sorted(s.items(), reverse=not j) if q} for j, s in enumerate(sides)
        ]
        now = [dict([*book.items()][:10]) for book in books]
        told = [
            {
                p: book.get(p, 0)
                for p in {**old, **new}
                if new.get(p) != old.get(p) and (p in new or p not in book)
            }
            for book, old, new in zip(books, before, now, strict=True)
        ]
        checksum = crc32("".join(f"{p}{q}" for side in now[::-1] for p, q in side.items()).encode())
        texts = (
            " ".join(
                f"{p}e-8 {q // 10**5}.{q % 10**5:05d}" if p % 2 else f"0.{p:08d} {q}e-5"
                for p, q in side.items()
            )
            for side in told
        )
        yield book(kind, *texts, checksum, "SHIB/USD")
        kind, before = "update", now


@pytest.mark.slow
@pytest.mark.parametrize("n", [20_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_no_checksum_of_good_messages_is_taken_for_a_wrong_one(decoder, n):
    for body in shown(random.Random(4), n):
        hear(decoder, body)
    assert decoder.sink.ready["SHIB/USD"] and decoder.sink.counts == {"book": 1}


def recorded(folder):
    """Version 1 as version 2 would have said it: the numbers, and their checksums, are the same."""
    for block in blocks(folder / "KRAKEN.ws.50.0.zst"):
        for line in block.data.splitlines():
            if line.partition(b": ")[2].startswith(b"["):
                m = orjson.loads(line.partition(b": ")[2])
                parts, symbol = {k: v for d in m[1:-2] for k, v in d.items()}, name(m[-1])
                bids, asks = (
                    " ".join(f"{p} {q}" for p, q, *_ in parts.get(a, parts.get(b, [])))
                    for a, b in (("bs", "b"), ("as", "a"))
                )
                yield symbol, "as" in parts, bids, asks, parts.get("c")


@pytest.mark.slow
def test_every_recorded_checksum_holds(data):
    folder = data / "cryptofeed_ws_raw"
    (line, *_) = b"".join(b.data for b in blocks(folder / "KRAKEN.0.zst")).splitlines()
    messages = [*recorded(folder)]
    symbols = tuple(dict.fromkeys(m[0] for m in messages))
    table = venue("kraken").instruments(symbols, (line[line.index(b"{") :],))
    decoder = Decoder(venue("kraken")._replace(dialect=partial(KrakenDialect, depth=1_000)), table)
    decoder.hear(Heard(1, How.OPENED))
    for symbol, first, bids, asks, checksum in messages:
        top = [" ".join(side.split()[:20]) for side in (bids, asks)]
        kind, found = ("snapshot", of(*top)) if first else ("update", checksum)
        assert not hear(decoder, book(kind, bids, asks, found, symbol)).asks
    assert decoder.sink.counts == {"book": 10} and len(messages) == 4_279


def bodies():
    wide = [book("snapshot", BIDS, ASKS, CHECKSUM), book("update", "45283.5 0.1", "", CHECKSUM)]
    trades = b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell",'
    trades += b'"price":45283.5,"qty":0.1,"trade_id":9,"timestamp":"2023-09-25T07:49:37.708706Z"}]}'
    refused = b'{"error":"Already subscribed","method":"subscribe","success":false}'
    return [*wide, trades, refused, b'{"channel":"heartbeat"}']


def test_damaged_bytes_are_no_more_than_a_decode_error():
    survives(Talk("kraken", TABLE), bodies(), range(300))


@pytest.mark.soak
def test_many_damaged_bytes_are_no_more_than_a_decode_error():
    survives(Talk("kraken", TABLE), bodies(), range(200_000))
