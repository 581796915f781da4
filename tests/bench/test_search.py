"""On noise a search ends with nothing found, as often as it says; an edge is found by its name."""

import numpy as np
import pytest

from flowsense.bench import search
from flowsense.bench.search import PLACE, searches


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(search, "STRATEGIES", 200)
    monkeypatch.setattr(search, "YEARS", 2)


@pytest.mark.parametrize("kind", search.KINDS)
def test_noise_is_as_it_is_named(small, kind):
    x = search.returns(kind, 0.0, np.random.default_rng(0))
    assert x.shape == (504, 200) and x.std() == pytest.approx(1, abs=0.1)
    assert np.corrcoef(x.T)[0, 1:].mean() == pytest.approx(0.5 * (kind == "alike"), abs=0.1)


@pytest.mark.slow
def test_a_small_search_ends_with_nothing_or_with_the_planted_one(small):
    assert not any(s.verdict.found for s in searches("normal", 0.0, 5))
    found = [*searches("normal", 5.0, 3)]
    assert all(s.verdict.found and s.verdict.best == PLACE == s.best for s in found)


@pytest.mark.slow
def test_a_result_says_both_rates_and_those_of_the_best_at_its_word(small, monkeypatch):
    monkeypatch.setattr(search, "WORTHLESS", 10)
    monkeypatch.setattr(search, "PLANTED", 3)
    monkeypatch.setattr(search, "EDGES", (1.0, 6.0))
    result = search.run()
    m = result.metrics
    assert max(m[f"false_alarms_{kind}"] for kind in search.KINDS) <= 0.2
    assert result.baseline["false_alarms_normal"] > 0.9 and result.ratio > 1.3
    assert m["found_1"] < m["found_6"] == 1
    assert m["pbo_planted"] < 0.1 < 0.35 < m["pbo_worthless"] < 0.65


@pytest.mark.soak
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("kind", search.KINDS)
def test_of_a_hundred_searches_over_5_000_worthless_strategies_few_find_any(kind):
    said = [s.verdict.found for s in searches(kind, 0.0, 100)]
    assert np.mean(said) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_a_ratio_of_three_is_found_among_5_000_in_four_years():
    said = [s.verdict.found and s.verdict.best == PLACE for s in searches("normal", 3.0, 50)]
    assert np.mean(said) >= 0.7
