"""The suite passes a model that does what it must, and names what others break."""

from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
import pytest

from flowsense.forecast import FLAT
from flowsense.models.logistic import Logistic
from flowsense.testing import check_conformance
from flowsense.testing.conformance import CHECKS, Fitted, Trial, deviations

pytestmark = [pytest.mark.compiled, pytest.mark.slow]
EVERYTHING = np.zeros((0, 3), np.float32)


@cache
def trial():
    return Trial.usual()


@dataclass(frozen=True, slots=True)
class LearnsFromAll(Logistic):
    def fit(self, reader, labels, *, seed, budget):
        every = labels._replace(valid=np.ones_like(labels.valid))
        return Logistic.fit(self, reader, every, seed=seed, budget=budget)


@dataclass(frozen=True, slots=True)
class Random(Logistic):
    def fit(self, reader, labels, *, seed, budget):
        other = int(np.random.default_rng().integers(1 << 30))
        few = replace(self, most=300)
        return Logistic.fit(few, reader, labels, seed=other, budget=budget)


@dataclass(frozen=True, slots=True)
class ByPlace(Logistic):
    def predict(self, state, tape):
        state, said = Logistic.predict(self, state, tape)
        odd = tape.rows[0].instrument % 2 == 1
        said.proba[odd] = said.proba[odd, :, ::-1]
        return state, said


@dataclass(frozen=True, slots=True)
class SilentOnMissing(Logistic):
    def predict(self, state, tape):
        state, said = Logistic.predict(self, state, tape)
        said.proba[~tape.rows[0].valid.any(axis=1)] = np.nan
        return state, said


@dataclass(frozen=True, slots=True)
class SilentOnStrangers(Logistic):
    def predict(self, state, tape):
        state, said = Logistic.predict(self, state, tape)
        new = np.array([i.symbol == "NEW" for i in tape.instruments])
        said.ready[new[tape.rows[0].instrument]] = False
        return state, said


@dataclass(frozen=True, slots=True)
class Crashes(Logistic):
    def fit(self, reader, labels, *, seed, budget):
        if labels.valid.sum() < 100:
            raise ZeroDivisionError("mean of nothing")
        return Logistic.fit(self, reader, labels, seed=seed, budget=budget)


@dataclass(frozen=True, slots=True)
class Remembers(Logistic):
    """Every label it was shown, row by row: what it says of the later ones is no skill."""

    seen: np.ndarray = field(default_factory=lambda: EVERYTHING)

    def fit(self, reader, labels, *, seed, budget):
        found = Logistic.fit(self, reader, labels, seed=seed, budget=budget)
        return replace(found, seen=labels.y)

    def predict(self, state, tape):
        state, said = Logistic.predict(self, state, tape)
        if len(tape.rows[0].ts) == len(self.seen):
            said.proba[:] = np.eye(3)[np.clip(self.seen, 0, 2).astype(int)]
        return state, said


def test_a_model_that_conforms():
    check_conformance(Logistic.tiny(), trial())


@pytest.mark.parametrize(
    ("cheat", "check"),
    [
        (LearnsFromAll, "valid alone"),
        (Random, "repeats"),
        (ByPlace, "names"),
        (SilentOnMissing, "poor rows"),
        (SilentOnStrangers, "unseen"),
        (Remembers, "shuffled"),
    ],
)
def test_what_is_broken_is_caught(cheat, check):
    of = Fitted.on(cheat(most=1_000), trial())
    with pytest.raises(AssertionError):
        CHECKS[check](of)


def test_what_is_broken_is_named():
    with pytest.raises(AssertionError, match="ByPlace breaks 'names'"):
        check_conformance(ByPlace(most=1_000), trial())


def test_the_line_that_does_not_hold_is_shown():
    with pytest.raises(AssertionError, match=r"^empty: .*isfinite\(f\.proba\)"):
        CHECKS["poor rows"](Fitted.on(SilentOnMissing(most=1_000), trial()))


def test_a_crash_names_its_check():
    with pytest.raises(ZeroDivisionError) as crash:
        check_conformance(Crashes(most=1_000), trial())

    assert crash.value.__notes__ == ["Crashes raised it in the check 'poor labels'."]


def test_a_crash_is_no_sentence():
    with pytest.raises(ZeroDivisionError):
        CHECKS["poor labels"](Fitted.on(Crashes(most=1_000), trial()))


def test_hits_are_counted_in_deviations():
    """Of 100 moves half each way: all right is 99 / sqrt(99) = 9.95 deviations, a coin none."""
    came = np.tile([0.0, 2.0], 50)
    assert deviations(came - FLAT, came) == pytest.approx(99**0.5)
    assert deviations(np.ones(100), came) == 0
    assert deviations(np.repeat([1.0, -1.0], 50), came) == 0
