"""`flowsense doctor leaks` says what leaks and where and leaves with 1, of clean code with 0."""

import json

import numpy as np
import polars as pl
import pytest
from besides import Peeks
from entries import registered
from plants import later

from flowsense.features.catalogue import family
from flowsense.train.read import read

pytestmark = [pytest.mark.compiled, pytest.mark.slow]

FEW = ("--families", "depth", "--models", "vote", "--points", 5)


def test_clean_code_leaves_with_0_and_every_finding_is_written(flowsense, tmp_path):
    found = flowsense("doctor", "leaks", *FEW, "--out", tmp_path / "all.json")
    assert found.code == 0 and "checks: nothing leaks." in found.out and "LEAK" not in found.out
    findings = json.loads((tmp_path / "all.json").read_text())["findings"]
    assert {"depth", "vote", "mid@500ms", "barrier@500ms", "walk-forward", "SIMA"} <= {
        one["what"] for one in findings
    }
    assert set(findings[0]) == {"check", "what", "leaks", "why"}
    assert f"{len(findings)} checks" in found.out


def test_a_smoothed_label_leaves_with_1(flowsense):
    found = flowsense("doctor", "leaks", *FEW, "--targets", "smoothed@500ms")
    assert found.code == 1 and "1 leaks: smoothed@500ms." in found.out
    line = next(line for line in found.out.splitlines() if "LEAK" in line)
    assert line.split()[:3] == ["smoothed@500ms", "walk", "LEAK"]


def test_a_family_of_another_package_that_peeks_is_named(flowsense, tmp_path):
    Peeks.highest = 1
    with registered(tmp_path, "flowsense.features", (Peeks,)):
        found = flowsense("doctor", "leaks", "--families", "depth,peeks", *FEW[2:])
    family.cache_clear()
    assert found.code == 1 and "leaks: peeks." in found.out and "column peeks: " in found.out


@pytest.mark.parametrize("columns", [80, 140])
def test_the_table_fits(columns, flowsense, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    found = flowsense("doctor", "leaks", *FEW, "--targets", "mid@500ms,smoothed@500ms")
    assert max(map(len, found.out.splitlines())) <= min(columns, 100)


def test_a_recording_is_checked_by_its_path(flowsense, market):
    found = flowsense("doctor", "leaks", market, *FEW, "--targets", "mid@500ms")
    assert found.code == 0 and "observed" not in found.out and "vote" in found.out


def test_a_table_is_held_against_its_prices(flowsense, market, tmp_path):
    frame = read(market, families=("depth",)).to_polars()
    x = np.nan_to_num(frame["imb_l1"].to_numpy())
    wrong = np.zeros(len(x))
    for who in frame["instrument"].unique():
        mine = (frame["instrument"] == who).to_numpy()
        wrong[mine] = later(x[mine], 3)
    frame.with_columns(pl.Series("wrong", wrong)).write_parquet(tmp_path / "table.parquet")
    options = ("--table", tmp_path / "table.parquet", "--families", "depth")
    found = flowsense("doctor", "leaks", *options, "--prices", market)
    assert found.code == 1 and "1 leaks: wrong." in found.out and "imb_l1  " in found.out
    assert flowsense("doctor", "leaks", *options).err.endswith(
        "name the recording of its prices: --prices SRC\n"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--families", "dept"), "family 'dept'"),
        (("--models", "vot"), "did you mean vote?"),
        (("--targets", "mid"), "write kind@horizon"),
        (("nowhere",), "nowhere"),
    ],
)
def test_what_the_user_can_mend_leaves_with_2(options, said, flowsense):
    found = flowsense("doctor", "leaks", *options)
    assert found.code == 2 and said in found.err and len(found.err.splitlines()) == 1


def test_where_nothing_can_be_written_nothing_is_checked(flowsense, tmp_path):
    (tmp_path / "file").write_text("")
    found = flowsense("doctor", "leaks", "--out", tmp_path / "file" / "below" / "x.json")
    assert found.code == 2 and "cannot be written" in found.err and found.out == ""


def test_the_doctor_lists_its_commands(flowsense):
    found = flowsense("doctor", "--help")
    assert found.code == 0 and "leaks" in found.out


@pytest.mark.soak
def test_everything_registered_is_clean(flowsense):
    found = flowsense("doctor", "leaks", "--seed", 1)
    assert found.code == 0 and "checks: nothing leaks." in found.out
