"""Every venue whose recorded bytes are read: served, recorded, and replayed to the bit."""

from functools import partial
from urllib.parse import parse_qs, urlsplit

import numpy as np
import orjson
import pytest
from serve.parity import alike
from serve.raw import Raw
from sources.venues import test_bitfinex as bitfinex
from sources.venues import test_kraken as kraken
from sources.venues import test_okx as okx
from sources.venues.crypto_recordings import bodies, heard

from flowsense.replay import speaker
from flowsense.replay.feed import feed
from flowsense.replay.server import Replay
from flowsense.schema import LAST
from flowsense.sources.files import blocks
from flowsense.sources.open import open_source
from flowsense.sources.venues import How, venue
from flowsense.sources.venues.kraken import KrakenDialect
from flowsense.testing.fitted import save

pytestmark = pytest.mark.slow
OLD = "cryptofeed_ws_raw"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("recorded") / "model")


def listing(name, symbols, *found):
    """The bodies by the path that lists each."""
    return dict(zip(venue(name).listing(symbols), found, strict=True))


def of_hyperliquid(data):
    path = data / "binance_ws_raw" / "hyperliquid_btcusd_20250126.jsonl.zst"
    lines = [line.partition(b" ") for block in blocks(path) for line in block.data.splitlines()]
    universe = {"universe": [{"name": "BTC", "szDecimals": 5}]}
    none = {"tokens": [], "universe": []}
    answers = listing("hyperliquid", ("BTC",), *map(orjson.dumps, (universe, none)))
    return ("BTC",), [(int(stamp), body) for stamp, _, body in lines], answers


def of_bitfinex(data):
    said = [h for h in bitfinex.recorded(data) if b'"ticker"' not in h.body]
    books, _ = bitfinex.slowly(said)
    symbols = tuple(sorted({symbol for symbol, _ in books}))
    pairs = [[symbol, [None, None, None, "0.00006"]] for symbol in symbols]
    answers = listing("bitfinex", symbols, orjson.dumps([pairs, []]))
    return symbols, [(h.ts_recv, h.body) for h in said], answers


def of_okx(data):
    replies = okx.unpacked(data / OLD / "OKX.0.zst").splitlines()
    listed = [r.partition(b": ")[2] for r in replies if b"instType=OPTION" not in r[:90]][:3]
    symbols = ("BTC-USDT", "UNI-USD-SWAP", "BTC-USD-220527")
    said = [(ts, orjson.dumps(json)) for ts, json in okx.recorded(data)]
    return symbols, said, listing("okx", symbols, *listed)


def of_gate(data):
    pairs = {pair["id"]: pair for pair in orjson.loads(bodies(data / OLD / "GATEIO.0.zst")[0])}
    symbols, said, replies = told(data, "GATEIO")
    found = (orjson.dumps(pairs[symbol]) for symbol in symbols)
    return symbols, said, listing("gate", symbols, *found) | replies


def of_kucoin(data):
    listed = orjson.loads(bodies(data / OLD / "KUCOIN.0.zst")[0])["data"]
    pairs = {pair["symbol"]: orjson.dumps({"code": "200000", "data": pair}) for pair in listed}
    symbols, said, replies = told(data, "KUCOIN")
    found = (pairs[symbol] for symbol in symbols)
    return symbols, said, listing("kucoin", symbols, *found) | replies


def told(data, name):
    """Symbols, messages, and the snapshot of each symbol."""
    lines = [h for h in heard(data / OLD, name) if h.how is not How.OPENED]
    replies = {h.key: h.body for h in lines if h.how is How.REPLY}
    said = [(h.ts_recv, h.body) for h in lines if h.how is How.MESSAGE]
    return tuple(sorted(replies)), said, replies


def of_kraken(data):
    """Version 1 as version 2 would have said it, two symbols of ten."""
    folder = data / OLD
    (line, *_) = b"".join(b.data for b in blocks(folder / "KRAKEN.0.zst")).splitlines()
    messages, said = [*kraken.recorded(folder)], []
    symbols = tuple(dict.fromkeys(m[0] for m in messages))[:2]
    for k, (symbol, first, bids, asks, checksum) in enumerate(messages):
        top = [" ".join(side.split()[:20]) for side in (bids, asks)]
        kind, found = ("snapshot", kraken.of(*top)) if first else ("update", checksum)
        if symbol in symbols:
            said.append((k * 4_000_000, kraken.book(kind, bids, asks, found, symbol)))
    return symbols, said, listing("kraken", symbols, line[line.index(b"{") :])


def answer(answers, path, server):
    """The whole path, or what stands behind its last `=`: a symbol."""
    if path.startswith("/api/v1/bullet-public"):
        place = {"endpoint": server.stream, "pingInterval": 18_000}
        return orjson.dumps({"code": "200000", "data": {"token": "t", "instanceServers": [place]}})
    asked = parse_qs(urlsplit(path).query)
    symbol = (asked.get("symbol") or asked.get("currency_pair") or [""])[0]
    return answers.get(path) or answers.get(symbol)


VENUES = {
    "hyperliquid": of_hyperliquid,
    "bitfinex": of_bitfinex,
    "okx": of_okx,
    "gate": of_gate,
    "kucoin": of_kucoin,
    "kraken": of_kraken,
}


def check(name, data, model, lake, monkeypatch, seconds):
    deep = venue("kraken")._replace(dialect=partial(KrakenDialect, depth=1_000))
    monkeypatch.setattr("flowsense.sources.venues.kraken.VENUE", deep)  # as it was recorded
    symbols, said, answers = VENUES[name](data)
    begun = said[0][0]
    said = [one for one in said if one[0] < begun + seconds * 1e9]
    raw = Raw(said, partial(answer, answers))
    named = tuple(f"{name}:{symbol}" for symbol in symbols)
    seconds = (said[-1][0] - begun) / 1e9 + 1.0
    pipeline, rows = alike({name: raw}, named, model, lake, seconds=seconds)
    (one,) = pipeline.session.feeds
    whole = {k for k, symbol in enumerate(symbols) if one.decoder.sink.ready[symbol]}
    assert one.decoder.errors == [] and {k for _, k, *_ in rows} == whole
    return one, len(said)


@pytest.mark.parametrize("name", VENUES)
def test_recorded_bytes_of_a_venue_replay_to_the_bit(name, data, model, tmp_path, monkeypatch):
    one, said = check(name, data, model, tmp_path / "lake", monkeypatch, 4.0)
    assert one.connections == 1 and one.decoder.sink.counts["gap"] == 0 and one.messages >= said


@pytest.mark.soak
@pytest.mark.parametrize("name", VENUES)
def test_whole_recordings_of_a_venue_replay_to_the_bit(name, data, model, tmp_path, monkeypatch):
    """Where a pair is silent for 10 s the connection is made anew: it begins again."""
    check(name, data, model, tmp_path / "lake", monkeypatch, 31.0)


def test_two_venues_in_one_pipeline_replay_to_the_bit(data, model, tmp_path):
    symbols, said, answers = of_okx(data)
    source = open_source(sorted((data / "binance_ws_raw").glob("usdm_*_20240718.jsonl.zst")))
    name, table = "binance-usdm", source.instruments
    venues = {
        "okx": Raw(said, partial(answer, answers)),
        name: Replay(feed(source, name), speaker(name)(table)),
    }
    wanted = (*(f"okx:{s}" for s in symbols), *(f"{name}:{i.symbol}" for i in table))
    pipeline, rows = alike(venues, wanted, model, tmp_path / "lake", seconds=8.0)
    assert {i.venue for i in open_source([tmp_path / "lake"]).instruments} == {"okx", name}
    events = np.concatenate(list(open_source([tmp_path / "lake"])))
    turns = np.diff(events["instrument"][events["bits"] & LAST > 0] < len(symbols)).sum()
    assert len(pipeline.session.feeds) == 2 and turns > 100  # they speak at the same time
    assert {k for _, k, *_ in rows} == {*range(len(wanted))}
