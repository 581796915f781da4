import pytest

from flowsense.bench import risk


def test_decisions_and_rows_are_timed(monkeypatch):
    monkeypatch.setattr(risk, "ROWS", 900)
    result = risk.run()
    assert result.metrics["row_p50_us"] > 0
    assert result.ratio == pytest.approx(10 / result.metrics["decision_p50_us"])
    assert 0 < result.metrics["acted_on"] < 0.4
