"""Binance live: the decoder that a socket feeds gives the events of the recording, bit for bit."""

import numpy as np
import orjson
import pytest

from flowsense.schema import CLEAR, GAP, LAST, SECOND, SNAPSHOT
from flowsense.sources.binance import open as recorded
from flowsense.sources.files import blocks
from flowsense.sources.venues import Get, Heard, How, venue
from flowsense.sources.venues.decoder import Decoder

FILES = {
    "spot_btcusdt_20240808": "binance-spot",
    "spot_ethusdt_20240808": "binance-spot",
    "usdm_btcusdt_20240808": "binance-usdm",
    "usdm_ethusdt_20240808": "binance-usdm",
    "usdm_btcusdt_20240718": "binance-usdm",
    "usdm_ethusdt_20240718": "binance-usdm",
    "cm_btcusd_perp_20240808": "binance-coinm",
    "cm_ethusd_perp_20240808": "binance-coinm",
}


def heard(path, symbol):
    """The lines of a recording as a socket would have given them."""
    yield Heard(0, How.OPENED)
    for block in blocks(path):
        for line in block.data.splitlines():
            stamp, _, body = line.partition(b" ")
            reply = body.startswith(b'{"lastUpdateId"')
            yield Heard(int(stamp), How.REPLY if reply else How.MESSAGE, body, symbol * reply)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_live_decoder_gives_the_events_of_the_recording(data, name):
    path = data / "binance_ws_raw" / f"{name}.jsonl.zst"
    (source,) = recorded([path])
    decoder = Decoder(venue(FILES[name]), source.instruments)
    live = [decoder.hear(h).events for h in heard(path, source.instruments[0].symbol)]
    assert np.concatenate(live).tobytes() == np.concatenate(list(source)).tobytes()


def depth(first, last, bids=(("100.1", "2"),), **more):
    d = {"e": "depthUpdate", "E": 1723161255208, "s": "BTCUSDT", "U": first, "u": last}
    return orjson.dumps(
        {"stream": "btcusdt@depth@100ms", "data": d | {"b": [*map(list, bids)], "a": []} | more}
    )


def shot(last, bids=(("100", "1"),)):
    return orjson.dumps({"lastUpdateId": last, "bids": [*map(list, bids)], "asks": [["101", "3"]]})


LISTED = orjson.dumps(
    {
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "filters": [
                    {"filterType": "PRICE_FILTER", "tickSize": "0.10000000"},
                    {"filterType": "LOT_SIZE", "stepSize": "0.00100000"},
                ],
            }
        ]
    }
)


@pytest.fixture
def decoder():
    spot = venue("binance-spot")
    found = Decoder(spot, spot.instruments(("BTCUSDT",), (LISTED,)))
    found.hear(Heard(1, How.OPENED))
    return found


def test_a_snapshot_is_asked_for_once_and_again_where_it_is_too_old(decoder):
    asks = [decoder.hear(Heard(2, How.MESSAGE, depth(k, k))).asks for k in (11, 12)]
    wanted = Get("BTCUSDT", "/api/v3/depth?symbol=BTCUSDT&limit=1000")
    assert asks == [(wanted,), ()]
    assert decoder.hear(Heard(3, How.REPLY, shot(9), "BTCUSDT")).asks == (wanted,)
    told = decoder.hear(Heard(4, How.REPLY, shot(11), "BTCUSDT"))
    assert told.asks == () and told.events["price"].tolist() == [0, 1000, 1010, 1001]


def test_a_hole_is_seen_on_the_next_message_and_closed_by_a_snapshot(decoder):
    for body, key in ((depth(11, 11), ""), (shot(10), "BTCUSDT"), (depth(12, 12), "")):
        decoder.hear(Heard(5, How.REPLY if key else How.MESSAGE, body, key))
    told = decoder.hear(Heard(6, How.MESSAGE, depth(14, 15)))
    assert told.events["bits"].tolist() == [GAP] and told.events["action"].tolist() == [CLEAR]
    assert [(g.since, g.until, g.ts) for g in told.gaps] == [(12, 14, 6)] and len(told.asks) == 1
    told = decoder.hear(Heard(7, How.REPLY, shot(14), "BTCUSDT"))
    assert told.events["bits"].tolist() == [SNAPSHOT, SNAPSHOT, SNAPSHOT | LAST, LAST]


def test_a_snapshot_that_updates_never_reach_is_asked_for_again(decoder):
    decoder.hear(Heard(2, How.MESSAGE, depth(11, 11)))
    assert decoder.hear(Heard(3, How.REPLY, shot(9_000), "BTCUSDT")).asks == ()
    assert decoder.hear(Heard(4 * SECOND, How.MESSAGE, depth(12, 12))).asks == ()
    (wanted,) = decoder.hear(Heard(6 * SECOND, How.MESSAGE, depth(13, 13))).asks
    told = decoder.hear(Heard(7 * SECOND, How.REPLY, shot(12), wanted.key))
    assert decoder.sink.ready["BTCUSDT"] and len(told.events) == 4


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", depth(13, 12), depth(12, 12, [("1e5", "1")]), depth(12, 12, s="X")]
)
def test_what_cannot_be_understood_loses_the_connection_and_tells_nothing(decoder, body):
    decoder.hear(Heard(5, How.MESSAGE, depth(11, 11)))
    decoder.hear(Heard(5, How.REPLY, shot(10), "BTCUSDT"))
    told = decoder.hear(Heard(6, How.MESSAGE, body))
    assert told.events["bits"].tolist() == [GAP] and type(told.asks[0]).__name__ == "Anew"
    assert len(decoder.hear(Heard(7, How.MESSAGE, depth(12, 12))).events) == 0
