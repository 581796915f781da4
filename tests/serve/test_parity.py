"""What was served live is what a batch over the recording of it gives, bit for bit."""

import numpy as np
import pytest

from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.feed import feed
from flowsense.replay.server import Replay
from flowsense.schema import EVENT
from flowsense.serve.config import PipelineConfig
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import Bench, push
from flowsense.sources.open import open_source
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.wall import pause


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("serve") / "model")


async def served(source, model, lake, seconds):
    """All predictions of a pipeline that heard the source through its venue's protocol."""
    table = source.instruments
    name = table[0].venue
    async with Replay(feed(source, name), speaker(name)(table), speed=10.0) as venue:
        config = PipelineConfig(
            *(model, tuple(f"{name}:{i.symbol}" for i in table)),
            addresses={name: Address(venue.stream, venue.rest)},
            record=lake,
            aside=False,
        )
        pipeline, told = InferencePipeline(config), []
        pipeline.on_prediction(told.append)
        await pipeline.start()
        await pause(seconds / 10)
        await pipeline.stop()
        return pipeline, told


def batch(pipeline, lake, pieces):
    """The same of the recording, cut elsewhere."""
    found = open_source([lake])
    bench = Bench(found.instruments, pipeline.config.settings)
    loaded = bench.load(pipeline.config.model, 0)
    events = np.concatenate(list(found)).view(EVENT)
    told = []
    for part in np.array_split(events, pieces):
        for one in push(loaded.decisions, part.view(EVENT)):
            risk, version = loaded.decisions.risk, loaded.about.version
            told += predictions(one, found.instruments, risk, len(told) + 1, version)
    return told


@pytest.fixture
def alike(data, model, tmp_path):
    """Serves the recordings of a name for some seconds of the stream, and compares."""

    def check(name, seconds):
        source = open_source(sorted((data / "binance_ws_raw").glob(f"{name}.jsonl.zst")))
        pipeline, told = run(served(source, model, tmp_path / "lake", seconds))
        assert pipeline.told == len(told) > seconds
        assert {p.symbol for p in told} == {i.symbol for i in source.instruments}
        assert batch(pipeline, tmp_path / "lake", 97) == told

    return check


MARKETS = ("spot_*_20240808", "usdm_*_20240808", "usdm_*_20240718", "cm_*_20240808")


@pytest.mark.slow
@pytest.mark.parametrize("name", MARKETS)
def test_a_live_session_replays_to_the_bit(alike, name):
    alike(name, 20.0)


@pytest.mark.soak
@pytest.mark.parametrize("name", MARKETS)
def test_whole_recordings_served_live_replay_to_the_bit(alike, name):
    alike(name, 340.0)
