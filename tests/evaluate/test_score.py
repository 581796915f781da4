"""The whole entry of metrics.json: its keys, its nulls on the same rows, and what it refuses."""

import json
import tracemalloc
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from flowsense.errors import InputError
from flowsense.evaluate import calibration, classes, nulls, scores
from flowsense.evaluate.sample import Index, sample
from flowsense.evaluate.score import evaluate
from flowsense.forecast import DOWN, UP, Forecast, Target
from flowsense.labels import Labels
from flowsense.schema import SECOND

TARGETS = (Target("mid", SECOND), Target("magnitude", SECOND), Target("regime", SECOND))
KEYS = {
    *("n", "accuracy", "side_balanced", "share_of_skill", "balanced_accuracy", "macro_f1"),
    *("per_class", "confusion", "mcc", "log_loss", "brier", "ece", "ece_band", "ic", "coverage"),
    *("tradable", "ci95", "nulls", "ceiling", "by_instrument", "by_regime", "folds"),
    *("paths", "spread"),
}


class Fold(NamedTuple):
    train: np.ndarray
    choose: np.ndarray
    test: np.ndarray


class World(NamedTuple):
    """Labels drawn from `truth`, a duller `model` and an uninformed `rule`."""

    labels: Labels
    index: Index
    fold: Fold
    truth: Forecast
    model: Forecast
    rule: Forecast


def forecast(p, value):
    return Forecast(TARGETS, p.astype("f4"), value.astype("f4"), np.ones(p.shape[:2], np.bool_))


def world(n=6_000, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet((1.2, 3, 1), (n, 3))
    y = (rng.random((n, 3, 1)) > p.cumsum(axis=2)[..., :2]).sum(axis=2).astype("f4")
    move = (y - 1) * rng.integers(1, 4, (n, 3))
    y[:, 1] = np.abs(move[:, 1])
    ts = np.arange(n) * SECOND
    rows = np.repeat((np.arange(n) / n)[:, None], 3, axis=1)
    labels = Labels(TARGETS, y, move.astype("f4"), ts[:, None] + SECOND, y >= 0, y * 0 + 1)
    index = Index(ts, np.arange(n) % 2, ("A", "B"), np.arange(n) // 7 % 2, ("calm", "wild"))
    fold = Fold(rows < 0.4, (rows >= 0.4) & (rows < 0.5), rows >= 0.5)
    value, blind = p[..., 2] - p[..., 0], rng.dirichlet((1, 3, 1), (n, 3))
    said = (forecast(p, value), forecast(0.7 * p + 0.1, value), forecast(blind, value * 0))
    return World(labels, index, fold, *said)


@pytest.fixture(scope="module")
def drawn():
    return world()


@pytest.fixture(scope="module")
def result(drawn):
    w = drawn
    models = {"good": (w.model,), "blind": (w.rule,)}
    return evaluate(w.labels, w.index, (w.fold,), models, {"rule": (w.rule,)}, ceiling=(w.truth,))


@pytest.fixture(scope="module")
def mid(result):
    return result.models["good"]["mid@1s"]


def rows_of(w, t=0):
    test = w.fold.test[:, t]
    p = w.model.proba[test, t].astype(float)
    return p, w.labels.y[test, t].astype(int), w.labels.move[test, t], w.model.value[test, t]


def test_the_entry_has_the_keys_of_the_schema_and_is_plain_json(result):
    found = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert set(found) == {"good", "blind"}
    assert set(found["good"]) == {"mid@1s", "magnitude@1s", "regime@1s"}
    assert set(found["good"]["mid@1s"]) == KEYS == set(found["good"]["regime@1s"])
    assert {"mae", "rmse", "ic"} < set(found["good"]["magnitude@1s"])
    assert set(found["good"]["mid@1s"]["tradable"]["0.25"]) == {"share", "hit", "flat", "wrong"}


def test_sums_say_what_the_plain_functions_say(drawn, mid):
    p, y, move, value = rows_of(drawn)
    assert mid.accuracy == pytest.approx(scores.accuracy(p, y))
    assert mid.side_balanced == pytest.approx(scores.side_balanced(p, y))
    assert mid.coverage == pytest.approx(scores.coverage(p, y))
    assert mid.log_loss == pytest.approx(scores.log_loss(p, y))
    assert mid.brier == pytest.approx(scores.brier(p, y))
    assert mid.ic == pytest.approx(scores.information_coefficient(value, move))
    counts = classes.confusion(classes.called(p), y)
    assert mid.confusion == tuple(map(tuple, counts.tolist()))
    assert mid.mcc == pytest.approx(float(classes.mcc(counts)))
    assert (mid.ece, mid.ece_band) == (
        calibration.ece(p, y),
        calibration.ece_band(p, seed=0),
    )


def test_tradable_takes_its_threshold_from_other_rows(drawn, mid):
    p, y, _, _ = rows_of(drawn)
    before = drawn.model.proba[drawn.fold.choose[:, 0], 0].astype(float)
    assert mid.tradable["0.25"] == scores.tradable(p, y, scores.threshold(before, 0.25))
    assert mid.tradable["0.25"].share == pytest.approx(0.25, abs=0.05)


def test_every_interval_holds_its_score(mid):
    assert set(mid.ci95) > {"accuracy", "side_balanced", "log_loss", "coverage@0.1", "mcc", "ic"}
    for name, (low, high) in mid.ci95.items():
        share = name.removeprefix("coverage@")
        found = mid.coverage[share] if share != name else getattr(mid, name)
        assert low < found < high


def test_the_better_model_is_better_beyond_luck_and_the_blind_one_is_not(result):
    for name, skill in (("good", True), ("blind", False)):
        low, high = result.models[name]["mid@1s"].nulls["rule"].difference["accuracy"]
        assert (low > 0) is skill and high >= 0


def test_constants_are_fixed_on_training_rows_and_read_on_test_rows(drawn, mid):
    _, y, _, _ = rows_of(drawn)
    trained = drawn.labels.y[drawn.fold.train[:, 0], 0].astype(int)
    frequencies = np.bincount(trained, minlength=3) / len(trained)
    assert mid.nulls["majority"].log_loss == pytest.approx(-np.log(frequencies[y]).mean())
    up = (y == UP).sum() / (y != 1).sum()
    assert mid.nulls["always_up"].accuracy == pytest.approx(up)
    assert mid.nulls["always_down"].accuracy == pytest.approx(1 - up)
    assert mid.nulls["always_one_side"] == mid.nulls["always_down"]  # down is more common
    assert mid.nulls["always_up"].log_loss is None and mid.nulls["always_up"].ic is None


def test_a_null_is_read_on_the_rows_the_model_took(drawn, mid):
    p, y, _, _ = rows_of(drawn)
    moved = y != 1
    top = np.argsort(-scores.conviction(p)[moved], kind="stable")[: -(-moved.sum() // 10)]
    down = (y[moved][top] == DOWN).mean()
    assert mid.nulls["always_down"].same_rows["0.1"] == pytest.approx(down, abs=0.005)
    assert mid.nulls["always_down"].coverage["0.1"] == pytest.approx(
        mid.nulls["always_down"].accuracy
    )


def test_shuffled_labels_leave_chance(mid):
    shuffled = mid.nulls["shuffled"]
    assert shuffled.n == mid.n and shuffled.side_balanced == pytest.approx(0.5, abs=0.02)
    assert shuffled.ic == pytest.approx(0, abs=0.03) and shuffled.log_loss > mid.log_loss


def test_share_of_skill(result, mid):
    null, best = mid.nulls["majority"].log_loss, mid.ceiling.log_loss
    assert mid.share_of_skill == pytest.approx((null - mid.log_loss) / (null - best))
    assert 0.5 < mid.share_of_skill < 1 and result.models["blind"]["mid@1s"].share_of_skill < 0


@pytest.mark.slow
def test_a_ceiling_at_chance_has_no_skill_to_share(drawn):
    w = drawn
    args = (w.labels, w.index, (w.fold,), {"good": (w.model,)}, {})
    found = evaluate(*args, ceiling=(w.rule,)).models["good"]["mid@1s"]
    assert found.share_of_skill == "no skill to have"
    assert evaluate(*args).models["good"]["mid@1s"].share_of_skill is None


@pytest.mark.slow
def test_a_ceiling_that_calls_no_side_has_no_skill_where_the_majority_was_unlucky(drawn):
    w = drawn
    y = np.where(w.fold.train, DOWN, np.where(w.labels.y == DOWN, UP, w.labels.y))
    silent = replace(w.rule, proba=np.full_like(w.rule.proba, 1 / 3))
    args = (w.labels._replace(y=y.astype(np.float32)), w.index, (w.fold,), {"good": (w.model,)}, {})
    found = evaluate(*args, ceiling=(silent,)).models["good"]["mid@1s"]
    assert found.nulls["majority"].accuracy == 0 and found.ceiling.accuracy == 0.5
    assert found.share_of_skill == "no skill to have"


def test_parts_add_up(mid):
    for parts, names in ((mid.by_instrument, {"A", "B"}), (mid.by_regime, {"calm", "wild"})):
        assert set(parts) == names and sum(p.n for p in parts.values()) == mid.n
        weighed = sum(p.n * p.accuracy for p in parts.values()) / mid.n
        assert weighed == pytest.approx(mid.accuracy)


@pytest.mark.slow
def test_rows_before_the_first_regime_are_in_none(drawn, mid):
    w = drawn
    late = replace(w.index, regime=np.where(np.arange(6_000) < 4_500, -1, w.index.regime))
    found = evaluate(w.labels, late, (w.fold,), {"m": (w.model,)}, {}).models["m"]
    assert 0.4 * mid.n < sum(p.n for p in found["mid@1s"].by_regime.values()) < 0.6 * mid.n
    assert sum(p.n for p in found["magnitude@1s"].by_regime.values()) == 1_500


@pytest.mark.slow
def test_folds_are_read_with_their_own_forecasts(drawn):
    w = drawn
    late = np.arange(6_000)[:, None] >= 4_500
    folds = (w.fold._replace(test=w.fold.test & ~late), w.fold._replace(test=w.fold.test & late))
    mixed = {"mixed": (w.model, w.rule)}
    score = evaluate(w.labels, w.index, folds, mixed, {}).models["mixed"]["mid@1s"]
    first, second = score.folds
    assert first.accuracy > second.accuracy + 0.1 and first.n + second.n == score.n
    assert first.end < 4_500 * SECOND == second.start
    assert second.log_loss == pytest.approx(
        scores.log_loss(w.rule.proba[4_500:, 0].astype(float), w.labels.y[4_500:, 0].astype(int))
    )


def test_sizes(drawn, result):
    test, found = drawn.fold.test[:, 1], result.models["good"]["magnitude@1s"]
    y, value = drawn.labels.y[test, 1], drawn.model.value[test, 1]
    assert found.mae == pytest.approx(scores.mae(value, y), rel=1e-5)
    assert found.rmse == pytest.approx(scores.rmse(value, y), rel=1e-5)
    median = np.median(drawn.labels.y[drawn.fold.train[:, 1], 1])
    assert found.nulls["median"].mae == pytest.approx(np.abs(y - median).mean())
    assert found.nulls["median"].mae <= found.nulls["mean"].mae
    assert found.nulls["mean"].rmse <= found.nulls["median"].rmse
    assert found.ceiling.difference["mae"] == (0, 0)
    assert sum(p.n for p in found.by_instrument.values()) == found.n == found.folds[0].n


def test_a_regime_has_no_side(drawn, result):
    p, y, _, _ = rows_of(drawn, 2)
    found = result.models["good"]["regime@1s"]
    assert found.n == len(y) and found.accuracy == pytest.approx((p.argmax(1) == y).mean())
    assert found.side_balanced is None and found.tradable == {}
    assert "always_up" not in found.nulls


@pytest.mark.slow
def test_the_same_seed_says_the_same(drawn, result):
    w = drawn
    models = {"good": (w.model,), "blind": (w.rule,)}
    again = evaluate(w.labels, w.index, (w.fold,), models, {"rule": (w.rule,)}, ceiling=(w.truth,))
    assert again == result


@pytest.mark.slow
def test_silence_counts_as_ties_and_is_named(drawn):
    w = drawn
    silent = replace(w.truth, ready=w.truth.ready & (np.arange(6_000) < 4_500)[:, None])
    found = evaluate(w.labels, w.index, (w.fold,), {"shy": (silent,), "full": (w.truth,)}, {})
    shy, full = (found.models[k]["mid@1s"] for k in ("shy", "full"))
    assert shy.n == full.n and 0.5 < shy.accuracy < full.accuracy
    assert "shy, mid@1s: silent on 1500 of 3000 rows, scored as ties" in found.warnings


@pytest.mark.slow
def test_one_minute_direction_above_60_is_a_leak_alarm(drawn):
    w = drawn
    minute = (Target("mid", 60 * SECOND), *TARGETS[1:])
    labels = w.labels._replace(targets=minute)
    models = {name: (replace(f, targets=minute),) for name, f in (("m", w.truth), ("r", w.rule))}
    warnings = evaluate(labels, w.index, (w.fold,), models, {}).warnings
    assert [x.split(":")[0] for x in warnings if "leak" in x] == ["m, mid@1m"]
    assert any("intervals from 5 blocks" in x for x in warnings)


def test_what_is_too_little_is_named_and_nothing_is_nan(drawn):
    w = drawn
    valid = w.labels.valid & (np.arange(6_000)[:, None] > 5_980) & [True, True, False]
    labels = w.labels._replace(valid=valid)
    found = evaluate(labels, w.index, (w.fold,), {"m": (w.model,)}, {"r": (w.rule,)})
    json.dumps(found.as_json(), allow_nan=False)
    assert "regime@1s: no valid test row, left out" in found.warnings
    assert "mid@1s: the test span is too short for an interval" in found.warnings
    assert any("too few to judge" in x for x in found.warnings)
    score = found.models["m"]["mid@1s"]
    assert score.ci95 == {} and score.tradable["0.1"] == scores.Tradable(None, None, None, None)


@pytest.mark.slow
def test_rows_that_never_move_have_no_direction(drawn):
    w = drawn
    still = w.labels._replace(y=np.ones_like(w.labels.y), move=w.labels.y * 0)
    found = evaluate(still, w.index, (w.fold,), {"m": (w.model,)}, {}).models["m"]["mid@1s"]
    assert (found.n, found.accuracy, found.ic, found.mcc) == (0, None, None, None)
    assert found.log_loss is not None and found.ci95["accuracy"] is None
    assert found.nulls["shuffled"].accuracy is None


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda p, v: p.__setitem__((5_000, 0, 0), np.nan), "model 'm', mid@1s, row 5000"),
        (lambda p, v: p.__setitem__((5_000, 2, 0), 0.9), "three probabilities"),
        (lambda p, v: v.__setitem__((5_000, 1), np.inf), "magnitude@1s, row 5000"),
    ],
)
def test_forecasts_that_are_none_are_refused(drawn, spoil, why):
    p, value = drawn.model.proba.copy(), drawn.model.value.copy()
    spoil(p, value)
    bad = replace(drawn.model, proba=p, value=value)
    with pytest.raises(InputError, match=why):
        evaluate(drawn.labels, drawn.index, (drawn.fold,), {"m": (bad,)}, {})


def test_shapes_that_differ_are_refused(drawn):
    w = drawn
    other = replace(w.model, targets=TARGETS[::-1])
    with pytest.raises(InputError, match="same rows and targets"):
        evaluate(w.labels, w.index, (w.fold,), {}, {"r": (other,)})
    with pytest.raises(InputError, match="ceiling: 0 forecasts for 1 folds"):
        evaluate(w.labels, w.index, (w.fold,), {}, {}, ceiling=())
    with pytest.raises(InputError, match="0 folds"):
        evaluate(w.labels, w.index, (), {"m": ()}, {})
    with pytest.raises(InputError, match="label that is not"):
        bad = w.labels._replace(y=w.labels.y + 3)
        evaluate(bad, w.index, (w.fold,), {"m": (w.model,)}, {})


def test_shuffling_keeps_runs_and_instruments(drawn):
    w = drawn
    of = sample(w.labels, w.index, (w.fold,), 0, 0)
    order = nulls.shuffled(of, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(len(order)))
    assert (of.instrument[order] == of.instrument).all()
    mine = order[of.instrument == 0]
    assert 20 < (np.diff(mine) != 2).sum() < 70  # some 50 blocks of a minute
    assert (order == np.arange(len(order))).mean() < 0.2


@pytest.mark.slow
def test_without_training_rows_the_majority_knows_nothing(drawn):
    w = drawn
    nothing = w.fold._replace(train=w.fold.train & False)
    found = evaluate(w.labels, w.index, (nothing,), {"m": (w.model,)}, {}).models["m"]
    assert found["mid@1s"].nulls["majority"].log_loss == pytest.approx(np.log(3))
    assert found["magnitude@1s"].nulls["mean"].mae == pytest.approx(
        w.labels.y[w.fold.test[:, 1], 1].mean()
    )


def peak(n):
    """Bytes taken by scoring half of n rows."""
    labels, index, fold, _, model, rule = world(n)
    tracemalloc.start()
    evaluate(labels, index, [fold], {"m": [model]}, {"r": [rule], "s": [rule], "t": [rule]})
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return taken


@pytest.mark.slow
def test_a_row_more_takes_little_more_memory_however_many_rules_stand_beside():
    assert (peak(40_000) - peak(20_000)) / 10_000 < 3_000  # 11,000 with all kept
