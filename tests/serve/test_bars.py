"""Models that read bars, on venues that tell them: served, recorded, and replayed to the bit."""

import numpy as np
import pytest
from serve.parity import alike
from serve.raw import Databento

from flowsense.replay import speaker
from flowsense.replay.databento import Recording
from flowsense.replay.feed import Messages, feed
from flowsense.replay.server import Replay
from flowsense.schema import SECOND, Decimal, Instrument
from flowsense.serve.config import PipelineConfig
from flowsense.serve.monitor import Monitor
from flowsense.serve.pipeline import InferencePipeline
from flowsense.sources import chunks
from flowsense.sources.open import open_source
from flowsense.testing.fitted import save
from flowsense.testing.streams import Recording as Memory
from flowsense.testing.toy import by_level, by_order
from flowsense.wall import pause

pytestmark = pytest.mark.slow
FAMILIES = ("bars", "depth", "ofi")
KEY = "db-0123456789abcdefghijklmnopqrst"
MINUTES = "2024-07-01T23-58_2024-07-02T00-02", "2024-07-01T23-40_2024-07-02T00-10"


@pytest.fixture(scope="module", params=["interval:100ms"])
def model(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("bars") / "model"
    return save(folder, families=FAMILIES, clocks=(request.param,))


def known(pipeline, rows, column="bar_ret"):
    """Of each row, whether it has the column."""
    at = pipeline.loaded.decisions.engine.fold.spec.columns.index(column)
    return [row[3][at] for row in rows]


def kept(lake):
    return np.concatenate([chunk.bars for chunk in chunks(open_source([lake]))])


def test_candles_beside_the_books_of_binance(data, model, tmp_path):
    source = open_source(sorted((data / "binance_ws_raw").glob("spot_*_20240808.jsonl.zst")))
    name, lake = "binance-spot", tmp_path / "lake"
    replay = Replay(feed(source, name), speaker(name)(source.instruments), speed=10.0)
    symbols = tuple(f"{name}/1s:{i.symbol}" for i in source.instruments)
    pipeline, rows = alike({f"{name}/1s": replay}, symbols, model, lake)
    found = known(pipeline, rows)
    assert 20 < len(kept(lake)) <= 40 and not found[0] and sum(found) > len(rows) / 2


def test_a_queue_that_is_always_full_drops_no_bar(data, model, tmp_path):
    source = open_source(sorted((data / "binance_ws_raw").glob("spot_ethusdt_20240808.jsonl.zst")))
    name, found = "binance-spot", []
    for queue in (40, 100_000):
        replay = Replay(feed(source, name), speaker(name)(source.instruments), speed=10.0)
        lake, named = tmp_path / f"{queue}", (f"{name}/1s:ETHUSDT",)
        pipeline, _ = alike({f"{name}/1s": replay}, named, model, lake, seconds=1.0, queue=queue)
        found.append(kept(lake))
        assert (pipeline.session.turns.inbox.conflations > 5) == (queue == 40)
    assert len(found[0]) > 5 and found[0].tobytes() == found[1].tobytes()


def test_another_model_that_takes_over_knows_the_bars_before(data, model, tmp_path):
    source = open_source(sorted((data / "binance_ws_raw").glob("spot_ethusdt_20240808.jsonl.zst")))
    name, other = "binance-spot", save(tmp_path / "other", 2, FAMILIES)
    replay = Replay(feed(source, name), speaker(name)(source.instruments), speed=10.0)

    async def work(pipeline):
        for place in (other, model, other):
            await pause(0.7)
            assert (await pipeline.reload(place)).accepted
        pipeline.loaded.decisions.engine.model = None  # it fails, and the one before it serves
        await pause(0.7)

    symbols = (f"{name}/1s:ETHUSDT",)
    pipeline, rows = alike({f"{name}/1s": replay}, symbols, model, tmp_path / "lake", work=work)
    found = known(pipeline, rows)
    assert len(pipeline.session.serving.models) == 5 and all(found[found.index(True) :])


def test_seconds_of_massive_alone(model, tmp_path, monkeypatch):
    monkeypatch.setenv("MASSIVE_API_KEY", KEY)
    events, name = by_level(by_order(3_000, 3, 0)), "massive-stocks-1s"
    for clock in ("ts_recv", "ts_event"):
        events[clock] += 3 * (events[clock] - events[clock][0])
    table = (Instrument("MSFT", name, Decimal(1, -4), Decimal(1, 0), depth=1),)
    replay = Replay(Messages(Memory(table, events)), speaker(name)(table), speed=10.0)
    pipeline, rows = alike({name: replay}, (f"{name}:MSFT",), model, tmp_path / "lake")
    assert len(kept(tmp_path / "lake")) > 5 and sum(known(pipeline, rows)) > 5


def session(folder):
    """Quotes of four minutes, and each bar before the first of them after its end."""
    quotes, bars = (
        Recording(folder / f"futures_{kind}_{minutes}.dbn.zst")
        for kind, minutes in zip(("mbp-1", "ohlcv-1m"), MINUTES, strict=True)
    )
    each = [
        (int.from_bytes(record[8:16], "little") + late, record.tobytes())
        for told, size, late in ((bars, 56, 60 * SECOND), (quotes, 80, 0))
        for record in np.frombuffer(told.records, np.uint8).reshape(-1, size)
    ]
    begun = int.from_bytes(quotes.records[8:16], "little")
    quotes.records = b"".join(r for ts, r in sorted(each, key=lambda one: one[0]) if ts > begun)
    return quotes


@pytest.mark.parametrize("model", ["events:20"], indirect=True)
def test_minutes_beside_the_touch_of_databento(data, model, tmp_path, monkeypatch):
    monkeypatch.setenv("DATABENTO_API_KEY", KEY)
    told = session(data / "dbn/nautilus/historical_bars_catalog/databento")
    other = Recording(data / "dbn/databento-python/GLBX.MDP3/test_data.definition.dbn.zst")
    definition = other.head + other.records.replace(b"ESH1", b"ESU4")
    name, lake = "databento/GLBX.MDP3/mbp-1+ohlcv-1m", tmp_path / "lake"
    venues = {name: Databento(told, KEY, definition)}
    pipeline, rows = alike(venues, (f"{name}:ESU4",), model, lake, seconds=1.0)
    assert len(kept(lake)) > 10 and sum(known(pipeline, rows)) > len(rows) / 2


def test_what_is_measured_bears_the_name_of_the_venue(tmp_path):
    config = PipelineConfig(tmp_path, ("binance-spot/1s:BTCUSDT",))
    monitor = Monitor(InferencePipeline(config))
    monitor.metrics.resynced({"binance-spot": 3})
    assert 'resyncs_total{venue="binance-spot"} 3' in str(monitor.metrics.render())
