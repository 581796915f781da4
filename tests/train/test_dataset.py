"""Rows and labels of a recording, and forecasts over them."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.models import build
from flowsense.testing import Recording
from flowsense.train.dataset import Dataset, forecast, merged, nothing, prepare

SPEC = spec(("ofi", "depth", "flow"))
TARGETS = (Target("mid", 500_000_000), Target("ofi", 1_000_000_000))


@pytest.fixture(scope="module")
def data(instruments, events):
    return prepare(Recording(instruments, events), SPEC, TARGETS)


def test_the_size_of_chunks_changes_nothing(data, instruments, events):
    other = prepare(Recording(instruments, events, 7), SPEC, TARGETS)
    assert other.digest == data.digest and len(data) > 100
    for a, b in zip(data.labels[1:6], other.labels[1:6], strict=True):
        assert np.array_equal(a, b)


def test_other_data_has_another_digest(data, instruments, events):
    other = prepare(Recording(instruments, events[:-100]), SPEC, TARGETS)
    assert other.digest != data.digest


def test_rows_outside_start_and_end_are_never_valid(data, instruments, events):
    start, end = int(data.ts[50]), int(data.ts[150])
    some = prepare(Recording(instruments, events), SPEC, TARGETS, start=start, end=end)
    inside = (some.ts >= start) & (some.ts < end)
    assert not some.labels.valid[~inside].any() and some.labels.valid[inside].any()
    assert some.events < data.events


def test_a_span_without_rows_is_refused(instruments, events):
    with pytest.raises(InputError, match="start and end"):
        prepare(Recording(instruments, events), SPEC, TARGETS, start=1, end=2)


def test_a_stream_without_rows_is_refused(instruments, events):
    with pytest.raises(InputError, match="no row"):
        prepare(Recording(instruments, events[:1]), SPEC, TARGETS)


def test_merged_tapes_hold_the_same_rows(data):
    fewer, more = merged(list(data.tapes), 10**9), merged(list(data.tapes), 1)
    assert len(fewer) == 1 and len(more) >= len(data.tapes)
    for tapes in (fewer, more):
        other = Dataset(SPEC, data.instruments, tapes, data.labels, 0, 0)
        assert other.digest == data.digest


def test_a_forecast_is_silent_outside_its_span(data):
    rule = build("majority").fit(data, data.labels, seed=0, budget=None)
    end = int(data.ts[-1]) - 80_000_000_000
    said = forecast(rule, data, end=end)
    assert said.ready[0].all() and len(said.ready) == len(data)
    none = nothing(TARGETS, 3)
    assert not none.ready.any() and none.proba.sum() == pytest.approx(6)
