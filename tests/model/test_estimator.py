"""Anybody's estimators keep the laws of models, and are stored as arrays or not at all."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay
from flowsense.forecast import Target
from flowsense.labels import Labels
from flowsense.model import Budget
from flowsense.model.estimator import Estimator, Live, filled, keywords, medians, named, wrapped
from flowsense.models import asked, build
from flowsense.store.checkpoint import pack, unpack
from flowsense.testing import Recording, check_model, tape_of

pytestmark = pytest.mark.compiled

SPEC = spec()
TARGETS = tuple(map(Target.parse, ("mid@500ms", "ofi@1s", "magnitude@1s")))
SIZE = DecisionTreeRegressor(max_depth=3)
SCALED = make_pipeline(StandardScaler(), LogisticRegression(max_iter=50, tol=1e-2))


@pytest.fixture(scope="module")
def tape(instruments, events):
    return tape_of(SPEC, instruments, events)


@pytest.fixture(scope="module")
def reader(instruments, events):
    return Replay(SPEC, Recording(instruments, events))


@pytest.fixture(scope="module")
def labels(tape):
    """The side is told by the imbalance of the touch; flat is told by nothing."""
    rows, rng = tape.rows[0], np.random.default_rng(0)
    n, lean = len(rows.ts), rows.X[:, SPEC.columns.index("imb_l1")]
    up = np.sign(lean + rng.normal(0, 0.3, n))
    side = np.where(rng.random(n) < 0.6, 0, up)
    move = np.stack([side, side, rng.exponential(1, n)], axis=1).astype(np.float32)
    y = np.stack([side + 1, side + 1, move[:, 2]], axis=1).astype(np.float32)
    known = np.repeat(rows.ts[:, None], 3, axis=1)
    every = Labels(TARGETS, y, move, known, y >= 0, np.ones_like(y))
    late = np.repeat((np.arange(n) > 0.8 * n)[:, None], 3, axis=1)
    return every.to_fit(~late, late)


def fitted(model, reader, labels):
    return model.fit(reader, labels, seed=1, budget=Budget())


FORMS = {
    "tree": DecisionTreeClassifier(max_depth=4),
    "forest": RandomForestClassifier(5, max_depth=4),
    "extra": ExtraTreesClassifier(5, max_depth=6),
    "logistic": SCALED,
    "discriminant": LinearDiscriminantAnalysis(),
}


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_laws_of_models_hold_and_arrays_say_what_the_estimator_said(form, reader, labels, tape):
    model = fitted(Estimator(FORMS[form], SIZE, most=1_000), reader, labels)
    assert model.storable and model.targets == TARGETS
    check_model(model, tape)


def test_a_fit_repeats_exactly(reader, labels):
    model = Estimator(RandomForestClassifier(5, max_depth=4), SIZE, most=1_000)
    first, again = (pack(fitted(model, reader, labels).params()) for _ in range(2))
    assert first == again


def test_the_side_that_was_planted_is_found(reader, labels, tape):
    model = fitted(Estimator(DecisionTreeClassifier(max_depth=3), SIZE), reader, labels)
    _, said = model.predict(model.init(tape.instruments), tape)
    moves = labels.y[:, 0] != 1
    side = np.sign(said.proba[moves, 0, 2] - said.proba[moves, 0, 0])
    assert (side == labels.y[moves, 0] - 1).mean() > 0.8
    assert said.value[:, 2].min() >= 0 and (said.value[:, 0] > 0).any()


def test_what_is_loaded_says_the_same_without_its_estimators(reader, labels, tape):
    model = fitted(Estimator(FORMS["forest"], SIZE, most=1_000), reader, labels)
    bare = build("estimator", most=1_000).load(unpack(pack(model.params())))
    assert bare.classifier is None
    _, said = model.predict(model.init(tape.instruments), tape)
    _, again = bare.predict(bare.init(tape.instruments), tape)
    assert said.proba.tobytes() == again.proba.tobytes()
    assert said.value.tobytes() == again.value.tobytes()


def test_what_arrays_cannot_hold_runs_and_is_not_stored(reader, labels, tape):
    near = Estimator(KNeighborsClassifier(5), SIZE, most=200)
    model = fitted(near, reader, labels)
    _, said = model.predict(model.init(tape.instruments), tape)
    assert np.isfinite(said.proba).all() and not model.storable
    with pytest.raises(InputError, match="KNeighborsClassifier: cannot be written as plain arrays"):
        model.params()


def test_a_live_estimator_keeps_the_fold_law(reader, labels, tape):
    model = fitted(Estimator(GaussianNB(), SIZE, most=500), reader, labels)
    assert not model.storable
    state, rows = model.init(tape.instruments), tape.rows[0]
    _, whole = model.predict(state, tape)
    parts = [rows.take(slice(k, k + 37)) for k in range(0, len(rows.ts), 37)]
    each = [model.predict(state, tape._replace(rows=(part,)))[1].proba for part in parts]
    np.testing.assert_allclose(np.concatenate(each), whole.proba, rtol=0, atol=1e-6)


class Spy(ClassifierMixin, BaseEstimator):
    """Keeps the rows that it was given, and knows nothing."""

    seen = None

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        Spy.seen, Spy.y, Spy.weight = X, y, sample_weight
        return self

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


class Unweighted(Spy):
    def fit(self, X, y):
        return super().fit(X, y)


def direction(labels):
    return labels.of(np.array([True, False, False]))


def test_only_rows_to_learn_from_are_seen_and_each_weighs_what_it_stands_for(reader, labels):
    one = direction(labels)
    fitted(Estimator(Spy(), most=50), reader, one)
    learn = one.valid & ~one.stop
    y = one.y[learn[:, 0], 0]
    assert len(Spy.y) < learn.sum()
    shares = [Spy.weight[Spy.y == k].sum() / Spy.weight.sum() for k in range(3)]
    moved = (y != 1).mean()
    assert shares[1] == pytest.approx(1 - moved, rel=1e-6)


def test_nothing_is_learned_from_other_rows(reader, labels):
    one = direction(labels)
    fitted(Estimator(Spy()), reader, one)
    before = Spy.seen.tobytes(), Spy.y.tobytes()
    spoiled = one._replace(y=one.y.copy(), move=one.move.copy())
    out = ~one.valid | one.stop
    spoiled.y[out], spoiled.move[out] = 2, 1e6
    fitted(Estimator(Spy()), reader, spoiled)
    assert out.any() and (Spy.seen.tobytes(), Spy.y.tobytes()) == before


def test_probabilities_of_thinned_rows_are_corrected_where_weights_are_not_heard(
    reader, labels, tape
):
    one = direction(labels)
    model = fitted(Estimator(Unweighted(), most=50), reader, one)
    counts = np.bincount(Spy.y, minlength=3)  # as drawn
    _, said = model.predict(model.init(tape.instruments), tape)
    learn = (one.valid & ~one.stop)[:, 0]
    rows = np.array([(one.y[learn, 0] != 1).sum(), (one.y[learn, 0] == 1).sum()])
    weight = rows / [counts[0] + counts[2], counts[1]]
    expected = np.array([weight[0], weight[1], weight[0]])
    np.testing.assert_allclose(said.proba[0, 0], expected / expected.sum(), rtol=1e-5)


def test_missing_values_are_medians_of_the_rows_learned_from():
    X = np.array([[1, np.nan], [3, np.nan], [np.nan, np.nan], [9, np.nan]], np.float32)
    fill = medians(X)
    assert fill.tolist() == [3, 0]
    assert filled(X, fill)[:, 0].tolist() == [1, 3, 3, 9]
    assert np.isnan(filled(X, fill[:0])[2, 0])


@pytest.mark.slow
def test_an_estimator_that_takes_missing_values_gets_them(reader, labels):
    model = fitted(Estimator(FORMS["forest"], Ridge(), most=1_000), reader, labels)
    assert [len(head.fill) for head in model.fitted.heads] == [0, 0, len(SPEC.columns)]


def test_too_few_rows_forecast_their_frequencies(reader, labels, tape):
    few = direction(labels)
    few = few._replace(valid=few.valid & (np.arange(len(few.y)) < 40)[:, None])
    model = fitted(Estimator(Spy()), reader, few)
    _, said = model.predict(model.init(tape.instruments), tape)
    y = few.y[few.valid[:, 0] & ~few.stop[:, 0], 0].astype(int)
    expected = np.bincount(y, minlength=3) / len(y)
    np.testing.assert_allclose(said.proba[-1, 0], expected, rtol=1e-6)
    assert model.load(model.params()).fitted.heads[0].fit is None


def test_seeds_and_cores_are_set_where_they_were_not():
    from flowsense.model.foreign import prepared

    one = prepared(RandomForestClassifier(n_jobs=2), 7)
    assert (one.random_state, one.n_jobs) == (7, 1)
    assert prepared(RandomForestClassifier(random_state=3), 7).random_state == 3
    inner = prepared(make_pipeline(StandardScaler(), SGDClassifier()), 7)
    assert inner.steps[1][1].random_state == 7


def test_models_are_asked_for_by_name_by_class_and_as_they_are():
    given = ["vote", "sklearn.tree.DecisionTreeClassifier(max_depth=2)", DecisionTreeClassifier()]
    found = asked([*given, "vote", SCALED])
    names = ["vote", "DecisionTreeClassifier", "DecisionTreeClassifier-2", "LogisticRegression"]
    assert list(found) == names
    first = found["DecisionTreeClassifier"]
    assert first.classifier.max_depth == 2 and first.text == given[1]
    assert set(asked(["fast"])) == {"logistic", "antisymmetric", "xgboost"}
    assert wrapped(Ridge()).name == "Ridge" and wrapped(first) is first


def test_options_are_plain_values():
    assert keywords("(a=1, b='x', c=[1, 2], d=(3,), e=None)") == {
        "a": 1, "b": "x", "c": [1, 2], "d": (3,), "e": None,
    }  # fmt: skip
    assert keywords("()") == {}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("sklearn.tree.Nothing", "sklearn.tree has no Nothing"),
        ("no_such_package.Model", "pip install 'no_such_package'"),
        ("sklearn.nothing.Model", r"flowsense\[sklearn\]"),
        ("sklearn.tree.DecisionTreeClassifier(depth=2)", "check the options"),
        ("sklearn.tree.DecisionTreeClassifier(2)", "check the options"),
        ("sklearn.tree.DecisionTreeClassifier(max_depth=print(1))", "check the options"),
        ("sklearn.tree.DecisionTreeClassifier(max_depth=)", "check the options"),
        ("sklearn.tree.DecisionTreeClassifier(**{})", "check the options"),
        ("sklearn.preprocessing.StandardScaler", "with fit and predict"),
        ("sklearn..tree", "write package.Class"),
        ("os.path", "has no path|check the options|with fit and predict"),
    ],
)
def test_a_class_that_is_none_is_refused_in_one_sentence(text, why):
    with pytest.raises(InputError, match=why) as refused:
        named(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("given", [3, DecisionTreeClassifier, object(), "majority"])
def test_an_object_that_is_no_estimator_is_refused(given):
    with pytest.raises(
        InputError, match=r"give a name, a model such as Hmm\(\), or an object with fit"
    ):
        wrapped(build(given) if given == "majority" else given)


def test_a_target_without_an_estimator_for_it_is_refused(reader, labels):
    with pytest.raises(InputError, match="magnitude@1s is a size: give Estimator a regressor"):
        fitted(Estimator(Spy()), reader, labels)
    with pytest.raises(InputError, match="mid@500ms is a direction"):
        fitted(wrapped(Ridge()), reader, labels)
    with pytest.raises(InputError, match="fit or load it"):
        model = Estimator(Spy())
        model.predict(model.init(reader.instruments), next(iter(reader)))


class Refuses(Spy):
    def fit(self, X, y, sample_weight=None):
        raise ValueError("only on Sundays\nand more")


class Lies(Spy):
    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), self.wrong)


def test_a_fit_that_fails_is_told_in_one_sentence(reader, labels):
    with pytest.raises(InputError, match=r"Refuses: mid@500ms: the fit failed: only on Sundays$"):
        fitted(Estimator(Refuses()), reader, direction(labels))


@pytest.mark.parametrize(("wrong", "why"), [(np.nan, "not finite"), (0.5, "sum to 1")])
def test_forecasts_that_are_none_are_refused(reader, labels, wrong, why):
    Lies.wrong = wrong
    with pytest.raises(InputError, match=why):
        fitted(Estimator(Lies()), reader, direction(labels))


def test_the_estimator_that_was_given_is_left_as_it_was(reader, labels):
    mine = DecisionTreeClassifier(max_depth=2)
    model = fitted(Estimator(mine), reader, direction(labels))
    assert not hasattr(mine, "tree_") and model.classifier is mine
    assert not any(isinstance(head.fit, Live) for head in model.fitted.heads)
    assert replace(model, fitted=None).params() == {}


@pytest.mark.slow
def test_tiny_is_small(reader, labels, tape):
    check_model(fitted(Estimator.tiny(), reader, labels), tape)


def test_without_scikit_learn_one_sentence_says_what_to_install(reader, labels, monkeypatch):
    monkeypatch.delitem(sys.modules, "flowsense.model.foreign", raising=False)
    monkeypatch.setitem(sys.modules, "sklearn.base", None)
    with pytest.raises(InputError, match=r"pip install 'flowsense\[sklearn\]'"):
        fitted(Estimator(Spy()), reader, direction(labels))
