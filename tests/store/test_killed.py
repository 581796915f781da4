"""kill -9 at random moments: what is read afterwards is a whole version, the last or the next."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from flowsense.schema import EVENT, LAST, Decimal, Instrument
from flowsense.sources.recorded import Recorded
from flowsense.store.checkpoint import Manifest, load, save
from flowsense.store.events import write_events
from flowsense.tape import FeatureSpec

TABLE = (Instrument("A", "v", Decimal(1, -2), Decimal(1, 0)),)
SPEC = FeatureSpec(("a",), (("f", 1),), ("interval:1s",))


def save_version(folder, version):
    manifest = Manifest("m", {}, SPEC, (), TABLE, (0, 1), seed=version)
    params = {"w": np.full((100, 1_000), float(version)), "b": np.full(9, version)}
    save(folder / "m", manifest, params, {"booster.json": str(version).encode() * 1_000})


def load_version(folder):
    manifest, params, files = load(folder / "m", SPEC.digest)
    versions = {*np.unique(params["w"]), *np.unique(params["b"]), manifest.seed}
    assert versions == {manifest.seed}
    assert files["booster.json"] == str(manifest.seed).encode() * 1_000
    return manifest.seed


def write_version(folder, version):
    events = np.zeros(20_000 + version, EVENT)
    events["sequence"], events["bits"] = version, LAST
    write_events(folder / "e.parquet", TABLE, np.array_split(events, 5))


def read_version(folder):
    events = np.concatenate(list(Recorded(folder / "e.parquet")))
    (version,) = np.unique(events["sequence"])
    assert len(events) == 20_000 + version
    return int(version)


WRITERS = {"checkpoint": (save_version, load_version), "events": (write_version, read_version)}


def kill(writer, folder, trials):
    """Versions found after each kill. Runs in a process of one thread, which may fork."""
    write, read = WRITERS[writer]
    write(folder, 0)
    rng, found = np.random.default_rng(0), [0]
    began = time.perf_counter()
    write(folder, 0)
    long = 3 * (time.perf_counter() - began)  # a busy machine writes slowly, and is given longer
    for _ in range(trials):
        child = os.fork()
        if child == 0:
            for version in range(found[-1] + 1, 10**6):
                write(folder, version)
        time.sleep(rng.uniform(0, max(0.04, long)))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found.append(read(folder))
    return found


def check(writer, folder, trials):
    call = [sys.executable, __file__, writer, str(folder), str(trials)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = json.loads(subprocess.run(call, check=True, env=env, capture_output=True).stdout)
    assert len(found) == trials + 1
    assert found == sorted(found)  # never back to an older one
    assert found[-1] > 0
    assert len(list(folder.glob(".*.draft"))) > trials / 4  # most were killed within a write


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
def test_forty_kills_leave_a_whole_version(writer, tmp_path):
    check(writer, tmp_path, 40)


@pytest.mark.slow
@pytest.mark.parametrize("writer", WRITERS)
def test_two_hundred_kills_leave_a_whole_version(writer, tmp_path):
    check(writer, tmp_path, 200)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(kill(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
