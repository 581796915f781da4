"""Outcomes and columns together: told as numbers, stored and taken up again."""

from dataclasses import replace

import numpy as np
import pytest
from grids import one, says, walk

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.serve import Model
from flowsense.serve.judge import Judge
from flowsense.serve.measured import OUTCOMES
from flowsense.serve.metrics import Layout, Metrics

TARGET = Target.parse("mid@100ms")
MODEL = Model("x", "v", "run", ("mid@100ms",), 1, (), (0, 1), 0, "d")


def judge(*, block=20):
    found = Judge((TARGET,), ("spread",), (one("0"),))
    found.columns = replace(found.columns, block=block, every_ns=1)
    return found


def stream(n=200):
    rng = np.random.default_rng(1)
    tape = walk(rng.choice([-1, 1], n - 1))
    X = rng.standard_normal((n, 1)).astype(np.float32)
    rows = tape.rows[0]._replace(X=X, valid=np.ones((n, 1), bool))
    return tape._replace(rows=(rows,)), says(rng.uniform(0.1, 0.9, n))


def test_all_of_it_is_told():
    metrics, found = Metrics(Layout((("toy", "0"),), MODEL)), judge()
    metrics.serving(MODEL, {"spread": 1.0})

    found.push(*stream())
    found.tell(metrics.series)

    series = metrics.series
    assert all(series.read(family.name) for family in OUTCOMES)
    assert series.read("flowsense_outcomes_total")["mid@100ms",] == 199
    assert series.read("flowsense_drift_psi")["spread",] == found.psi()["spread"]
    assert len(series.read("flowsense_reliability")) == 16  # 0.1 to 0.8, both ends
    assert series.refused == 0


def test_nothing_is_told_of_what_is_not_known_yet():
    metrics, found = Metrics(Layout((("toy", "0"),), MODEL)), judge()

    found.tell(metrics.series)

    assert metrics.series.read("flowsense_outcomes_total")["mid@100ms",] == 0
    assert metrics.series.read("flowsense_hit_rate") == {}


def test_it_goes_on_where_a_snapshot_was_taken():
    tape, forecast = stream()
    whole, first, second = judge(), judge(), judge()
    whole.push(tape, forecast)

    first.push(tape, forecast)
    second.restore(first.snapshot())

    assert second.snapshot() == whole.snapshot() and second.standing() == whole.standing()


def test_a_snapshot_of_another_judge_is_refused():
    with pytest.raises(InputError, match="other targets"):
        Judge((TARGET,), ("else",), (one("0"),)).restore(judge().snapshot())
