"""Hyperliquid live: whole views turned into what differs, its own recording, and random markets."""

import random
from collections import Counter
from decimal import Decimal as Exact

import numpy as np
import orjson
import pytest
from sources.venues.talk import START, Talk, market, survives

from flowsense.errors import DecodeError
from flowsense.replay.shelf import Shelf
from flowsense.schema import BEAT, CLEAR, LAST, SCROLL, SET, SNAPSHOT, TRADE, Decimal, Instrument
from flowsense.sources.files import blocks
from flowsense.sources.venues import Heard, How, Send, venue
from flowsense.sources.venues.decoder import Decoder

PERPS = (
    b'{"universe":[{"name":"BTC","szDecimals":5,"maxLeverage":40},{"name":"kPEPE","szDecimals":0}]}'
)
SPOTS = orjson.dumps(
    {
        "universe": [{"name": "@107", "tokens": [1, 0], "index": 107}],
        "tokens": [
            {"name": "USDC", "szDecimals": 8, "index": 0},
            {"name": "HYPE", "szDecimals": 2, "index": 1},
        ],
    }
)
HYPERLIQUID = venue("hyperliquid")
BTC = Instrument("BTC", "hyperliquid", Decimal(1, -1), Decimal(1, -5), depth=20)
NAMES = {CLEAR: "CLEAR", SET: "SET", TRADE: "TRADE", BEAT: "BEAT"}
TABLE = (BTC, Instrument("@107", "hyperliquid", Decimal(1, -6), Decimal(1, -2), depth=20))


def view(time, bids, asks, coin="BTC"):
    levels = [[{"px": p, "sz": s, "n": 1} for p, s in side] for side in (bids, asks)]
    return orjson.dumps(
        {"channel": "l2Book", "data": {"coin": coin, "time": time, "levels": levels}}
    )


def trades(*rows):
    return orjson.dumps(
        {
            "channel": "trades",
            "data": [
                {"coin": "BTC", "side": s, "px": p, "sz": q, "time": t, "hash": "0x0", "tid": i}
                for s, p, q, t, i in rows
            ],
        }
    )


def rows(events):
    return [(int(e["action"]), int(e["price"]), int(e["lots"]), int(e["bits"])) for e in events]


@pytest.fixture
def decoder():
    found = Decoder(HYPERLIQUID, (BTC,))
    found.hear(Heard(1, How.OPENED))
    return found


def hear(decoder, body):
    return rows(decoder.hear(Heard(5, How.MESSAGE, body)).events)


def test_ticks_and_lots_are_what_the_decimals_allow():
    symbols = ("@107", "BTC", "kPEPE")
    found = HYPERLIQUID.instruments(symbols, (PERPS, SPOTS))
    assert [(i.tick, i.lot) for i in found] == [
        (Decimal(1, -6), Decimal(1, -2)),
        (Decimal(1, -1), Decimal(1, -5)),
        (Decimal(1, -6), Decimal(1, 0)),
    ]
    with pytest.raises(DecodeError, match="lists no symbol 'DOGE'"):
        HYPERLIQUID.instruments(("DOGE",), (PERPS, SPOTS))


def test_each_coin_is_subscribed_to_by_itself():
    told = Decoder(HYPERLIQUID, (BTC,)).hear(Heard(1, How.OPENED))
    assert told.asks == tuple(
        Send(f'{{"method":"subscribe","subscription":{{"type":"{what}","coin":"BTC"}}}}')
        for what in ("l2Book", "trades")
    )


def test_a_view_is_told_by_what_differs_from_the_one_before(decoder):
    first = hear(decoder, view(1000, [("100.0", "1.5")], [("101.0", "2.0")]))
    assert first == [(CLEAR, 0, 0, 2), (SET, 1000, 150000, 2), (SET, 1010, 200000, SNAPSHOT | LAST)]
    second = hear(decoder, view(1500, [("100.0", "1.5"), ("99.9", "1")], [("101.5", "2.0")]))
    assert second == [(SET, 999, 100000, 0), (SET, 1010, 0, 0), (SET, 1015, 200000, LAST)]
    assert hear(decoder, view(2000, [("100.0", "1.5"), ("99.9", "1")], [("101.5", "2.0")])) == [
        (BEAT, 0, 0, 0)
    ]


def test_a_level_pushed_out_of_the_twenty_has_not_left_the_market(decoder):
    deep = [(f"{100 - k}.0", "1.0") for k in range(20)]
    hear(decoder, view(1000, deep, []))
    better = hear(decoder, view(1500, [("100.5", "1.0"), *deep[:19]], []))
    assert better == [(SET, 810, 0, SCROLL), (SET, 1005, 100000, LAST)]
    back = hear(decoder, view(2000, deep, []))
    assert back == [(SET, 810, 100000, SCROLL), (SET, 1005, 0, LAST)]


def test_numbers_with_an_exponent_are_counted_like_others(decoder):
    first = hear(decoder, view(1000, [("1e2", "1e-5")], []))
    assert first[1:] == [(SET, 1000, 1, SNAPSHOT | LAST)]
    assert hear(decoder, trades(("B", "1.001E2", "1e0", 1001, 7))) == [(TRADE, 1001, 100000, 1)]


def test_views_that_come_again_or_late_are_left_out(decoder):
    hear(decoder, view(1000, [("100.0", "1.5")], []))
    assert hear(decoder, view(1000, [("100.0", "1.5")], [])) == []
    assert hear(decoder, view(999, [("100.0", "2.5")], [])) == []
    assert decoder.sink.counts["repeated depth"] == decoder.sink.counts["late depth"] == 1


def test_trades_of_the_past_are_left_out_and_others_told_once(decoder):
    hear(decoder, view(1000, [("100.0", "1.5")], []))
    bought, sold = ("B", "101.0", "0.5", 1001, 7), ("A", "100.0", "0.25", 1002, 3)
    assert hear(decoder, trades(("B", "99.0", "1.0", 900, 9), bought)) == [(TRADE, 1010, 50000, 1)]
    assert hear(decoder, trades(bought, sold)) == [(TRADE, 1000, 25000, 1)]
    counts = decoder.sink.counts
    assert counts["trade of the past"] == counts["repeated trade"] == 1


def test_its_own_recording_gives_every_view_and_every_trade(data):
    path = data / "binance_ws_raw" / "hyperliquid_btcusd_20250126.jsonl.zst"
    lines = [line.partition(b" ") for block in blocks(path) for line in block.data.splitlines()]
    decoder, shelf, found = Decoder(HYPERLIQUID, (BTC,)), Shelf(BTC), Counter[str]()
    decoder.hear(Heard(0, How.OPENED))
    for stamp, _, body in lines:
        events, json = decoder.hear(Heard(int(stamp), How.MESSAGE, body)).events, orjson.loads(body)
        shelf.apply(events)
        found.update(NAMES[a] for a in events["action"].tolist())
        found["SCROLL"] += int(np.count_nonzero(events["bits"] & SCROLL))
        if json["channel"] == "l2Book":
            for side, levels in zip((1, -1), json["data"]["levels"], strict=True):
                shown = [(Exact(one["px"]) * 10, Exact(one["sz"]) * 100_000) for one in levels]
                assert [*shelf.best(side)] == shown
    assert decoder.errors == [] and decoder.sink.counts["trade of the past"] == 30
    assert found == {"CLEAR": 1, "SET": 339, "TRADE": 34, "SCROLL": 22}


@pytest.mark.parametrize(
    ("how", "body", "why"),
    [
        (How.MESSAGE, b'{"channel":"error","data":"Already subscribed"}', "Already subscribed"),
        (How.MESSAGE, view(1000, [("100.0", "1"), ("100", "2")], []), "stands twice"),
        (How.MESSAGE, view(1000, [], [], "X"), "was not asked for"),
        (How.REPLY, b"{}", "nothing was asked for"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_told(decoder, how, body, why):
    with pytest.raises(DecodeError, match=why):
        decoder.take(Heard(5, how, body, "BTC"))
    assert decoder.sink.n == 0


def slowly(seed, n):
    """So that each message is of a block whose book is told."""
    for k, events in enumerate(market(seed, n, 2, width=30)):
        events["ts_event"] = events["ts_recv"] = START + k * 500_000_000
        yield events


@pytest.mark.parametrize("seed", range(5))
def test_books_and_trades_are_the_markets_after_every_block(seed):
    talk = Talk("hyperliquid", TABLE, depth=20)
    for events in slowly(seed, 60):
        talk.tell(events)
    assert all(map(talk.ready, range(2))) and not talk.decoder.errors
    assert talk.trades == talk.truth and len(talk.truth) > 5


@pytest.mark.parametrize("seed", range(10))
def test_what_was_lost_is_healed_by_the_next_view(seed):
    rng, talk = random.Random(seed), Talk("hyperliquid", TABLE, depth=20)
    for k, events in enumerate(slowly(seed, 40)):
        if k > 1 and rng.random() < 0.3:  # on the way
            talk.theirs[events["instrument"][0]].apply(events)
            talk.speaker.tell(events)
        else:
            talk.tell(events)
    assert talk.trades == talk.truth and not talk.decoder.errors


def test_who_connects_again_leaves_out_the_trades_of_the_past():
    talk = Talk("hyperliquid", TABLE, depth=20)
    for k, events in enumerate(slowly(3, 60)):
        if k == 30:
            talk.hear(How.LOST)
            talk.connect()
        talk.tell(events)
    assert talk.trades == talk.truth and talk.decoder.sink.counts["trade of the past"] > 5


GOOD = (
    view(1000, [("100.0", "1.5"), ("99.0", "1")], [("101.0", "2.0")]),
    trades(("B", "99.0", "1.0", 2000, 9), ("A", "101.0", "0.5", 2000, 10)),
    b'{"channel":"subscriptionResponse","data":{"method":"subscribe"}}',
)


@pytest.mark.parametrize(
    "seeds", [range(300), pytest.param(range(100_000), marks=pytest.mark.soak)]
)
def test_mutated_bytes_are_refused_or_understood(seeds):
    survives(Talk("hyperliquid", TABLE, depth=20), GOOD, seeds)
