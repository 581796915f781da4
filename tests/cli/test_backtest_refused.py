"""What cannot be traded is told in one sentence, and nothing is written."""

import pytest


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--strategy", "folow"], "did you mean follow"),
        (["--strategy", "quote"], "--lots N"),
        (["--strategy", "quote", "--lots", "-3"], "--lots -3"),
        (["--lots", "99999999999999999999"], "--lots 99999999999999999999: give 0 to"),
        (["--lots", "3", "--least", "5"], "the smallest order has 5"),
        (["--least", "0"], "--least 0: give 1 to"),
        (["--queue", "exact"], "risk-averse"),
        (["--capital", "0"], "above 0"),
        (["--capital", "nan"], "--capital nan: give an amount"),
        (["--capital", "inf"], "--capital inf: give an amount"),
        (["--capital", "1e300"], "at most 1e+18"),
        (["--seed", "9" * 30], "give 0 to 9223372036854775807"),
        (["--per-lot", "1e300"], "at most 1e+18"),
        (["--start", "9999-12-31"], "--start 9999-12-31: no time lies between"),
        (["--session", "UTC 00:00-00:01"], "none in the session"),
        (["--confidence", "nan"], "--confidence nan: give a number from 0 to 1"),
        (["--confidence", "1.5"], "from 0 to 1"),
        (["--taker", "-1"], "--taker -1: give 0 or more"),
        (["--taker", "nan"], "--taker nan"),
        (["--maker", "-1"], "what a maker is paid is --rebate"),
        (["--rebate", "inf"], "--rebate inf"),
        (["--per-lot", "-1"], "--per-lot -1"),
        (["--per-lot", "nan"], "--per-lot nan"),
        (["--funding", "nan"], "--funding nan"),
        (["--funding", "1", "--funding-every", "0s"], "--funding-every: duration"),
        (["--funding", "1", "--funding-every", "99999999d"], "a year at most"),
        (["--funding-every", "8h"], "say how much it is: --funding BP"),
        (["--venue", "binance-spt"], "did you mean binance-spot"),
        (["--reward", "-1"], "--reward -1: give a number from 0 to 1000"),
        (["--reward", "nan"], "--reward nan"),
        (["--venue", "Binance-USDM"], "did you mean binance-usdm"),
        (["--target", "mdi@1s"], "did you mean mid"),
        (["--target", "mid@7s"], "mid@1s"),
        (["--target", "magnitude@1s"], "magnitude@1s: the model forecasts mid@1s"),
        (["--target", "sideways"], "sideways"),
        (["--latency", "fast"], "duration"),
        (["--latency", "-1ms"], "duration"),
        (["--latency", "99999999999999999d"], "a year at most"),
        (["--start", "2030-01-01"], "widen"),
        (["--start", "soon"], "write a time like"),
        (["--start", "2024-01-03", "--end", "2024-01-02"], "no time lies between"),
        (["--end", "1999-01-01"], "no time lies between"),
        (["--half-spread", "1"], "--half-spread 1.0: says nothing of a recorded book"),
        (["--delay", "1"], "give --latency TIME"),
        (["--share", "0.5"], "leave it out"),
        (["--stress", "flsh-crash"], "did you mean flash-crash"),
        (["--session", "nise"], "did you mean nyse"),
    ],
)
def test_what_cannot_be_traded_is_refused(flowsense, ran, market, tmp_path, words, told):
    said = flowsense("backtest", ran, market, *words, "--out", tmp_path / "c")
    assert said.code == 2 and told in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "c").exists() and not (tmp_path / "trials.jsonl").exists()


def test_a_folder_that_is_no_run_is_refused(flowsense, market):
    said = flowsense("backtest", market, market, "--out", "d")
    assert said.code == 2 and "neither a run" in said.err
