"""The same input and seed give the same bits, whatever the machine does beside."""

import os
import subprocess
import sys

import numpy as np
import pytest

from flowsense.features.catalogue import spec
from flowsense.testing import tape_of

RUN = """
from hashlib import sha256
from flowsense.simulate.market import Market, simulate
from flowsense.testing import Recording
from flowsense.train.config import RunConfig
from flowsense.train.run import run
from flowsense.forecast import Target
made = simulate(Market.tiny(), 120, 5)
source = Recording(made.instruments, made.events)
config = RunConfig(("fast",), targets=(Target.parse("mid@500ms"),))
found = run(source, config)
print(found.material.learn.digest)
for name, parts in found.forecasts.items():
    print(name, sha256(b"".join(p.proba.tobytes() + p.value.tobytes() for p in parts)).hexdigest())
"""


def outcome(**environment):
    env = os.environ | environment
    done = subprocess.run([sys.executable, "-c", RUN], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_runs_agree_whatever_the_hash_seed_and_the_number_of_threads():
    first = outcome(PYTHONHASHSEED="1", OMP_NUM_THREADS="1")
    assert len(first.splitlines()) >= 3
    assert first == outcome(PYTHONHASHSEED="2", OMP_NUM_THREADS="2")


@pytest.mark.slow
def test_a_thousand_truncations_change_no_row_before_them(instruments, events):
    full = tape_of(spec(), instruments, events).rows[0]
    rng = np.random.default_rng(0)
    for p in np.sort(rng.integers(1, len(events), 1_000)):
        rows = tape_of(spec(), instruments, events[:p]).rows[0]
        n = len(rows.ts)
        assert rows.X.tobytes() == full.X[:n].tobytes(), f"a row before event {p} differs"
        assert rows.ts.tobytes() == full.ts[:n].tobytes()
