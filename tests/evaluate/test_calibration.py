import numpy as np
import pytest

from flowsense.evaluate import calibration
from flowsense.forecast import DOWN, FLAT, UP


def draw(p, rng):
    return (rng.random(len(p))[:, None] > p.cumsum(axis=1)[:, :2]).sum(axis=1)


def test_ece_by_hand():
    p = np.tile([0.2, 0.5, 0.3], (4, 1))  # one bin: equal probabilities are never parted
    y = np.array([DOWN, DOWN, FLAT, UP])
    assert calibration.ece(p, y) == pytest.approx((0.3 + 0.25 + 0.05) / 3)


def test_ece_against_counting():
    rng = np.random.default_rng(0)
    p = rng.dirichlet((1, 3, 1), 103)
    y, total = draw(p**2 / (p**2).sum(1, keepdims=True), rng), 0.0
    for k in range(3):
        ranks = np.argsort(np.argsort(p[:, k]))
        for b in range(10):  # bin b starts at rank b n // 10
            inside = (ranks >= b * 103 // 10) & (ranks < (b + 1) * 103 // 10)
            total += inside.mean() * abs(p[inside, k].mean() - (y[inside] == k).mean())
    assert calibration.ece(p, y) == pytest.approx(total / 3)


@pytest.mark.slow
def test_a_calibrated_forecaster_lies_in_its_band_nine_times_in_ten():
    rng, inside = np.random.default_rng(1), 0
    for seed in range(100):
        p = rng.dirichlet((2, 6, 2), 300)
        band = calibration.ece_band(p, seed=seed)
        inside += band.low <= calibration.ece(p, draw(p, rng)) <= band.high
    assert 80 <= inside <= 98


def test_an_overconfident_forecaster_lies_above_its_band():
    rng = np.random.default_rng(2)
    truth = rng.dirichlet((2, 2, 2), 2_000)
    said = truth**3 / (truth**3).sum(axis=1, keepdims=True)
    assert calibration.ece(said, draw(truth, rng)) > 3 * calibration.ece_band(said, seed=0).high


def test_the_band_repeats_by_seed_and_narrows_with_rows():
    p = np.random.default_rng(3).dirichlet((1, 1, 1), 4_000)
    band = calibration.ece_band(p, seed=5)
    assert band == calibration.ece_band(p, seed=5)
    assert band.low < band.mean < band.high < calibration.ece_band(p[:400], seed=5).low


def test_reliability_by_hand():
    p = np.array([[0.1, 0.5, 0.4]] * 4 + [[0.4, 0.5, 0.1]] * 4 + [[0.0, 1.0, 0.0]])
    y = np.array([UP, UP, UP, DOWN, DOWN, DOWN, UP, FLAT, UP])
    low, high = calibration.reliability(p, y)
    assert (low.n, high.n) == (3, 4)  # still rows and forecasts without a side are not read
    assert low == pytest.approx((0.2, 1 / 3, 3))
    assert high == pytest.approx((0.8, 3 / 4, 4))


def test_no_rows():
    p, y = np.zeros((0, 3)), np.zeros(0, np.int64)
    assert calibration.ece(p, y) is None and calibration.ece_band(p, seed=0) is None
    assert calibration.reliability(p, y) == ()
