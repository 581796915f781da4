"""`flowsense` as a shell calls it, beside the test."""

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import NamedTuple

import httpx

from flowsense.testing.fitted import save

FILES = ("spot_btcusdt_20240808", "spot_ethusdt_20240808")
PATIENCE = 240.0  # s: kernels may have to be compiled first, and nothing answers meanwhile


class Process(NamedTuple):
    """One that has said where it is."""

    popen: subprocess.Popen
    told: re.Match

    @property
    def pid(self):
        return self.popen.pid


@contextmanager
def flowsense(log, *words, says):
    """Until the end of the block. says: the expression that its output has to match by then."""
    with log.open("w+") as out:
        popen = subprocess.Popen(
            [sys.executable, "-m", "flowsense", *map(str, words)], stdout=out, stderr=out
        )
        try:
            yield Process(popen, until(lambda: said(popen, log, says), PATIENCE, log.read_text))
        finally:
            popen.terminate()
            popen.wait(15)


def said(popen, log, says):
    assert popen.poll() is None, log.read_text()
    return re.search(says, log.read_text())


def until(holds, seconds, why=str, rest=lambda: sleep(0.05)):
    """What it answers once that is true. rest: between two looks; a page hears in its own alone."""
    end = monotonic() + seconds
    while not (found := holds()):
        assert monotonic() < end, f"not within {seconds} s: {why()}"
        rest()
    return found


@contextmanager
def venue(folder, data, *faults):
    """A replayed recording of Binance, in its own words. -> where, as `serve --at` takes it."""
    script = folder / "faults.json"
    script.write_text(f"[{', '.join(faults)}]")
    paths = [data / "binance_ws_raw" / f"{name}.jsonl.zst" for name in FILES]
    words = ("replay", *paths, "--faults", script)
    says = r"(?s)WebSocket +(ws:\S+).*REST +(http:\S+)"
    with flowsense(folder / "venue.log", *words, says=says) as process:
        yield "binance-spot={},{}".format(*process.told.groups())


def serving(folder, at, port=0):
    """A small model, on the recording."""
    model = folder / "model"
    if not model.exists():
        save(model)
    symbols = ("binance-spot:BTCUSDT", "binance-spot:ETHUSDT")
    words = ("serve", model, *symbols, "--at", at, "--port", port)
    return answering(flowsense(Path(folder) / f"serve-{port}.log", *words, says=SERVING))


def showing(folder):
    """The demo."""
    return answering(flowsense(folder / "demo.log", "serve", "--demo", "--port", 0, says=SERVING))


SERVING = r"Serving .* at (http:\S+)"


class Server(NamedTuple):
    """One that predicts."""

    process: Process
    url: str


@contextmanager
def answering(process):
    with process as found:
        url = found.told[1]
        until(lambda: predicts(url), PATIENCE)
        yield Server(found, url)


def predicts(url):
    found = httpx.get(f"{url}/api/v1/models/status", timeout=PATIENCE)
    return found.json()["predictions"] > 0
