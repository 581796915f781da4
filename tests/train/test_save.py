"""What a run leaves behind is whole, can be loaded, and says the same."""

import json
from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.models.hmm import Hmm
from flowsense.models.nulls import Majority
from flowsense.store.checkpoint import CheckpointError
from flowsense.train.config import RunConfig
from flowsense.train.dataset import forecast
from flowsense.train.outside import score
from flowsense.train.run import run
from flowsense.train.save import check_folder, load_model


@dataclass(frozen=True)
class Nameless(Majority):
    """Of nobody's registry."""


TARGETS = (Target("mid", 500_000_000), Target("magnitude", 10**9))


def test_the_files_are_those_promised(saved, two):
    names = {p.name for p in saved.iterdir()}
    expected = {"metrics.json", "curves.json", "manifest.json", "report.html"}
    assert names == expected | {"forecasts", "checkpoints"}
    metrics = json.loads((saved / "metrics.json").read_text())
    assert metrics["schema"] == 1 and metrics["models"].keys() == two.metrics["models"].keys()
    assert "NaN" not in (saved / "metrics.json").read_text()


@pytest.mark.parametrize("name", ["imbalance", "antisymmetric"])
def test_a_checkpoint_loads_and_forecasts_the_same(saved, two, name):
    model, spec = load_model(saved / "checkpoints" / name)
    said, data = two.forecasts[name][0], two.material.learn
    again = forecast(model, data)
    test = two.material.folds[0].test
    assert spec == data.spec
    assert again.proba[test].tobytes() == said.proba[test].tobytes()
    assert again.value[test].tobytes() == said.value[test].tobytes()


def test_a_damaged_checkpoint_is_refused(saved, tmp_path):
    file = saved / "checkpoints" / "imbalance" / "manifest.json"
    text = file.read_bytes()
    file.write_bytes(text.replace(b'"seed": 0', b'"seed": 1').replace(b'"seed":0', b'"seed":1'))
    with pytest.raises(CheckpointError):
        load_model(saved / "checkpoints" / "imbalance")
    file.write_bytes(text)


def test_the_forecasts_score_the_same_when_read_back(saved, two, source):
    path = saved / "forecasts" / "antisymmetric.parquet"
    table = pq.read_table(path)
    assert table.num_rows == sum(int(f.test.sum()) for f in two.material.folds)
    found = score(path, source, share=1e-9).models["antisymmetric"]["mid@500ms"]
    own = two.metrics["models"]["antisymmetric"]["mid@500ms"]
    assert found.accuracy == pytest.approx(own["accuracy"], abs=0.01)
    assert abs(found.n - own["n"]) <= 3  # the first instant sets thresholds


@pytest.mark.slow
def test_the_report_alone_can_be_written(two, tmp_path):
    two.report(tmp_path / "r.html")
    assert "<html" in (tmp_path / "r.html").read_text()[:200]


def test_folders_that_hold_other_things_are_not_touched(saved, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    for place, why in ((tmp_path, "holds something"), (tmp_path / "mine.txt", "is a file")):
        with pytest.raises(InputError, match=why):
            check_folder(place)
    check_folder(saved)
    assert np.array_equal(sorted(p.name for p in tmp_path.iterdir()), ["mine.txt"])


@pytest.fixture(scope="module")
def given(source):
    """Models themselves, two of them of one kind, and one that nobody has registered."""
    models = (Hmm(preset="three", step="500ms", starts=1), Hmm.tiny(), Nameless())
    return run(source, RunConfig(models, ("flow",), targets=TARGETS, epochs=5))


@pytest.mark.slow
def test_models_that_were_given_are_restored_with_their_settings(given, tmp_path):
    given.save(tmp_path / "out")
    first = load_model(tmp_path / "out/checkpoints/hmm")[0].model
    second = load_model(tmp_path / "out/checkpoints/hmm-2")[0].model
    assert (first.preset, first.step, first.starts) == ("three", "500ms", 1)
    assert second.step == "200ms" and len(second.regimes) == 3
    assert list(given.metrics["config"]["models"]) == [
        "hmm(preset='three', step='500ms', starts=1)",
        "hmm(preset='three', step='200ms', starts=2)",
        "nameless",
    ]


@pytest.mark.slow
def test_a_model_that_is_not_registered_is_scored_and_leaves_no_checkpoint(given, tmp_path):
    given.save(tmp_path / "out")
    left = {place.name for place in (tmp_path / "out/checkpoints").iterdir()}
    assert "hmm" in left and not left & {"nameless", "ensemble"}
    said = [w for w in given.metrics["warnings"] if w.startswith("nameless: ")]
    assert said == [
        "nameless: Nameless: is not registered, so no checkpoint of it is kept; name it as an "
        "entry point of flowsense.models"
    ]
