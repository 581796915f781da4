import pytest

from flowsense.bench import bars


def test_a_walk_is_bars_that_can_be_of_five_minutes():
    source = bars.walk(1_000, 0)
    b = source.bars
    assert (
        (b["low"] <= b["open"]).all() and (b["close"] <= b["high"]).all() and (b["low"] > 0).all()
    )
    assert (b["ts_open"][1:] == b["ts_recv"][:-1] + 1).all()


@pytest.mark.slow
def test_both_strategies_are_timed_beside_the_limit(monkeypatch, tmp_path):
    monkeypatch.setenv("FLOWSENSE_DATA", str(tmp_path))
    monkeypatch.setattr(bars, "BARS", 3_000)
    found = bars.run()
    m = found.metrics
    assert (m["data"], m["bars"]) == ("simulated", 3_000)
    assert m["seconds"] == max(m["coin_seconds"], m["bracket_seconds"])
    assert found.ratio == pytest.approx(60 / m["seconds"])
    assert m["coin_executions"] > 100 and m["bracket_executions"] > 10


@pytest.mark.soak
def test_four_simulated_years_take_less_than_a_minute(monkeypatch, tmp_path):
    """Without an edge: what a trader gains before costs is luck, and costs make it a loss."""
    monkeypatch.setenv("FLOWSENSE_DATA", str(tmp_path))
    m = bars.run().metrics
    assert m["bars"] > 420_000 and m["days"] > 4 * 365 and m["seconds"] < 60
    for who in ("coin", "bracket"):
        assert m[f"{who}_net"] < m[f"{who}_gross"] and m[f"{who}_net"] < 0
