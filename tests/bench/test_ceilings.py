import pytest

from flowsense.bench import ceilings
from flowsense.bench.ceilings import Plan

pytestmark = [pytest.mark.compiled, pytest.mark.slow]


def test_a_short_market_is_scored_beside_its_truth(monkeypatch):
    plans = (Plan("flow", 6, ("ofi@500ms",), ("antisymmetric",)),)
    monkeypatch.setattr(ceilings, "PLANS", plans)
    found = ceilings.run()
    what = "flow ofi@500ms, antisymmetric: "
    assert 0.6 < found.metrics[what + "share of skill"] <= 1.05
    assert found.metrics[what + "accuracy"] <= found.baseline[what + "accuracy"] + 0.02
    assert found.ratio == found.metrics[what + "share of skill"] / 0.95
