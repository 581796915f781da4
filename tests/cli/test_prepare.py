"""`flowsense prepare`, and what the other commands make of its rows."""

import json

import pytest

ASKED = ["--targets", "mid@500ms,magnitude@1s", "--families", "depth,ofi,flow"]


@pytest.fixture
def rows(flowsense, market, tmp_path):
    said = flowsense("prepare", market, "--out", "rows", *ASKED)
    assert said.code == 0, said.err
    return tmp_path / "rows"


def test_it_says_what_it_made(flowsense, market, rows):
    again = flowsense("prepare", market, "--out", rows, *ASKED)
    manifest = json.loads((rows / "manifest.json").read_text())
    assert f"{manifest['rows']:,} rows of {len(manifest['columns'])} columns" in again.out
    assert manifest["versions"]["python"] and len(manifest["files"]) >= 1


@pytest.mark.slow
def test_a_run_takes_rows_as_it_takes_recordings(flowsense, run, rows, tmp_path):
    assert flowsense("run", rows, "--out", "a", "--models", "vote").code == 0
    a, b = (json.loads((p / "metrics.json").read_text()) for p in (tmp_path / "a", run[0]))
    assert a["models"] == b["models"] and a["data"]["digests"] == b["data"]["digests"]
    assert a["config"] == b["config"]


def test_what_rows_have_settled_cannot_be_asked(flowsense, market, rows):
    for flag in (["--families", "ofi"], ["--clock", "events:5"], ["--tick", "0.1"]):
        said = flowsense("run", rows, "--out", "x", *flag)
        assert said.code == 2 and f"{flag[0]}: {rows} is prepared already" in said.err
    said = flowsense("run", rows, market, "--out", "x")
    assert said.code == 2 and "is prepared already: name it alone" in said.err
    said = flowsense("run", rows, "--test", market, "--out", "x")
    assert said.code == 2 and "is no folder of rows" in said.err
    said = flowsense("run", rows, "--out", "x", "--dry-run")
    assert said.code == 2 and "--dry-run" in said.err


def test_other_rows_are_not_written_over(flowsense, market, rows):
    said = flowsense("prepare", market, "--out", rows, "--targets", "mid@1s")
    assert said.code == 2 and "was made with" in said.err and "ask for the same" in said.err


def test_the_folder_of_a_run_is_no_recording(flowsense, ran, small):
    said = flowsense("run", ran, "--out", "x", *small)
    assert said.code == 2 and f"{ran}: holds the results of a run: name a recording" in said.err
