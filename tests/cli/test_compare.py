"""`flowsense compare` says what both scored on common rows, and what may be said of it."""

import json

import pyarrow.parquet as pq
import pytest


@pytest.fixture(scope="module")
def folder(market, tmp_path_factory):
    """A run of two models."""
    from flowsense.forecast import Target
    from flowsense.train.config import RunConfig
    from flowsense.train.read import read
    from flowsense.train.run import run

    targets = (Target.parse("mid@500ms"), Target.parse("magnitude@1s"))
    config = RunConfig(("vote", "imbalance"), targets=targets, validation="time-series:2")
    place = tmp_path_factory.mktemp("compare") / "run"
    run(read(market).source, config).save(place)
    return place


def files(folder):
    return [folder / "forecasts" / f"{name}.parquet" for name in ("vote", "imbalance")]


def test_two_files_are_compared_in_80_columns(flowsense, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "80")
    said = flowsense("compare", *files(folder), "--out", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_bytes())
    cell = found["targets"]["mid@500ms"]["cells"]["coverage@0.25"]
    assert said.code == 0 and said.err == ""
    assert f"at 25 %        {cell['a']:.3f}  {cell['b']:.3f}" in said.out
    assert found["targets"]["mid@500ms"]["verdict"] in said.out
    assert "intervals were looked at" in " ".join(said.out.split())
    narrow = [x for x in said.out.splitlines() if str(folder) not in x and "found.json" not in x]
    assert max(map(len, narrow)) <= 80 and "…" not in said.out


def test_a_run_is_compared_by_its_chosen_model(flowsense, folder):
    chosen = json.loads((folder / "metrics.json").read_bytes())["chosen"]
    said = flowsense("compare", folder, files(folder)[0])
    assert said.code == 0 and said.out.startswith(f"A  {chosen}, ")


@pytest.mark.slow
def test_files_of_others_need_the_recording(flowsense, folder, market, tmp_path):
    bare = tmp_path / "mine.parquet"
    pq.write_table(pq.read_table(files(folder)[0]).drop_columns(["y", "move"]), bare)
    refused = flowsense("compare", bare, files(folder)[0])
    assert refused.code == 2 and refused.err.count("\n") == 1 and "--prices" in refused.err
    said = flowsense("compare", bare, files(folder)[0], "--prices", market)
    assert said.code == 0 and "no difference shown" in said.out


@pytest.mark.parametrize("what", ["nothing.parquet", "."])
def test_what_is_no_run_is_refused_in_one_sentence(flowsense, folder, what):
    said = flowsense("compare", folder, what)
    assert said.code == 2 and said.err.startswith("flowsense: ") and said.err.count("\n") == 1


def test_a_file_that_cannot_be_written_is_refused_first(flowsense, folder, tmp_path):
    (tmp_path / "file").write_text("")
    said = flowsense("compare", folder, folder, "--out", tmp_path / "file" / "x.json")
    assert said.code == 2 and said.out == "" and said.err.count("\n") == 1


@pytest.mark.slow
def test_a_class_of_scikit_learn_runs_and_its_missing_checkpoint_is_told(
    flowsense, market, tmp_path
):
    text = "sklearn.naive_bayes.GaussianNB(priors=None,var_smoothing=1e-6)"
    out = tmp_path / "out"
    options = ["--models", f"vote,{text}", "--targets", "mid@500ms", "--families", "depth,flow"]
    said = flowsense("run", market, "--out", out, *options, "--validation", "split:60/20/20")
    assert said.code == 0 and "GaussianNB: cannot be written as plain arrays" in (
        " ".join(said.out.split())
    )
    metrics = json.loads((out / "metrics.json").read_bytes())
    assert metrics["config"]["models"] == ["vote", text]
    assert metrics["config"]["validation"] == "split:60/20/20"
    assert [p.name for p in (out / "checkpoints").iterdir()] == ["vote"]
    assert (out / "forecasts" / "GaussianNB.parquet").exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--validation", "cpcv:6/9"], "--validation: validation 'cpcv:6/9': test at least 1"),
        (["--validation", "time-series:400"], "the recording is too short"),
        (["--models", "sklearn.tree.Nothing"], "sklearn.tree has no Nothing"),
    ],
)
def test_what_cannot_be_run_is_refused_and_leaves_nothing(
    flowsense, market, tmp_path, options, why
):
    few = ["--targets", "mid@500ms", "--families", "depth"]
    few += [] if "--models" in options else ["--models", "vote"]
    said = flowsense("run", market, "--out", tmp_path / "out", *few, *options)
    assert said.code == 2 and said.err.count("\n") == 1 and not (tmp_path / "out").exists()
    assert why in said.err
