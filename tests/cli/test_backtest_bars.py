"""Candles from the command line: a run that ends in trades of them, and backtests."""

from pathlib import Path

import orjson
import pytest

USUAL = ["--symbol", "TOY", "--confidence", "0.5", "--half-spread", "0.1"]


@pytest.fixture
def traded(flowsense, barred, candles):
    """Calls `backtest`, and reads its sheet."""

    def call(*words):
        said = flowsense("backtest", barred, candles, *USUAL, *words, "--out", "bt")
        assert said.code == 0, said.err
        return said, orjson.loads(Path("bt/sheet.json").read_bytes())

    return call


@pytest.mark.slow
def test_a_run_on_candles_ends_in_a_taker_alone(barred):
    found = orjson.loads((barred / "metrics.json").read_bytes())["backtest"]
    assert list(found) == ["taker"] and found["taker"]["on"] == "bars"
    assert "at the open of the next bar" in (barred / "report.html").read_text()
    assert {path.name for path in (barred / "backtest").iterdir()} == {"taker"}


@pytest.mark.slow
def test_candles_are_traded_with_the_frictions_that_are_asked_for(traded):
    said, plain = traded("--sensitivity")
    assert plain["orders"]["sent"] > 20 and "executions" in said.out
    assert "Frictions(half_spread=1e-05" in plain["config"]["venue"]
    assert [s["name"] for s in plain["sensitivity"]] == ["costs", "delay", "capacity"]
    _, dear = traded("--impact", "9", "--share", "0.01", "--delay", "2", "--taker", "1")
    assert "impact=9.0, share=0.01, delay=2" in dear["config"]["venue"]
    assert dear["measures"]["net"] < plain["measures"]["net"]
    assert dear["costs"]["fees_bp"] == pytest.approx(1)


@pytest.mark.slow
def test_fees_of_a_venue_go_under_single_ones(traded):
    words = (
        "--venue",
        "binance-usdm",
        "--taker",
        "0.5",
        "--funding",
        "30",
        "--funding-every",
        "1h",
    )
    _, found = traded(*words)
    assert found["costs"]["fees_bp"] == pytest.approx(0.5)
    assert "maker=0.0002, taker=5e-05" in found["config"]["terms"]
    assert found["costs"]["funding"] != 0
    _, free = traded("--per-lot", "0.02", "--lots", "3")
    assert free["costs"]["fees"] == pytest.approx(0.02 * 3 * free["orders"]["filled"])


@pytest.mark.slow
def test_the_smallest_order_is_what_risk_must_reach(traded):
    _, found = traded("--least", "10000000")
    assert found["orders"]["sent"] == 0 and found["config"]["vetoes"]["too_small"] > 0


@pytest.mark.slow
def test_a_session_is_traded_and_told(traded, tmp_path):
    (tmp_path / "days").write_text("2024-01-04\n")
    _, found = traded("--session", "nyse", "--start", "2024-01-02")
    assert any("holidays of the session nyse are not known" in w for w in found["warnings"])
    assert found["config"]["session"].startswith("America/New_York 09:30-16:00 Mon Tue")
    hours = {h["name"] for h in found["measures"]["hours"] if h["net"]}
    assert hours <= {"14", "15", "16", "17", "18", "19", "20", "21"}
    _, closed = traded("--session", "nyse", "--holidays", "days", "--start", "2024-01-02")
    assert not any("holidays" in w for w in closed["warnings"])
    assert closed["measures"]["turnover"] < found["measures"]["turnover"]


@pytest.mark.slow
def test_a_market_that_breaks_is_told_in_a_section(traded):
    _, found = traded("--stress", "flash-crash,venue-down")
    assert [row["scenario"] for row in found["stress"]] == ["none", "flash crash", "venue down"]
    page = Path("bt/sheet.html").read_text()
    assert "When the market breaks" in page and "when the most was held" in page
    assert len(traded("--stress", "all")[1]["stress"]) == 6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--queue", "risk-averse"], "--queue risk-averse: says nothing of bars"),
        (["--latency", "5ms"], "give --delay N, in bars"),
        (["--strategy", "quote", "--lots", "2"], "a maker needs a recording of the book"),
        (["--share", "0"], "--share 0: give a share above 0"),
        (["--share", "most"], "or any"),
        (["--delay", "-1"], "--delay -1: give a number of bars"),
        (["--half-spread", "nan"], "--half-spread nan"),
        (["--half-spread", "10000"], "below 10000"),
        (["--impact", "inf"], "--impact inf: give 0 or more"),
        (["--stress", "flash-crsh"], "did you mean flash-crash"),
        (["--stress", ","], "name one of"),
        (["--session", "nise"], "did you mean nyse"),
        (["--holidays", "days"], "of which session?"),
        (["--session", "nyse", "--holidays", "gone"], "gone: cannot be read"),
    ],
)
def test_what_bars_cannot_do_is_refused(flowsense, barred, candles, tmp_path, words, told):
    said = flowsense(
        "backtest", barred, candles, "--symbol", "TOY", *words, "--out", tmp_path / "c"
    )
    assert said.code == 2 and told in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "c").exists() and not (tmp_path / "trials.jsonl").exists()
