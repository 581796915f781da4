"""`flowsense replay`: where it is, how it ends, and what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from types import SimpleNamespace

import pytest
from binance_wire import spot, written
from replay.venues import served

from flowsense.cli.leaving import Left
from flowsense.cli.replay import heeding, serve
from flowsense.testing.loop import run


@pytest.fixture
def path(tmp_path):
    return written(tmp_path / "a.jsonl", spot(3)[0])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--as", "binanse-spot"], "venue 'binanse-spot' is unknown: did you mean binance-spot?"),
        (["--speed", "0"], "--speed 0.0: give a number above 0, or inf"),
        (["--speed", "nan"], "--speed nan: give a number above 0, or inf"),
        (["--port", "70000"], "--port 70000: give one below 65536, or 0"),
        (["--symbols", "ABCUSD"], "symbol 'ABCUSD' is unknown: did you mean ABCUSDT?"),
        (["--faults", "no.json"], "no.json: cannot be read (No such file or directory)"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(flowsense, path, words, sentence):
    found = flowsense("replay", path, *words)
    assert found.code == 2 and sentence in found.err and len(found.err.splitlines()) == 1


def test_a_recording_of_another_venue_must_say_as_what(flowsense, market):
    found = flowsense("replay", market)
    assert found.code == 2 and "give --as, one of binance-spot, " in found.err


@pytest.mark.slow
def test_it_says_where_it_is_and_ends_when_told(path):
    words = [sys.executable, "-c", "from flowsense.cli import main; main()", "replay", str(path)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(words, env=env, stdout=-1, stderr=-1, text=True)
    said = ""
    while "curl" not in said and process.poll() is None:
        said += process.stdout.readline()
    rest = re.search(r"REST +(http://127\.0\.0\.1:\d+)", said)[1]
    with urllib.request.urlopen(f"{rest}/api/v3/exchangeInfo") as reply:
        assert json.load(reply)["symbols"][0]["symbol"] == "ABCUSDT"
    since = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and time.monotonic() - since < 5
    assert out == "ended: 0 messages of it, told to 0 connections\n"


def test_it_says_what_to_ask_for_and_ends_with_the_recording(path, capsys):
    run(serve(served(path, at_once=True), "binance-spot", Left()))
    said = capsys.readouterr().out
    assert (
        "/stream?streams=abcusdt@depth@100ms/abcusdt@trade" in said and "WebSocket  ws://" in said
    )
    assert said.endswith("ended: 4 messages of it, told to 0 connections\n")


def test_asked_to_end_it_ends(path, capsys):
    left = Left()
    left.asked = True
    run(serve(served(path), "binance-spot", left))
    assert capsys.readouterr().out.endswith("ended: 0 messages of it, told to 0 connections\n")


def test_who_comes_and_goes_is_told(capsys):
    place = SimpleNamespace(seats={1})
    heeding(place, here=True)
    place.seats.clear()
    heeding(place, here=False)
    said = capsys.readouterr().out
    assert said == "a client has come: 1 connection\na client is gone: 0 connections\n"
