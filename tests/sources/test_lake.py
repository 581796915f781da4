"""What went into the lake comes out of it, bit for bit, whole or in part."""

import numpy as np
import pytest
from lakes import (
    A,
    B,
    bars,
    fill,
    joined,
    observations,
    pieces,
    read,
    same,
    two_days,
)

from flowsense.schema import LAST, Chunk
from flowsense.sources import chunks
from flowsense.sources.ingest import ingest
from flowsense.sources.lake import Lake, aligned
from flowsense.sources.open import open_source


@pytest.fixture
def lake(tmp_path):
    events = two_days()
    fill(tmp_path / "lake", pieces(events))
    return tmp_path / "lake", events


def test_a_stream_over_midnight_is_read_bit_equal(lake):
    folder, events = lake
    for _ in range(2):
        assert np.concatenate(list(Lake(folder))).tobytes() == events.tobytes()
    assert Lake(folder).instruments == (A, B)
    assert len(Lake(folder).files) == 4


def test_chunks_end_with_a_whole_message(lake):
    assert all(chunk["bits"][-1] & LAST for chunk in Lake(lake[0]))


def test_bars_and_observations_come_back_with_the_events(tmp_path):
    told = Chunk(two_days(), bars(20), observations(9))
    fill(
        tmp_path,
        list(aligned(iter([told[0][:700], told[0][700:]]), iter([told[1]]), iter([told[2]]))),
        kinds=("fear",),
    )
    assert same(read(tmp_path), told)
    assert Lake(tmp_path).kinds == ("fear",)


@pytest.mark.parametrize(
    "names",
    [
        ["lobster/GOOG_2012-06-21_34200000_52200000_message_10.csv.zst"],
        [
            "lobster/GOOG_2012-06-21_34200000_52200000_message_10.csv.zst",
            "lobster/AMZN_2012-06-21_34200000_52200000_message_5.csv.zst",
        ],
        [
            "binance_ws_raw/usdm_btcusdt_20240718.jsonl.zst",
            "binance_ws_raw/usdm_btcusdt_20240719.jsonl.zst",
            "binance_ws_raw/spot_ethusdt_20240808.jsonl.zst",
        ],
    ],
    ids=["lobster", "merged", "binance"],
)
@pytest.mark.slow
def test_recordings_are_read_bit_equal(data, tmp_path, names):
    paths = [data / name for name in names]
    list(ingest(paths, tmp_path))
    source, lake = open_source(paths), open_source(tmp_path)
    assert lake.instruments == source.instruments
    assert same(joined(chunks(lake)), joined(chunks(source)))
