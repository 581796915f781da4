"""Several sources as one stream, in the order in which a person may rely on it."""

import doctest
from itertools import pairwise

import numpy as np
import pytest
from markets import L2, L3

import flowsense
import flowsense.train.stream
from flowsense.errors import InputError
from flowsense.schema import EVENT
from flowsense.sources.merge import Merged
from flowsense.store.events import write_events
from flowsense.testing import Recording, tape_of
from flowsense.testing.toy import by_level, by_order

FAST = {"families": ("ofi", "spread"), "clocks": ("interval:100ms",)}


class Listed(Recording):
    files = ()


@pytest.fixture
def sources():
    a, b = by_order(800, 1), by_level(by_order(800, 2))
    return Listed((L3,), a, 70), Listed((L2,), b, 90)


@pytest.fixture
def both(sources):
    return flowsense.Stream.of(Merged(sources), **FAST)


def test_the_example_in_the_docstring():
    found = doctest.testmod(flowsense.train.stream)
    assert found.attempted > 5 and not found.failed


def test_every_event_is_heard_once_in_order_of_receive_time(both, sources):
    heard = []
    both.on_events(lambda events: heard.append(events.copy()))
    both.run()
    got = np.concatenate(heard)
    assert (np.diff(got["ts_recv"]) >= 0).all()
    for who, source in enumerate(sources):
        mine = got[(got["instrument"] == who) & (got["bits"] & 4 == 0)]
        assert mine["sequence"].tolist() == source.events["sequence"].tolist()


def test_a_row_is_told_after_what_it_holds_and_before_what_it_does_not(both):
    told = []
    both.on_events(lambda events: told.append(("events", events["ts_recv"].copy())))
    both.on_rows(lambda rows: told.append(("rows", rows.ts)))
    both.run()
    assert sum(kind == "rows" for kind, _ in told) > 50
    for (a, before), (b, after) in pairwise(told):
        if (a, b) == ("events", "rows"):
            assert before[-1] < after[0]
        if (a, b) == ("rows", "events"):
            assert (after >= before[0]).all()


def test_rows_are_those_of_the_merged_whole(both, sources):
    rows = []
    both.on_rows(rows.append)
    both.run()
    events = np.concatenate(list(Merged(sources))).view(EVENT)
    want = tape_of(both.spec, both.instruments, events).rows[0]
    assert np.concatenate([r.X for r in rows]).tobytes() == want.X.tobytes()
    assert all(len(set(r.ts.tolist())) == 1 for r in rows)


def test_what_a_callback_raises_ends_the_stream(both):
    @both.on_rows
    def fails(rows):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        both.run()
    heard = sum(s.events for s in both.statistics)
    assert 0 < heard < 1_600


def test_two_passes_are_the_same(both):
    first = both.run()
    assert both.run() == first and [s.events for s in first] == [800, 801]


def test_statistics_are_known_at_every_moment(both):
    seen = [sum(s.events for s in both.statistics) for _ in both]
    assert seen == sorted(seen) and seen[-1] == 1_601


def test_paths_and_their_options(tmp_path):
    write_events(tmp_path / "a.parquet", (L3,), [by_order(300, 1)])
    (summary,) = flowsense.Stream(tmp_path / "a.parquet", **FAST).run()
    assert (summary.symbol, summary.events) == ("A", 300)
    with pytest.raises(InputError, match="no such file"):
        flowsense.Stream(tmp_path / "b.parquet")


def test_bars_and_observations_are_heard(tmp_path):
    (tmp_path / "bars.csv").write_text("ts,open,high,low,close\n0,1,2,1,2\n60,2,3,1,3\n")
    (tmp_path / "vix.csv").write_text("ts,known,vix\n1,2,20.5\n50,61,21.5\n")
    stream = flowsense.Stream([tmp_path / "bars.csv", tmp_path / "vix.csv"], **FAST)
    bars, values = [], []
    stream.on_bars(lambda told: bars.extend(told["close"].tolist()))
    stream.on_observations(lambda told: values.extend(told["value"].tolist()))
    (summary,) = (s for s in stream.run() if s.events)
    assert bars == [2, 3] and values == [20.5, 21.5] and summary.mid == 3.0
