"""The rule of the table: its rows, its coverages, and what counts as below a mark."""

import numpy as np
import pytest

from flowsense.bench import evidence
from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import FLAT


def test_the_most_convinced_quarter_is_taken_the_earlier_first():
    strength = np.array([0.5, 0.9, 0.9, 0.1, 0.9, 0.2])
    moves = np.array([True, False, True, True, True, True])
    assert evidence.most_convinced(strength, moves, 0.2).nonzero()[0].tolist() == [2]
    assert evidence.most_convinced(strength, moves, 0.4).nonzero()[0].tolist() == [2, 4]
    assert evidence.most_convinced(strength, moves, 1.0).tolist() == moves.tolist()


def test_a_score_is_below_its_mark_where_its_whole_interval_is():
    scores = dict.fromkeys(evidence.CELLS, 0.6)
    ci95 = {"accuracy": (0.5, 0.7), "50%": (0.5, 0.6), "25%": None, "10%": (0.7, 0.8)}
    cell = evidence.Cell(10, scores, 0.6, ci95, {}, {})
    assert evidence.below(cell, (10, (0.65, 0.61, 0.9, 0.6))) == ["50%"]
    assert evidence.above(cell, (10, (0.65, 0.61, 0.1, 0.6))) == ["10%"]


def test_every_cell_has_a_mark():
    marks = dict(evidence.marked())
    assert len(marks) == 16
    assert marks["GOOG mid@500ms"] == (5_126, (0.652, 0.727, 0.775, 0.811))


def test_recordings_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWSENSE_DATA", str(tmp_path))
    with pytest.raises(InputError, match="no recording of GOOG"):
        evidence.recording("GOOG")


@pytest.fixture(scope="module")
def rows(data):
    """The market of the table with few columns: its rows are the same."""
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setenv("FLOWSENSE_DATA", str(data))
        patched.setattr(evidence, "spec", lambda: spec(("flow",)))
        return evidence.market()


@pytest.mark.slow
def test_the_scored_rows_are_those_of_the_table(rows):
    fit, choose, scored = evidence.split(rows)
    parts = (fit.valid, choose.valid, scored.valid)
    assert all(part.any() for part in parts) and (np.sum(parts, axis=0) <= 1).all()
    marks = dict(evidence.marked())
    for who, symbol in enumerate(("GOOG", "AMZN")):
        mine = (rows.instrument == who)[:, None]
        counts = (scored.valid & mine & (scored.y != FLAT)).sum(axis=0)
        assert counts.tolist() == [marks[f"{symbol} {t}"][0] for t in scored.targets]


@pytest.mark.slow
def test_rules_are_scored_in_every_cell(data, monkeypatch):
    monkeypatch.setenv("FLOWSENSE_DATA", str(data))
    found = evidence.run(("imbalance", "persistence"))
    cells = [found.metrics[name]["vote"] for name, _ in evidence.marked()]
    assert 0.2 < found.ratio < 1.0 and found.metrics["chosen"] in ("imbalance", "persistence")
    for cell in cells:
        low, high = cell["ci95"]["accuracy"]
        assert 0.45 < low < cell["scores"]["accuracy"] < high < 0.7
        assert cell["scores"]["10%"] > cell["scores"]["accuracy"]
        assert set(cell["above_vote"].values()) == {0.0}
        assert set(cell["above_vote_ci95"].values()) == {(0.0, 0.0)}
    assert "GOOG ofi@500ms accuracy" in found.metrics["below_mark"]
