"""kill -9 at random moments of one session: nobody can tell afterwards that there were any."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from papers import TWO, chunk, market, traded

from flowsense.backtest.consumed import ahead
from flowsense.backtest.paper import Care, Paper

CARE = Care(folded_ns=10_000_000, share=1.0, sync_ns=1_000_000, status_ns=1_000_000)
MOMENT = 0.002  # s that each push waits, so that a session lasts as many kills as are asked for


def session(folder, made, wait):
    """Trade what is ahead; True when there was nothing left."""
    paper = Paper(folder, TWO, made.instruments, CARE)
    assert paper.recovery.differences == ()
    parts = [chunk(part) for part in np.array_split(made.events, len(made.events) // 4)]
    for part in ahead(parts, paper.position):
        paper.push(part)
        time.sleep(wait)
    return traded(paper, [chunk(made.events)])


def kill(folder, kills):
    """Position after each kill, then whether all is as it should be.

    Runs in a process of one thread, which may fork.
    """
    made, rng, seen = market(), np.random.default_rng(0), []
    whole, since = session(folder / "whole", made, 0.0), time.perf_counter()
    Paper(folder / "opened", TWO, made.instruments, CARE).let_go()
    opening = time.perf_counter() - since  # a busy machine opens slowly, and is given longer
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            session(folder / "killed", made, MOMENT)
            os._exit(0)
        time.sleep(rng.uniform(0, 3 * opening))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        seen.append(os.WIFSIGNALED(status))
    paper = Paper(folder / "killed", TWO, made.instruments, CARE)
    at = paper.position.counts[0]
    paper.let_go()
    return seen, at, session(folder / "killed", made, 0.0) == whole


def check(folder, kills):
    call = [sys.executable, __file__, str(folder), str(kills)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(call, check=True, env=env, capture_output=True)
    seen, at, same = json.loads(done.stdout)
    assert len(seen) == kills and sum(seen) >= 0.9 * kills
    assert at > 0 and same


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path):
    check(tmp_path, 20)


@pytest.mark.soak
def test_two_hundred_kills_change_nothing(tmp_path):
    check(tmp_path, 200)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(kill(Path(sys.argv[1]), int(sys.argv[2]))))
