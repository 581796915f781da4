"""`--quarantine` as a user gives it."""

import csv
import json

import pytest
from test_bad_input import QUOTES, changed, quotes, text

BAD = {6: "1700000002.5,nan,100.5,3,4", 90: "1700000044.5,99.5,100.5,-3,4"}
QUICK = ("--models", "vote", "--targets", "mid@1s", "--families", "depth,ofi,flow")


@pytest.fixture
def table(tmp_path):
    lines = quotes()
    for row, line in BAD.items():
        lines = changed(lines, row, line)
    path = tmp_path / "quotes.csv"
    path.write_text(text([QUOTES, *lines]))
    return path


def rows(folder):
    return list(csv.DictReader((folder / "quarantine.csv").read_text().splitlines()))


def aside(found, folder):
    """What was put aside, as the command says it and as it lies there."""
    assert found.code == 0, found.err
    assert "2 rows put aside" in found.out and str(folder / "quarantine.csv") in found.out
    return {int(row["row"]): row["text"] for row in rows(folder)}


def test_doctor_data(flowsense, table, tmp_path):
    found = flowsense("doctor", "data", table, "--quarantine", tmp_path / "aside")
    assert aside(found, tmp_path / "aside") == BAD
    assert flowsense("doctor", "data", table).code == 2


@pytest.mark.slow
def test_ingest(flowsense, table, tmp_path):
    found = flowsense("ingest", table, "--lake", tmp_path / "lake", "--quarantine", tmp_path / "a")
    assert aside(found, tmp_path / "a") == BAD
    told = flowsense("doctor", "data", tmp_path / "lake")
    assert told.code == 0 and "Verdict" in told.out


@pytest.mark.slow
def test_run(flowsense, table, tmp_path):
    out = tmp_path / "out"
    found = flowsense("run", table, "--out", out, "--quarantine", tmp_path / "aside", *QUICK)
    assert aside(found, tmp_path / "aside") == BAD
    assert json.loads((out / "metrics.json").read_text())["data"]["options"]["quarantine"] == "2"
    refused = flowsense("run", table, "--out", tmp_path / "other", *QUICK)
    assert refused.code == 2 and not (tmp_path / "other").exists()
