"""The tables hold the numbers of metrics.json, of every model and null on every target."""

import copy

import pytest

from flowsense.evaluate.report.markdown import page
from flowsense.evaluate.report.markup import figure, points


def lines(text, title):
    """The cells of the table under a title that begins so."""
    part = next(p for p in text.split("### ") if p.startswith(title))
    found = [line[2:-2].split(" | ") for line in part.splitlines() if line.startswith("|")]
    assert {len(line) for line in found} == {len(found[0])}
    return found[2:]


def test_every_model_and_null_of_a_direction_has_a_line(scored):
    score = scored["models"]["good"]["mid@500ms"]
    found = {cells[0].strip(): cells for cells in lines(page(scored), "mid@500ms")}
    good = found["**good**"]
    low, high = score["ci95"]["accuracy"]
    assert good[1] == f"{figure(score['accuracy'])} ({figure(low)} to {figure(high)})"
    assert good[2].endswith("above") and good[4] == figure(score["coverage"]["0.25"])
    assert "blind" in found and not found["blind"][2].endswith(" above")
    assert found["*the vote null*"][1] == figure(score["nulls"]["vote"]["accuracy"])
    assert not any("shuffled" in name for name in found)


def test_the_difference_is_from_the_null_that_did_best(scored):
    score = scored["models"]["good"]["ofi@1s"]
    nulls = {k: v for k, v in score["nulls"].items() if k != "shuffled" and v["accuracy"]}
    best = max(v["accuracy"] for v in nulls.values())
    (cells,) = (c for c in lines(page(scored), "ofi@1s") if c[0] == "**good**")
    assert cells[2].split()[0] == points(score["accuracy"] - best)


def test_a_magnitude_has_errors_in_ticks(scored):
    score = scored["models"]["good"]["magnitude@1s"]
    found = lines(page(scored), "magnitude@1s")
    assert found[-2][1].startswith(figure(score["mae"])) and found[-2][-1] == figure(score["ic"])


def test_what_a_model_took_is_told(scored):
    took = copy.deepcopy(scored)
    took["timing"] |= {
        "fit good": {"seconds": 61.24, "events": 0, "rows": 9, "memory": 812_000_000},
        "forecast good": {"seconds": 3.0, "events": 0, "rows": 9, "memory": 900_000_000},
    }
    assert lines(page(took), "What it takes") == [
        ["good", "61.2", "3.0", "900"],
        ["blind", "-", "-", "-"],
    ]


@pytest.mark.parametrize("part", ["ci95", "nulls", "tradable"])
def test_what_the_span_was_too_short_for_is_left_open(scored, part):
    short = copy.deepcopy(scored)
    for score in short["models"]["good"].values():
        if part == "nulls":
            for null in score["nulls"].values():
                null["difference"] = dict.fromkeys(null["difference"])
        else:
            score[part] = dict.fromkeys(score.get(part, {}))
    found = {cells[0]: cells for cells in lines(page(short), "mid@500ms")}
    if part == "nulls":
        assert found["**good**"][2].endswith("cannot be told")
    assert "None" not in page(short)
