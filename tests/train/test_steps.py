"""Train and evaluate as steps: what is fitted stays, and scores are those of a run."""

from dataclasses import replace

import pytest
from toys import Ewma

from flowsense.errors import InputError
from flowsense.forecast import Target
from flowsense.models import asked
from flowsense.store.events import write_events
from flowsense.tape import Needs
from flowsense.train import steps
from flowsense.train.config import RunConfig
from flowsense.train.prepared import Prepared
from flowsense.train.preparing import prepare_rows
from flowsense.train.read import read
from flowsense.train.run import run
from flowsense.train.steps import evaluate, folded, train

pytestmark = pytest.mark.slow

TARGETS = tuple(map(Target.parse, ("mid@500ms", "ofi@1s", "magnitude@1s")))
FAMILIES = ("ofi", "depth", "flow")
CONFIG = RunConfig(("imbalance", "logistic"), families=FAMILIES, targets=TARGETS)
MODELS = asked(CONFIG.models)
SAME = (
    "data",
    "config",
    "models",
    "chosen",
    "warnings",
    "importances",
    "shap",
    "calibration",
    "left_out",
)


@pytest.fixture(scope="module")
def recording(tmp_path_factory, source):
    path = tmp_path_factory.mktemp("steps") / "events.parquet"
    write_events(path, source.instruments, source)
    return read(path, families=FAMILIES)


@pytest.fixture(scope="module")
def rows(recording, tmp_path_factory):
    return prepare_rows(recording, TARGETS, tmp_path_factory.mktemp("made") / "rows", least=200)


@pytest.fixture(scope="module")
def trained(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "t"
    train((rows,), CONFIG, MODELS, folder)
    return folder


@pytest.mark.slow
def test_the_steps_score_what_a_run_scores(trained, recording):
    found, whole = evaluate(trained).metrics, run(recording.source, CONFIG).metrics
    assert {k: found[k] for k in SAME} == {k: whole[k] for k in SAME}
    assert {p.name for p in trained.iterdir()} >= {
        *("metrics.json", "report.html", "curves.json", "manifest.json", "forecasts"),
        *("checkpoints", "train.json"),
    }


@pytest.mark.slow
def test_large_arrays_in_files_change_no_bit(rows, trained, tmp_path, monkeypatch):
    few = evaluate(trained)
    monkeypatch.setattr(steps, "ENTRIES", 0)
    train((rows,), CONFIG, MODELS, tmp_path / "t")
    many = evaluate(tmp_path / "t")
    assert many.material.room.folder == tmp_path / "t"
    for key in SAME:
        assert few.metrics[key] == many.metrics[key]
    for name, (one,) in few.forecasts.items():
        other = many.forecasts[name][0]
        for part in ("proba", "value", "ready"):
            assert getattr(one, part).tobytes() == getattr(other, part).tobytes()


def test_what_is_fitted_is_not_fitted_again(rows, tmp_path):
    train((rows,), CONFIG, asked(("imbalance",)), tmp_path)
    kept = (tmp_path / "checkpoints/imbalance/manifest.json").stat().st_mtime_ns
    train((rows,), CONFIG, asked(("majority",)), tmp_path)
    assert (tmp_path / "checkpoints/imbalance/manifest.json").stat().st_mtime_ns == kept
    assert set(evaluate(tmp_path).metrics["models"]) == {"imbalance", "majority"}


def test_every_fold_has_its_checkpoint(rows, tmp_path):
    config = replace(CONFIG, validation="time-series:2")
    train((rows,), config, asked(("majority",)), tmp_path)
    assert (tmp_path / "folds/1/majority/params.npz").exists()
    assert (tmp_path / "checkpoints/majority/params.npz").exists()
    assert len(evaluate(tmp_path).forecasts["majority"]) == 2


def test_what_differs_is_named(rows, trained):
    with pytest.raises(InputError, match=r"was made with seed 0, not 1: ask for the same"):
        train((rows,), replace(CONFIG, seed=1), MODELS, trained)
    with pytest.raises(InputError, match=r"target mid@30s: the rows have mid@500ms"):
        train((rows,), replace(CONFIG, targets=(Target.parse("mid@30s"),)), MODELS, trained / "x")


def test_a_model_with_other_options_is_not_the_one_that_is_fitted(rows, tmp_path):
    config = replace(CONFIG, targets=TARGETS[:1])
    tree, deeper = (f"sklearn.tree.DecisionTreeClassifier(max_depth={d})" for d in (1, 6))
    for _ in range(2):
        train((rows,), config, asked((tree,)), tmp_path)
    with pytest.raises(InputError, match=r"DecisionTreeClassifier .*max_depth=1.*max_depth=6"):
        train((rows,), config, asked((deeper,)), tmp_path)


def test_a_fit_that_is_missing_is_told(rows, tmp_path):
    of = train((rows,), CONFIG, asked(("majority",)), tmp_path).of
    (tmp_path / "checkpoints/majority").rename(tmp_path / "aside")
    with pytest.raises(InputError, match="majority is not fitted yet: `flowsense train` goes on"):
        evaluate(tmp_path)
    assert of.labels.targets == TARGETS


def test_folders_of_something_else_are_refused(rows, tmp_path):
    with pytest.raises(InputError, match=r"train.json: .*name a folder that `flowsense train`"):
        evaluate(tmp_path)
    (tmp_path / "train.json").write_text("{")
    with pytest.raises(InputError, match=r"train.json: does not read"):
        evaluate(tmp_path)
    (tmp_path / "train.json").rename(tmp_path / "metrics.json")
    with pytest.raises(InputError, match="holds the results of a run"):
        train((rows,), CONFIG, MODELS, tmp_path)


def test_test_rows_must_be_alike(rows, recording, tmp_path):
    other = prepare_rows(recording, TARGETS[:1], tmp_path / "rows")
    with pytest.raises(InputError, match="has other features or targets: prepare it alike"):
        train((rows, other), CONFIG, MODELS, tmp_path / "t")


def test_a_model_that_reads_events_is_refused_rows_without(rows, tmp_path):
    class Greedy(Ewma):
        needs = Needs(events=True)

    config = RunConfig(families=FAMILIES, targets=TARGETS)
    with pytest.raises(InputError, match=r"greedy reads events.*--events"):
        train((rows,), config, {"greedy": Greedy(TARGETS[0])}, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_a_group_alone_named_is_left_out_where_it_refuses(rows, tmp_path):
    config = replace(CONFIG, models=("all",))
    for _ in range(2):  # what went on is not what was left out
        bench = train((rows,), config, asked(("majority", "hawkes")), tmp_path)
        assert list(bench.refused) == ["hawkes"]
        assert "was prepared without" in bench.refused["hawkes"]
    assert set(evaluate(tmp_path).metrics["models"]) == {"majority"}


def test_what_is_refused_leaves_no_folder(rows, tmp_path):
    config = RunConfig(families=FAMILIES, targets=TARGETS, validation="time-series:40")
    with pytest.raises(InputError):
        train((rows,), config, asked(("imbalance",)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rows_that_are_large_are_folded_on_disk(recording, tmp_path, monkeypatch):
    with folded((recording,), CONFIG, tmp_path) as (small,):
        assert not isinstance(small, Prepared)
    monkeypatch.setattr(steps, "SMALL", 0)
    monkeypatch.setattr(steps, "LARGE", 0)
    with folded((recording,), CONFIG, tmp_path) as (large,):
        assert isinstance(large, Prepared) and large.digest == small.digest
    assert not list(tmp_path.iterdir())


def test_a_model_of_other_settings_is_not_taken_for_the_one_that_lies_there(rows, tmp_path):
    config = replace(CONFIG, models=("logistic(most=500)",))
    train((rows,), config, asked(config.models), tmp_path / "t")
    with pytest.raises(InputError, match=r"was made with logistic .*most=500.*, not .logistic"):
        train((rows,), CONFIG, MODELS, tmp_path / "t")
    assert evaluate(tmp_path / "t").fitted["logistic"].model.most == 500
