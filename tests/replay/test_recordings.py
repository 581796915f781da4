"""Binance's own recordings through sockets: the same bytes, and the same events."""

from math import inf

import numpy as np
import pytest
from replay.venues import followed, heard, served

from flowsense.sources.files import blocks
from flowsense.sources.open import open_source
from flowsense.testing.loop import run

LINES = 2_500
FILES = {
    "spot_ethusdt_20240808": ("binance-spot", "ETHUSDT", "depth@100ms"),
    "usdm_ethusdt_20240718": ("binance-usdm", "ETHUSDT", "depth@0ms"),
    "cm_ethusd_perp_20240808": ("binance-coinm", "ETHUSD_PERP", "depth@0ms"),
}


@pytest.fixture(params=FILES)
def recording(data, tmp_path, request):
    whole = data / "binance_ws_raw" / f"{request.param}.jsonl.zst"
    block = next(blocks(whole, LINES))
    path = tmp_path / "a.jsonl"
    path.write_bytes(block.data)
    return path, FILES[request.param]


@pytest.mark.slow
def test_a_client_of_every_stream_hears_what_was_recorded(recording):
    path, (name, symbol, depth) = recording
    streams = "/".join(f"{symbol.lower()}@{s}" for s in (depth, "trade", "bookTicker"))

    async def main():
        async with served(path, name=name, speed=inf, hang_up=True) as replay:
            return await heard(replay, f"/stream?streams={streams}")

    lines = [line[20:] for line in path.read_bytes().splitlines()]
    assert run(main()) == [line for line in lines if not line.startswith(b'{"lastUpdateId"')]


@pytest.mark.slow
def test_our_connector_tells_the_events_of_the_recording(recording):
    path, (name, symbol, _) = recording
    told = []

    async def main():
        async with served(path, name=name, speed=100.0, hang_up=True) as replay:
            return await followed(replay, symbol, name, told)

    decoder, _, gaps = run(main())
    wanted, found = np.concatenate([*open_source(path)]), np.concatenate(told)
    assert decoder.sink.ready[symbol] and not gaps
    for each in (wanted, found):
        each["ts_recv"] = 0
    assert found.tobytes() == wanted.tobytes()
