"""Rows on disk are the rows in memory, bit for bit, however often their making was interrupted."""

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.schema import SECOND
from flowsense.store.events import write_events
from flowsense.train import preparing
from flowsense.train.dataset import forecast, prepare
from flowsense.train.prepared import Prepared, is_prepared
from flowsense.train.preparing import prepare_rows
from flowsense.train.read import read

TARGETS = tuple(map(Target.parse, ("mid@500ms", "ofi@1s", "smoothed@2s")))
FAMILIES = ("ofi", "depth", "flow")
CLOCKS = ("interval:100ms", "events:20")


@pytest.fixture(scope="module")
def recording(tmp_path_factory, source):
    path = tmp_path_factory.mktemp("prepared") / "events.parquet"
    write_events(path, source.instruments, source)
    return read(path, families=FAMILIES, clocks=CLOCKS)


@pytest.fixture(scope="module")
def memory(recording):
    return prepare(recording.source, recording.spec, TARGETS)


@pytest.fixture(scope="module")
def folder(recording, tmp_path_factory):
    out = tmp_path_factory.mktemp("rows") / "rows"
    prepare_rows(recording, TARGETS, out, least=200)
    return out


def ensure_equal(disk, memory):
    """The same rows of every clock, labels and quotes."""
    assert disk.digest == memory.digest and len(disk) == len(memory)
    for a, b in zip(disk.labels[1:6], memory.labels[1:6], strict=True):
        assert a.dtype == b.dtype and np.array_equal(a, b)
    for clock in range(len(CLOCKS)):
        for name in memory.tapes[0].rows[clock]._fields:
            a, b = (
                np.concatenate([getattr(tape.rows[clock], name) for tape in data])
                for data in (disk, memory)
            )
            assert a.dtype == b.dtype and a.tobytes() == b.tobytes(), name
    assert disk.told.tobytes() == memory.told.tobytes() and len(disk.told) > 0
    assert np.array_equal(disk.mid, memory.mid)
    assert np.array_equal(disk.instrument, memory.instrument)


def test_rows_on_disk_are_those_in_memory(folder, memory):
    disk = Prepared(folder)
    assert len(list(disk)) > 5 and "Prepared rows" in repr(disk)
    ensure_equal(disk, memory)


def test_a_span_of_rows_is_found_by_its_time(folder, memory):
    disk, (start, end) = Prepared(folder), memory.ts[[800, 900]]
    for data in (disk, memory):
        found = list(data.between(int(start), int(end)))
        for first, tape in found:
            ts = tape.rows[0].ts
            assert ts[-1] >= start and ts[0] < end
            assert np.array_equal(ts, data.ts[first : first + len(ts)])
        assert found[0][0] <= 800 and found[-1][0] + len(found[-1][1].rows[0].ts) >= 900
    assert len(list(disk.between(int(start), int(end)))) < len(list(disk))


@pytest.mark.parametrize(
    "least", [200, *(pytest.param(k, marks=pytest.mark.slow) for k in (50, 10**9))]
)
def test_events_that_are_kept_lie_before_the_rows_they_lay_before(
    least, recording, memory, source, tmp_path
):
    every = np.concatenate(list(source))
    disk = prepare_rows(recording, TARGETS, tmp_path / "rows", events=True, least=least)
    held = prepare(recording.source, recording.spec, TARGETS, events=True)
    for data in (disk, held):
        tapes = list(data)
        assert data.holds_events and data.digest == memory.digest
        assert np.concatenate([t.events for t in tapes]).tobytes() == every.tobytes()
        before = np.cumsum([0, *(len(t.events) for t in tapes)])
        for clock in range(len(CLOCKS)):
            counted = [t.rows[clock].event + n for t, n in zip(tapes, before, strict=False)]
            expected = [t.rows[clock].event for t in memory.tapes]
            assert np.array_equal(np.concatenate(counted), np.concatenate(expected))


def test_rows_without_events_hold_none(folder, memory):
    for data in (Prepared(folder), memory):
        assert not data.holds_events
        assert all(len(tape.events) == 0 for tape in data)


@pytest.mark.slow
def test_a_model_fits_and_says_the_same_on_either(folder, memory):
    from flowsense.model import Budget
    from flowsense.models import build

    said = []
    for data in (Prepared(folder), memory):
        directed = data.labels.of(np.array([True, True, False]))
        model = build("antisymmetric", most=500).fit(data, directed, seed=1, budget=Budget())
        said.append(forecast(model, data).proba.tobytes())
    assert said[0] == said[1]


def test_bounds_are_those_of_rows_in_memory(recording, memory, tmp_path):
    start, end = (int(ts) for ts in memory.ts[[300, 900]])
    disk = prepare_rows(recording, TARGETS, tmp_path / "rows", start=start, end=end, least=200)
    ensure_equal(disk, prepare(recording.source, recording.spec, TARGETS, start=start, end=end))


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.mark.slow
@pytest.mark.parametrize("seals", [2, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 5))])
def test_what_was_sealed_is_not_made_again(seals, recording, memory, tmp_path, monkeypatch):
    monkeypatch.setattr(preparing, "SEALED", 1)
    done, reported = list[int](), list[int]()

    def die(stage, events, total):
        done.append(events)
        if len(done) > seals:  # the first call says where it begins
            raise Killed

    with pytest.raises(Killed):
        prepare_rows(recording, TARGETS, tmp_path / "rows", least=200, progress=die)
    assert not (tmp_path / "rows").exists()
    disk = prepare_rows(
        recording,
        TARGETS,
        tmp_path / "rows",
        least=200,
        progress=lambda stage, events, total: reported.append(events),
    )
    assert reported[0] == done[-1] > 0 and reported == sorted(set(reported))
    ensure_equal(disk, memory)
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]


def test_what_is_there_is_taken_and_what_differs_is_named(recording, folder):
    before = (folder / "manifest.json").stat().st_mtime_ns
    prepare_rows(recording, TARGETS, folder)
    assert (folder / "manifest.json").stat().st_mtime_ns == before and is_prepared(folder)
    with pytest.raises(InputError, match=r"rows: was made with targets .* ask for the same"):
        prepare_rows(recording, TARGETS[:1], folder)
    with pytest.raises(InputError, match="made with start 0, not 5000000000"):
        prepare_rows(recording, TARGETS, folder, start=5 * SECOND)


def test_a_folder_of_something_else_is_left_alone(recording, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="holds something that is no rows"):
        prepare_rows(recording, TARGETS, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep" and not is_prepared(tmp_path)


def test_rows_that_cannot_be_trusted_are_refused(recording, tmp_path):
    with pytest.raises(InputError, match="is no folder of rows"):
        Prepared(tmp_path / "none")
    prepare_rows(recording, TARGETS, tmp_path / "rows")
    with (tmp_path / "rows/manifest.json").open("ab") as file:
        file.write(b" ")
    with pytest.raises(InputError, match=r"manifest.json is damaged"):
        Prepared(tmp_path / "rows")


def test_nothing_to_learn_from_is_refused(recording, tmp_path):
    with pytest.raises(InputError, match="no row lies between start and end"):
        prepare_rows(recording, TARGETS, tmp_path / "rows", start=1, end=2)


def test_columns_are_those_of_features(folder):
    disk = Prepared(folder)
    assert disk.spec == spec(FAMILIES, CLOCKS)
    assert np.load(folder / "rows/1/X.npy", mmap_mode="r").shape[1] == len(disk.spec.columns)
