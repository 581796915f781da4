"""What a run would take, told from its start, against what it did take."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.simulate.market import Market, simulate
from flowsense.store.events import write_events
from flowsense.train.dataset import prepare
from flowsense.train.estimate import SAID, First, estimate, hearing
from flowsense.train.read import read

TARGETS = (Target("mid", 10**9),)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    made = simulate(Market.tiny(), 900, 1)
    path = tmp_path_factory.mktemp("estimate") / "events.parquet"
    write_events(path, made.instruments, [made.events])
    return read(path, families=("depth", "ofi"))


@pytest.fixture(scope="module")
def whole(recording):
    return prepare(recording.source, recording.spec, TARGETS)


def test_a_short_recording_is_counted(recording, whole):
    found = estimate(recording, TARGETS)
    assert (found.share, found.events, found.rows) == (1.0, whole.events, len(whole))
    assert found.seconds > 0 and found.bytes > whole.X.nbytes


def test_the_start_tells_the_size_of_the_rest(recording, whole):
    found = estimate(recording, TARGETS, seconds=0.0)
    assert 0 < found.share < 1
    assert found.events == pytest.approx(whole.events, rel=0.1)
    assert found.rows == pytest.approx(len(whole), rel=0.3)


def test_what_was_read_is_a_start(recording):
    first = First(recording, 0.0)
    read_of = np.concatenate(list(first))
    whole = np.concatenate(list(recording.source))
    assert np.array_equal(read_of, whole[: len(read_of)])
    assert first.share == pytest.approx(len(read_of) / len(whole))
    assert first.instruments == recording.instruments


def test_a_start_without_rows_is_read_on_and_nothing_at_all_is_refused(tmp_path, recording):
    path = tmp_path / "events.parquet"
    events = next(iter(recording.source))[:1]
    write_events(path, recording.instruments, [events])
    with pytest.raises(InputError, match="1 events give no row"):
        estimate(read(path, families=("depth", "ofi")), TARGETS, seconds=0.0)


@pytest.mark.slow
def test_compressed_text_is_told_by_its_bytes(data):
    recording = read(data / "lobster" / "GOOG*", families=("depth", "ofi"))
    found = estimate(recording, TARGETS, seconds=0.0)
    assert 0 < found.share < 0.9
    assert found.events == pytest.approx(183_313, rel=0.25)  # all that the files hold
    assert found.rows == pytest.approx(179_998, rel=0.4)  # the morning is busier


@pytest.mark.slow
def test_without_a_position_all_is_read(data, monkeypatch):
    monkeypatch.setattr("flowsense.train.estimate.Position.share", lambda _: None)
    recording = read(data / "lobster" / "GOOG*", families=("depth", "ofi"))
    found = estimate(recording, TARGETS, seconds=0.0)
    assert (found.share, found.events, found.rows) == (1.0, 183_313, 179_998)


@pytest.mark.slow
def test_an_ensemble_takes_by_the_rows_that_choose_it():
    """A twentieth of 100,000 rows is 5,000; 3 models and it say something of 120,000."""
    few, many = (hearing(3, TARGETS, n, 20_000) for n in (1_000, 100_000))
    assert 0 < few.seconds < many.seconds
    assert many.bytes == 120_000 * 4 * SAID
