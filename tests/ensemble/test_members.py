"""An ensemble is a model, teaches its combiner by what members have not learned, and nests."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from lagged import lagged, rows, tape

from flowsense.ensemble.agree import Agree
from flowsense.ensemble.blend import ELSEWHERE, Blend
from flowsense.ensemble.combiners import combiner, undescribed, untold
from flowsense.ensemble.fallback import Fallback
from flowsense.ensemble.fallback import whole as said
from flowsense.ensemble.held import hear, times
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.select import Select
from flowsense.errors import InputError
from flowsense.forecast import Forecast, Target
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.model.gather import learned
from flowsense.model.sides import probabilities
from flowsense.models import build
from flowsense.models.hmm import Hmm
from flowsense.tape import Needs
from flowsense.testing.conformance import CHECKS, Fitted, Trial, check_conformance
from flowsense.testing.voters import forecast, heard, labels, normal

BUDGET = Budget(steps=5)
NULLS = ("imbalance", "vote", "majority")


def nulls(combiner=None, **config):
    return Ensemble(tuple(map(build, NULLS)), combiner or Blend(), **config)


@dataclass(frozen=True)
class Taught:
    """Says nothing; `asked` keeps what labels it was taught by, and how many seconds it had."""

    asked: list[Any]
    targets: tuple[Target, ...] = ()
    needs: Needs = field(default_factory=Needs)

    def fit(self, reader, labels, *, seed, budget):
        self.asked.append((learned(labels), budget.seconds))
        return replace(self, targets=labels.targets)

    def init(self, instruments):
        return build("vote").init(instruments)

    def predict(self, state, tape):
        shape = (len(tape.rows[0].ts), len(self.targets))
        p, ready = probabilities(np.full(shape, 0.5), np.full(shape, 0.5)), np.ones(shape, np.bool_)
        return state, Forecast(self.targets, p, np.zeros(shape, np.float32), ready)

    def params(self):
        return {}

    def load(self, params):
        return self


@dataclass(frozen=True)
class Watched(Agree):
    """Keeps what it was taught by."""

    taught: list[Any] = field(default_factory=list)

    def fit(self, heard, labels):
        self.taught.append((heard, labels))
        return super().fit(heard, labels)


@pytest.mark.parametrize("folds", [0, 3])
def test_no_row_teaches_both_a_member_and_the_combiner(folds):
    reader, told = lagged(400)
    asked: list[Any] = []
    one = Ensemble((Taught(asked),), Watched(), folds=folds)
    found = one.fit(reader, told, seed=0, budget=Budget(seconds=8))
    ((of, given),) = found.combiner.taught
    ts, learn = times(reader), learned(told)
    row = {(int(t), int(i)): k for k, (t, i) in enumerate(zip(ts, who(reader), strict=True))}
    at = np.array([row[int(t), int(i)] for t, i in zip(of.ts, of.instrument, strict=True)])
    assert len(asked) == 1 + folds and {seconds for _, seconds in asked} == {8 / (1 + folds)}
    if folds:
        assert (asked.pop()[0] == learn).all() and len(at) == learn.any(axis=1).sum()
    for (taught, _), part in zip(asked, np.array_split(at, max(folds, 1)), strict=True):
        assert taught.any() and not taught[part].any()
        reach = (told.known_at[part].max() >= ts) & (ts >= ts[part[0]])
        assert not (taught & reach[:, None]).any() and given.valid.any()
    assert not (given.valid & ~learn[at]).any() and (np.diff(of.ts) >= 0).all()


def who(reader):
    return np.concatenate([tape.rows[0].instrument for tape in reader])


def test_what_is_heard_is_what_the_members_say_of_these_rows():
    reader, told = lagged(300)
    members = [build(n).fit(reader, told, seed=0, budget=BUDGET) for n in NULLS]
    some = np.arange(len(told.y)) % 7 == 3
    of, every = (hear(members, NULLS, reader, r) for r in (some, np.ones_like(some)))
    for a, b in zip(of.said, every.said, strict=True):
        np.testing.assert_array_equal(a.proba, b.proba[some])
    np.testing.assert_array_equal(of.ts, every.ts[some])


@pytest.fixture(scope="module")
def trial():
    return Trial.usual()


@pytest.fixture(scope="module")
def fitted(trial):
    return Fitted.on(nulls(Fallback()), trial)


@pytest.mark.compiled
@pytest.mark.parametrize("check", ["targets", "names", "unseen", "checkpoint", "kinds", "repeats"])
def test_it_is_a_model(check, fitted):
    CHECKS[check](fitted)


@pytest.mark.slow
@pytest.mark.compiled
def test_cutting_and_saving_change_nothing_inside_ensembles_of_ensembles(trial):
    hmm = Hmm.tiny()
    inner = Ensemble((build("imbalance"), hmm), Select())
    CHECKS["laws"](Fitted.on(Ensemble((inner, build("vote")), Fallback()), trial))


@pytest.mark.soak
@pytest.mark.compiled
def test_it_conforms():
    check_conformance(Ensemble.tiny())


@pytest.mark.compiled
def test_an_ensemble_of_ensembles_is_saved_whole(trial):
    inner = Calibrated(nulls(Select()))
    found = Ensemble((inner, build("vote")), combiner("stack", trees=3)).fit(
        trial.reader, trial.labels, seed=0, budget=BUDGET
    )
    again = Ensemble().load(found.params())
    a, b = (m.predict(m.init(trial.tape.instruments), trial.tape)[1] for m in (found, again))
    assert a.proba.tobytes() == b.proba.tobytes() and again.names == ("ensemble", "vote")
    assert [type(m).__name__ for m in again.members] == ["Calibrated", "Vote"]
    assert again.combiner.trees == 3


@pytest.mark.slow
@pytest.mark.compiled
def test_regimes_reach_the_combiner_by_name_from_inside(trial):
    inner = Ensemble((Hmm.tiny(), build("vote")), Blend(learn=False))
    found = Ensemble((inner, build("imbalance")), Blend()).fit(
        trial.reader, trial.labels, seed=0, budget=BUDGET
    )
    names = ("low volatility", "trending", "high volatility")
    assert found.combiner.regimes == names and found.combiner.fitted.weight.shape == (2, 3, 2, 3)
    said = found.predict(found.init(trial.tape.instruments), trial.tape)[1]
    assert said.aux["regime"].shape[1] == 3
    scale = found.members[0].members[0].position_scale
    assert said.aux["position_scale"] == pytest.approx(said.aux["regime"] @ scale, rel=1e-5)


def test_of_models_that_are_fitted_already():
    reader, told = lagged(300)
    members = [build(n).fit(reader, told, seed=0, budget=BUDGET) for n in NULLS]
    every = np.ones(len(told.y), np.bool_)
    of = hear(members, NULLS, reader, every)
    found = Ensemble.of(members, Blend(), of, told)
    assert found.names == NULLS and found.targets == told.targets
    held = found.predict(found.init(reader.instruments), next(iter(reader)))[1]
    assert held.ready.all() and set(held.aux) == {"agreement", "members"}
    with pytest.raises(InputError, match="imbalance forecasts other targets"):
        Ensemble.of(members, Blend(), of, told._replace(targets=told.targets[:1]))


def test_it_needs_what_any_member_needs():
    far = Taught([], needs=Needs(events=True, back_ns=7, clocks=2, instruments="all"))
    deep = Taught([], needs=Needs(history=9))
    assert Ensemble((far, deep)).needs == Needs(True, 9, 7, 2, "all")


@dataclass(frozen=True)
class Counted(Taught):
    """Keeps the numbers of rows that it was asked for."""

    def predict(self, state, tape):
        self.asked.append(len(tape.rows[0].ts))
        return super().predict(state, tape)


def test_between_rows_only_members_that_read_events_are_asked():
    reader, told = lagged(300)
    deaf, keen = Counted([], told.targets), Counted([], told.targets, Needs(events=True))
    one = Ensemble((deaf, keen), Agree(target=np.array([str(t) for t in told.targets])))
    whole = next(iter(reader))
    between = whole._replace(rows=tuple(rows.take(slice(0, 0)) for rows in whole.rows))
    state = one.init(reader.instruments)
    for here in (between, between, whole, between):
        state, said = one.predict(state, here)
        assert len(said.ready) == len(here.rows[0].ts)
        assert set(said.aux) == {"agreement", "members"}
    n = len(whole.rows[0].ts)
    assert deaf.asked == [0, n] and keen.asked == [0, 0, n, 0]


def test_members_are_named_by_their_classes():
    models = (build("vote"), Calibrated(build("majority")), build("vote"))
    assert Ensemble(models).names == ("vote", "majority", "vote-2")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Ensemble(held=1.0), "give a share between 0 and 1"),
        (lambda: Ensemble(folds=1), "0 or 2 folds up"),
        (lambda: Ensemble((build("vote"),), names=("a", "b")), "2 names of 1 members"),
        (lambda: Ensemble().fit(*lagged(9), seed=0, budget=BUDGET), "no member is given"),
        (lambda: nulls().predict(None, tape(rows(5))), "fit or load"),
        (lambda: Agree(share=0.0), "agree: share 0.0"),
        (lambda: combiner("blende"), "did you mean blend"),
        (lambda: untold("{"), "describes no part"),
        (lambda: untold("[]"), "describes no part"),
        (lambda: undescribed(""), "is of no registered model"),
        (lambda: nulls(Watched()).fit(*lagged(99), seed=0, budget=BUDGET).params(), "has no name"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(make, why):
    with pytest.raises(InputError, match=why):
        make()


def test_a_member_without_a_name_is_loaded_into_one_that_has_it():
    found = Ensemble((Taught([]), build("vote"))).fit(*lagged(99), seed=0, budget=BUDGET)
    assert Ensemble(found.members).load(found.params()).targets == found.targets
    with pytest.raises(InputError, match="is of no registered model"):
        Ensemble().load(found.params())


@pytest.mark.parametrize("one", [Blend(), Agree(confidence=0), Select(), combiner("stack")])
def test_a_member_that_is_silent_or_says_nonsense_is_not_heard(one):
    odds, y = normal(3, 400, 0.5, 0.0)
    fitted = one.fit(heard(odds), labels(y))
    of = heard(odds[:2])
    quiet = forecast(odds[2], ready=False)
    broken = forecast(odds[2])
    broken.proba[:], broken.value[:] = np.nan, np.inf
    a, b = (said(fitted, of._replace(said=(*of.said, third))) for third in (quiet, broken))
    assert a.proba.tobytes() == b.proba.tobytes() and a.ready.all()
    assert np.isfinite(b.proba).all() and np.isfinite(b.value).all()
    assert (b.aux["members"] == 2).all()


@pytest.mark.parametrize("one", [Blend(), Agree(), Select(), combiner("stack"), Fallback()])
def test_where_nobody_is_ready_it_is_not_ready(one):
    odds, y = normal(3, 400, 0.5, 0.0)
    fitted = one.fit(heard(odds), labels(y))
    quiet = tuple(forecast(0 * x, ready=False) for x in odds)
    found = said(fitted, heard(odds)._replace(said=quiet))
    assert not found.ready.any() and not found.value.any()
    assert found.proba == pytest.approx(1 / 3) and not found.aux["members"].any()


def test_fewer_than_the_quorum_are_no_answer():
    odds, y = normal(5, 50, 0.5, 0.0)
    rule = Agree().fit(heard(odds), labels(y))
    told = [forecast(x, ready=k < 2) for k, x in enumerate(odds)]
    assert not said(rule, heard(odds)._replace(said=tuple(told))).ready.any()
    assert [rule.quorum(n) for n in (1, 2, 3, 5, 10)] == [1, 2, 2, 3, 6]


def test_agreement_is_the_share_of_the_ready_that_name_the_side():
    """+2, +1, -1: two of three; with the first silent, one of two, and no side."""
    plain = Blend(learn=False, table=False)
    odds = np.array([[2.0, 2.0], [1.0, 1.0], [-1.0, -1.0]])
    told = [forecast(x) for x in odds]
    told[0].ready[1] = False
    of = heard(odds)._replace(said=tuple(told))
    found = said(plain.fit(of, labels(np.ones(2))), of)
    assert found.aux["agreement"][:, 0] == pytest.approx([2 / 3, 0.0])
    assert found.aux["members"][:, 0].tolist() == [3, 2]


def test_a_side_without_confidence_is_none():
    """Log-odds .5 are .62 < .65; .7 are .668."""
    odds = np.tile([0.5, 0.7], (3, 1))
    found = said(Agree().fit(heard(odds), labels(np.ones(2))), heard(odds))
    assert found.value[0, 0] == 0 and found.value[1, 0] > 0


def test_the_table_gives_the_weights_of_the_specialists():
    names = ("xgboost", "hawkes", "hmm", "graph", "transformer")
    calm = Blend(regimes=("low volatility", "crisis")).start(names, 2)
    np.testing.assert_allclose(calm, [[0.1, 0.3, 0.1, 0.2, 0.3], [0.1, 0.4, 0.2, 0.1, 0.2]])
    assert Blend().start(("hawkes", "other"), 0)[0] == pytest.approx([0.6, 0.4])
    assert sum(ELSEWHERE) == pytest.approx(1)


def test_weights_of_the_silent_go_to_the_others():
    """Hawkes .3 and xgboost .1: log-odds 1 and -1 make .5; without hawkes, -1."""
    odds = np.array([[1.0, 1.0], [-1.0, -1.0]])
    told = [forecast(x) for x in odds]
    told[0].ready[1] = False
    of = heard(odds, ("hawkes", "xgboost"), np.tile([1.0, 0.0], (2, 1)))
    of = of._replace(said=tuple(replace(f, aux={"regime": of.regime}) for f in told))
    calm = Blend(learn=False, regimes=("low volatility", "crisis"))
    found = said(calm.fit(of, labels(np.ones(2))), of).proba[:, 0].astype(float)
    np.testing.assert_allclose(np.log(found[:, 2] / found[:, 0]), [0.5, -1.0], rtol=1e-5)
    strange = of._replace(said=tuple(replace(f, aux={}) for f in told))
    assert np.isfinite(said(calm.fit(of, labels(np.ones(2))), strange).proba).all()


def test_few_rows_leave_the_table_as_it_is():
    odds, y = normal(2, 90, 1.0, 0.0)
    found = Blend().fit(heard(odds, ("hawkes", "xgboost")), labels(y))
    assert found.fitted.weight[0, 0, :, 0] == pytest.approx([0.75, 0.25], abs=0.01)


def test_known_weights_are_found_and_how_often_it_moves():
    rng = np.random.default_rng(0)
    odds = rng.normal(size=(3, 40_000))
    y = np.where(
        rng.random(40_000) < 1 / (1 + np.exp(-(np.array([1.2, 0.5, 0]) @ odds))), 1.0, -1.0
    )
    found = Blend().fit(heard(odds), labels(y, still=0.8)).fitted
    assert found.weight[0, 0, :, 0] == pytest.approx([1.2, 0.5, 0.0], abs=0.1)
    assert found.offset[0] == pytest.approx(np.log(0.2 / 0.8), abs=0.06)


def test_weights_of_regimes_that_are_all_named_stay_near_each_other_without_rows():
    odds, y = normal(2, 3_000, 0.5, 0.0)
    regime = np.tile([1.0, 0.0], (3_000, 1))
    found = Blend(table=False).fit(heard(odds, regime=regime), labels(y)).fitted
    np.testing.assert_allclose(found.weight[0, 1], found.weight[0, 0], atol=0.15)
    assert found.usual.tolist() == [1.0, 0.0]
