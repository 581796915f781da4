"""Panels that are asked for long: members fail again and again, begin anew, and end with it."""

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from ensemble.test_panel import (
    FAULTS,
    LIMIT,
    MS,
    TABLE,
    Faulty,
    assert_replays,
    at,
    ensemble,
    members,
    turns,
)

from flowsense.ensemble.adapt import Adaptive
from flowsense.ensemble.council import Reason, silent
from flowsense.ensemble.panel import Panel, Rules
from flowsense.testing.virtual import Virtual

TURNS = 12


def weighed(combiner, state, tape, answer, said):
    """The answer of a combiner that hears those who were not left out, and nobody else."""
    absent = {one.member for one in answer.absent}
    quiet = silent(answer.forecast.targets, len(tape.rows[0].ts))
    heard = [quiet if f"m{k}" in absent else one for k, one in enumerate(said)]
    return combiner.combine(state, tape, heard)


def long_trial(seed):
    """Any members fail at any turns, some begin anew; how often each reason was told."""
    rng = np.random.default_rng(seed)
    n, tapes, clock = int(rng.integers(2, 6)), turns(TURNS, 1, seed), Virtual()
    each = []
    for member in members(n):
        bad = rng.choice(TURNS, int(rng.integers(0, 6)), replace=False)
        each.append(
            Faulty(member, clock, {at(tapes, int(t)): str(rng.choice(FAULTS)) for t in bad})
        )
    rules = Rules(hang_ns=int(rng.choice([15, 40, 120, 400])) * MS)
    panel, out, restarts = Panel(ensemble(each), TABLE, rules, clock), [], 0
    for tape in tapes:
        for name in np.array([f"m{k}" for k in range(n)])[rng.random(n) < 0.12]:
            panel.restart(str(name))
            restarts += 1
        since = clock.now()
        out.append((panel.ask(tape), 0))
        assert clock.now() - since <= LIMIT
        clock.sleep(int(rng.choice([0, 1, 7, 20, 90, 300])) * MS)
    panel.close()
    assert_replays(n, out, tapes)
    return Counter(x.reason for a, _ in out for x in a.absent) + Counter(restart=restarts)


@pytest.mark.slow
def test_whoever_fails_hangs_and_begins_anew_again_and_again_is_replayed_alike():
    met = sum((long_trial(seed) for seed in range(12)), Counter())
    assert all(met[reason] for reason in (*list(Reason)[:4], "restart"))


@pytest.mark.soak
def test_five_hundred_such_panels():
    met = sum((long_trial(seed) for seed in range(500)), Counter())
    assert min(met[reason] for reason in (*list(Reason)[:4], "restart")) > 200


def test_weights_of_those_left_out_are_the_others():
    """Members that never fail beside those of a panel: heard without the absent, the same bits."""
    tapes, clock = turns(TURNS, 1, 5), Virtual()
    each = [
        Faulty(m, clock, {at(tapes, 3 + k): "raise", at(tapes, 6): "nan"} if k < 2 else {})
        for k, m in enumerate(members(4))
    ]
    panel, combiner = Panel(ensemble(each), TABLE, Rules(quorum=2), clock), Adaptive()
    state = combiner.init(TABLE, 4, panel.council.targets)
    own = [(m, m.init(TABLE)) for m in members(4)]
    for tape in tapes:
        answer = panel.ask(tape)
        absent = {one.member for one in answer.absent}
        stepped = [m.predict(s, tape) for m, s in own]
        state, plain = weighed(combiner, state, tape, answer, [said for _, said in stepped])
        assert answer.forecast.proba.tobytes() == plain.proba.tobytes()
        assert plain.aux["members"].tolist() == [[4 - len(absent)]]
        own = [
            (m, s if f"m{k}" in absent else after)  # who fails has not taken the tape in
            for k, ((m, s), (after, _)) in enumerate(zip(own, stepped, strict=True))
        ]


def test_a_panel_that_is_closed_says_nothing_more_and_may_be_closed_again():
    tapes, clock = turns(3), Virtual()
    panel = Panel(ensemble(members(3)), TABLE, None, clock)
    assert panel.ask(tapes[0]).forecast.ready.all() and len(panel.close()) == 0
    answer = panel.ask(tapes[1])
    assert not answer.forecast.ready.any() and {x.reason for x in answer.absent} == {Reason.HUNG}
    assert answer.reason == "0 of 3 members answered, 2 are needed"
    assert len(panel.close()) == 0
    panel.restart("m1")
    assert [x.member for x in panel.ask(tapes[2]).absent] == ["m0", "m2"]


HANGS = """
import threading
from ensemble.test_panel import MID, MS, TABLE, Ewma, ensemble, members, turns
from flowsense.ensemble.panel import Panel, Rules

class Hanging(Ewma):
    def predict(self, state, tape):
        threading.Event().wait()

with Panel(ensemble([Hanging(MID), *members(2)]), TABLE, Rules(300 * MS, 300 * MS)) as panel:
    answer = panel.ask(turns(1)[0])
print(answer.absent[0].member, answer.forecast.ready.all())
"""


@pytest.mark.slow
def test_a_member_that_hangs_for_ever_does_not_keep_the_process_from_ending():
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    call = [sys.executable, "-c", HANGS]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, env=env, check=True)
    assert done.stdout.split() == ["m0", "True"]
