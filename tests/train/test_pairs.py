"""Files of forecasts are joined row by row, and refused where they are not of one world."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq
import pytest

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.train.config import RunConfig
from flowsense.train.pairs import pair, side, told
from flowsense.train.run import run

TARGETS = (Target("mid", 500_000_000), Target("magnitude", 10**9))


def file(saved, model):
    return saved / "forecasts" / f"{model}.parquet"


def edited(path, to, **columns):
    """The same file with some columns changed or (None) left out."""
    table = pq.read_table(path)
    for name, change in columns.items():
        if change is None:
            table = table.drop_columns(name)
        else:
            place = table.column_names.index(name)
            table = table.set_column(place, name, change(table[name]))
    pq.write_table(table, to)
    return to


def test_scores_are_those_of_the_run(saved):
    found = pair(file(saved, "antisymmetric"), file(saved, "imbalance"))
    metrics = json.loads((saved / "metrics.json").read_bytes())["models"]
    assert list(found["targets"]) == ["magnitude@1s", "mid@500ms"]
    for letter, model in (("a", "antisymmetric"), ("b", "imbalance")):
        cells, own = found["targets"]["mid@500ms"]["cells"], metrics[model]["mid@500ms"]
        assert found["targets"]["mid@500ms"]["n"] == own["n"]
        for name in ("accuracy", "side_balanced", "log_loss"):
            assert cells[name][letter] == pytest.approx(own[name], rel=1e-6)
        assert cells["coverage@0.25"][letter] == pytest.approx(own["coverage"]["0.25"])
        mae = found["targets"]["magnitude@1s"]["cells"]["mae"][letter]
        assert mae == pytest.approx(metrics[model]["magnitude@1s"]["mae"], rel=1e-6)


def test_neither_the_order_of_lines_nor_of_files_decides(saved, tmp_path):
    a, b = file(saved, "antisymmetric"), file(saved, "imbalance")
    table = pq.read_table(a)
    order = np.random.default_rng(0).permutation(len(table))
    pq.write_table(table.take(order), tmp_path / "logistic.parquet")
    found, other = (pair(of, b)["targets"] for of in (a, tmp_path / "logistic.parquet"))
    assert found == other
    turned = pair(b, a)["targets"]
    for target, one in found.items():
        for name, cell in one["cells"].items():
            assert cell["difference"] == -turned[target]["cells"][name]["difference"]


def test_a_run_stands_for_its_chosen_model(saved):
    chosen = json.loads((saved / "metrics.json").read_bytes())["chosen"]
    found = side(saved)
    assert (found.model, found.path) == (chosen, file(saved, chosen))
    assert side(found.path).run is None


@pytest.mark.slow
def test_every_path_of_both_is_compared(source, tmp_path):
    config = RunConfig(("vote",), targets=TARGETS, validation="cpcv:3/2", embargo_ns=0)
    run(source, config).save(tmp_path / "paths")
    path = tmp_path / "paths/forecasts/vote.parquet"
    found, lines = pair(path, path), pq.read_metadata(path).num_rows
    one = found["targets"]["mid@500ms"]
    assert found["common"] < lines and found["common"] == found["a"]["rows"]
    assert set(told(path, None)["path"].to_list()) == {0, 1}
    assert one["cells"]["accuracy"]["difference"] == 0
    assert 2 * sum(t["rows"] for t in found["targets"].values()) == found["common"]


def test_only_common_rows_are_compared(saved, tmp_path):
    table = pq.read_table(file(saved, "imbalance"))
    pq.write_table(table.slice(0, table.num_rows // 3), tmp_path / "part.parquet")
    found = pair(file(saved, "antisymmetric"), tmp_path / "part.parquet")
    assert found["common"] == found["b"]["rows"] < found["a"]["rows"]
    assert found["left_out"] == ["magnitude@1s: only A forecasts it"]


def test_what_came_may_be_looked_up_in_the_recording(saved, tmp_path, source):
    path = file(saved, "imbalance")
    bare = edited(path, tmp_path / "bare.parquet", y=None, move=None, known_at=None, fold=None)
    found = pair(bare, path, prices=source)
    assert found["common"] == found["a"]["rows"] == found["b"]["rows"]
    for one in found["targets"].values():
        assert all(c["difference"] == pytest.approx(0, abs=1e-9) for c in one["cells"].values())


def test_what_came_must_be_known(saved, tmp_path):
    path = file(saved, "imbalance")
    bare = edited(path, tmp_path / "bare.parquet", y=None)
    with pytest.raises(InputError, match="does not say what came: name the recording with --pri"):
        pair(path, bare)


def test_forecasts_of_another_recording_are_refused(saved, tmp_path):
    path = file(saved, "imbalance")
    other = edited(
        path,
        tmp_path / "other.parquet",
        y=lambda y: pa.compute.subtract(2.0, y),
    )
    with pytest.raises(InputError, match="not the same came: compare forecasts of one recording"):
        pair(path, other)


@pytest.mark.parametrize("column", ["ts", "instrument", "target", "horizon_ns"])
def test_no_common_row_is_refused(saved, tmp_path, column):
    change = {
        "ts": lambda x: pa.array(x.cast(pa.int64()).to_numpy() + 1).cast(x.type),
        "instrument": lambda x: pa.array(["OTHER"] * len(x)),
        "target": lambda x: pa.array(["ofi"] * len(x)),
        "horizon_ns": lambda x: pa.array(x.to_numpy() + 1),
    }
    path = file(saved, "imbalance")
    if column == "target":
        only = pq.read_table(path).filter(pa.compute.field("horizon_ns") == 500_000_000)
        path = tmp_path / "mid.parquet"
        pq.write_table(only, path)
    other = edited(path, tmp_path / "other.parquet", **{column: change[column]})
    with pytest.raises(InputError, match="no row in common") as refused:
        pair(path, other)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "no run, it has no metrics.json"),
        (b"{", "is damaged"),
        (b"[]", "not of schema 1"),
        (b'{"schema": 1}', "not of schema 1"),
        (b'{"schema": 1, "chosen": "gone"}', "no such file, though the run chose gone"),
    ],
)
def test_folders_that_are_no_runs_are_refused(tmp_path, content, why):
    if content is not None:
        (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(InputError, match=why):
        side(tmp_path)


def test_files_that_are_no_forecasts_are_refused(saved, tmp_path):
    path = file(saved, "imbalance")
    with pytest.raises(InputError, match="no such file"):
        pair(path, Path("gone.parquet"))
    wrong = edited(path, tmp_path / "p.parquet", p_up=lambda p: pa.array(p.to_numpy() * 2))
    with pytest.raises(InputError, match="are no probabilities"):
        pair(path, wrong)
    endless = edited(path, tmp_path / "v.parquet", value=lambda v: pa.array(v.to_numpy() + np.inf))
    with pytest.raises(InputError, match="not finite"):
        pair(endless, path)
    text = edited(path, tmp_path / "t.parquet", y=lambda y: pa.array(["x"] * len(y)))
    with pytest.raises(InputError, match="is not a run's file of forecasts"):
        pair(text, path)
    kinds = edited(path, tmp_path / "k.parquet", target=lambda t: pa.array(["price"] * len(t)))
    with pytest.raises(InputError, match="price@"):
        pair(kinds, path)
