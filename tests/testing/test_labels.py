"""Our labels keep the laws, and the laws catch those that do not."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.labels.stages import Stages
from flowsense.testing import check_labels

MS = 1_000_000
TARGETS = (Target("mid", 100 * MS), Target("magnitude", 500 * MS), Target("ofi", 300 * MS + 7))


@pytest.fixture(scope="module")
def stream(events):
    return events[:1_200]


@pytest.mark.parametrize("clocks", [("interval:100ms", "interval:1s"), ("events:7",)], ids="+".join)
def test_anchored(clocks, instruments, stream):
    check_labels(Stages(TARGETS), spec(("depth",), clocks), instruments, stream)


@dataclass(frozen=True, slots=True)
class WholeChunk(Stages):
    """Scales the sizes by the largest of the chunk."""

    def fold(self, state, tape):
        state, done = Stages.fold(self, state, tape)
        y = done.y.copy()
        y[:, 1] /= 1 + y[:, 1].max(initial=0)
        return state, done._replace(y=y)


@dataclass(frozen=True, slots=True)
class Smoothed(Stages):
    """Stages at the mean of what the chunk told before the row."""

    def fold(self, state, tape):
        mean = tape.quotes["mid2"].mean() if len(tape.quotes) else 0.0
        state, done = Stages.fold(self, state, tape)
        return state, done._replace(y=np.sign(done.move - mean) + 1)


@dataclass(frozen=True, slots=True)
class Further(Stages):
    """Looks a twentieth of the horizon further than it says, and waits for it."""

    def said(self, done):
        early = [t.horizon_ns // 20 for t in done.targets]
        return done._replace(targets=TARGETS, known_at=done.known_at - np.array(early))

    def fold(self, state, tape):
        state, done = Stages.fold(self, state, tape)
        return state, self.said(done)

    def close(self, state):
        return self.said(Stages.close(self, state))


@dataclass(frozen=True, slots=True)
class Early(Stages):
    """Says what it does not know yet."""

    def close(self, state):
        done = Stages.close(self, state)
        return done._replace(valid=np.ones_like(done.valid))


@dataclass(frozen=True, slots=True)
class InPlace(Stages):
    """Changes the state that it was given."""

    def fold(self, state, tape):
        after, done = Stages.fold(self, state, tape)
        state.now[:] = after.now
        return after, done


@dataclass(frozen=True, slots=True)
class Outside(Stages):
    """Weighs by how many labels it gave, which it counts beside its state."""

    given: list[int] = field(default_factory=list)

    def fold(self, state, tape):
        state, done = Stages.fold(self, state, tape)
        self.given.append(len(done.y))
        return state, done._replace(weight=done.weight / (1 + sum(self.given)))


CHEATS = {
    WholeChunk: "one event at a time: y",
    Smoothed: "one event at a time: y",
    Further: "changes after known_at|before known_at is reached",
    Early: "valid",
    InPlace: "changed the state",
    Outside: "one event at a time: weight",
}


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda c: c.__name__)
def test_cheats_are_caught(cheat, instruments, stream):
    with pytest.raises(AssertionError, match=CHEATS[cheat]):
        check_labels(cheat(TARGETS), spec(("depth",)), instruments, stream)
