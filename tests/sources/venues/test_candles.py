"""Candles beside a book: what is closed is a bar, what runs is nothing yet."""

import orjson
import pytest

from flowsense.errors import InputError
from flowsense.replay import Client, speaker
from flowsense.schema import EVENT, LAST, MILLISECOND, TRADE, Decimal, Instrument, zeros
from flowsense.sources.venues import Heard, How, venue
from flowsense.sources.venues.decoder import Decoder

TABLE = (Instrument("BTCUSDT", "binance-spot", Decimal(1, -1), Decimal(1, -3)),)
OPENED = 1_723_161_240_000  # ms


def candle(**more):
    k = {"t": OPENED, "T": OPENED + 59_999, "s": "BTCUSDT", "i": "1m", "n": 3, "x": True}
    k |= {"o": "100.1", "h": "100.9", "l": "100.0", "c": "100.5", "v": "0.250"}
    return orjson.dumps({"stream": "btcusdt@kline_1m", "data": {"e": "kline", "k": k | more}})


@pytest.fixture
def hear():
    decoder = Decoder(venue("binance-spot/1m"), TABLE)
    decoder.hear(Heard(1, How.OPENED))
    return lambda body, ts=2: (decoder.hear(Heard(ts, How.MESSAGE, body)), decoder.sink.counts)


def test_a_closed_candle_is_a_bar_known_when_it_was_heard(hear):
    told, _ = hear(candle(), ts=77)
    bar = (OPENED * MILLISECOND, 77, 1001, 1009, 1000, 1005, 250, 3, 0)
    assert told.bars.tolist() == [bar] and not len(told.events)


def test_a_candle_that_runs_is_no_bar_however_often_it_is_told(hear):
    for n in range(5):
        told, _ = hear(candle(x=False, c="100.9", n=n))
        assert not len(told.bars) and not told.gaps
    assert len(hear(candle())[0].bars) == 1


def test_a_closed_candle_that_is_told_again_is_left_out(hear):
    hear(candle())
    told, counts = hear(candle(c="100.6"))
    assert not len(told.bars) and counts["repeated bar"] == 1


@pytest.mark.parametrize(
    "wrong", [{"x": 1}, {"x": "true"}, {"h": "100.4"}, {"c": "100.55"}, {"o": "NaN"}, {"s": "ETH"}]
)
def test_a_candle_that_cannot_be_is_refused(hear, wrong):
    told, counts = hear(candle(**wrong))
    assert not len(told.bars) and counts["malformed message"] == 1


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("binance-spot/7m", "length '7m' is unknown: known are 1s, 1m"),
        ("binance-usdm/1s", "name binance-usdm/1m"),
        ("okx/1m", "candles of okx are not read: name okx alone"),
        ("binance-spto/1m", "did you mean binance-spot"),
    ],
)
def test_candles_that_there_are_not_are_refused_in_one_sentence(name, why):
    with pytest.raises(InputError, match=why):
        venue(name)


def test_candles_are_heard_on_the_address_of_the_trades():
    spot, futures = venue("binance-spot/1s"), venue("binance-usdm/5m")
    assert spot.path(("BTCUSDT",)).endswith("btcusdt@trade/btcusdt@kline_1s")
    assert futures.path(("BTCUSDT",)) == "/public/stream?streams=btcusdt@depth@0ms"
    assert futures.beside(("BTCUSDT",)).endswith("=btcusdt@trade/btcusdt@kline_5m")


def test_a_served_venue_tells_candles_of_its_trades(hear):
    served, client = speaker("binance-spot")(TABLE), Client()
    served.connected(client, "/stream?streams=btcusdt@kline_1m")
    said, bars = [], []
    for second, price in ((1, 1001), (30, 1009), (59, 1000), (61, 1003), (130, 1004)):
        event = zeros(EVENT, 1)
        event["ts_event"] = event["ts_recv"] = (OPENED + 1_000 * second) * MILLISECOND
        event["action"], event["bits"], event["price"], event["lots"] = TRADE, LAST, price, 5
        said += [s for s in served.tell(event) if s.topic in client.topics]
    for one in said:
        bars += hear(served.frame(client, one))[0].bars.tolist()
    assert [bar[2:8] for bar in bars] == [(1001, 1009, 1000, 1000, 15, 3), (1003,) * 4 + (5, 1)]
    assert len(said) == 5 + 2
