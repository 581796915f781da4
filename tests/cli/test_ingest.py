"""The lake as a shell sees it: ingest, query, run."""

import json
import shutil
import subprocess
import sys

import polars as pl
import pytest
from lakes import TABLE, saved, two_days
from memory import PEAK

from flowsense.store.events import write_events
from flowsense.store.lake_write import locked


@pytest.fixture
def lake(flowsense, tmp_path):
    saved(tmp_path / "day.parquet", two_days())
    done = flowsense("ingest", "day.parquet", "--lake", "lake")
    assert (done.code, done.err) == (0, "")
    return done


def test_ingest_says_what_came_in_and_what_is_next(flowsense, lake):
    row = lake.out.splitlines()[1].split()
    assert row[:6] == ["day.parquet", "ingested", f"{len(two_days()):,}", "0", "0", "2"]
    assert lake.out.splitlines()[-1] == "Next: flowsense run lake --out lake-run"
    again = flowsense("ingest", "day.parquet", "--lake", "lake")
    assert again.out.splitlines()[1].split() == ["day.parquet", "there", "already"]


@pytest.mark.slow
def test_query_prints_a_table_or_writes_a_file(flowsense, lake, tmp_path):
    found = flowsense("query", "lake", "SELECT instrument, tick FROM instruments")
    assert [line.split() for line in found.out.splitlines()] == [
        ["instrument", "tick"],
        ["A", "0.01"],
        ["B/USD", "0.01"],
    ]
    done = flowsense("query", "lake", "SELECT * FROM events", "--out", "e.parquet")
    assert done.out == f"e.parquet: {len(two_days()):,} rows.\n"
    assert len(pl.read_parquet(tmp_path / "e.parquet")) == len(two_days())


def test_query_shows_the_first_rows_of_many(flowsense, lake):
    lines = flowsense("query", "lake", "SELECT position FROM events").out.splitlines()
    assert len(lines) == 42 and lines[-1] == "The first 40 rows; --out FILE writes all."
    assert flowsense("query", "lake", "SELECT NULL AS a").out.split() == ["a"]


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (("query", "lake", "SELECT"), "flowsense: SQL: Parser Error"),
        (("query", "day.parquet", "SELECT 1"), "day.parquet: is not a lake"),
        (("query", "lake", "SELECT 1", "--out", "a.txt"), "a.txt: write the name of a .parquet"),
        (("ingest", "none", "--lake", "lake"), "none: no such file or folder"),
        (("ingest", "day.parquet", "--lake", "day.parquet"), "day.parquet: is a file: name a"),
        (("ingest", "lake", "--lake", "lake"), "lies in lake itself: name another lake"),
        (("run", "lake/toy/C", "--out", "o"), "lake/toy/C: the lake holds none of that"),
    ],
)
def test_what_cannot_be_is_one_sentence(flowsense, lake, call, why):
    found = flowsense(*call)
    assert found.code == 2 and why in found.err and found.err.count("\n") == 1


def test_a_second_ingest_at_the_same_time_says_so(flowsense, lake, tmp_path):
    with locked(tmp_path / "lake"):
        found = flowsense("ingest", "day.parquet", "--lake", "lake")
    assert found.code == 2 and " writes to it (ingest, record or serve)" in found.err


@pytest.mark.slow
def test_a_run_reads_the_lake_as_it_reads_the_file(flowsense, market, small, tmp_path):
    shutil.copy(
        market / "events.parquet", "alone.parquet"
    )  # away from the truth, which has a ceiling
    done = flowsense("ingest", "alone.parquet", "--lake", "lake")
    assert done.code == 0
    for source, out in (("alone.parquet", "a"), ("lake", "b")):
        assert flowsense("run", source, "--out", out, *small).code == 0
    a, b = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in "ab")
    assert a["models"] == b["models"] and a["models"]


MEASURE = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from flowsense.sources import chunks
from flowsense.sources.ingest import ingest
from flowsense.sources.lake import Lake
list(ingest({source!r}, Path({lake!r})))
first = peak()
sum(len(chunk.events) for chunk in chunks(Lake(Path({lake!r}))))
print(first, peak())
"""


def peaks(source, lake):
    """kB at the peak after ingesting, and after reading back."""
    code = PEAK + MEASURE.format(path=sys.path, source=str(source), lake=str(lake))
    call = [sys.executable, "-c", code]
    return [int(n) for n in subprocess.run(call, capture_output=True, check=True).stdout.split()]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    events, steps = two_days(100_000), (5, 20)
    span = int(events["ts_recv"][-1] - events["ts_recv"][0])
    found = []
    for times in steps:
        source = tmp_path / f"{times}.parquet"
        many = (again(events, k * span) for k in range(times))
        write_events(source, TABLE, many)
        found.append(peaks(source, tmp_path / f"lake{times}"))
    for few, more in zip(*found, strict=True):
        assert more < few + 60_000


def again(events, later):
    """The same, later."""
    out = events.copy()
    out["ts_recv"] += later
    return out
