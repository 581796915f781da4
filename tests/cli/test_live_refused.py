"""R42: what is written wrong for a live command is one sentence and exit code 2, at once."""

import os
import subprocess
import sys

import pytest

from flowsense.wall import Stopwatch

BTC = "binance-usdm:BTCUSDT"
SERVE, RECORD = ("serve", "model", BTC), ("record", BTC, "--lake", "lake")
DAY = ("--from", "2024-08-08", "--to", "2024-08-09", "--out", "x.parquet")
WRONG = {
    "no model": (("serve", "none", BTC), "none: is neither a run nor one of its checkpoints"),
    "no symbol": (("serve", "model"), "name a run and what it shall forecast"),
    "venue": (("serve", "model", "binanse-usdm:BTC"), "did you mean binance-usdm?"),
    "no venue": (("serve", "model", "BTCUSDT"), "write VENUE:SYMBOL"),
    "option": ((*SERVE, "--confidense", "1"), "--confidence"),
    "range": (
        (*SERVE, "--confidence", "3"),
        "'--confidence': Input should be less than or equal to 1",
    ),
    "share": (
        (*SERVE, "--agreement", "-1"),
        "'--agreement': Input should be greater than or equal to 0",
    ),
    "number": ((*SERVE, "--port", "x"), "'--port': Input should be a valid integer"),
    "folder": ((*SERVE, "--models", "none"), "'--models': dir 'none' does not exist"),
    "runs": ((*SERVE, "--runs", "none"), "'--runs': dir 'none' does not exist"),
    "place": ((*SERVE, "--at", "okx=ws://x"), "write VENUE=ws://HOST:PORT,http://HOST:PORT"),
    "stranger": ((*SERVE, "--at", "okx=ws://x:1,http://x:1"), "no symbol is of that venue"),
    "host": ((*SERVE, "--host", "0.0.0.0"), "set FLOWSENSE_ADMIN_KEYS"),
    "secret": (("serve", "model", "massive-stocks:AAPL"), "variable MASSIVE_API_KEY"),
    "secret to record": (
        ("record", "massive-stocks:AAPL", "--lake", "lake"),
        "variable MASSIVE_API_KEY",
    ),
    "venue to record": (("record", "kraken2:X", "--lake", "lake"), "did you mean kraken?"),
    "no lake": (("record", BTC), "Missing option '--lake'"),
    "how long": ((*RECORD, "--for", "1parsec"), "--for: "),
    "venue to replay": (("replay", "market", "--as", "okkx"), "did you mean okx?"),
    "fault": (("replay", "market", "--as", "okx", "--faults", "faults"), "did you mean drop?"),
    "speed": (("replay", "market", "--speed", "0"), "--speed 0.0: give a number above 0"),
    "venue to fetch": (("fetch", "binanse-spot", "BTC", *DAY), "did you mean binance-spot?"),
    "time": (("fetch", "binance-spot", "BTC", *DAY[2:], "--from", "soon"), "soon"),
    "candle": (("fetch", "binance-spot", "BTC", *DAY, "--interval", "7x"), "7x"),
    "secret to fetch": (("fetch", "massive-stocks", "AAPL", *DAY), "variable MASSIVE_API_KEY"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder that holds what is right, as far as anybody looks."""
    from flowsense.simulate.market import Market, simulate
    from flowsense.store.events import write_events

    folder = tmp_path_factory.mktemp("wrong")
    (folder / "model").mkdir()
    (folder / "model" / "manifest.json").touch()
    made = simulate(Market.tiny(), 5, 1)
    write_events(folder / "market", made.instruments, [made.events])
    (folder / "faults").write_text('[{"at": 1, "do": "dropp"}]')
    return folder


@pytest.mark.parametrize("name", WRONG)
def test_it_is_one_sentence_and_nothing_is_written(flowsense, place, monkeypatch, name):
    words, said = WRONG[name]
    monkeypatch.delenv("MASSIVE_API_KEY", raising=False)
    monkeypatch.chdir(place)
    before = sorted(place.iterdir())
    found = flowsense(*words)
    text = " ".join((found.out + found.err).split())
    assert found.code == 2 and said in text and "Traceback" not in text
    assert sorted(place.iterdir()) == before


@pytest.mark.soak
@pytest.mark.parametrize("name", WRONG)
def test_it_takes_two_seconds_at_most(place, name):
    environment = {k: v for k, v in os.environ.items() if k != "MASSIVE_API_KEY"}
    call = [sys.executable, "-m", "flowsense", *WRONG[name][0]]
    with Stopwatch() as watch:
        found = subprocess.run(call, cwd=place, env=environment, capture_output=True, check=False)
    assert found.returncode == 2 and watch.seconds < 2.0
