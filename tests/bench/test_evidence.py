"""The rule of the table: its rows, its coverages, and what counts as below a mark."""

import numpy as np
import pytest

from flowsense.bench import evidence
from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import FLAT, Target
from flowsense.sources.open import open_source
from flowsense.train.dataset import prepare


def test_the_most_convinced_quarter_is_taken_the_earlier_first():
    strength = np.array([0.5, 0.9, 0.9, 0.1, 0.9, 0.2])
    moves = np.array([True, False, True, True, True, True])
    assert evidence.most_convinced(strength, moves, 0.2).nonzero()[0].tolist() == [2]
    assert evidence.most_convinced(strength, moves, 0.4).nonzero()[0].tolist() == [2, 4]
    assert evidence.most_convinced(strength, moves, 1.0).tolist() == moves.tolist()


def test_a_score_is_below_its_mark_where_its_whole_interval_is():
    scores = dict.fromkeys(evidence.CELLS, 0.6)
    ci95 = {"accuracy": (0.5, 0.7), "50%": (0.5, 0.6), "25%": None, "10%": (0.7, 0.8)}
    cell = evidence.Cell(10, scores, 0.6, ci95)
    assert evidence.below(cell, (10, (0.65, 0.61, 0.9, 0.6))) == ["50%"]


def test_every_cell_has_a_mark():
    marks = dict(evidence.marked())
    assert len(marks) == 16
    assert marks["GOOG mid@500ms"] == (5_126, (0.652, 0.727, 0.775, 0.811))


def test_recordings_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWSENSE_DATA", str(tmp_path))
    with pytest.raises(InputError, match="no recording of GOOG"):
        evidence.recording("GOOG")


@pytest.mark.slow
@pytest.mark.parametrize("symbol", ["GOOG", "AMZN"])
def test_the_scored_rows_are_those_of_the_table(symbol, data, monkeypatch):
    monkeypatch.setenv("FLOWSENSE_DATA", str(data))
    targets = tuple(Target.parse(f"{k}@{h}") for k in ("mid", "ofi") for h in evidence.HORIZONS)
    source = open_source([evidence.recording(symbol)])
    bounds = {"start": evidence.FIRST, "end": evidence.LAST + 1}
    made = prepare(source, spec(("flow",)), targets, **bounds)
    fit, scored = evidence.split(made)
    assert not (fit.valid & scored.valid).any()
    counts = (scored.valid & (scored.y != FLAT)).sum(axis=0)
    marks = dict(evidence.marked())
    assert counts.tolist() == [marks[f"{symbol} {t}"][0] for t in targets]


@pytest.mark.slow
def test_a_rule_is_scored_in_every_cell(data, monkeypatch):
    monkeypatch.setenv("FLOWSENSE_DATA", str(data))
    found = evidence.run(("vote", "persistence"))
    cells = {name: found.metrics[name]["vote"] for name, _ in evidence.marked()}
    assert 0.3 < found.ratio < 1.0
    for cell in cells.values():
        low, high = cell["ci95"]["accuracy"]
        assert 0.48 < low < cell["scores"]["accuracy"] < high < 0.7
        assert cell["scores"]["10%"] > cell["scores"]["accuracy"]
    assert "GOOG ofi@500ms accuracy" in found.metrics["below_mark"]
