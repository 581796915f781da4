"""Folds and paths in the report: each has its line, and its stretches of time."""

from types import SimpleNamespace

import numpy as np

from flowsense.evaluate.curves import _layout
from flowsense.evaluate.report import plots, tables
from flowsense.evaluate.report.sections import _folds
from flowsense.schema import SECOND

PART = {"start": 0, "end": 60 * SECOND, "n": 1_234}
SIDE = PART | {"accuracy": 0.625, "side_balanced": None, "log_loss": 0.875}
SCORE = {"accuracy": 0.6, "folds": [SIDE, SIDE], "paths": [SIDE], "spread": {"accuracy": 0.0315}}
SIZE = {"mae": 1.0, "folds": [PART | {"mae": 1.25, "rmse": 2.5}], "paths": [], "spread": {}}


def masks(letters):
    """One row each second: t trains, v chooses, x is tested, a dot is nobody's."""
    at = np.array(list(letters))[:, None]
    return SimpleNamespace(train=at == "t", choose=at == "v", test=at == "x")


def spans(letters):
    found = _layout(np.arange(len(letters)) * SECOND, masks(letters), 0)
    return {k: v and [ts // SECOND for ts in v] for k, v in found.items()}


def test_stretches_are_parted_by_other_blocks_and_not_by_purged_rows():
    assert spans("tt.ttxxx..tt..vv") == {
        "train": [0, 4, 10, 11],
        "validation": [11, 15],
        "test": [5, 7],
    }
    assert spans("xxtttvvxx")["test"] == [0, 1, 7, 8]
    assert spans("vvtt") == {"train": [2, 3], "validation": [0, 1], "test": None}
    assert spans("....") == {"train": None, "validation": None, "test": None}


def test_a_part_that_is_scored_again_has_its_stretch_too():
    again = masks("tttvvv")
    again.test = again.train
    found = _layout(np.arange(6) * SECOND, again, 0)
    assert found["test"] == found["train"] == [0, 2 * SECOND]


def test_every_stretch_is_drawn():
    ends = [k * 60 * SECOND for k in range(4)]
    none = dict.fromkeys(("train", "validation", "test"))
    two, one = (str(plots.layout([none | {"train": x}])) for x in (ends, ends[:2]))
    assert len(two) > len(one)


def test_a_line_for_each_fold_and_path_and_their_deviation():
    said = str(tables.folds(SCORE))
    for text in ("fold 1", "fold 2", "path 1", "deviation", "1,234", ".625", ".875", ".03"):
        assert text in said, text
    assert said.count("1970-01-01 00:01:00") == 3 and "fold 3" not in said
    sized = str(tables.folds(SIZE))
    assert "1.25" in sized and "MAE" in sized and "deviation" not in sized


def test_one_fold_is_not_told_of():
    assert not str(_folds({"magnitude@1s": SIZE}))
    assert "mid@1s" in str(_folds({"mid@1s": SCORE, "magnitude@1s": SIZE}))
