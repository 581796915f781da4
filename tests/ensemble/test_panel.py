"""R28: members that raise, lie, come late or hang are left out, in time, and a replay agrees."""

import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from grids import MID, one, rows, says, tape
from toys import Ewma

from flowsense.ensemble.adapt import Adaptive
from flowsense.ensemble.code import Code
from flowsense.ensemble.council import Reason, Replayed, names, sound
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.panel import Panel, Rules
from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import UP, Target
from flowsense.schema import CONTROL, EVENT, MILLISECOND, NEVER, SECOND, checked
from flowsense.testing import tape_of
from flowsense.testing.toy import merge
from flowsense.testing.virtual import Virtual

MS, LIMIT = MILLISECOND, Rules().deadline_ns
TABLE = (one(),)


def turns(n, each=2, seed=0):
    """n tapes of so many rows of one column."""
    rng, out = np.random.default_rng(seed), []
    for k in range(n):
        due = rows(*((100 * (k * each + i), 10 + int(rng.integers(3))) for i in range(each)))
        X = rng.normal(size=(each, 1)).astype(np.float32)
        out.append(tape(due._replace(X=X, valid=np.ones((each, 1), np.bool_))))
    return out


def members(n):
    return tuple(Ewma(MID, alpha=0.1 + 0.1 * k, warmup=0, slope=1.0 + k) for k in range(n))


@dataclass(frozen=True)
class Faulty:
    """A member of which one fault is known at each of these times of a first row."""

    model: Any
    clock: Virtual
    when: dict[int, str]

    @property
    def targets(self):
        return self.model.targets

    def init(self, instruments):
        return self.model.init(instruments)

    def predict(self, state, tape):
        fault = self.when.get(int(tape.rows[0].ts[0]), "")
        if fault in ("raise", "exit"):
            raise {"raise": RuntimeError, "exit": SystemExit}[fault]("killed")
        self.clock.sleep({"hang": NEVER, "late": 15 * MS, "slow": 9 * MS}.get(fault, 0))
        state, said = self.model.predict(state, tape)
        if fault in SPOILED:
            said = SPOILED[fault](said)
            state = type(state)(*(x * 0 - 1 for x in state))
        return state, said


SPOILED = {
    "nan": lambda f: replace(f, proba=f.proba * np.nan),
    "inf": lambda f: replace(f, value=f.value + np.inf),
    "off": lambda f: replace(f, proba=f.proba * 1.01),
    "negative": lambda f: replace(f, proba=f.proba + np.array([-2, 2, 0], np.float32)),
    "shape": lambda f: replace(f, value=f.value[:, 0]),
    "rows": lambda f: replace(f, proba=f.proba[1:], value=f.value[1:], ready=f.ready[1:]),
    "words": lambda f: replace(f, proba=np.full(f.proba.shape, "up")),
    "aux": lambda f: replace(f, aux={"regime": np.zeros((0, 3), np.float32)}),
    "type": lambda f: None,
    "targets": lambda f: replace(f, targets=(Target.parse("ofi@1s"),)),
}
FAULTS = ("raise", "exit", "hang", "late", "slow", *SPOILED)


def ensemble(of):
    return Ensemble(tuple(of), Adaptive(), tuple(f"m{k}" for k in range(len(of))))


def expected(fault):
    kinds = {"raise": 0, "exit": 0, "hang": Reason.LATE, "late": Reason.LATE}
    return Reason(kinds.get(fault, Reason.UNSOUND)) if fault not in ("", "slow") else None


def played(n, faults, tapes, **rules):
    """Answers, each with how long it took, and all records; a tenth of a second between turns."""
    clock = Virtual()
    each = [Faulty(m, clock, faults.get(k, {})) for k, m in enumerate(members(n))]
    panel, out = Panel(ensemble(each), TABLE, Rules(**rules), clock), []
    for one_tape in tapes:
        since = clock.now()
        answer = panel.ask(one_tape)
        out.append((answer, clock.now() - since))
        clock.sleep(90 * MS)
    records = np.concatenate([*(a.records for a, _ in out), panel.close()])
    return out, records


def assert_replays(n, out, tapes):
    again = Replayed(ensemble(members(n)), TABLE)
    for one_tape, (then, _) in zip(tapes, out, strict=True):
        again.obey(then.records)
        now = again.ask(one_tape)
        for name in ("proba", "value", "ready"):
            a, b = (getattr(x.forecast, name) for x in (now, then))
            assert a.tobytes() == b.tobytes(), name
        assert [x[:2] for x in now.absent] == [x[:2] for x in then.absent]
        assert now.reason == then.reason


def at(tapes, turn):
    return int(tapes[turn].rows[0].ts[0])


def trial(seed):
    """Any of n members fail in any way at any turn; how often each fault was met."""
    rng = np.random.default_rng(seed)
    n, tapes, met = int(rng.integers(2, 9)), turns(3, 1, seed), Counter()
    bad = rng.choice(n, int(rng.integers(0, n + 1)), replace=False)
    plan = {int(k): (int(rng.integers(3)), str(rng.choice(FAULTS))) for k in bad}
    faults = {k: {at(tapes, turn): fault} for k, (turn, fault) in plan.items()}
    out, _ = played(n, faults, tapes)
    for turn, (answer, took) in enumerate(out):
        found = {x.member: x.reason for x in answer.absent}
        hung = {f"m{k}" for k, (first, fault) in plan.items() if fault == "hang" and first < turn}
        here = {f"m{k}": expected(fault) for k, (when, fault) in plan.items() if when == turn}
        assert found == {k: r for k, r in here.items() if r is not None} | dict.fromkeys(hung, 2)
        assert took <= LIMIT and np.isfinite(answer.forecast.proba).all()
        assert answer.forecast.ready.all() == (n - len(found) > n // 2) == (not answer.reason)
        met.update(fault for when, fault in plan.values() if when == turn)
    assert_replays(n, out, tapes)
    return met


@pytest.mark.slow
def test_any_members_fail_in_any_way():
    for seed in range(40):
        trial(seed)


@pytest.mark.slow
def test_any_members_fail_in_any_way_a_thousand_times():
    met = sum((trial(seed) for seed in range(1_000)), Counter())
    assert set(met) == set(FAULTS) and min(met.values()) > 50


def test_those_who_answer_share_the_weight_of_those_who_do_not():
    tapes = turns(1)
    out, _ = played(3, {1: {at(tapes, 0): "raise"}}, tapes)
    (answer, took), alone = out[0], played(1, {}, tapes)[0][0][0]
    said = [m.predict(m.init(TABLE), tapes[0])[1].proba[0, 0, UP] for m in members(3)]
    assert answer.forecast.proba[0, 0, UP] == pytest.approx((said[0] + said[2]) / 2)
    assert answer.absent == (("m1", Reason.RAISED, "RuntimeError: killed"),)
    assert took == 0 and alone.absent == ()


def test_below_the_quorum_the_answer_is_neutral_and_says_why():
    tapes = turns(2)
    out, _ = played(3, {k: {at(tapes, 0): "nan"} for k in (0, 1)}, tapes)
    (first, _), (second, _) = out
    assert first.reason == "1 of 3 members answered, 2 are needed"
    assert not first.forecast.ready.any() and not first.forecast.value.any()
    assert first.forecast.proba[0, 0].tolist() == pytest.approx([1 / 3] * 3)
    assert second.reason == "" and second.forecast.ready.all()


def test_a_late_member_is_heard_again_once_it_has_caught_up():
    tapes = turns(3)
    (late, took), (again, quick), _ = played(3, {0: {at(tapes, 0): "late"}}, tapes)[0]
    assert late.absent == (("m0", Reason.LATE, ""),) and took == LIMIT
    assert again.absent == () and quick == 0


def test_a_hung_member_is_given_up_and_costs_no_more_time():
    tapes = turns(5)
    out, records = played(3, {0: {at(tapes, 1): "hang"}}, tapes, hang_ns=150 * MS)
    assert [took for _, took in out] == [0, LIMIT, 0, 0, 0]
    reasons = [a.absent[0].reason if a.absent else None for a, _ in out]
    assert reasons == [None, Reason.LATE, Reason.LATE, Reason.HUNG, Reason.HUNG]
    table = names(("m0", "m1", "m2"))
    told = [(int(r["sequence"]), table[r["lots"]]) for r in records]
    assert told[2:5] == [(1, "m0: lost"), (2, "m0: lost"), (3, "m0: hung")]
    assert_replays(3, out, tapes)


def test_what_a_late_member_failed_at_in_the_end_is_replayed_as_lost():
    """Late at 0; at 1 it is found that it had raised: its state never took turn 0 in."""
    tapes, clock = turns(4), Virtual()

    class Late(Faulty):
        def predict(self, state, tape):
            if int(tape.rows[0].ts[0]) in self.when:
                clock.sleep(15 * MS)
                raise RuntimeError
            return self.model.predict(state, tape)

    each = [Late(members(3)[0], clock, {at(tapes, 0): ""}), *members(3)[1:]]
    panel, out = Panel(ensemble(each), TABLE, None, clock), []
    for one_tape in tapes:
        out.append((panel.ask(one_tape), 0))
        clock.sleep(100 * MS)
    assert [len(a.absent) for a, _ in out] == [1, 0, 0, 0]
    assert_replays(3, out, tapes)


def test_a_member_that_begins_anew_is_replayed_so():
    tapes, clock = turns(6), Virtual()
    each = [
        Faulty(m, clock, {at(tapes, 1): "hang"} if k == 0 else {}) for k, m in enumerate(members(3))
    ]
    panel, out = Panel(ensemble(each), TABLE, Rules(hang_ns=150 * MS), clock), []
    for turn, one_tape in enumerate(tapes):
        if turn == 4:
            panel.restart("m0")
        out.append((panel.ask(one_tape), 0))
        clock.sleep(100 * MS)
    records = np.concatenate([*(a.records for a, _ in out), panel.close()])
    assert [len(a.absent) for a, _ in out] == [0, 1, 1, 1, 0, 0]
    assert Code.RESYNC in records["price"] and (np.diff(records["ts_recv"]) >= 0).all()
    assert_replays(3, out, tapes)
    with pytest.raises(InputError, match="no member 'm9'"):
        panel.restart("m9")


def test_records_are_events_that_change_nothing():
    tapes = turns(2)
    records = played(2, {0: {at(tapes, 1): "raise"}}, tapes)[1]
    assert checked(records, 1)["action"].tolist() == [CONTROL] and records["sequence"] == [1]
    assert records["price"] == [Code.ABSTAIN] and records["ts_recv"] == tapes[1].rows[0].ts[-1]


def test_a_member_that_truly_hangs_is_left_behind_on_its_thread():
    """Real threads, real time; the thread ends once the member lets go."""
    before, go = set(threading.enumerate()), threading.Event()

    class Hanging(Ewma):
        def predict(self, state, tape):
            go.wait()
            return super().predict(state, tape)

    tapes, rules = turns(4), Rules(deadline_ns=500 * MS, hang_ns=500 * MS)
    panel, answers = Panel(ensemble([Hanging(MID), *members(2)]), TABLE, rules), []
    for one_tape in tapes:
        answers.append(panel.ask(one_tape))
        go.wait(0.01)
    assert answers[-1].absent == (("m0", Reason.HUNG, ""),)
    assert all(a.forecast.ready.all() and len(a.absent) == 1 for a in answers)
    panel.close()
    go.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    assert not set(threading.enumerate()) - before


def lanes():
    return [t for t in threading.enumerate() if t.name == "flowsense lane"]


def test_no_thread_is_left_by_a_panel_that_ends_or_never_begins():
    class Unable(Ewma):
        def init(self, instruments):
            raise InputError("no state")

    before = set(lanes())
    for _ in range(3):
        with pytest.raises(InputError, match="no state"):
            Panel(ensemble([*members(2), Unable(MID)]), TABLE)
    assert set(lanes()) <= before
    with Panel(ensemble(members(2)), TABLE, Rules(SECOND, SECOND)) as panel:
        assert panel.ask(turns(1)[0]).forecast.ready.all()
        begun = set(lanes()) - before
    for thread in begun:
        thread.join(5)
    assert len(begun) == 1 and set(lanes()) <= before


@dataclass(frozen=True)
class Failing:
    """A combiner that raises at the time of a first row."""

    of: Any
    when: int

    def init(self, *args):
        return self.of.init(*args)

    def combine(self, state, tape, said):
        if int(tape.rows[0].ts[0]) == self.when:
            raise ArithmeticError
        return self.of.combine(state, tape, said)


def asked(panel, tapes, clock=None):
    """Answers, None where the combiner raised."""
    out = []
    for one_tape in tapes:
        try:
            out.append(panel.ask(one_tape))
        except ArithmeticError:
            out.append(None)
        if clock:
            clock.sleep(90 * MS)
    return out


def test_a_combiner_that_raises_costs_one_answer_and_is_replayed_so():
    """At 1, where a member is left out as well: what was decided then is told with the next."""
    tapes, clock = turns(4), Virtual()
    combiner = Failing(Adaptive(), at(tapes, 1))
    each = [
        Faulty(m, clock, {at(tapes, 1): "raise"} if k == 0 else {})
        for k, m in enumerate(members(3))
    ]
    panel = Panel(replace(ensemble(each), combiner=combiner), TABLE, None, clock)
    out = asked(panel, tapes, clock)
    assert [a is None for a in out] == [False, True, False, False]
    records = np.concatenate([*(a.records for a in out if a), panel.close()]).view(EVENT)
    assert records["sequence"].tolist() == [1]
    again = again_asked(replace(ensemble(members(3)), combiner=combiner), records, tapes)
    told = [[a and a.forecast.proba.tobytes() for a in each] for each in (out, again)]
    assert told[0] == told[1]


def again_asked(model, records, tapes):
    """The same, told before each what was decided in it."""
    panel, out = Replayed(model, TABLE), []
    for turn, one_tape in enumerate(tapes):
        panel.obey(records[records["sequence"] == turn].view(EVENT))
        out += asked(panel, [one_tape])
    return out


@pytest.mark.parametrize("wrong", [{"deadline_ns": 0}, {"hang_ns": 1}, {"quorum": -1}])
def test_rules_that_cannot_be_are_refused(wrong):
    with pytest.raises(InputError, match="panel"):
        Rules(**wrong)


def test_a_panel_of_nobody_or_with_too_high_a_quorum_is_refused():
    with pytest.raises(InputError, match="without members"):
        Panel(Ensemble(), TABLE, None, Virtual())
    with pytest.raises(InputError, match="at most 2"):
        Panel(ensemble(members(2)), TABLE, Rules(quorum=3), Virtual())


def test_a_sound_forecast_is_copied():
    said = says([0.7])
    assert sound(said, 1, (MID,)).proba is not said.proba


def test_no_row_depends_on_records(instruments, events):
    tapes, some = turns(3), events[:400]
    told = played(3, {0: {at(tapes, 0): "hang"}}, tapes)[1].view(EVENT)
    told["ts_recv"] = some["ts_recv"][300 : 300 + len(told)]
    plain, mixed = (tape_of(spec(("depth",)), instruments, s) for s in (some, merge(some, told)))
    assert plain.rows[0].X.tobytes() == mixed.rows[0].X.tobytes() and len(told) > 2
    assert plain.quotes.tobytes() == mixed.quotes.tobytes()
