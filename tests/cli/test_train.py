"""`flowsense train` and `flowsense evaluate` of the folder that it leaves."""

import json

import pytest

ASKED = ["--targets", "mid@500ms,magnitude@1s", "--families", "depth,ofi,flow"]


@pytest.fixture
def trained(flowsense, market, tmp_path):
    said = flowsense("train", market, "--out", "t", "--models", "vote", *ASKED)
    assert said.code == 0 and "flowsense evaluate t" in said.out, said.err
    return tmp_path / "t"


@pytest.mark.slow
def test_evaluate_leaves_what_a_run_leaves(flowsense, trained, run):
    said = flowsense("evaluate", "t")
    assert said.code == 0 and "report.html" in said.out
    t, r = (json.loads((p / "metrics.json").read_text()) for p in (trained, run[0]))
    assert t["models"] == r["models"] and t["chosen"] == "vote"
    names = {p.name for p in run[0].iterdir()}
    assert names - {"backtest"} <= {p.name for p in trained.iterdir()}  # rows hold no records
    manifest = json.loads((trained / "manifest.json").read_text())
    assert {"flowsense", "polars", "pyarrow", "duckdb"} <= set(manifest["versions"])


def test_train_goes_on_where_it_was(flowsense, trained, market):
    place = trained / "checkpoints/vote/manifest.json"
    before = place.stat().st_mtime_ns
    said = flowsense("train", trained / "rows", "--out", "t", "--models", "majority")
    assert said.code == 0 and place.stat().st_mtime_ns == before
    said = flowsense("train", trained / "rows", "--out", "t", "--models", "vote", "--seed", 3)
    assert said.code == 2 and "seed 0, not 3" in said.err


@pytest.mark.slow
def test_test_recordings_are_prepared_beside(flowsense, market, tmp_path):
    from flowsense.simulate import saved
    from flowsense.simulate.market import Market, simulate

    saved.save(simulate(Market.tiny(), 200, 4), tmp_path / "score")
    said = flowsense(
        *("train", market, "--test", "score", "--out", "t", "--models", "majority", *ASKED)
    )
    assert said.code == 0 and (tmp_path / "t/rows1/manifest.json").exists(), said.err
    assert flowsense("evaluate", "t").code == 0
    said = flowsense("train", market, "--test", "t/rows1", "--out", "u", *ASKED)
    assert said.code == 2 and "prepare both" in said.err


def test_evaluate_says_what_it_needs(flowsense, trained, market):
    said = flowsense("evaluate", "t", "--prices", market)
    assert said.code == 2 and "name it alone" in said.err
    said = flowsense("evaluate", "t/forecasts.parquet")
    assert said.code == 2 and "name the recording with --prices SRC" in said.err
    said = flowsense("evaluate", market)
    assert said.code == 2 and "name a folder that `flowsense train` made" in said.err
