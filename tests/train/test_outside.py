"""Forecasts made elsewhere get the scores they deserve, or one sentence."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.testing import Recording
from flowsense.train.dataset import prepare
from flowsense.train.outside import load, score

H = 500_000_000
SPEC = spec(("depth",))


@pytest.fixture(scope="module")
def source(instruments, events):
    return Recording(instruments, events)


@pytest.fixture(scope="module")
def truth(source):
    return prepare(source, SPEC, (Target("mid", H),))


def table(truth, p_up, shift=0):
    n = len(truth)
    symbols = np.array([i.symbol for i in truth.instruments])[truth.instrument]
    return {
        "ts": pa.array(truth.ts + shift),
        "instrument": pa.array(symbols.tolist()),
        "target": pa.array(["mid"] * n),
        "horizon_ns": pa.array([H] * n),
        "p_down": pa.array(0.9 - p_up),
        "p_flat": pa.array(np.full(n, 0.1)),
        "p_up": pa.array(p_up),
    }


def write(path, columns):
    pq.write_table(pa.table(columns), path)
    return path


def knowing(truth):
    """P(up) of a forecaster that knows what comes."""
    return np.where(truth.labels.y[:, 0] == 2, 0.8, np.where(truth.labels.y[:, 0] == 0, 0.1, 0.45))


@pytest.mark.slow
def test_a_forecaster_that_knows_scores_one_and_a_coin_a_half(tmp_path, source, truth):
    path = write(tmp_path / "oracle.parquet", table(truth, knowing(truth)))
    found = score(path, source).models["oracle"]["mid@500ms"]
    assert found.accuracy == 1.0 and found.n > 30
    coin = write(tmp_path / "coin.parquet", table(truth, np.full(len(truth), 0.45)))
    assert score(coin, source).models["coin"]["mid@500ms"].accuracy == 0.5


def test_times_off_the_grid_are_labelled_at_their_own_time(tmp_path, source, truth):
    path = write(tmp_path / "late.parquet", table(truth, knowing(truth), shift=H))
    found = score(path, source).models["late"]["mid@500ms"]
    assert found.accuracy < 0.9


def test_nulls_that_read_the_market_stand_beside_on_the_grid_alone(tmp_path, source, truth):
    for name, shift, beside in (("grid", 0, True), ("between", 7, False)):
        path = write(tmp_path / f"{name}.parquet", table(truth, knowing(truth), shift=shift))
        found = score(path, source)
        assert ("vote" in found.models[name]["mid@500ms"].nulls) == beside
        assert any("only constant nulls" in w for w in found.warnings) != beside
        assert any("first 20%" in w for w in found.warnings)


def test_rows_of_the_first_share_are_not_scored(tmp_path, source, truth):
    path = write(tmp_path / "f.parquet", table(truth, knowing(truth)))
    few, many = (score(path, source, share=s).models["f"]["mid@500ms"].n for s in (0.9, 0.1))
    assert few < many


BROKEN = {
    "column 'p_up' is missing": lambda c: c.pop("p_up"),
    "row 3: .* no probabilities": lambda c: c.update(p_up=pa.array(spoiled(c["p_up"], np.nan))),
    "sum to 1": lambda c: c.update(p_up=pa.array(spoiled(c["p_up"], 0.99))),
    "two forecasts of the same": lambda c: c.update(
        ts=pa.array([c["ts"][0].as_py()] * len(c["ts"]))
    ),
    "instrument 'Z'": lambda c: c.update(
        instrument=pa.array([{"A": "Z"}.get(x, x) for x in c["instrument"].to_pylist()])
    ),
    "row 3: ts is blank": lambda c: c.update(ts=blanked(c["ts"])),
    "row 3: horizon_ns is blank": lambda c: c.update(horizon_ns=blanked(c["horizon_ns"])),
    "at most 366 days": lambda c: c.update(horizon_ns=pa.array([2**62] * len(c["ts"]))),
    "wrong type": lambda c: c.update(ts=pa.array(["soon"] * len(c["ts"]))),
    "not finite": lambda c: c.update(value=pa.array(spoiled(c["p_up"], np.inf))),
    "times": lambda c: c.update(ts=pa.array(np.asarray(c["ts"]) + 10**17)),
}


def spoiled(column, value):
    x = np.array(column)
    x[2] = value
    return x


def blanked(column):
    return pa.array([None if k == 2 else x for k, x in enumerate(column.to_pylist())])


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_table_that_is_no_forecast_is_refused(sentence, tmp_path, source, truth):
    columns = table(truth, knowing(truth))
    BROKEN[sentence](columns)
    path = write(tmp_path / "bad.parquet", columns)
    with pytest.raises(InputError, match=sentence):
        score(path, source)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "text.parquet").write_text("no")
    for name, sentence in (("none.parquet", "no such file"), ("text.parquet", "not a readable")):
        with pytest.raises(InputError, match=sentence):
            load(tmp_path / name)
    columns = {name: pa.array([], pa.float64()) for name in ("ts", "p_down", "p_flat", "p_up")}
    columns |= {name: pa.array([], pa.string()) for name in ("instrument", "target")}
    empty = write(tmp_path / "empty.parquet", columns | {"horizon_ns": pa.array([], pa.int64())})
    with pytest.raises(InputError, match="holds no forecast"):
        load(empty)


def test_a_share_outside_its_range_is_refused(tmp_path, source):
    with pytest.raises(InputError, match="share"):
        score(tmp_path / "x.parquet", source, share=1.0)
