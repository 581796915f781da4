"""Progress while somebody is watching, and silence in pipes."""

import io
import json

import pytest
from rich.console import Console
from rich.progress import Progress

from flowsense.cli import bench, expected
from flowsense.cli.summary import NOTES, models, notes, table, traded
from flowsense.cli.terminal import OFTEN, Bars, Left, watched
from flowsense.sources.position import Position
from flowsense.train.estimate import Estimate
from flowsense.train.progress import silent


@pytest.fixture
def screen():
    return Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)


@pytest.fixture
def bars(screen, tmp_path):
    file = tmp_path / "file"
    file.write_bytes(bytes(1_000))
    with Progress(Left(), console=screen, auto_refresh=False) as progress:
        yield Bars(progress, Position((file,))), file


def test_reading_is_told_by_bytes(bars):
    tell, file = bars
    with file.open("rb", buffering=0) as opened:
        opened.read(250)
        tell("reading", 1_234, None)
        (task,) = tell.bars.tasks
        assert (task.completed, task.total, task.fields["said"]) == (0.25, 1, "1,234 events")
        opened.read(500)
        for _ in range(OFTEN):
            tell("reading", 5_000, None)
        assert (task.completed, task.fields["said"]) == (0.75, "5,000 events")


def test_fits_are_told_by_steps_and_each_stage_has_its_bar(bars):
    tell, _ = bars
    tell("scoring", 0, None)
    (task,) = tell.bars.tasks
    assert task.total is None and task.fields["said"] == ""
    tell("fitting logistic", 0, 2)
    tell("fitting xgboost", 1, 2)
    (task,) = tell.bars.tasks
    assert (task.description, task.completed, task.total) == ("fitting xgboost", 1, 2)
    assert str(Left().render(task)) == ""


def test_progress_goes_to_a_terminal_only(monkeypatch, capsys):
    with watched() as tell:
        assert tell is silent
    monkeypatch.setenv("FORCE_COLOR", "1")
    with watched() as tell:
        assert isinstance(tell, Bars)
        tell("simulating", 0, None)
        tell.bars.refresh()
    out, err = capsys.readouterr()
    assert out == "" and "simulating" in err


def test_notes_of_several_targets_are_one(screen):
    short = [f"mid@{k}s: too short" for k in (1, 5)]
    notes({"left_out": short, "warnings": ["ofi@1s: few", "ofi@5s: few"]}, screen)
    lines = screen.file.getvalue().split("\n")
    assert lines == ["", "Note: mid@1s, mid@5s: too short", "Note: ofi@1s, ofi@5s: few", ""]


def test_what_is_said_of_several_targets_of_a_model_is_one_note_of_the_model(screen):
    said = [f"{m}, {t}: names no side" for m in ("hmm", "lstm") for t in ("mid@500ms", "mid@1s")]
    notes({"left_out": [], "warnings": said}, screen)
    assert screen.file.getvalue().split("\n")[1:3] == [
        "Note: hmm on mid@500ms, mid@1s: names no side",
        "Note: lstm on mid@500ms, mid@1s: names no side",
    ]


def test_many_notes_are_counted(screen):
    notes({"left_out": [], "warnings": [f"mid@1s: {k}" for k in range(NOTES + 2)]}, screen)
    assert screen.file.getvalue().endswith(f": {NOTES - 1}\n2 more notes stand with the results.\n")


def scored(value, low, high):
    null = {"accuracy": 0.55, "difference": {"accuracy": (low, high)}}
    return {"n": 900, "accuracy": value, "nulls": {"vote": null}, "by_instrument": {"A": {}}}


def test_every_model_has_a_line_on_the_target_that_is_told_of(screen):
    found = {
        "first": {"mid@1s": scored(0.6, 0.01, 0.09)},
        "other": {"mid@1s": scored(0.5, -0.1, -0.02)},
    }
    screen.print(models({"models": found, "chosen": "first"}))
    head, first, other = (line.split() for line in screen.file.getvalue().splitlines())
    assert head[:3] == ["model,", "mid@1s", "score"]
    assert first == ["first", "0.600", "0.550", "vote", "+0.010", "to", "+0.090", "above"]
    assert other[0] == "other" and other[-1] == "below"


def test_nothing_to_note_prints_nothing(screen):
    notes({"left_out": [], "warnings": []}, screen)
    assert screen.file.getvalue() == ""


def test_what_was_said_as_a_caution_is_no_note(screen):
    warnings = ["mid@1s: few blocks", "ofi@1s: few blocks"]
    notes({"left_out": [], "warnings": warnings}, screen, ["Caution: mid@1s: few blocks."])
    assert screen.file.getvalue() == "\nNote: ofi@1s: few blocks\n"


@pytest.mark.parametrize(
    ("interval", "mark"),
    [
        ((0.01, 0.03), "above"),
        ((-0.01, 0.03), "level"),
        ((-0.03, -0.01), "below"),
        (None, "unknown"),
    ],
)
def test_a_target_is_marked_by_its_interval_alone(screen, interval, mark):
    nulls = {
        "vote": {"accuracy": 0.6, "difference": {"accuracy": interval}},
        "majority": {"accuracy": 0.5, "difference": {"accuracy": (0.1, 0.2)}},
    }
    score = {"n": 1_000, "accuracy": 0.62, "nulls": nulls}
    screen.print(table({"chosen": "m", "models": {"m": {"mid@1s": score}}}))
    line = screen.file.getvalue().splitlines()[1]
    assert line.split()[:5] == ["mid@1s", "1,000", "0.620", "0.600", "vote"] and mark in line


def test_what_is_expected_is_a_line_per_recording(screen):
    found = Estimate(0.25, 4_000, 1_000, 12.4, 10**9)
    screen.print(expected.table(["A, B", "C"], [found, found._replace(share=1.0)]))
    lines = [line.split() for line in screen.file.getvalue().splitlines()]
    assert lines[1:] == [
        ["train", "A,", "B", "25%", "4,000", "1,000", "12", "s"],
        ["test", "C", "100%", "4,000", "1,000", "12", "s"],
    ]


def test_figures_of_a_benchmark_are_read_at_a_glance():
    found = [bench.figure(x) for x in (39_990.4, 1_234_567, 0.00123456, 12, 999.44, None)]
    assert found == ["39,990", "1,234,567", "0.001235", "12", "999.4", ""]


def test_a_benchmark_is_a_table_or_json(flowsense, monkeypatch, screen):
    from flowsense.bench import Result, book

    found = Result("book", {"rate": 6e6, "of": "toy"}, {"name": "plain Python", "rate": 2e5}, 30.0)
    screen.print(bench.table(found))
    assert [x.split() for x in screen.file.getvalue().splitlines()] == [
        ["book", "flowsense", "plain", "Python"],
        ["rate", "6,000,000", "200,000"],
        ["times", "better", "30"],
    ]
    monkeypatch.setattr(book, "run", lambda: found)
    said = json.loads(flowsense("bench", "book", "--json").out)
    assert said["ratio"] == 30.0 and set(said) == {"name", "metrics", "baseline", "ratio"}
    assert "times better" in flowsense("bench", "book").out
    assert "did you mean book?" in flowsense("bench", "boook").err


@pytest.mark.slow
def test_the_demo(flowsense, tmp_path):
    found = flowsense("demo", "--out", tmp_path / "demo")
    assert found.code == 0 and found.err == ""
    lines = found.out.splitlines()
    assert lines[-2] == f"Open {tmp_path / 'demo' / 'report.html'} in a browser."
    assert "flowsense run PATH --out" in lines[-1]
    metrics = json.loads((tmp_path / "demo" / "metrics.json").read_text())
    assert metrics["warnings"] == [] and len(metrics["models"]) == 4
    assert metrics["data"]["source"] == str(tmp_path / "demo-market" / "learn" / "events.parquet")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "file").write_text("")
    assert flowsense("demo", "--out", mine).code == 2


def test_what_trading_came_to_says_how_long_and_why_nothing_was_traded():
    vetoes = {"unsure": 3, "poor_reward": 9}
    none = {"model": "vote", "executions": 0, "vetoes": vetoes, "seconds": 171_000.0}
    some = none | {"executions": 1_200, "net_bp": -0.5}
    (said,) = traded({"taker": none, "maker": some})
    assert said.startswith("vote traded on the rows of the last test block (47.5 h), in basis")
    assert "taker made no trade, most signals withheld as poor_reward, maker -0.50 bp" in said
