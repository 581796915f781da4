"""Memory of prepare, train and evaluate hardly grows with the recording."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from memory import PEAK

from flowsense.schema import DAY
from flowsense.sources.open import open_source
from flowsense.store.events import write_events

CALL = f"""{PEAK}
import json, sys
from flowsense.cli import main
sys.argv = json.loads(sys.argv[1])
try:
    main()
except SystemExit as left:
    assert not left.code, left.code
print(peak() // 1024)
"""
MODELS = "majority,antisymmetric"


def days(data, count):
    """One day of a recording again and again; each begins with its own snapshot."""
    source = open_source(sorted(map(str, (data / "lobster").glob("GOOG*"))))

    def chunks():
        for day in range(count):
            for chunk in source:
                shifted = chunk.copy()
                for clock in ("ts_event", "ts_recv"):
                    shifted[clock] += day * DAY
                yield shifted

    return source.instruments, chunks()


def peak(*args):
    """MB of a process that runs this command."""
    command = json.dumps(["flowsense", *map(str, args)])
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    call = [sys.executable, "-c", CALL, command]
    done = subprocess.run(call, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def peaks(data, folder, count, models=MODELS):
    """MB of prepare, of train and of evaluate."""
    folder.mkdir()
    events, rows, trained = (folder / name for name in ("events.parquet", "rows", "trained"))
    write_events(events, *days(data, count))
    first = peak("prepare", events, "--out", rows)
    second = peak("train", rows, "--out", trained, "--models", models)
    return np.array([first, second, peak("evaluate", trained)])


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_twice_the_recording_takes_little_more_memory(data, tmp_path):
    two, four = (peaks(data, tmp_path / str(n), n) for n in (2, 4))
    assert (four - two < (20, 60, 200)).all(), (two, four)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_times_the_largest_recording_stays_below_a_gigabyte(data, tmp_path):
    found = peaks(data, tmp_path / "ten", 10, "fast")
    assert (found < 1_000).all(), found


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_hundreds_of_folds_do_not_hold_every_row_once_more_each(data, tmp_path):
    candles = data / "bitfinex_1h/BTCUSD.parquet"
    asked = ("--targets", "mid@6h,magnitude@1d", "--models", "majority", "--families", "bars")
    assert peak("run", candles, "--out", tmp_path / "run", *asked) < 1_200
