import os
import signal
import subprocess
import sys
import time

import orjson
import pytest
from typer.testing import CliRunner

from flowsense.cli.app import app

EARLY = ["--strategy", "quote", "--lots", "1", "--start", "2024-01-02T00:00"]


@pytest.fixture(scope="module")
def two(market, tmp_path_factory):
    """A run with two fitted models on the small market."""
    out = tmp_path_factory.mktemp("two") / "run"
    families = ["--families", "depth,ofi,flow", "--targets", "mid@1s"]
    words = ["run", str(market), "--models", "logistic,vote", *families, "--out", str(out)]
    assert CliRunner().invoke(app, words).exit_code == 0
    return out


@pytest.mark.slow
def test_a_second_configuration_trades_beside_the_first(flowsense, two, market, tmp_path):
    changes = ["--against", "lots=2 rebate=0.5"]
    said = flowsense("backtest", two, market, *EARLY, *changes, "--out", tmp_path / "new/a")
    assert said.code == 0, said.err
    found = orjson.loads((tmp_path / "new/a/sheet.json").read_bytes())
    other = found["against"]
    assert other["b"]["name"] == "quote vote with lots=2 rebate=0.5"
    assert other["a"]["net"] == pytest.approx(found["costs"]["net"])
    assert other["b"]["fees"] < 0 == other["a"]["fees"] and other["b"]["fills"] > 0
    assert other["in_turn"]["better"] is None and other["block_ns"] == 60e9
    assert (
        "Too few blocks of 60 s so far: the first eight settle the scale." in said.out
        and "A - B" in said.out
    )
    tried = [orjson.loads(x) for x in (tmp_path / "new/trials.jsonl").read_bytes().splitlines()]
    assert [trial["name"] for trial in tried] == ["quote vote", "quote vote"]
    assert tried[0]["config"] != tried[1]["config"] and tried[0]["data"] == tried[1]["data"]


@pytest.mark.slow
def test_alone_it_is_the_trial_that_it_was_beside(flowsense, two, market, tmp_path):
    words = ("backtest", two, market, *EARLY)
    beside = flowsense(*words, "--against", "lots=2", "--out", tmp_path / "new/a")
    alone = flowsense(*words, "--lots", 2, "--out", tmp_path / "new/b")
    assert (beside.code, alone.code) == (0, 0)
    tried = [orjson.loads(x) for x in (tmp_path / "new/trials.jsonl").read_bytes().splitlines()]
    assert tried[1] == tried[2] and tried[0] != tried[1]


@pytest.mark.slow
def test_another_model_begins_where_its_own_scores_do(flowsense, two, market, tmp_path):
    other = f"run='{two / 'checkpoints/logistic'}' block=2m"
    words = ("--strategy", "quote", "--lots", 1, "--against", other)
    said = flowsense("backtest", two, market, *words, "--out", tmp_path / "b")
    assert said.code == 0, said.err
    found = orjson.loads((tmp_path / "b/sheet.json").read_bytes())["against"]
    assert found["b"]["name"].startswith("quote logistic with run=") and found["targets"] == [
        "mid@1s"
    ]
    assert found["block_ns"] == 120e9 and found["start"] > 0
    assert "flowsense compare" in said.out


@pytest.mark.slow
def test_on_paper_it_is_what_a_backtest_says(flowsense, two, market, tmp_path):
    words = (two, market, *EARLY, "--against", "lots=2 rebate=0.5")
    said = flowsense("paper", *words, "--out", tmp_path / "paper")
    assert (
        said.code == 0
        and "Too few blocks of 60 s so far: the first eight settle the scale." in said.out
    ), said.err
    assert flowsense("backtest", *words, "--out", tmp_path / "tick").code == 0
    paper, tick = (
        orjson.loads((tmp_path / x / "sheet.json").read_bytes()) for x in ("paper", "tick")
    )
    assert paper["against"] == tick["against"] and paper["costs"] == tick["costs"]
    tried = [orjson.loads(x) for x in (tmp_path / "trials.jsonl").read_bytes().splitlines()]
    assert tried[:2] == tried[2:]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["lot=2"], "did you mean lots"),
        (["lots=1"], "nothing differs"),
        pytest.param(["strategy=quote --lots=1"], "nothing differs", marks=pytest.mark.slow),
        (["block=5m"], "nothing differs"),
        (["run={run}"], "nothing differs"),
        ([" "], "says nothing"),
        (["lots"], "write lots=VALUE"),
        (["lots="], "write lots=VALUE"),
        (["lots=many"], "a whole number"),
        (["seed=-1"], "give 0 or more"),
        (["taker=dear"], "write a number"),
        (["lots=2 lots=3"], "there twice"),
        (["lots='2"], "close the quotes"),
        (["lots=2", "lots=3"], "2 times"),
        (["lots=2 block=90s"], "whole minutes"),
        (["half-spread=1"], "says nothing of a recorded book"),
        (["strategy=folow"], "did you mean follow"),
        (["lots=2 block=soon"], "duration"),
        (["run=nowhere"], "neither a run"),
        (["target=mid@7s"], "mid@1s"),
        pytest.param(["start=2030-01-01"], "widen", marks=pytest.mark.slow),
    ],
)
def test_what_cannot_stand_against_it_is_refused(flowsense, ran, market, tmp_path, changes, told):
    words = [w.format(run=ran) for change in changes for w in ("--against", change)]
    said = flowsense("backtest", ran, market, *EARLY, *words, "--out", tmp_path / "c")
    assert said.code == 2 and told in said.err
    assert not (tmp_path / "c").exists()


@pytest.mark.slow
def test_whoever_ends_it_sees_how_they_stand(two, market, tmp_path):
    code, out = "from flowsense.cli import main; main()", tmp_path / "paper"
    more = ["--against", "lots=2", "--speed", "20", "--out", out]
    words = [sys.executable, "-c", code, "paper", two, market, *EARLY, *more]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(list(map(str, words)), env=env, stdout=-1, stderr=-1, text=True)
    records = out / "journal" / "00000000.records"
    while not (records.exists() and records.stat().st_size) and process.poll() is None:
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    said = "\n".join(process.communicate(timeout=60))
    assert process.returncode == 0 and "goes on from there" in said and "A - B" in said
