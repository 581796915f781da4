"""The fold law, and that no input whatever makes a size that cannot be."""

import os
import subprocess
import sys
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from desks import MID, START, STEP, forecast, rows, standing, table, warm
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config

from flowsense.errors import InputError
from flowsense.forecast import SIGNAL, Veto
from flowsense.risk.anomaly import Anomaly
from flowsense.risk.breaker import Breakers
from flowsense.risk.desk import Risk, State
from flowsense.risk.limits import Correlation, Limits
from flowsense.risk.settings import Settings
from flowsense.store.arrays import pack, unpack

FAST = Settings(
    limits=Limits(instrument=0.5, correlated=0.9, total=0.9),
    breakers=Breakers(cooldown_ns=5 * STEP),
    anomaly=Anomaly(rate=0.02, memory=50.0, warmup=20),
    correlation=Correlation(every_ns=2 * STEP, memory=20.0),
    memory=50.0,
)
REGIMES = ("low volatility", "high volatility", "crisis")


def recording(n=120, k=3, seed=0):
    """n instants of k instruments, of which some are missing; forecasts; an account."""
    rng = np.random.default_rng(seed)
    here = rng.random((n, k)) < 0.8
    at, who = np.nonzero(here)
    steps = rng.choice([-4, -2, 0, 2, 4], (n, k))
    mid2 = (20_000 + np.cumsum(steps, axis=0))[at, who]
    due = rows(mid2, who, X=rng.normal(size=(len(at), 4)).astype(np.float32))
    due = due._replace(ts=START + STEP * at, event=at)
    due.quote["ts"] = due.ts - 1
    said = forecast(len(at))
    up = rng.random(len(at))
    said.proba[:, 0] = np.stack([0.8 * (1 - up), np.full(len(at), 0.2), 0.8 * up], 1)
    said.value[:, 0] = (2 * up - 1) * rng.exponential(2, len(at))
    said.value[rng.integers(0, len(at), 2)] = np.nan
    said.aux["regime"] = rng.dirichlet(np.ones(3), len(at)).astype(np.float32)
    equity = 1e6 * np.exp(np.cumsum(rng.normal(0, 2e-3, n)))
    exposure = rng.normal(0, 4e5, (n, k))
    return due, said, equity, exposure


def part(said, n):
    aux = {name: x[n] for name, x in said.aux.items()}
    return type(said)(said.targets, said.proba[n], said.value[n], said.ready[n], aux)


def run(tapes=1, seed=0, saved=False):
    """All signals of a recording cut into tapes, and the last state."""
    due, said, equity, exposure = recording(seed=seed)
    risk = Risk(FAST, table(3), (MID,), 4, REGIMES)
    state, out = risk.init(1e6), []
    edges = due.instants()
    cuts = np.linspace(0, len(edges) - 1, tapes + 1).astype(int)
    for first, last in pairwise(cuts):
        n = slice(edges[first], edges[last])
        state, cases = risk.cases(state, due.take(n), part(said, n))
        for i in range(first, last):
            mine = cases[edges[i] - n.start : edges[i + 1] - n.start]
            account = standing(equity[i], exposure[i], 100.0, 3)
            state, signals = risk.signals(state, mine, account)
            out.append(signals)
        if saved:
            state = State(**unpack(pack(state._asdict())))
    return np.concatenate(out), state


def digest(seed=0):
    signals, state = run(seed=seed)
    return sha256(b"".join([signals.tobytes(), *(a.tobytes() for a in state)])).hexdigest()


@pytest.mark.parametrize("tapes", [2, 7, 120])
def test_cut_anywhere_the_signals_are_the_same(tapes):
    whole, end = run()
    cut, state = run(tapes)
    assert cut.tobytes() == whole.tobytes()
    assert all(a.tobytes() == b.tobytes() for a, b in zip(end, state, strict=True))


def test_saved_at_every_cut_it_goes_on():
    """At each of its 120 instants."""
    assert run(120, saved=True)[0].tobytes() == run()[0].tobytes()


def test_the_recording_has_all_kinds_of_answers():
    """Else the laws above would say little."""
    signals, state = run()
    assert (signals["size"] > 0).any() and (signals["side"] < 0).any()
    seen = Veto(int(np.bitwise_or.reduce(signals["vetoes"])))
    assert Veto.WARMING_UP | Veto.UNSURE | Veto.EXPOSURE | Veto.CORRELATED | Veto.BREAKER in seen
    assert (state.desk["count"][0] > 0).sum() >= 3


def test_arguments_stay_as_they_are():
    desk = warm()
    before = [a.tobytes() for a in desk.state]
    due, account = rows(desk.mid2, start=desk.ts), standing()
    state, cases = desk.risk.cases(desk.state, due, forecast())
    held = [a.tobytes() for a in (*state, cases, account.held)]
    desk.risk.signals(state, cases, account)
    assert before == [a.tobytes() for a in desk.state]
    assert held == [a.tobytes() for a in (*state, cases, account.held)]


def test_an_instant_without_rows_says_nothing():
    desk = warm()
    state, cases = desk.risk.cases(desk.state, rows([]), forecast(0))
    same, found = desk.risk.signals(state, cases, standing())
    assert same is state and len(found) == 0 and found.dtype == SIGNAL


@pytest.mark.parametrize("n", [0, 1, 3])
def test_an_account_of_other_instruments_is_refused(n):
    desk = warm(instruments=2)
    with pytest.raises(InputError, match=f"an account of {n} instruments: the stream has 2"):
        desk.ask(forecast(2), standing(n=n))


@pytest.mark.parametrize("who", [-1, 2])
def test_an_instrument_that_is_not_of_the_stream_is_refused(who):
    risk = Risk(Settings(), table(2), (MID,), 1)
    with pytest.raises(InputError, match=f"a row of instrument {who}: the stream has 0 to 1"):
        risk.cases(risk.init(1e6), rows([20_000], who), forecast())


@pytest.mark.compiled
@pytest.mark.slow
def test_plain_python_says_the_same():
    call = "from risk.test_desk import digest; print(digest())"
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    env = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path}
    plain = subprocess.run([sys.executable, "-c", call], check=True, env=env, capture_output=True)
    assert plain.stdout.decode().strip() == digest()


READY = warm()
ANY = st.floats(width=32) | st.sampled_from([0.0, 0.5, 1.0, 3.0, -3.0])
AMOUNT = st.floats() | st.sampled_from([0.0, 1e6, 9.8e5, 8e5, -1.0])
PRICE = st.integers(-(2**62), 2**62) | st.integers(19_990, 20_010)
AGE = st.integers(0, 2**61) | st.just(1)


@pytest.mark.slow
@settings(max_examples=50 if config.DISABLE_JIT else 300, deadline=None, derandomize=True)
@given(st.tuples(ANY, ANY, ANY, ANY, ANY, ANY), PRICE, AGE, st.integers(0, 2), AMOUNT, AMOUNT)
def test_whatever_enters_the_size_is_within_its_limit(said, mid2, age, state, equity, exposure):
    desk = READY
    down, up, value, agreement, members, x = said
    due = rows([mid2], start=desk.ts, X=np.float32([[x]]))
    due.quote["ts"], due.quote["state"] = desk.ts - age, state
    told = forecast(value=value, agreement=agreement, members=members)
    told.proba[:] = [down, 1 - down - up if abs(down) + abs(up) < 2 else up, up]
    found, after = desk.judge(due, told, standing(equity, exposure, exposure))
    check(found)
    check(after.ask(forecast())[0])  # and what comes after it


def check(found):
    """A signal that can be acted on, or one that says why not."""
    for name in SIGNAL.names:
        assert np.isfinite(found[name]).all()
    assert ((found["size"] >= 0) & (found["size"] <= 0.2)).all()
    assert (found["size"] == 0)[found["vetoes"] != 0].all()
    assert (found["size"] > 0)[found["vetoes"] == 0].all()
    assert (found["side"] != 0)[found["size"] > 0].all()
    assert ((found["confidence"] >= 0) & (found["confidence"] <= 1)).all()
    assert (found["magnitude"] >= 0).all() and (found["reward_risk"] >= 0).all()
    still = found["side"] == 0
    assert not found["stop2"][still].any() and not found["target2"][still].any()
