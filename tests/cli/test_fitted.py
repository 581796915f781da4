"""A model is traded on recordings of what it reads."""

from pathlib import Path

import pytest


@pytest.mark.parametrize("command", ["backtest", "paper"])
def test_a_model_of_books_is_refused_on_candles(flowsense, command, ran, candles):
    said = flowsense(command, ran, candles, "--symbol", "TOY", "--out", "x")
    assert said.code == 2 and said.err.count("\n") == 1 and not Path("x").exists()
    assert "holds bars alone, and logistic reads a book (depth)" in said.err


@pytest.mark.slow
@pytest.mark.parametrize("command", ["backtest", "paper"])
def test_a_model_of_bars_is_refused_on_books(flowsense, command, barred, market):
    said = flowsense(command, barred, market, "--out", "x")
    assert said.code == 2 and said.err.count("\n") == 1 and not Path("x").exists()
    assert "holds no bars, and logistic reads nothing else" in said.err


def test_a_sheet_goes_into_a_folder_of_its_own(flowsense, ran, market, tmp_path):
    (tmp_path / "file").write_text("mine")
    said = flowsense("backtest", ran, market, "--out", "file")
    assert said.code == 2 and "file: is a file: name a folder" in said.err
    for folder in (ran, ran / "checkpoints/logistic"):
        said = flowsense("backtest", ran, market, "--out", folder)
        assert said.code == 2 and "of another command: name another folder" in said.err
        assert not (folder / "sheet.json").exists()


@pytest.mark.slow
def test_a_signal_is_followed_whatever_it_costs(flowsense, ran, market):
    words = ("--confidence", 0, "--lots", 1, "--taker", 5, "--capital", 1e12)
    said = flowsense("backtest", ran, market, *words, "--out", "held")
    assert said.code == 0 and " 0 executions" in said.out, said.err
    said = flowsense("backtest", ran, market, *words, "--reward", 0, "--out", "followed")
    assert said.code == 0 and " 0 executions" not in said.out, said.err
    assert "Note: an execution is worth" in said.out and ", worth " in said.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--minutes", "-3"], "--minutes -3: give more than 0"),
        (["--minutes", "nan"], "--minutes nan: give more than 0"),
        (["--plant", "Leadr"], "did you mean leader?"),
    ],
)
def test_a_market_that_cannot_be_simulated_is_refused(flowsense, words, told):
    said = flowsense("simulate", *words, "--out", "x")
    assert said.code == 2 and told in said.err and not Path("x").exists()
