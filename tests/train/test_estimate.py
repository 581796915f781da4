"""What a run would take, told from its start, against what it did take."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.simulate.market import Market, simulate
from flowsense.store.events import write_events
from flowsense.train.dataset import prepare
from flowsense.train.estimate import First, counted, estimate
from flowsense.train.read import read

TARGETS = (Target("mid", 10**9),)


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    made = simulate(Market.tiny(), 240, 1)
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
    (chunk,) = first
    events = next(iter(recording.source))
    assert np.array_equal(chunk, events) and first.instruments == recording.instruments
    assert first.share == counted(recording, len(events)) > 0


def test_a_start_without_rows_is_read_on_and_nothing_at_all_is_refused(tmp_path, recording):
    path = tmp_path / "events.parquet"
    events = next(iter(recording.source))[:1]
    write_events(path, recording.instruments, [events])
    with pytest.raises(InputError, match="1 events give no row"):
        estimate(read(path, families=("depth", "ofi")), TARGETS, seconds=0.0)
