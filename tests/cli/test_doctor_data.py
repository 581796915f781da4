"""`flowsense doctor data` as a user calls it."""

import json

import numpy as np
import pytest
from markets import L2, book, stream
from PIL import Image

from flowsense.schema import CLEAR, GAP, LAST, SET, TRADE
from flowsense.store.events import write_events

QUIET = [(SET, 1, 90 + k % 7, k + 1, LAST) for k in range(200)]
ODD = [(SET, 1, 105, 1, LAST), *QUIET, (SET, 1, 105, 0, LAST), (TRADE, 1, 990, 1, LAST)]


@pytest.fixture
def recording(tmp_path):
    """Crossed for half of its time, a trade off market, a gap; -> its file."""

    def write(*lines):
        events = stream(*book((1, 100, 5), (-1, 102, 5)), *lines)
        events["sequence"] += 1
        path = tmp_path / "odd.parquet"
        write_events(path, (L2,), [events])
        return path

    return write


def test_it_names_what_is_odd_and_by_which_limit(flowsense, recording):
    found = flowsense("doctor", "data", recording(*QUIET, *ODD))
    assert found.code == 0 and found.err == ""
    for said in ("crossed", "off market", "broken above 0.01 of time", "Verdict: broken."):
        assert said in found.out


def test_strict_leaves_with_one_if_something_is_broken(flowsense, recording):
    assert flowsense("doctor", "data", recording(*QUIET, *ODD), "--strict").code == 1
    assert flowsense("doctor", "data", recording(*QUIET), "--strict").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("place", ["out", "out/my.json"])
def test_it_leaves_all_numbers_and_a_picture(flowsense, recording, tmp_path, place):
    out = tmp_path / place
    path = recording(*QUIET, *ODD, (CLEAR, 0, 0, 0, GAP), *QUIET)
    found = flowsense("doctor", "data", path, "--out", out)
    numbers, picture = (
        (out, out.with_suffix(".png"))
        if out.suffix
        else (
            out / "health.json",
            out / "health.png",
        )
    )
    told = json.loads(numbers.read_text())
    assert {f["name"] for f in told["findings"]} >= {"crossed", "off market", "gap", "lost"}
    assert str(numbers) in found.out and str(picture) in found.out
    pixels = np.asarray(Image.open(picture).convert("RGB")).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 20 and len(pixels) > 300_000


def test_bars_alone_are_drawn_too(flowsense, tmp_path):
    path = tmp_path / "bars.csv"
    rows = [f"{60 * k},{9 + k % 2},11,8,10,{k}" for k in range(1, 50) if k != 20]
    path.write_text("\n".join(["ts,open,high,low,close,volume", *rows]) + "\n")
    found = flowsense("doctor", "data", path, "--out", tmp_path / "out")
    assert found.code == 0 and "missing bars" in found.out
    assert (tmp_path / "out" / "health.png").stat().st_size > 0


def test_what_cannot_be_read_is_one_sentence(flowsense, tmp_path):
    found = flowsense("doctor", "data", tmp_path / "none.csv", "--out", tmp_path / "out")
    assert found.code == 2 and found.err.count("\n") == 1 and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_of_many_instruments_the_most_active_are_printed_and_all_are_written(flowsense, tmp_path):
    rows = [f"{k},S{k % 30:02d},10,{1 + k % 3}" for k in range(900)]
    path = tmp_path / "many.csv"
    path.write_text("\n".join(["ts,symbol,price,size", *rows]) + "\n")
    found = flowsense("doctor", "data", path, "--out", tmp_path / "out")
    assert found.code == 0 and "10 more stand in the file" in found.out
    told = json.loads((tmp_path / "out" / "health.json").read_text())
    assert len(told["streams"]) == 30


def test_a_clock_that_is_behind_is_printed_with_its_limits(flowsense, tmp_path):
    rows = [f"{k},{k + 5},10,1" for k in range(100, 200)]
    path = tmp_path / "behind.csv"
    path.write_text("\n".join(["ts,ts_event,price,size", *rows]) + "\n")
    found = flowsense("doctor", "data", path)
    assert "clock skew" in found.out and "look below 0 s or above 1 s" in found.out
