"""The main job on a small market: honest about what it learned and from which rows."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from toys import Ewma

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.models import asked
from flowsense.schema import DAY, SECOND
from flowsense.tape import Needs
from flowsense.train.config import RunConfig, options_of
from flowsense.train.dataset import Cost, Dataset, prepare
from flowsense.train.material import material
from flowsense.train.run import judge, models_of, overdue, run

TARGETS = (Target("mid", 500_000_000), Target("ofi", 1_000_000_000), Target("magnitude", 10**9))
CONFIG = RunConfig(("imbalance", "majority"), targets=TARGETS, unscored_ns=0)


@pytest.fixture(scope="module")
def learn(source):
    return prepare(source, spec(), TARGETS)


@pytest.fixture(scope="module")
def result(source):
    return run(source, CONFIG)


def test_every_model_and_target_is_scored_beside_its_nulls(result):
    models = result.metrics["models"]
    assert set(models) == {"imbalance", "majority"}
    for scores in models.values():
        assert set(scores) == {str(t) for t in TARGETS}
    nulls = models["imbalance"]["mid@500ms"]["nulls"]
    assert {"persistence", "last_trade", "vote", "always_one_side", "shuffled"} <= set(nulls)
    assert result.chosen in models and len(result.table()) == 6


@pytest.mark.slow
def test_scores_are_told_apart_by_the_regime_that_a_model_saw(source, result, tmp_path):
    found = run(source, replace(CONFIG, models=("imbalance", "hmm")))
    told = found.metrics["models"]
    found.save(tmp_path / "run")
    assert json.loads((tmp_path / "run/metrics.json").read_bytes())["models"].keys() == told.keys()
    assert result.metrics["models"]["imbalance"]["mid@500ms"]["by_regime"] == {}
    for scores in told.values():
        parts = scores["mid@500ms"]["by_regime"]
        assert set(parts) <= {"low volatility", "trending up", "trending down"} | {
            "high volatility",
            "crisis",
        }
        assert 0 < sum(part["n"] for part in parts.values()) <= scores["mid@500ms"]["n"]
    both = [told[name]["mid@500ms"]["by_regime"] for name in ("imbalance", "hmm")]
    assert [p["n"] for p in both[0].values()] == [p["n"] for p in both[1].values()]


@pytest.mark.slow
def test_a_run_goes_on_without_a_model_that_nobody_named_and_says_so(learn):
    config, some = replace(CONFIG, models=("all",)), asked(("majority", "hawkes"))
    found = judge(learn, (), config, some).metrics
    assert set(found["models"]) == {"majority"} and found["config"]["models"] == ("majority",)
    assert any(note.startswith("hawkes: reads events") for note in found["warnings"])
    with pytest.raises(InputError, match="hawkes reads events"):
        judge(learn, (), replace(config, models=("all", "hawkes")), some)
    with pytest.raises(InputError, match="hawkes reads events"):
        judge(learn, (), config, asked(("hawkes",)))


@pytest.mark.slow
def test_a_run_repeats_to_the_bit(source, result):
    again = run(source, CONFIG)
    drop = ("timing",)
    a, b = ({k: v for k, v in r.metrics.items() if k not in drop} for r in (result, again))
    assert a == b


def test_of_rows_that_a_fold_neither_validates_nor_tests_nothing_is_said(result):
    fold, (said,) = result.material.folds[0], result.forecasts["imbalance"]
    asked = (fold.validation | fold.test).any(axis=1)
    assert said.ready[asked].all() and not asked.all()
    assert not (said.ready[~asked].any() or said.proba[~asked].any() or said.value[~asked].any())


def test_a_model_never_sees_a_label_known_after_its_training_rows(learn):
    of = material(learn, (), CONFIG)
    labels = of.fit_labels(of.folds[0])
    test_from = of.index.ts[of.folds[0].test.any(axis=1)].min()
    for t in range(len(TARGETS)):
        seen = labels.valid[:, t]
        assert seen.any() and labels.known_at[seen, t].max() < test_from
        assert not (labels.stop[:, t] & ~seen).any()


@pytest.mark.parametrize(("back_ns", "before"), [(0, 600 * SECOND), (1800 * SECOND, 1800 * SECOND)])
def test_a_model_is_warmed_up_as_far_back_as_it_looks(learn, back_ns, before):
    begun = []

    class Heard(Dataset):
        def between(self, start, end):
            begun.append(start)
            return super().between(start, end)

    class Far(Ewma):
        needs = Needs(back_ns=back_ns)

    data = Heard(**{f.name: getattr(learn, f.name) for f in fields(learn)})
    of = material(data, (), replace(CONFIG, targets=TARGETS[:1]))
    of.forecast(Far(TARGETS[0]), of.folds[0])
    asked = (of.folds[0].validation | of.folds[0].test).any(axis=1)
    assert begun == [of.index.ts[asked][0] - before]


@pytest.mark.slow
def test_test_files_are_scored_alone_and_late_enough(learn):
    config = RunConfig(CONFIG.models, CONFIG.families, targets=TARGETS, unscored_ns=60 * 10**9)
    of = material(learn, (learn, learn), config)
    assert len(of.index.ts) == 3 * len(learn) and len(of.instruments) == len(learn.instruments)
    scored = of.folds[0].test.any(axis=1)
    assert not scored[: len(learn)].any()
    first = of.index.ts[len(learn) :][scored[len(learn) :]].min()
    assert first == learn.ts[0] + 60 * 10**9
    found = judge(learn, (learn, learn), config, models_of(config))
    assert found.metrics["models"]["imbalance"]["mid@500ms"]["n"] > 0


@pytest.mark.slow
def test_a_horizon_that_is_too_long_is_left_out_and_named(source):
    long = Target("mid", 120 * 10**9)
    config = RunConfig(CONFIG.models, CONFIG.families, targets=(TARGETS[0], long))
    found = run(source, config)
    assert list(found.metrics["models"]["imbalance"]) == ["mid@500ms"]
    assert any("mid@2m" in sentence for sentence in found.metrics["left_out"])
    with pytest.raises(InputError, match="too short"):
        run(source, RunConfig(CONFIG.models, CONFIG.families, targets=(long,)))


@pytest.mark.slow
@pytest.mark.parametrize("part", ["train", "validation"])
def test_another_part_may_be_scored(source, part):
    found = run(source, RunConfig(("imbalance",), targets=TARGETS[:1], split=part))
    assert found.metrics["models"]["imbalance"]["mid@500ms"]["n"] > 0


@pytest.mark.parametrize("part", [(0.0, 0.4), (0.6, 1.0)])
def test_the_shares_are_of_what_lies_between_start_and_end(source, part):
    ts = source.events["ts_recv"]
    start, end = (int(ts[0] + share * (ts[-1] - ts[0])) for share in part)
    made = prepare(source, spec(("depth",)), TARGETS[:1], start=start, end=end)
    config = RunConfig(("majority",), ("depth",), targets=TARGETS[:1], start=start, end=end)
    of = material(made, (), config)
    spans = [of.index.ts[getattr(of.folds[0], k)[:, 0]] for k in ("train", "test")]
    assert start <= spans[0].min() and spans[1].max() < end
    assert np.ptp(spans[0]) == pytest.approx(0.7 * (end - start), rel=0.02)
    assert np.ptp(spans[1]) == pytest.approx(0.2 * (end - start), rel=0.02)


def test_models_are_named_once_and_unknown_ones_with_the_closest():
    assert list(models_of(RunConfig(("vote", "vote", "majority")))) == ["vote", "majority"]
    with pytest.raises(InputError, match="did you mean vote"):
        models_of(RunConfig(("vot",)))
    with pytest.raises(InputError, match="no model"):
        models_of(RunConfig(()))


@pytest.mark.parametrize(
    "wrong", [{"split": "x"}, {"start": 2, "end": 1}, {"budget_s": 0.0}, {"seed": -1}]
)
def test_a_configuration_that_cannot_be_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong)).removesuffix("_s")):
        RunConfig(**wrong)


def test_a_target_that_an_estimator_cannot_be_fitted_to_is_refused_before_anything_is_read():
    config = RunConfig(("sklearn.tree.DecisionTreeClassifier",), targets=TARGETS)
    with pytest.raises(InputError, match=r"magnitude@1s is a size: give Estimator a regressor"):
        models_of(config)
    assert list(models_of(replace(config, targets=TARGETS[:2]))) == ["DecisionTreeClassifier"]


class Counted(Ewma):
    """Knows how many rows it was asked for."""

    asked = 0

    def predict(self, state, tape):
        Counted.asked += len(tape.rows[0].ts)
        return super().predict(state, tape)


@pytest.mark.parametrize("tests", [0, 1])
def test_a_budget_knows_how_many_rows_will_be_forecast(learn, tests):
    of = material(learn, (learn,) * tests, CONFIG)
    model, fold, Counted.asked = Counted(TARGETS[0]), of.folds[0], 0
    for inside in (fold.validation, fold.validation | fold.test):
        for _ in of.spoken(model, inside.any(axis=1)):
            pass
    tape = max(len(t.rows[0].ts) for t in learn)
    assert 0 <= Counted.asked - of.ahead(model, fold) <= 4 * tape
    assert of.ahead(model, fold) >= tests * len(learn) + int(fold.validation[:, 0].sum())


def test_options_are_told_as_on_the_command_line_and_unknown_ones_with_the_closest():
    found = options_of({"budget": "5s", "train_window": "2d", "seed": 3})
    assert found == {"budget_s": 5.0, "train_ns": 2 * DAY, "seed": 3}
    for wrong, why in (
        ({"budgets": 5}, "option 'budgets' is unknown: did you mean budget"),
        ({"budget": 5}, "budget 5: write a time, like '5s'"),
        ({"families": ("ofi",)}, "families: is settled by the recording: give it to `read`"),
    ):
        with pytest.raises(InputError, match=why):
            options_of(wrong)


def test_a_model_that_took_clearly_longer_than_its_budget_is_told():
    cost = {
        "fit a": Cost(20.0, 0, 0),
        "forecast a": Cost(6.0, 0, 0),
        "fit b": Cost(24.9, 0, 0),
        "fit c": Cost(100.0, 0, 0),
    }
    said = ["a: its fits and forecasts took 26 s, where its budget is 20s"]
    assert list(overdue(cost, ("a", "b"), 20.0)) == said
    assert list(overdue(cost, ("c",), 100.0)) == list(overdue(cost, ("a",), 21.0)) == []
