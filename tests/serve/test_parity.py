"""What was served live is what a batch over the recording of it gives, bit for bit."""

import pytest
from serve.parity import alike

from flowsense.replay import speaker
from flowsense.replay.feed import feed
from flowsense.replay.server import Replay
from flowsense.sources.open import open_source
from flowsense.testing.fitted import save

MARKETS = ("spot_*_20240808", "usdm_*_20240808", "usdm_*_20240718", "cm_*_20240808")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("serve") / "model")


def check(files, seconds, data, model, lake):
    """Serves so many seconds of the recordings as their venue."""
    source = open_source(sorted((data / "binance_ws_raw").glob(f"{files}.jsonl.zst")))
    table = source.instruments
    name = table[0].venue
    replay = Replay(feed(source, name), speaker(name)(table), speed=10.0)
    wanted = tuple(f"{name}:{i.symbol}" for i in table)
    _, rows = alike({name: replay}, wanted, model, lake, seconds=seconds / 10)
    assert len(rows) > seconds and {k for _, k, *_ in rows} == {*range(len(table))}


@pytest.mark.slow
@pytest.mark.parametrize("files", MARKETS)
def test_a_live_session_replays_to_the_bit(files, data, model, tmp_path):
    check(files, 20.0, data, model, tmp_path / "lake")


@pytest.mark.soak
@pytest.mark.parametrize("files", MARKETS)
def test_whole_recordings_served_live_replay_to_the_bit(files, data, model, tmp_path):
    check(files, 340.0, data, model, tmp_path / "lake")
