import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from flowsense.simulate import saved
from flowsense.simulate.market import Market, simulate


@pytest.fixture(scope="session")
def market(tmp_path_factory):
    """A folder with a small simulated recording, as `flowsense simulate` leaves it."""
    folder = tmp_path_factory.mktemp("cli") / "market"
    saved.save(simulate(Market.tiny(), 240, 3), folder)
    return folder


@pytest.fixture(scope="session")
def small():
    """Options of a run that takes a second."""
    return [
        "--models",
        "vote",
        "--targets",
        "mid@500ms,magnitude@1s",
        "--families",
        "depth,ofi,flow",
    ]


@pytest.fixture(scope="session")
def candles(tmp_path_factory):
    """Two days and a half of minutes, each of which says something of the next."""
    rng, n = np.random.default_rng(1), 3_600
    shocks, moves = rng.normal(0, 4e-4, n), np.zeros(n)
    for k in range(1, n):
        moves[k] = 0.6 * moves[k - 1] + shocks[k]
    closes = 50 * np.exp(np.cumsum(moves))
    opens = np.r_[50, closes[:-1]]
    rows = zip(opens, np.maximum(opens, closes), np.minimum(opens, closes), closes, strict=True)
    file = tmp_path_factory.mktemp("candles") / "candles.csv"
    lines = (
        f"{1_704_205_800 + 60 * k},{','.join(f'{x:.3f}' for x in row)},{100 + k % 50}"
        for k, row in enumerate(rows)
    )
    file.write_text("\n".join(["time,open,high,low,close,volume", *lines, ""]))
    return file


@pytest.fixture(scope="session")
def barred(candles, tmp_path_factory):
    """A run with a fitted model on candles."""
    from flowsense.cli.app import app

    out = tmp_path_factory.mktemp("barred") / "run"
    words = ["--models", "logistic", "--targets", "mid@5m", "--symbol", "TOY", "--out", str(out)]
    assert CliRunner().invoke(app, ["run", str(candles), *words]).exit_code == 0
    return out


@pytest.fixture(scope="session")
def run(market, small, tmp_path_factory):
    """The folder of a run that the program itself has finished, and what it said."""
    out = tmp_path_factory.mktemp("run") / "out"
    program = Path(sys.executable).with_name("flowsense")
    found = subprocess.run(
        [program, "run", market, "--out", out, *small], capture_output=True, text=True, check=True
    )
    assert found.stderr == ""
    return out, found.stdout


@pytest.fixture(scope="session")
def ran(market, tmp_path_factory):
    """A run with a fitted model on the small market."""
    from flowsense.cli.app import app

    out = tmp_path_factory.mktemp("ran") / "run"
    families = ["--families", "depth,ofi,flow", "--targets", "mid@1s,magnitude@1s"]
    words = ["run", str(market), "--models", "logistic", *families, "--out", str(out)]
    assert CliRunner().invoke(app, words).exit_code == 0
    return out
