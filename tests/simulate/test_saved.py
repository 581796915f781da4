import json

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.simulate.saved import load_truth, save
from flowsense.store.events import read_events, read_instruments


def test_events_and_truth_come_back(small, tmp_path):
    save(small, tmp_path / "sim")
    path = tmp_path / "sim" / "events.parquet"
    assert read_instruments(path) == small.instruments
    events = np.concatenate(list(read_events(path, 3)))
    assert events.tobytes() == small.events.tobytes()
    truth = load_truth(tmp_path / "sim")
    assert (truth.market, truth.seconds, truth.seed) == small.truth[:3]
    for ours, theirs in zip(
        (*truth.hawkes, *truth[4:8]), (*small.truth.hawkes, *small.truth[4:8]), strict=True
    ):
        assert np.array_equal(ours, theirs)


def test_the_settings_can_be_read_by_a_person(small, tmp_path):
    save(small, tmp_path)
    said = json.loads((tmp_path / "truth.json").read_text())
    assert said["seed"] == 3 and said["market"]["leads"][0]["lag_ns"] == 400_000_000
    assert said["market"]["latent"]["volatility"] == [0.2, 0.4, 0.8]


def test_a_folder_of_other_things_is_not_replaced(small, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="holds something that is not a simulation"):
        save(small, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_what_is_no_truth_is_named(small, tmp_path):
    with pytest.raises(InputError, match="no truth of a simulation"):
        load_truth(tmp_path)
    save(small, tmp_path / "sim")
    (tmp_path / "sim" / "truth.json").write_text('{"market": {}}')
    with pytest.raises(InputError, match="sim: no truth"):
        load_truth(tmp_path / "sim")
