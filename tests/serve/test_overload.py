"""R33: five times what can be served. Rates on a quiet machine: `pytest -m soak` of this file."""

import json
import subprocess
import sys

import httpx
import pytest
from serving import limited, running, started

from flowsense.bench.api import resident
from flowsense.testing.service import SPEC, Simulated
from flowsense.wall import Stopwatch, Wall, pause

RATE = 200  # questions per second that are served
ROW = {"instrument": "BTCUSDT", "features": {SPEC.columns[0]: 1.0}}
LIMITS = {
    "by rate": {"rate": RATE, "burst": RATE / 4},
    "by slots": {"rate": 1e6, "burst": 1e6, "predictions": 4},
}


class Slow(Simulated):
    """Four at once are 200 a second."""

    async def of_row(self, columns, symbol, venue=""):
        await pause(4 / RATE)
        return await super().of_row(columns, symbol, venue)


def overloaded(server, seconds, path):
    """What became of five times as many questions, and how long until one is answered again."""
    path.write_text(json.dumps(ROW))
    words = (server.url.rpartition(":")[2], 5 * RATE, seconds, path)
    call = [sys.executable, "-m", "flowsense.bench.crowd", "ask", *map(str, words)]
    said = subprocess.run(call, capture_output=True, text=True, check=True, timeout=seconds + 60)
    with Stopwatch() as watch, httpx.Client(base_url=server.url) as http:
        while http.post("/api/v1/predict", json=ROW).status_code != 200:
            Wall().sleep(20_000_000)
    return json.loads(said.stdout.splitlines()[-1]), watch.seconds


@pytest.mark.slow
@pytest.mark.parametrize("how", LIMITS)
def test_five_times_too_much_is_answered_or_refused_each_time(how, tmp_path):
    with running(started(0, Slow()), limited(**LIMITS[how])) as server:
        found, _ = overloaded(server, 0.5, tmp_path / "row.json")
    refused = "429" if how == "by rate" else "503"
    assert found["answered"] == found["asked"] == 5 * RATE / 2
    assert {*found["statuses"]} <= {"200", "429", "503"}
    assert found["fine"] and found["statuses"][refused] > RATE / 4


@pytest.mark.soak
@pytest.mark.parametrize("how", LIMITS)
def test_a_minute_of_five_times_too_much_is_borne(how, tmp_path):
    with running(started(0, Slow()), limited(**LIMITS[how])) as server:
        overloaded(server, 2.0, tmp_path / "row.json")
        before = resident()
        found, again = overloaded(server, 60.0, tmp_path / "row.json")
    assert found["answered"] == found["asked"] and found["fine"] > 0.8 * 60 * RATE
    assert found["fine_p99_ms"] < 100 and found["refused_p99_ms"] < 50 and again < 2.0
    assert resident() - before < 20e6
