import pytest

from flowsense.bench import backtest


@pytest.mark.slow
@pytest.mark.compiled
def test_every_strategy_is_timed_beside_the_limit(monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWSENSE_DATA", str(tmp_path))
    found = backtest.run()
    m = found.metrics
    assert m["data"] == "simulated" and m["rows"] > 5_000
    assert m["seconds"] == max(m[f"{name}_seconds"] for name in backtest.STRATEGIES)
    assert found.baseline == {"name": "limit", "seconds": 20.0}
    assert found.ratio == pytest.approx(20 / m["seconds"])
    assert m["maker_executions"] > 0
