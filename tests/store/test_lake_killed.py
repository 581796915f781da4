"""kill -9 at random moments of an ingest: what is read is whole, and the next call goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from lakes import kept, observations, pieces, read, recording, same, two_days

from flowsense.schema import Chunk
from flowsense.store import lake_write
from flowsense.store.lake import recordings
from flowsense.store.lake_write import locked, record
from flowsense.testing.streams import cut

STEP, LENGTH = 150, 3_000


def told():
    """Events for twenty spans of STEP, with observations among them."""
    whole = Chunk(two_days(LENGTH // 2), pieces(two_days(9))[0].bars, observations(9))
    return [*cut(whole, tuple(range(STEP, len(whole.events), STEP)))], whole


def ingest(folder, chunks):
    """What `sources.ingest` does with one source."""
    with locked(folder):
        done = {r.id: r for r in recordings(folder)}
        ours = done.get(recording().id, recording(kinds=("fear",)))
        return ours if ours.done else record(folder, ours, chunks, kept)


def check(folder, whole, least):
    """-> spans found; each kind is a beginning of what was told, no shorter than before."""
    found = recordings(folder)
    if not found:
        return 0
    for records, expected in zip(read(folder), whole, strict=True):
        assert records.tobytes() == expected[: len(records)].tobytes()
    assert len(found[0].spans) >= least
    return len(found[0].spans)


def kill(folder, trials):
    """Spans found after each kill. Runs in a process of one thread, which may fork."""
    lake_write.SPAN = lake_write.OFTEN = STEP
    chunks, whole = told()
    rng, found, lakes, least = np.random.default_rng(0), [], 0, 0
    began = time.perf_counter()
    ingest(folder / "whole", chunks)
    long = time.perf_counter() - began  # a busy machine writes slowly, and is given longer
    for _ in range(trials):
        lake = folder / str(lakes)
        child = os.fork()
        if child == 0:
            ingest(lake, chunks)
            os._exit(0)
        time.sleep(rng.uniform(0, max(0.12, long)))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        least = check(lake, whole, least) if (lake / "lake.json").exists() else 0
        found.append(least)
        if least and recordings(lake)[0].done:
            lakes, least = lakes + 1, 0
    ingest(folder / str(lakes), chunks)
    assert same(read(folder / str(lakes)), whole)
    return found


def killed(folder, trials):
    call = [sys.executable, __file__, str(folder), str(trials)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == trials
    assert len({*found}) > 4  # of different length
    return found


@pytest.mark.slow
def test_twenty_kills_leave_a_whole_lake(tmp_path):
    killed(tmp_path, 20)


@pytest.mark.soak
def test_two_hundred_kills_leave_a_whole_lake(tmp_path):
    killed(tmp_path, 200)


def test_the_same_call_twice_changes_nothing(tmp_path):
    chunks, whole = told()
    first = ingest(tmp_path, chunks)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")}
    assert ingest(tmp_path, chunks) == first
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.parquet")}
    assert same(read(tmp_path), whole)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(kill(Path(sys.argv[1]), int(sys.argv[2]))))
