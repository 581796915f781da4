"""`flowsense record`: what it keeps, how it ends, and what it refuses."""

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest

from flowsense.sources.open import open_source

AT = "binance-spot=ws://127.0.0.1:1,http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["okx"], "symbol 'okx': write VENUE:SYMBOL, binance-usdm:BTCUSDT"),
        (["binanse-spot:A"], "venue 'binanse-spot' is unknown: did you mean binance-spot?"),
        (["okx:A", "okx:A"], "symbol 'okx:A' is named twice: leave one out"),
        (["okx:A", "--for", "3"], "--for: duration '3': write a whole number and a unit"),
        (["okx:A", "--at", AT], "--at binance-spot: no symbol is of that venue"),
        (["binance-spot:A", "--at", AT], "binance-spot: its instruments cannot be read"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(flowsense, tmp_path, words, sentence):
    found = flowsense("record", *words, "--lake", tmp_path / "lake")
    assert found.code == 2 and sentence in found.err and len(found.err.splitlines()) == 1
    assert not (tmp_path / "lake").exists()


@contextmanager
def started(*words):
    """A process of the command line, killed at the end if it still runs."""
    program = [sys.executable, "-c", "from flowsense.cli import main; main()"]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [*program, *map(str, words)], env=env, stdout=-1, stderr=-1, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def line(process, pattern):
    """The first match in what it says."""
    for said in process.stdout:
        if found := re.search(pattern, said):
            return found
    raise AssertionError(process.stderr.read())


@pytest.mark.slow
def test_it_keeps_what_a_venue_says_until_it_is_told_to_end(market, tmp_path):
    lake = tmp_path / "lake"
    with started("replay", market, "--as", "binance-spot", "--speed", 20) as venue:
        stream, rest = (line(venue, rf"{name} +(\S+)")[1] for name in ("WebSocket", "REST"))
        of = [f"binance-spot:{i.symbol}" for i in open_source([market]).instruments]
        words = [*of, "--lake", lake, "--at", f"binance-spot={stream},{rest}"]
        with started("record", *words) as process:
            line(process, "Recording")
            line(venue, "curl")
            while not sum(p.stat().st_size for p in lake.glob(".live/*.records")):
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.05)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    said = re.fullmatch(r"([\d,]+) events of [\d,]+ s are in .*: 0 gaps, 0 reconnects\n", out)
    events = np.concatenate(list(open_source([lake])))
    assert len(events) == int(said[1].replace(",", "")) > 0
