import pytest

from flowsense.bench import boosting

pytestmark = [pytest.mark.compiled, pytest.mark.slow]


def test_one_row_of_all_targets_is_timed_beside_xgboost(monkeypatch):
    for name, few in {"TREES": 5, "ONE": 20, "MANY": 500, "EXPLAINED": 20}.items():
        monkeypatch.setattr(boosting, name, few)
    ours, theirs = boosting.speed()
    assert ours.keys() == theirs.keys()
    assert 0 < ours["one_row_p50_ms"] < theirs["one_row_p50_ms"]


def test_overgrown_trees_come_near_the_band_of_a_calibrated_forecaster(monkeypatch):
    monkeypatch.setattr(boosting, "TREES", 40)
    found = boosting.calibration(0)["overgrown"]
    assert found["raw"] > 3 * found["band_high"]
    assert found["calibrated"] < 1.5 * found["band_high"]
