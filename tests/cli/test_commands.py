"""The commands as a user calls them, on a small simulated market."""

import json
import re
import subprocess
import sys
from runpy import run_module

import pytest

from flowsense import __version__
from flowsense.cli.summary import say

HALF = "2024-01-02T14:32"  # of the market
HEAVY = ("numpy", "numba", "pyarrow", "polars", "scipy", "xgboost", "matplotlib", "rich.markdown")


@pytest.mark.slow
def test_a_run_leaves_what_it_names_and_says_what_it_found(run):
    folder, said = run
    for name in ("report.html", "metrics.json", "forecasts", "checkpoints"):
        assert (folder / name).exists() and str(folder / name) in said
    assert said.index("report.html") < said.index("metrics.json")
    scores = json.loads((folder / "metrics.json").read_text())["models"]["vote"]
    assert f"{scores['mid@500ms']['n']:,}" in said
    assert f"{scores['magnitude@1s']['mae']:.3f}" in said and "best null" in said


@pytest.mark.slow
@pytest.mark.parametrize("columns", [80, 120])
def test_only_paths_are_wider_than_the_terminal(run, monkeypatch, capsys, columns):
    folder, _ = run
    monkeypatch.setenv("COLUMNS", str(columns))
    say(json.loads((folder / "metrics.json").read_text()), folder)
    lines = [x for x in capsys.readouterr().out.splitlines() if str(folder) not in x]
    assert lines and max(map(len, lines)) <= columns and not any("…" in x for x in lines)


@pytest.mark.slow
def test_forecasts_of_a_run_score_the_same_from_outside(run, flowsense, market, tmp_path):
    folder, _ = run
    found = flowsense(
        *("evaluate", folder / "forecasts" / "vote.parquet", "--prices", market),
        *("--share", "0.01", "--out", tmp_path / "scores.json"),
    )
    assert found.code == 0 and "mid@500ms" in found.out
    outside = json.loads((tmp_path / "scores.json").read_text())["models"]["vote"]["mid@500ms"]
    inside = json.loads((folder / "metrics.json").read_text())["models"]["vote"]["mid@500ms"]
    assert outside["n"] == pytest.approx(inside["n"], rel=0.05)
    assert outside["accuracy"] == pytest.approx(inside["accuracy"], abs=0.03)


@pytest.mark.slow
def test_a_recording_beside_is_what_is_scored(run, flowsense, market, small, tmp_path):
    other = tmp_path / "other"
    flowsense("simulate", "--out", other, "--minutes", 6, "--seed", 9)
    found = flowsense("run", market, "--test", other, "--out", tmp_path / "out", *small)
    assert found.code == 0
    metrics, manifest = (
        json.loads((tmp_path / "out" / f"{name}.json").read_text())
        for name in ("metrics", "manifest")
    )
    assert metrics["models"]["vote"]["magnitude@1s"]["n"] > 3 * 200 * 10  # of 6 minutes, less 2
    assert len(metrics["data"]["digests"]) == 2 and set(manifest["data"]) == {
        "market/events.parquet",
        "other/events.parquet",
    }


@pytest.mark.slow
def test_a_report_is_drawn_again(run, flowsense, tmp_path):
    folder, _ = run
    found = flowsense("report", folder, "--out", tmp_path / "again.html")
    assert found.code == 0 and found.out.strip() == str(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text() == (folder / "report.html").read_text()


@pytest.mark.slow
def test_tables_of_all_models_are_printed(run, flowsense):
    folder, _ = run
    found = flowsense("report", folder, "--markdown")
    assert found.code == 0 and "### mid@500ms" in found.out and "### What it takes" in found.out


def test_a_report_of_no_run_is_refused(flowsense, tmp_path):
    said = flowsense("report", tmp_path)
    assert said.code == 2 and "metrics.json: No such file or directory: name the" in said.err
    (tmp_path / "metrics.json").write_text("{")
    assert "metrics.json: is damaged" in flowsense("report", tmp_path).err
    (tmp_path / "metrics.json").write_text('{"schema": 0}')
    assert "metrics.json: not of schema 1" in flowsense("report", tmp_path).err


@pytest.mark.slow
def test_a_dry_run_counts_the_rows_and_writes_nothing(flowsense, market, small, tmp_path):
    found = flowsense("run", market, "--out", tmp_path / "runs" / "out", *small, "--dry-run")
    assert found.code == 0 and not (tmp_path / "runs").exists()
    assert re.search(r"train SIMA, SIMB, SIMC +100% +\d+,\d+ +7,1\d\d ", found.out)
    assert "Then fits: vote, at most 3m for each, 3m in all." in found.out


@pytest.mark.slow
def test_a_dry_run_counts_between_start_and_end(flowsense, market, small, tmp_path):
    whole = ("run", market, "--out", tmp_path / "out", "--models", "fast", *small[2:], "--dry-run")
    rows = [int(flowsense(*whole, *more).out.split("SIMC")[1].split()[2].replace(",", ""))
            for more in ((), ("--end", HALF), ("--start", HALF))]  # fmt: skip
    assert rows[1] + rows[2] == pytest.approx(rows[0], abs=20)
    assert rows[1] == pytest.approx(3 * 1_200, rel=0.05)
    said = flowsense(*whole)
    assert "logistic, antisymmetric, xgboost, at most 3m for each, 9m in all." in said.out


def test_a_start_outside_the_recording_is_told_where_it_lies(flowsense, market, small, tmp_path):
    for more in ((), ("--dry-run",)):
        command = ("run", market, "--out", tmp_path / "out", *small, *more)
        late = flowsense(*command, "--start", "2030-01-01")
        assert late.code == 2
        assert "the recording is from 2024-01-02T14:30:0" in late.err
        assert "Z to 2024-01-02T14:3" in late.err and "UTC: widen them" in late.err
        early = flowsense(*command, "--end", "2001-01-01")
        assert early.code == 2 and "the recording begins at 2024-01-02T14:30:0" in early.err


def test_help_names_what_can_be_listed_and_measured(flowsense):
    words = " ".join(flowsense("bench", "--help").out.split())
    assert "live" in words and "features" in words and "hmm" in words
    assert "venues" in flowsense("list", "--help").out


def test_the_list_of_models_says_what_each_reads(flowsense):
    head, *lines = flowsense("list", "models").out.splitlines()
    assert head.split() == ["name", "group", "needs", "reads", "cost", "what", "it", "is"]
    assert all(" s  " in line for line in lines if line.split()[1:2] in (["fast"], ["all"]))
    rows = {line.split()[0]: line[: head.index("cost")] for line in lines if line[0] != " "}
    assert rows["vote"].split() == ["vote", "null", "rows"]
    assert rows["xgboost"].split() == ["xgboost", "fast", "rows"]
    assert rows["hawkes"].split() == ["hawkes", "all", "events"]
    assert rows["graph"].split() == ["graph", "all", "torch", "all", "instruments"]


@pytest.mark.slow
def test_an_interrupt_while_saving_leaves_nothing(flowsense, market, small, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("flowsense.train.save.write_forecasts", interrupted)
    found = flowsense("run", market, "--out", tmp_path / "runs" / "out", *small)
    assert (found.code, found.err) == (130, "") and not list((tmp_path / "runs").iterdir())


def test_a_simulation_is_repeated_by_its_seed(flowsense, tmp_path):
    for name in ("a", "b"):
        command = ("simulate", "--out", tmp_path / name, "--minutes", 0.2, "--instruments", 2)
        found = flowsense(*command, "--seed", 5)
        assert found.code == 0 and f"Next: flowsense run {tmp_path / name}" in found.out
    a, b = ((tmp_path / name / "truth.npz").read_bytes() for name in ("a", "b"))
    assert a == b
    again = flowsense(*command)
    assert again.code == 0  # a simulation may be replaced


def test_what_is_planted_is_chosen_by_name(flowsense, tmp_path):
    command = ("simulate", "--out", tmp_path / "m", "--minutes", 0.1)
    found = flowsense(*command, "--plant", "network,alternative", "--instruments", 5)
    assert found.code == 0 and "of 5 instruments" in found.out
    assert (tmp_path / "m" / "observations.parquet").is_file()
    found = flowsense(*command, "--plant", "smoke")
    assert found.code == 2 and "plant 'smoke' is unknown: known are leader, network" in found.err


def test_a_simulation_replaces_nothing_else(flowsense, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for place in (tmp_path, tmp_path / "mine.txt"):
        found = flowsense("simulate", "--out", place)
        assert (found.code == 2 and "name another" in found.err) or "name a folder" in found.err
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("models", "name"),
        ("sources", "lobster"),
        ("venues", "to hear live"),
        ("features", "ofi"),
        ("clocks", "interval:100ms"),
    ],
)
def test_lists(flowsense, what, first):
    found = flowsense("list", what)
    assert found.code == 0 and found.out.startswith(first) and found.err == ""


def test_the_version(flowsense):
    assert flowsense("--version") == (0, f"flowsense {__version__}\n", "")


def test_it_can_be_called_as_a_module(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["flowsense", "--version"])
    with pytest.raises(SystemExit) as left:
        run_module("flowsense", run_name="__main__")
    assert left.value.code == 0
    assert capsys.readouterr().out == f"flowsense {__version__}\n"


def test_help_imports_nothing_heavy():
    code = f"""
import sys
from flowsense.cli import main
sys.argv = ["flowsense", "--help"]
try:
    main()
except SystemExit:
    print(sorted(set({HEAVY}) & set(sys.modules)))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *text, heavy = said.stdout.splitlines()
    assert heavy == "[]" and any("flowsense demo" in line for line in text)
    assert max(map(len, text)) <= 80 and not any(line.endswith("...") for line in text[1:])


def test_every_command_explains_itself(flowsense):
    commands = re.findall(r"^  (\w+)  ", flowsense("--help").out, re.M)
    assert {"demo", "run", "simulate", "evaluate", "report", "list", "doctor"} <= set(commands)
    for command in commands:
        found = flowsense(command, "--help")
        assert found.code == 0 and found.out.startswith(f"Usage: flowsense {command}")


def test_an_internal_error_says_how_to_see_it(flowsense, monkeypatch):
    def broken(*_):
        raise KeyError("lost")

    monkeypatch.setattr("flowsense.cli.listing.ROWS", {"models": broken})
    found = flowsense("list", "models")
    assert found.code == 1 and "internal error, KeyError: 'lost'" in found.err
    assert "`flowsense --debug list models` shows where" in found.err
    with pytest.raises(KeyError):
        flowsense("--debug", "list", "models")


def test_an_interrupt_is_quiet(flowsense, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("flowsense.cli.listing.ROWS", {"models": interrupted})
    assert flowsense("list", "models") == (130, "", "")
