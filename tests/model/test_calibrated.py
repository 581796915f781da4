"""Probabilities are scaled by what came, the side and the order of calls are not touched."""

from dataclasses import replace

import numpy as np
import pytest
from toys import Ewma

from flowsense.evaluate.calibration import ece, ece_band
from flowsense.features.catalogue import spec
from flowsense.forecast import FLAT, Forecast, Target
from flowsense.labels import Labels
from flowsense.model.calibrated import Calibrated, Question, odds, platt
from flowsense.model.sides import sigmoid
from flowsense.testing import check_model, tape_of

MID = Target("mid", 500_000_000)
SPEC = spec(("ofi",))


def world(n, sharpness, move, seed=0):
    """Log-odds of the side are `sharpness` times too large, those of a move `move` times."""
    rng = np.random.default_rng(seed)
    side, moves = rng.normal(0, 1, n), rng.normal(-1, 0.5, n)
    moved, up = rng.random(n) < sigmoid(moves), rng.random(n) < sigmoid(side)
    y = np.where(moved, np.where(up, 2, 0), FLAT).astype(np.float32)[:, None]
    u, m = sigmoid(sharpness * side), sigmoid(move * moves)
    proba = np.stack([m * (1 - u), 1 - m, m * u], -1).astype(np.float32)[:, None]
    yes = np.ones((n, 1), np.bool_)
    said = Forecast((MID,), proba, proba[:, :, 0], yes)
    return said, Labels((MID,), y, y - 1, np.zeros((n, 1), np.int64), yes, yes.astype(np.float32))


def fitted(said, labels):
    plain = Calibrated(Ewma(MID), np.array([[1.0, 1.0, 0.0]]))
    early = np.arange(len(labels.y))[:, None] < len(labels.y) // 2
    return plain.on(said, labels, early, ~early)


def test_an_overconfident_forecaster_is_told_by_how_much():
    found = fitted(*world(40_000, 2.0, 1.5)).scale[0]
    assert found.tolist() == pytest.approx([1 / 2, 1 / 1.5, 0.0], abs=0.08)


def test_a_calibrated_forecaster_stays_as_it_is():
    found = fitted(*world(40_000, 1.0, 1.0)).scale[0]
    assert found.tolist() == pytest.approx([1.0, 1.0, 0.0], abs=0.06)


def test_a_scale_that_hurts_the_rows_after_it_is_dropped():
    (early, first), (late, second) = world(5_000, 3.0, 1.0), world(5_000, 0.5, 1.0, seed=1)
    proba = np.concatenate([early.proba, late.proba])
    said = Forecast((MID,), proba, proba[:, :, 0], np.ones((10_000, 1), np.bool_))
    columns = (np.concatenate([getattr(x, k) for x in (first, second)]) for k in first._fields[1:6])
    assert fitted(said, Labels((MID,), *columns)).scale[0, 0] == 1.0


def test_no_side_turns_and_the_order_of_convictions_stays():
    said, labels = world(5_000, 3.0, 2.0)
    before, after = odds(said.proba[:, 0])[0], odds(fitted(said, labels).apply(said).proba[:, 0])[0]
    assert np.array_equal(np.sign(before), np.sign(after))
    assert np.corrcoef(before, after)[0, 1] == pytest.approx(1.0, abs=1e-3)


def test_the_expected_move_follows_the_probabilities():
    said, labels = world(5_000, 3.0, 2.0)
    value = 7 * (said.proba[:, :, 2] - said.proba[:, :, 0])
    after = fitted(said, labels).apply(replace(said, value=value))
    want = 7 * (after.proba[:, :, 2] - after.proba[:, :, 0])
    assert after.value == pytest.approx(want, abs=1e-4) and np.abs(want - value).max() > 0.1


def test_too_few_rows_and_one_sided_outcomes_change_nothing():
    said, labels = world(100, 3.0, 2.0)
    assert fitted(said, labels).scale.tolist() == [[1.0, 1.0, 0.0]]
    always = Question(np.ones(1_000), np.ones(1_000, np.bool_), np.ones(1_000))
    assert platt(always, offset=True) == (1.0, 0.0)


def test_platt_is_the_minimum_of_its_loss():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 1, 2_000)
    y, weight = rng.random(2_000) < sigmoid(0.7 * x - 0.3), rng.random(2_000)

    def loss(slope, offset):
        p = sigmoid(slope * x + offset)
        fit = -(weight * np.log(np.where(y, p, 1 - p))).sum()
        return fit + 10.0 * ((slope - 1) ** 2 + offset**2)

    found = platt(Question(x, y, weight), offset=True)
    around = [(found[0] + a, found[1] + b) for a in (-0.01, 0, 0.01) for b in (-0.01, 0, 0.01)]
    assert min(around, key=lambda w: loss(*w)) == found


def far_out(n, right, seed):
    """Log-odds of 6 on every row, of which so many name the side that comes; as a question."""
    rng = np.random.default_rng(seed)
    up, hit = rng.random(n) < 0.5, rng.random(n) < right
    return Question(np.where(up == hit, 6.0, -6.0), up, np.ones(n))


@pytest.mark.parametrize("right", [0.5, 0.8, 0.997])
@pytest.mark.parametrize("rows", [200, 2_000])
def test_far_out_the_line_finds_how_often_the_side_is_right(right, rows):
    """Log-odds of 6 are right 399 times of 400. Whole steps of Newton ended at 12 instead."""
    slope, _ = platt(far_out(rows, right, 0), offset=False)
    least = 0.2 if right < 0.77 else 0.0  # the slope goes no lower
    assert 6 * slope == pytest.approx(max(6 * least, np.log(right / (1 - right))), abs=1.3)
    assert platt(far_out(rows, right, 0), offset=True)[0] == pytest.approx(slope, abs=0.1)


@pytest.mark.parametrize(("sharpness", "noise"), [(6.0, False), (6.0, True), (1.0, False)])
def test_probabilities_of_rows_to_come_are_no_worse_calibrated(sharpness, noise):
    """Of a signal said six times too sharply, of nothing said so, of a signal said as it is."""

    def seen(seed):
        said, labels = world(20_000, sharpness, 1.0, seed)
        dealt = np.random.default_rng(seed).permutation(len(labels.y))
        return said, labels._replace(y=labels.y[dealt]) if noise else labels

    found, (later, came) = fitted(*seen(0)), seen(1)
    y, before = came.y[:, 0].astype(int), later.proba[:, 0].astype(float)
    after = found.apply(later).proba[:, 0].astype(float)
    assert ece(after, y) <= (ece(before, y) + 0.004 if sharpness == 1.0 else ece(before, y) / 2)


def test_probabilities_stay_probabilities_at_the_edges():
    p = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]], np.float32)
    ready = np.ones((4, 1), np.bool_)
    said = Forecast((MID,), p[:, None], np.zeros((4, 1), np.float32), ready)
    out = Calibrated(Ewma(MID), np.array([[2.0, 0.5, 3.0]])).apply(said).proba[:, 0]
    assert np.isfinite(out).all() and out.sum(1).tolist() == pytest.approx([1] * 4)


@pytest.mark.slow
@pytest.mark.compiled
def test_laws(instruments, events):
    tape = tape_of(SPEC, instruments, events)
    model = Calibrated(Ewma(MID, SPEC.columns.index("ofi_l1_1s")), np.array([[0.7, 1.2, -0.1]]))
    check_model(model, tape)


def cubed(n, seed):
    """What is said of the side is the cube of what is meant: no line mends it."""
    said, labels = world(n, 1.0, 1.0, seed)
    meant = odds(said.proba[:, 0])[0]
    u = sigmoid(meant**3)
    moves = 1 - said.proba[:, 0, FLAT]
    proba = np.stack([moves * (1 - u), 1 - moves, moves * u], -1).astype(np.float32)[:, None]
    return replace(said, proba=proba), labels


def test_a_curve_is_kept_on_top_of_the_line_where_it_surely_helps():
    said, labels = cubed(60_000, 0)
    found = fitted(said, labels)
    assert found.kept()["mid@500ms"]["side"] == "platt and isotonic"
    later, came = cubed(20_000, 1)
    line = replace(found, curves=np.zeros_like(found.curves))
    y = came.y[:, 0].astype(int)
    said_later = [f.apply(later).proba[:, 0].astype(float) for f in (line, found)]
    losses = [-np.log(p[np.arange(len(y)), y]).mean() for p in said_later]
    assert losses[1] < losses[0] - 0.005
    assert ece(said_later[1], y) < ece_band(said_later[1], seed=0).high


def test_with_a_curve_the_order_of_convictions_stays_and_the_checkpoint_says_the_same():
    said, labels = cubed(60_000, 0)
    found = fitted(said, labels)
    before, after = odds(said.proba[:, 0])[0], odds(found.apply(said).proba[:, 0])[0]
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order]) >= -1e-5).all() and np.array_equal(
        np.sign(before), np.sign(after)
    )
    again = Calibrated(Ewma(MID)).load(found.params())
    assert again.apply(said).proba.tobytes() == found.apply(said).proba.tobytes()
    assert again.kept() == found.kept()
