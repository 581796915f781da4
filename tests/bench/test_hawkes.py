import numpy as np
import pytest

from flowsense.bench import hawkes


@pytest.fixture(scope="module")
def points():
    return hawkes.tape(4_000)


def test_the_tape_has_the_points_asked_for(points):
    assert len(points.ts) == 4_000 and points.end > points.ts[-1]


def test_residuals_pass_under_the_fit_and_fail_under_another():
    passed, wrong = hawkes.rescaled(5)
    assert passed >= 0.8 and wrong == 0


@pytest.mark.slow
@pytest.mark.parametrize("branching", [0.3, 0.6, 0.9])
def test_the_share_of_skill_is_nearly_one(branching):
    for skill in hawkes.skills(hawkes.flow(branching), 8_000.0, 0).values():
        assert skill.share > 0.95 and 0.5 < skill.accuracy < 0.86 and 0 < skill.flat < 1


def test_outcomes_by_hand():
    ts, kind = np.array([1, 2, 3]) * hawkes.SECOND, np.array([0, 1, 1])
    points = hawkes.Points(ts, kind, 0, 9 * hawkes.SECOND)
    boundaries = np.array([0, 1, 2, 3, 4]) * hawkes.SECOND
    found = hawkes.outcomes(points, boundaries, np.array([1.5, 2.5]))
    assert found.tolist() == [[2, 1], [1, 0], [0, 0], [0, 0], [1, 1]]


def test_without_the_peer_the_limit_stands(points, tmp_path, monkeypatch):
    monkeypatch.setattr(hawkes, "PEER", tmp_path / "none")
    baseline, ratio = hawkes.beside(points, 0.02)
    assert "limit" in baseline["name"] and np.isclose(ratio, 10)


def test_what_the_peer_says_is_judged_by_our_likelihood(points, tmp_path, monkeypatch):
    said = tmp_path / "python"
    line = "[0.5, [0.5, 0.5, 1], [[0.3, 0.1, 0.1], [0.1, 0.3, 0.1], [0.2, 0.2, 0.2]]]"
    said.write_text(f"#!/bin/sh\necho noise\necho '{line}'\necho '{line}'\n")
    said.chmod(0o755)
    monkeypatch.setattr(hawkes, "PEER", said)
    baseline, ratio = hawkes.beside(points, 0.1)
    assert ratio == 5 and baseline["log_likelihood"] == baseline["least_squares_log_likelihood"]


def test_steps_are_timed(points):
    found = hawkes.stepping(points, hawkes.flow(0.5), 200)
    assert set(found) == {f"{n}_{p}_us" for n in ("step", "intensity") for p in ("p50", "p99")}
    assert all(0 < v < 1e5 for v in found.values())


@pytest.mark.slow
def test_the_law_is_as_exact_as_it_says():
    found = hawkes.law_errors()
    assert all(x < 1e-5 for name, x in found.items() if name.endswith("0.5s"))
    assert all(x < 3e-3 for name, x in found.items() if name.endswith("30s"))
    assert all(x < 8e-3 for name, x in found.items() if name.startswith("normal"))


@pytest.mark.slow
def test_a_short_run_tells_every_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(hawkes, "PEER", tmp_path / "none")
    found = hawkes.run(4_000, 2, 200.0)
    shares = [v["share"] for k, v in found.metrics.items() if k.startswith("skill")]
    numbers = [v for v in found.metrics.values() if isinstance(v, float)]
    assert len(shares) == 6 and np.isfinite([*shares, *numbers]).all() and found.ratio > 0
