"""A run scores its models heard together, on rows that taught neither them nor whom to hear."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from flowsense.ensemble.fallback import Verdict
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.model.calibrated import Calibrated
from flowsense.model.estimator import Estimator, Fitted, Head, Live
from flowsense.model.instruments import Known
from flowsense.models import asked
from flowsense.store.events import write_events
from flowsense.train.combined import answered, combined, told
from flowsense.train.config import RunConfig
from flowsense.train.dataset import forecast, prepare
from flowsense.train.fits import Bench
from flowsense.train.preparing import prepare_rows
from flowsense.train.read import read
from flowsense.train.run import judge, run
from flowsense.train.save import load_model, unsaved
from flowsense.train.steps import evaluate, train

TARGETS = (Target("mid", 500_000_000), Target("magnitude", 10**9))
CONFIG = RunConfig(("logistic", "antisymmetric", "hmm"), targets=TARGETS, unscored_ns=0, epochs=8)
pytestmark = pytest.mark.compiled


@pytest.fixture(scope="module")
def learn(source):
    return prepare(source, spec(), TARGETS)


@pytest.fixture(scope="module")
def result(learn):
    return judge(learn, (), CONFIG, asked(CONFIG.models))


@pytest.mark.slow
def test_it_is_scored_beside_its_members_and_says_who_is_heard(result):
    metrics = result.metrics
    assert list(metrics["models"]) == [*CONFIG.models, "ensemble"]
    assert (
        metrics["models"]["ensemble"]["mid@500ms"]["n"]
        == (metrics["models"]["logistic"]["mid@500ms"]["n"])
    )
    found = metrics["ensemble"]
    assert set(found["targets"]) == {str(t) for t in TARGETS}
    assert all(set(v) == {"heard", "combined", "why"} for v in found["targets"].values())
    assert found["note"].startswith("ensemble: models are heard")
    assert metrics["config"]["models"] == CONFIG.models and metrics["chosen"] in CONFIG.models
    assert {"fit ensemble", "forecast ensemble"} <= set(metrics["timing"])


@pytest.mark.slow
def test_the_report_says_who_is_heard_and_why(result, tmp_path):
    result.report(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert result.metrics["ensemble"]["note"] in page
    assert all(v["why"] in page for v in result.metrics["ensemble"]["targets"].values())


@pytest.mark.slow
def test_a_checkpoint_of_it_says_the_same(result, learn, tmp_path):
    result.save(tmp_path / "run")
    model, _ = load_model(tmp_path / "run" / "checkpoints" / "ensemble")
    assert model.model.names == CONFIG.models and model.model.combiner.tried[1].regimes
    (said,), tested = result.forecasts["ensemble"], result.material.folds[0].test.any(axis=1)
    start = result.material.index.ts[result.material.folds[0].validation.any(axis=1)][0]
    again = forecast(model, learn, start=int(start) - 600 * 10**9)
    np.testing.assert_array_equal(again.proba[tested], said.proba[tested])
    np.testing.assert_array_equal(again.value[tested], said.value[tested])


@pytest.mark.slow
def test_weights_that_follow_say_the_same_from_a_checkpoint(result, learn):
    """Where they are heard: outcomes move them from the last that taught them on."""
    of = result.material
    one = result.fitted["ensemble"].model.combiner
    at = [type(c).__name__ for c in one.tried].index("Adaptive")
    heard = np.full(len(TARGETS), at)
    followed = replace(one, choice=one.choice._replace(heard=heard))
    bench = Bench(of, CONFIG, lambda *_: None)
    said = answered(followed, bench, {n: result.forecasts[n][0] for n in CONFIG.models}, 0)
    model = replace(result.fitted["ensemble"].model, combiner=followed)
    tested = of.folds[0].test.any(axis=1)
    start = of.index.ts[of.folds[0].validation.any(axis=1)][0] - 600 * 10**9
    again = forecast(model, learn, start=int(start))
    np.testing.assert_array_equal(again.proba[tested], said.proba[tested])
    np.testing.assert_array_equal(again.value[tested], said.value[tested])


@pytest.mark.slow
def test_only_rows_kept_for_choosing_teach_it(result, learn):
    """Labels elsewhere are spoiled after the fits: the answers are the same."""
    of = result.material
    keep = of.folds[0].choose
    y = np.where(keep, of.labels.y, np.float32(0))
    spoiled = replace(of, labels=of.labels._replace(y=y))
    names = CONFIG.models
    fitted = {name: result.fitted[name] for name in names}
    said = {name: result.forecasts[name] for name in names}
    a, b = (combined(Bench(m, CONFIG, lambda *_: None), fitted, said) for m in (of, spoiled))
    assert a.said[0].proba.tobytes() == b.said[0].proba.tobytes()
    assert (of.labels.y != y).any()


@pytest.mark.slow
def test_one_model_or_rules_alone_are_no_ensemble(source):
    for models in (("logistic",), ("imbalance", "vote", "majority")):
        found = run(source, replace(CONFIG, models=models))
        assert "ensemble" not in found.metrics["models"] and found.metrics["ensemble"] == {}


def test_who_is_heard_in_a_sentence():
    both, alone = Verdict("mean", True, ""), Verdict("xgboost", False, "")
    assert told({"a": both, "b": alone, "c": both}) == (
        "ensemble: models are heard together on 2 of 3 targets (mean on 2); elsewhere no ensemble "
        "was as good as one alone (xgboost on 1)"
    )
    assert told({"a": alone}).startswith("ensemble: models are heard together on 0 of 1 targets; ")


@pytest.mark.slow
def test_steps_leave_a_checkpoint_of_it_too(source, tmp_path):
    write_events(tmp_path / "events.parquet", source.instruments, source)
    recording = read(tmp_path / "events.parquet", families=("ofi", "flow"))
    config = replace(CONFIG, models=("logistic", "antisymmetric"), families=("ofi", "flow"))
    rows = prepare_rows(recording, TARGETS, tmp_path / "rows")
    train((rows,), config, asked(config.models), tmp_path / "t")
    found = evaluate(tmp_path / "t")
    model, _ = load_model(tmp_path / "t" / "checkpoints" / "ensemble")
    assert model.model.combiner.verdicts.keys() == found.metrics["ensemble"]["targets"].keys()
    assert evaluate(tmp_path / "t").metrics["models"] == found.metrics["models"]


@pytest.mark.slow
def test_without_a_checkpoint_of_a_member_there_is_none_of_it(result):
    live = Live(GaussianNB())
    head = Head(np.ones(3) / 3, np.zeros(0, np.float32), np.arange(3), np.ones(3), live)
    inside = Fitted(Known.of(result.material.labels, ()), np.ones((1, 2)), 1, (head, head))
    fitted = dict(result.fitted) | {"bayes": Calibrated(Estimator(live.estimator, fitted=inside))}
    found = unsaved(fitted)
    assert set(found) == {"bayes", "ensemble"}
    assert found["ensemble"] == "ensemble: no checkpoint is kept of it: there is none of bayes"
    assert unsaved(result.fitted) == {}
