"""A run on targets of every kind, from events to metrics.json, and its forecasts scored again."""

from dataclasses import replace

import numpy as np
import pytest

from flowsense.forecast import Target
from flowsense.train.config import RunConfig
from flowsense.train.outside import score
from flowsense.train.run import held_out, run

pytestmark = pytest.mark.slow

TEXTS = ("barrier:2t@1s", "barrier@500ms", "smoothed@1s", "mid@1s")
TARGETS = tuple(map(Target.parse, TEXTS))


@pytest.fixture(scope="module")
def result(source):
    return run(source, RunConfig(("vote", "logistic"), targets=TARGETS, unscored_ns=0))


def test_every_kind_is_scored_and_a_smoothed_one_beside_its_walks(result):
    scores = result.metrics["models"]["logistic"]
    assert set(scores) == set(TEXTS)
    assert result.metrics["config"]["targets"] == list(TEXTS)
    walked = {t: "random_walk" in s["nulls"] for t, s in scores.items()}
    assert walked == {t: t.startswith("smoothed") for t in TEXTS}
    assert 0.5 < scores["smoothed@1s"]["nulls"]["random_walk"]["accuracy"] < 1
    assert any("random walk" in w for w in result.metrics["warnings"])


def test_a_smoothed_label_does_not_choose_the_model(result):
    of, said = result.material, result.forecasts["logistic"]
    keep = np.array([t.kind != "smoothed" for t in of.labels.targets])
    every, t = held_out(of, said), int(np.flatnonzero(~keep)[0])
    fooled = tuple(replace(f, proba=f.proba.copy()) for f in said)
    for forecast in fooled:
        forecast.proba[:, t] = (1, 0, 0)
    assert held_out(of, fooled) == every


def test_saved_forecasts_are_scored_again_as_they_were(tmp_path, source):
    asked = RunConfig(("vote",), targets=TARGETS, unscored_ns=0)
    ran = run(source, asked)
    ran.save(tmp_path / "run")
    assert (tmp_path / "run" / "report.html").exists()
    again = score(tmp_path / "run" / "forecasts" / "vote.parquet", source).models["vote"]
    assert set(again) == set(TEXTS)
    assert "random_walk" in again["smoothed@1s"].nulls
