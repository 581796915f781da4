"""Recordings in people's hands: tables of other libraries, one tick for all."""

import numpy as np
import polars as pl
import pytest

import flowsense
from flowsense.errors import InputError
from flowsense.store.events import write_events
from flowsense.train.read import hashes


@pytest.fixture(scope="module")
def path(tmp_path_factory, instruments, events):
    file = tmp_path_factory.mktemp("read") / "toy.parquet"
    write_events(file, instruments, [events])
    return file


@pytest.fixture(scope="module")
def reader(path):
    return flowsense.read(path, families=("ofi", "orders"), clocks=("interval:1s",))


def test_tables_hold_nulls_where_rows_are_masked(reader):
    rows, frame = reader.rows(), reader.to_polars()
    assert isinstance(frame, pl.DataFrame) and frame.columns[2:] == list(reader.spec.columns)
    assert frame["ts"].cast(pl.Int64).to_list() == rows.ts.tolist()
    assert set(frame["instrument"].cast(pl.String)) == {"A", "B"}
    nulls = frame.select(reader.spec.columns).null_count().sum_horizontal()[0]
    assert nulls == (~rows.valid).sum() > 0


def test_numpy_holds_nan_there(reader):
    X, rows = reader.to_numpy(), reader.rows()
    assert np.array_equal(np.isnan(X), ~rows.valid)
    assert np.array_equal(X[rows.valid], rows.X[rows.valid])


def test_every_pass_gives_the_same_rows_and_events(reader, events):
    assert reader.to_numpy().tobytes() == reader.to_numpy().tobytes()
    assert np.concatenate(list(reader.events())).tobytes() == events.tobytes()


def test_it_says_what_it_is(reader):
    columns = len(reader.spec.columns)
    assert repr(reader) == f"<Recording of A, B: {columns} columns, interval:1s>"


def test_files_are_hashed_by_name(path):
    (name, digest), *rest = hashes((path,)).items()
    assert name == "toy.parquet" and len(digest) == 64 and not rest


def test_what_cannot_be_read_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        flowsense.read(tmp_path / "none.parquet")


def test_the_face_is_loaded_by_name():
    assert set(flowsense.__all__) <= set(dir(flowsense))
    assert flowsense.Target.parse("mid@1s").horizon_ns == 10**9
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        flowsense.nothing  # noqa: B018
