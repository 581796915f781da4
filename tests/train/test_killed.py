"""kill -9 at random moments of prepare and train: nothing that was reported done is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from flowsense.forecast import Target
from flowsense.models import asked
from flowsense.simulate.market import Market, simulate
from flowsense.store.checkpoint import load
from flowsense.store.events import write_events
from flowsense.train import preparing
from flowsense.train.config import RunConfig
from flowsense.train.dataset import prepare
from flowsense.train.prepared import Prepared
from flowsense.train.preparing import prepare_rows
from flowsense.train.read import read
from flowsense.train.steps import train

TARGETS = tuple(map(Target.parse, ("mid@500ms", "ofi@1s")))
FAMILIES = ("ofi", "depth")
CONFIG = RunConfig(families=FAMILIES, targets=TARGETS)
MODELS = asked(("majority", "imbalance"))
SEALED, LEAST = 1, 100
MANY = 20  # children for each that is to die: the rest are done before


def recorded(folder):
    made = simulate(Market.tiny(), 240, 3)
    write_events(folder / "events.parquet", made.instruments, np.array_split(made.events, 60))
    return read(folder / "events.parquet", families=FAMILIES)


def killed(work, wait):
    """Whether a child that does this work was alive until then."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def progress_to(path):
    """Reports as a process that may die at once leaves them: one line each."""

    def tell(stage, done, total):
        with path.open("a") as file:
            file.write(f"{done}\n")

    return tell


def reports(path):
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def prepares(folder, trials):
    """How many died within prepare, of `trials` wanted. Raises where something done was lost."""
    preparing.SEALED = SEALED
    recording = recorded(folder)
    begun = time.perf_counter()
    whole = prepare(recording.source, recording.spec, TARGETS)
    took = time.perf_counter() - begun
    rng, deaths, told, out = np.random.default_rng(0), 0, folder / "told", folder / "rows"

    def work():
        prepare_rows(recording, TARGETS, out, least=LEAST, progress=progress_to(told))

    for trial in range(MANY * trials):
        if deaths == trials:
            break
        before = max(reports(told), default=0)
        told.unlink(missing_ok=True)
        deaths += killed(work, rng.uniform(0, 2 * took))
        assert min(reports(told), default=before) >= before, f"lost what was done, trial {trial}"
        if out.exists():
            assert Prepared(out).digest == whole.digest
            told.unlink(missing_ok=True)
            out.rename(folder / f"finished-{trial}")
    work()
    found = Prepared(out)
    for a, b in zip(found.labels[1:6], whole.labels[1:6], strict=True):
        assert np.array_equal(a, b)
    assert found.digest == whole.digest
    return deaths


def trains(folder, trials):
    """How many died within train, of `trials` wanted. Raises where a fit done was lost."""
    rows = prepare_rows(recorded(folder), TARGETS, folder / "rows")
    begun = time.perf_counter()
    train((rows,), CONFIG, MODELS, folder / "whole")
    took = time.perf_counter() - begun
    expected = {p.parent.name: p.read_bytes() for p in folder.glob("whole/checkpoints/*/*.npz")}
    rng, deaths, out = np.random.default_rng(0), 0, folder / "trained"
    for _ in range(MANY * trials):
        if deaths == trials:
            break
        done = {p.name: p.stat().st_mtime_ns for p in out.glob("checkpoints/[a-z]*")}
        deaths += killed(lambda: train((rows,), CONFIG, MODELS, out), rng.uniform(0, took))
        for name in done:
            assert load(out / "checkpoints" / name).manifest.model == name
            assert (out / "checkpoints" / name).stat().st_mtime_ns == done[name]
        if len(done) == len(expected):
            out.rename(folder / f"finished-{deaths}-{rng.integers(10**9)}")
    train((rows,), CONFIG, MODELS, out)
    found = {p.parent.name: p.read_bytes() for p in out.glob("checkpoints/*/*.npz")}
    assert found == expected
    return deaths


STEPS = {"prepare": prepares, "train": trains}


def check(step, folder, trials):
    """In a process of one thread, which may fork."""
    call = [sys.executable, __file__, step, str(folder), str(trials)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(call, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == trials


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_ten_kills_lose_nothing(step, tmp_path):
    check(step, tmp_path, 10)


@pytest.mark.soak
@pytest.mark.parametrize("step", STEPS)
def test_a_hundred_kills_lose_nothing(step, tmp_path):
    check(step, tmp_path, 100)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(STEPS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]))))
