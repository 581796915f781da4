"""Every scheme is purged and embargoed on both sides; noise stays noise; nothing else is read."""

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from flowsense.errors import InputError
from flowsense.evaluate import scores
from flowsense.features.catalogue import spec
from flowsense.forecast import DOWN, UP, Target
from flowsense.model import Budget
from flowsense.model.estimator import Estimator
from flowsense.schema import SECOND
from flowsense.train import schemes
from flowsense.train.config import RunConfig
from flowsense.train.dataset import prepare
from flowsense.train.material import material
from flowsense.train.schemes import Spans
from flowsense.train.split import around

BLOCKS = ("train", "validation", "fit", "stop", "calibrate", "choose")
ORDER = ("fit", "stop", "calibrate", "choose")
EVERY = (
    *("walk-forward", "split", "split:50/20/30", "time-series:5", "time-series:5/rolling"),
    *("monte-carlo:4", "cpcv:6/2", "cpcv:4/3"),
)
SPANS = Spans(600 * SECOND, 200 * SECOND, 20 * SECOND)


def grid(n, horizon=5):
    ts = np.arange(n) * SECOND
    return ts, ts[:, None] + horizon * SECOND


def random_rows(rng, n=900):
    """Irregular rows with pauses; labels that overlap many rows."""
    steps = rng.integers(1, 20 * SECOND, n) * rng.choice([1, 1, 1, 1, 40], n)
    ts = np.cumsum(steps)
    return ts, ts[:, None] + rng.integers(1, int(ts[-1] - ts[0]) // 250, (n, 3))


def runs(ts, rows):
    """Test blocks (first, last ts): rows in a row."""
    at = np.flatnonzero(rows)
    return [(ts[r[0]], r) for r in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1)]


def leaks(fold, ts, known_at, embargo):
    """Brute force over pairs of a row that is learned from and a run of tested rows."""
    for t in range(known_at.shape[1]):
        learned = np.any([getattr(fold, name)[:, t] for name in BLOCKS], axis=0)
        for start, block in runs(ts, fold.test[:, t]):
            last = max(known_at[block, t])
            for i in np.flatnonzero(learned):
                if i in block:
                    yield "tested", t, i
                elif ts[i] < start and known_at[i, t] >= start - embargo:
                    yield "label", t, i
                elif ts[i] >= start and ts[i] <= last + embargo:
                    yield "features", t, i


def folds_of(text, ts, known_at, spans=SPANS):
    return schemes.cut(text, ts, known_at, spans)


@pytest.mark.parametrize("text", EVERY)
@pytest.mark.parametrize("seed", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in (1, 2, 3))])
def test_no_row_that_is_learned_from_touches_a_test_block(text, seed):
    rng = np.random.default_rng(seed)
    ts, known_at = random_rows(rng)
    span = int(ts[-1] - ts[0])
    two_sided = text.startswith(("monte", "cpcv"))
    embargo = int(rng.integers(0, 60 * SECOND)) if two_sided else 0
    spans = Spans(span // 3, span // 9, embargo, seed)
    for fold in folds_of(text, ts, known_at, spans):
        assert list(leaks(fold, ts, known_at, embargo)) == []


@pytest.mark.parametrize("text", EVERY)
@pytest.mark.parametrize("seed", range(4))
def test_no_label_of_a_block_is_known_in_a_later_one(text, seed):
    ts, known_at = random_rows(np.random.default_rng(seed))
    span = int(ts[-1] - ts[0])
    for fold in folds_of(text, ts, known_at, Spans(span // 3, span // 9, 0, seed)):
        for i, early in enumerate(ORDER):
            for late in ORDER[i + 1 :]:
                for t in range(3):
                    a, b = getattr(fold, early)[:, t], getattr(fold, late)[:, t]
                    assert known_at[a, t].max(initial=-1) < ts[b].min(initial=2**62)
        assert not (fold.train & fold.validation).any()
        assert not ((fold.fit | fold.stop) & ~fold.train).any()
        assert not ((fold.calibrate | fold.choose) & ~fold.validation).any()


def test_the_oracle_sees_a_leak_on_either_side():
    ts, known_at = grid(400, 10)
    blind = around(ts, ts[:, None], [(100 * SECOND, 200 * SECOND)], 0)
    assert {kind for kind, _, _ in leaks(blind, ts, known_at, 0)} == {"label", "features"}
    purged = around(ts, known_at, [(100 * SECOND, 200 * SECOND)], 0)
    assert {kind for kind, _, _ in leaks(purged, ts, known_at, SECOND)} == {"label", "features"}


def test_nothing_else_is_purged_around_a_block_by_hand():
    ts, known_at = grid(1_000, 10)
    fold = around(ts, known_at, [(300 * SECOND, 400 * SECOND)], 20 * SECOND)
    learned = (fold.train | fold.validation)[:, 0]
    # known before 280 s; behind the last label, of 409 s, 20 s more; 7/8 of 898 s end at 887 s
    assert np.flatnonzero(np.diff(learned.astype(int))).tolist() == [269, 429, 876, 886]
    assert np.flatnonzero(fold.test[:, 0])[[0, -1]].tolist() == [300, 399]


def test_blocks_of_a_time_series_are_tested_by_all_before_them_or_by_the_one_before():
    ts, known_at = grid(601, 1)
    expanding, rolling = (folds_of(t, ts, known_at) for t in EVERY[3:5])
    for k, (one, other) in enumerate(zip(expanding, rolling, strict=True), 1):
        last = 600 if k == 5 else k * 100 + 99
        assert ts[one.test[:, 0]][[0, -1]].tolist() == [k * 100 * SECOND, last * SECOND]
        assert (one.test == other.test).all() and ts[one.train[:, 0]][0] == 0
        assert ts[other.train[:, 0]][0] == (k - 1) * 100 * SECOND
        assert one.validation.sum() == pytest.approx(k * 12.5, abs=2)


def test_monte_carlo_blocks_are_contiguous_random_and_seeded():
    ts, known_at = grid(2_000)
    first, again, other = (
        folds_of("monte-carlo:8", ts, known_at, SPANS._replace(seed=s)) for s in (1, 1, 2)
    )
    starts = [int(np.argmax(f.test[:, 0])) for f in first]
    assert len(set(starts)) == 8
    assert all(len(runs(ts, f.test[:, 0])) == 1 for f in first)
    assert all(abs(f.test.sum() - 400) <= 1 for f in first)
    assert starts == [int(np.argmax(f.test[:, 0])) for f in again]
    assert starts != [int(np.argmax(f.test[:, 0])) for f in other]


@pytest.mark.parametrize(("groups", "tested"), [(6, 2), (5, 1), (4, 3)])
def test_every_path_of_cpcv_forecasts_every_row_once(groups, tested):
    ts, known_at = grid(1_200)
    folds = folds_of(f"cpcv:{groups}/{tested}", ts, known_at, Spans(embargo_ns=0))
    assert len(folds) == comb(groups, tested)
    times = np.sum([f.test[:, 0] for f in folds], axis=0)
    assert set(times.tolist()) == {comb(groups - 1, tested - 1)}


def test_a_split_of_other_shares():
    ts, known_at = grid(1_001, 1)
    (fold,) = folds_of("split:70/20/10", ts, known_at)
    assert [int(getattr(fold, k).sum()) for k in ("validation", "test")] == [199, 101]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("walkforward", "did you mean walk-forward?"),
        ("kfold", "write walk-forward, split"),
        ("cpcv:6", "write walk-forward"),
        ("cpcv:6/6", "fewer than all 6"),
        ("cpcv:6/0", "at least 1 group"),
        ("cpcv:30/15", "more than 1000 fits"),
        ("cpcv:999999999/2", "more than 1000 fits"),
        ("time-series:0", "1 to 1000"),
        ("monte-carlo:-1", "write walk-forward"),
        ("split:70/20/20", "together 100"),
        ("split:80/20/0", "above 0"),
    ],
)
def test_what_is_no_scheme_is_refused(text, why):
    with pytest.raises(InputError, match=why) as refused:
        schemes.parse(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["time-series:50", "monte-carlo:3", "cpcv:6/2"])
def test_a_recording_that_is_too_short_is_refused_in_one_sentence(text):
    with pytest.raises(InputError, match=f"{text}: the recording is too short: fold 1 of "):
        folds_of(text, *grid(100), Spans(embargo_ns=60 * SECOND))


@pytest.mark.parametrize("n", [0, 1])
def test_rows_that_span_no_time_are_refused(n):
    with pytest.raises(InputError, match="span no time"):
        folds_of("cpcv:6/2", *grid(n))


def noise(n, horizon, rng):
    """Three random walks that know nothing, and the side of an unrelated walk's next steps."""
    ts, known_at = grid(n, horizon)
    walk = np.r_[0, np.cumsum(rng.normal(size=n + horizon))]
    y = np.where(walk[horizon : n + horizon] > walk[:n], UP, DOWN)
    return ts, known_at, np.cumsum(rng.normal(size=(n, 3)), axis=0), y


def logistic(X, y, train, test):
    """Two thousand steps of gradient descent, scaled by what trains."""
    mean, deviation = X[train].mean(axis=0), X[train].std(axis=0)
    Z = (X - mean) / deviation
    weight = np.zeros(3)
    for _ in range(100):
        p = 1 / (1 + np.exp(-Z[train] @ weight))
        weight -= Z[train].T @ (p - (y[train] == UP)) / train.sum()
    up = 1 / (1 + np.exp(-Z[test] @ weight))
    return np.stack([1 - up, 0 * up, up], axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("text", EVERY)
def test_shuffled_labels_score_the_base_rate(text):
    rng, right, rows = np.random.default_rng(0), [], 0
    ts, known_at, X, y = noise(2_000, 5, rng)
    folds = folds_of(text, ts, known_at)
    distinct = int(np.any([f.test[:, 0] for f in folds], axis=0).sum())
    for _ in range(10):
        rng.shuffle(y)  # independent of each other and of everything
        for fold in folds:
            train, test = fold.train[:, 0], fold.test[:, 0]
            right.append(scores.hits(logistic(X, y, train, test), y[test]))
        rows += distinct  # a row that is tested twice is one row
    assert abs(np.concatenate(right).mean() - 0.5) <= 2 * 0.5 / np.sqrt(rows)


def test_test_files_and_a_scheme_are_not_asked_for_at_once(source):
    config = RunConfig(("vote",), ("depth",), targets=(Target("mid", SECOND),))
    learn = prepare(source, spec(config.families), config.targets)
    asked = replace(config, validation="split")
    with pytest.raises(InputError, match="leave one of them out"):
        material(learn, (learn,), asked)
    assert len(material(learn, (learn,), config).folds) == 1


def test_a_target_that_any_fold_has_no_row_for_is_left_out_and_named(source):
    targets = (Target("mid", SECOND), Target("mid", 12 * SECOND))
    config = RunConfig(("vote",), ("depth",), targets=targets, validation="time-series:3")
    of = material(prepare(source, spec(config.families), targets), (), config)
    assert of.labels.targets == targets[:1] and len(of.folds) == 3
    assert of.left_out[0].startswith("mid@12s: no row is left for ")


def forest(X, y, train, test):
    """What remembers the rows that it learned from: its score on noise is what leaks."""
    made = RandomForestClassifier(20, min_samples_leaf=5, random_state=0, n_jobs=1)
    up = made.fit(X[train], y[train] == UP).predict_proba(X[test])[:, 1]
    return np.stack([1 - up, 0 * up, up], axis=1)


@pytest.mark.slow
def test_a_forest_finds_chance_in_noise_unless_rows_are_shuffled():
    """Breiman's forest on walks that know nothing; labels of 30 s overlap."""
    ours = {text: [] for text in ("split", "time-series:3", "monte-carlo:3", "cpcv:4/1")}
    shuffled = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        ts, known_at, X, y = noise(3_000, 30, rng)
        for text, right in ours.items():
            for fold in folds_of(text, ts, known_at, Spans(embargo_ns=30 * SECOND, seed=seed)):
                train, test = fold.train[:, 0], fold.test[:, 0]
                right.append(scores.accuracy(forest(X, y, train, test), y[test]))
        train = rng.random(len(y)) < 0.8
        shuffled.append(scores.accuracy(forest(X, y, train, ~train), y[~train]))
    assert min(shuffled) > 0.67
    for text, right in ours.items():
        error = np.std(right, ddof=1) / np.sqrt(len(right))
        assert abs(np.mean(right) - 0.5) <= 3 * error, (text, np.mean(right), error)
        assert np.mean(right) < min(shuffled) - 0.1


@pytest.mark.parametrize("text", ["split", "time-series:2", "monte-carlo:3", "cpcv:4/2"])
def test_a_model_is_fitted_on_training_rows_alone(source, text):
    """The scaler spy: one column numbers the rows, and the numbers that a fit saw are kept."""
    config = RunConfig((), ("depth",), targets=(Target("mid", SECOND),), validation=text)
    config = replace(config, embargo_ns=5 * SECOND)
    of = material(prepare(source, spec(config.families), config.targets), (), config)
    for fold in of.folds:
        seen = dict[str, np.ndarray]()
        numbered = replace(of.learn, tapes=tuple(number(of.learn.tapes)))
        Estimator(Spy(seen)).fit(numbered, of.fit_labels(fold), seed=0, budget=Budget())
        allowed = np.flatnonzero(fold.fit[:, 0] & of.labels.valid[:, 0])
        assert len(seen["X"]) > 100
        assert set(seen["X"][:, 0].astype(int).tolist()) <= set(allowed.tolist())


def number(tapes):
    """The same rows, each with its own number in the first column."""
    first = 0
    for tape in tapes:
        X, valid = tape.rows[0].X.copy(), tape.rows[0].valid.copy()
        X[:, 0], valid[:, 0] = first + np.arange(len(X)), True
        first += len(X)
        yield tape._replace(rows=(tape.rows[0]._replace(X=X, valid=valid),))


class Spy:
    """A classifier that keeps what it was fitted on."""

    def __init__(self, seen):
        self.seen = seen

    def __deepcopy__(self, memo):
        return self

    def fit(self, X, y):
        self.seen["X"], self.classes_ = X, np.unique(y)

    def predict_proba(self, X):
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))
