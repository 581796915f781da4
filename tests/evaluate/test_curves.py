"""Curves against slow oracles: the scores themselves, counted one share and one bin at a time."""

import json
from dataclasses import replace

import numpy as np
import pytest

from flowsense.evaluate import calibration, nulls, scores
from flowsense.evaluate.curves import (
    CALLS,
    POINTS,
    SHARES,
    STRONGEST,
    covered,
    curves,
    headline,
    one_against_rest,
    periods,
    stretch,
    strongest,
)
from flowsense.evaluate.sample import sample
from flowsense.forecast import DOWN, FLAT, UP, Target
from flowsense.schema import SECOND

MID = "mid@500ms"


def rows_of(world, name="good", t=1):
    rows = world.folds[0].test[:, t] & world.labels.valid[:, t]
    p = (world.models | world.rules)[name][0].proba[rows, t].astype(float)
    return p, world.labels.y[rows, t].astype(int), world.index.ts[rows]


def test_curves_are_finite_plain_and_small(drawn):
    text = json.dumps(drawn, allow_nan=False)
    assert len(text) < 300_000
    assert set(drawn["targets"]) == {"ofi@1s", MID}
    assert set(drawn["targets"][MID]["models"]) == {"good", "blind"}
    assert set(drawn["targets"][MID]["nulls"]) == {"majority", "always_up", "always_down", "vote"}


@pytest.mark.parametrize("levels", [2, 5, 1_000])
def test_covered_shares_places_among_ties_as_most_does(levels):
    rng = np.random.default_rng(levels)
    strength, right = rng.integers(levels, size=333) / levels, rng.integers(3, size=333) / 2
    slow = [(w * right).sum() / w.sum() for w in (scores.most(strength, s) for s in SHARES)]
    assert covered(strength, right) == pytest.approx(slow, abs=1e-5)


def test_of_one_row_every_share_is_that_row():
    assert covered(np.array([0.3]), np.array([1.0])) == [1.0] * len(SHARES)


def test_the_coverage_curve_runs_through_the_printed_coverages(world, drawn):
    for name, curve in drawn["targets"][MID]["models"].items():
        p, y, _ = rows_of(world, name)
        for share, accuracy in scores.coverage(p, y).items():
            assert curve["coverage"][SHARES.index(float(share))] == pytest.approx(
                accuracy, abs=1e-5
            )


def test_same_rows_scores_a_null_on_the_rows_that_the_model_took(world, drawn):
    p, y, _ = rows_of(world)
    null, moved = rows_of(world, "vote")[0], y != FLAT
    w = scores.most(scores.conviction(p)[moved], 0.25)
    slow = (w * scores.hits(null, y)[moved]).sum() / w.sum()
    found = drawn["targets"][MID]["models"]["good"]["same_rows"]["vote"]
    assert found[SHARES.index(0.25)] == pytest.approx(slow, abs=1e-5)


def test_nulls_are_drawn_by_their_own_conviction(world, drawn):
    of = sample(world.labels, world.index, world.folds, 1, 0)
    slow = scores.coverage(nulls.majority(of), of.classes)["1.0"]
    assert drawn["targets"][MID]["nulls"]["majority"]["coverage"] == pytest.approx(
        [slow] * len(SHARES), abs=1e-5
    )


def test_reliability_of_a_class_counts_its_bins():
    rng = np.random.default_rng(3)
    p = rng.random(500)
    came = rng.random(500) < p
    place = calibration.bins(p)
    slow = [[p[place == b].mean(), came[place == b].mean(), (place == b).sum()] for b in range(10)]
    assert np.array(one_against_rest(p, came)) == pytest.approx(np.array(slow), abs=1e-4)


def test_sides_are_the_reliability_that_calibration_prints(world, drawn):
    p, y, _ = rows_of(world)
    slow = [tuple(point) for point in calibration.reliability(p, y)]
    found = drawn["targets"][MID]["models"]["good"]["sides"]
    assert np.array(found) == pytest.approx(np.array(slow), abs=1e-4)


def test_time_is_cut_into_equal_parts_and_accuracy_adds_up(world, drawn):
    p, y, ts = rows_of(world)
    moved, part = y != FLAT, drawn["targets"][MID]["time"]
    own = drawn["targets"][MID]["models"]["good"]["time"]
    hits, ts = scores.hits(p, y)[moved], ts[moved]
    for k, (start, end) in enumerate(zip(part["start"], part["end"], strict=True)):
        inside = (ts >= start) & (ts <= end)
        assert inside.sum() == part["n"][k]
        assert own["accuracy"][k] == pytest.approx(hits[inside].mean(), abs=1e-5)
        assert own["cumulative"][k] == pytest.approx(hits[ts <= end].mean(), abs=1e-5)
    low, high = own["interval"][-1]
    assert low < own["cumulative"][-1] < high and own["interval"][0] is None


def test_periods_are_at_least_six_and_at_most_twenty_four():
    short, long = np.arange(100) * SECOND, np.arange(10_000) * 10 * SECOND
    assert len(np.unique(periods(short, SECOND))) == 6
    assert len(np.unique(periods(long, SECOND))) == 24
    assert np.ptp(np.bincount(periods(long, SECOND))) <= 1


def test_a_fold_is_laid_out_by_its_first_and_last_rows(world, drawn):
    ts, fold = world.index.ts, world.folds[0]
    (found,) = drawn["folds"]
    train_end = ts[fold.train[:, 1]].max()
    assert found["train"] == [0, train_end]
    assert found["validation"] == [train_end, ts[fold.choose[:, 1]].max()]
    assert found["test"] == [ts[fold.test[:, 1]].min(), ts[-1]]


def test_a_fold_without_rows_for_a_part_has_no_span_of_it(world):
    empty = world.folds[0]._replace(choose=np.zeros_like(world.folds[0].choose))
    assert curves(*world._replace(folds=(empty,)), {})["folds"][0]["validation"] is None


def test_a_price_is_that_of_the_rows_in_the_currency_of_its_tick(world, drawn):
    (b,) = (p for p in drawn["prices"] if p["symbol"] == "B")
    rows = np.flatnonzero((world.index.instrument == 1) & world.folds[0].test[:, 1])
    assert len(b["price"]) == min(POINTS, len(rows)) and not b["in_ticks"]
    assert b["start"] == world.index.ts[rows[0]] and b["target"] == MID
    assert b["price"][0] == pytest.approx(world.mid[rows[0]] * 0.01)
    assert b["price"][-1] == pytest.approx(world.mid[rows[-1]] * 0.01)
    (a,) = (p for p in drawn["prices"] if p["symbol"] != "B")
    assert a["in_ticks"] and a["price"][0] == world.mid[rows[0] - 1]


def test_a_call_ends_as_the_label_says(world, drawn):
    calls, ts = drawn["prices"][0]["calls"]["good"], world.index.ts
    who = world.index.symbols.index(drawn["prices"][0]["symbol"])
    assert 20 < len(calls["side"]) <= CALLS
    for seconds, side, ended in zip(calls["seconds"], calls["side"], calls["ended"], strict=True):
        at = drawn["prices"][0]["start"] + round(seconds * SECOND)
        row = np.flatnonzero((ts == at) & (world.index.instrument == who))[0]
        came = {DOWN: -1, FLAT: 0, UP: 1}[int(world.labels.y[row, 1])]
        assert ended == side * came


def test_calls_are_the_strongest_of_their_span(world):
    p, _, ts = rows_of(world)
    rows = np.flatnonzero(world.folds[0].test[:, 1] & world.labels.valid[:, 1])
    found = strongest(world.models["good"][0], rows, 1, world.index.ts)
    strength = scores.conviction(p)
    least = np.sort(strength)[-int(np.ceil(STRONGEST * len(p)))]
    place = (ts - ts[0]) * CALLS // (ts[-1] - ts[0] + 1)
    for row in found:
        k = int(np.flatnonzero(rows == row)[0])
        assert strength[k] == strength[place == place[k]].max() >= least


def test_a_model_that_is_silent_or_blind_makes_no_call(world):
    said = world.models["good"][0]
    silent = replace(said, ready=np.zeros_like(said.ready))
    found = curves(*world._replace(models={"silent": (silent,)}), {})
    assert all(p["calls"]["silent"]["side"] == [] for p in found["prices"])


def test_only_directions_are_drawn_with_calls(world):
    size = np.array([False, False, True])
    labels = world.labels.of(size)
    folds = tuple(type(f)(*(m[:, size] for m in f)) for f in world.folds)
    said = world.models["good"][0]
    one = replace(
        said,
        targets=labels.targets,
        proba=said.proba[:, size],
        value=said.value[:, size],
        ready=said.ready[:, size],
    )
    found = curves(labels, world.index, folds, {"good": (one,)}, {}, world.mid, {})
    assert found["targets"] == {} and found["prices"][0]["calls"] == {}


def test_a_stretch_ends_at_a_pause_and_the_longest_is_taken():
    ts = np.r_[0:100, 1_000:1_300, 5_000:5_050] * SECOND
    assert stretch(np.arange(len(ts)), ts).tolist() == list(range(100, 400))
    assert len(stretch(np.arange(0), ts)) == 0


def test_an_instrument_without_test_rows_has_no_price(world):
    index = replace(world.index, symbols=(*world.index.symbols, "C"))
    assert {p["symbol"] for p in curves(*world._replace(index=index), {})["prices"]} == {
        *world.index.symbols
    }


def test_a_target_that_never_moved_is_left_out(world):
    y = world.labels.y.copy()
    y[:, 0] = FLAT
    still = world._replace(labels=world.labels._replace(y=y))
    assert set(curves(*still, {})["targets"]) == {MID}


def test_the_report_leads_with_the_mid_nearest_half_a_second():
    targets = [Target.parse(t) for t in ("ofi@500ms", "mid@30s", "mid@1s", "mid@100ms")]
    assert str(headline(targets)) == "mid@1s"
    assert str(headline(targets[:1])) == "ofi@500ms"
