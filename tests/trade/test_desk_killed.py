"""kill -9 at random moments while a venue loses answers: no order is lost, and none is doubled."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from trade.counters import KEYS, SYMBOL, USDM, counter, hurried, instrument, orders

from flowsense.trade.account import ID
from flowsense.trade.desk import Desk
from flowsense.trade.router import Leg

RATES = {"unheard": 0.1, "unknown": 0.1, "busy": 0.05, "many": 0.05, "rejected": 0.1}
WINDOW = 300_000_000  # ns


def client(rest):
    from flowsense.trade.unified import Unified

    made = Unified(USDM, (instrument(),), KEYS, rest=rest, timeout=150, window=200)
    made._rest = lambda: 0.02  # a venue of our own forgives soon
    return hurried(made, WINDOW)


def opened(folder, rest):
    return Desk(folder / "desk", {USDM: client(rest)}, (instrument(),))


def session(folder, rest, seed):
    """Buys and sells until it is killed."""
    desk, rng = opened(folder, rest), np.random.default_rng(seed)
    while not desk.halted:
        side, lots = int(rng.choice((-1, 1))), int(rng.integers(1, 150))
        price = 600_005 if side > 0 else 599_985  # the second level is beyond it
        desk.send([Leg(USDM, SYMBOL, side, lots, price, lots / 1e3, 0.0, 0.0)])


def serve(pipe):
    """In a process of its own, which no kill reaches."""
    with counter(orders(rates=RATES, seed=3, money=10**12)) as rest:
        os.write(pipe, f"{rest}\n".encode())
        signal.pause()


def kill(folder, kills):
    """Runs in a process of one thread, which may fork."""
    import ccxt  # noqa: F401 - once, not in every child

    reading, writing = os.pipe()
    venue = os.fork()
    if venue == 0:
        serve(writing)
    rest, rng = os.fdopen(reading).readline().strip(), np.random.default_rng(0)
    for seed in range(kills):
        child = os.fork()
        if child == 0:
            session(folder, rest, seed)
            os._exit(3)
        time.sleep(rng.uniform(0.1, 0.9))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "it halted"
    found = told(folder, rest)
    os.kill(venue, signal.SIGKILL)
    os.waitpid(venue, 0)
    return found


def told(folder, rest):
    """Of both sides."""
    desk = opened(folder, rest)
    account, there = desk.account, desk.gateways[USDM]
    ids = [ID.format(salt=account.salt, number=n) for n in range(account.numbers)]
    known = [t for t in (there.find(i, SYMBOL) for i in ids) if t is not None]
    trades = there.client.fetch_my_trades(there.names[SYMBOL], None, None, {"limit": 1000})
    found = {
        "halted": desk.halted,
        "live": len(account.live),
        "sent": account.numbers,
        "filled here": account.filled,
        "filled by id": sum(t.filled > 0 for t in known),
        "filled there": len({t["order"] for t in trades}),
        "lots here": int(account.position(f"{USDM}:{SYMBOL}")),
        "lots there": int(there.positions()[SYMBOL]),
    }
    desk.close()
    there.close()
    return found


def check(folder, kills):
    pytest.importorskip("ccxt", reason="needs ccxt")
    call = [sys.executable, __file__, str(folder), str(kills)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(call, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["halted"] == "" and found["live"] == 0
    assert found["filled here"] == found["filled by id"] == found["filled there"] > kills // 2
    assert found["lots here"] == found["lots there"]


@pytest.mark.slow
def test_five_kills_lose_and_double_nothing(tmp_path):
    check(tmp_path, 5)


@pytest.mark.soak
def test_two_hundred_kills_lose_and_double_nothing(tmp_path):
    check(tmp_path, 200)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(kill(Path(sys.argv[1]), int(sys.argv[2]))))
