"""Our labels keep the laws, and the laws catch those that do not."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.labels import barrier
from flowsense.labels.stages import Stages
from flowsense.testing import check_labels, check_labels_mirror
from flowsense.testing.labels import Bench, assert_same

pytestmark = pytest.mark.slow

MS = 1_000_000
TARGETS = (Target("mid", 100 * MS), Target("magnitude", 500 * MS), Target("ofi", 300 * MS + 7))


@pytest.fixture(scope="module")
def stream(events):
    return events[:1_200]


KINDS = {
    "anchored": TARGETS,
    "barrier": tuple(map(Target.parse, ("barrier@300ms", "barrier:2t@500ms", "barrier:3bp@200ms"))),
    "smoothed": tuple(
        map(Target.parse, ("smoothed@200ms", "smoothed:1t@1s", "smoothed:1bp@300ms"))
    ),
}
CLOCKS = [("interval:100ms", "interval:1s"), ("events:7",)]


@pytest.mark.parametrize("clocks", CLOCKS, ids="+".join)
@pytest.mark.parametrize("targets", KINDS.values(), ids=KINDS)
def test_labels(targets, clocks, instruments, stream):
    check_labels(Stages(targets), spec(("depth",), clocks), instruments, stream)


def test_every_kind_in_one_fold_is_what_it_is_alone(instruments, stream):
    every = sum(KINDS.values(), ())
    whole = Bench(Stages(every), spec(("depth",)), instruments).labels(stream)
    for targets in KINDS.values():
        alone = Bench(Stages(targets), spec(("depth",)), instruments).labels(stream)
        assert_same(alone, whole.of(np.array([t in targets for t in every])), "alone")


@pytest.mark.parametrize("clocks", CLOCKS, ids="+".join)
def test_the_mirror(clocks, instruments, stream):
    texts = ("barrier@300ms", "barrier:2t@500ms", "smoothed@200ms", "smoothed:1t@1s")
    targets = (*TARGETS, *map(Target.parse, texts))
    check_labels_mirror(Stages(targets), spec(("depth",), clocks), instruments, stream)


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


BARRIERS, MEANS = KINDS["barrier"], KINDS["smoothed"]


@dataclass(frozen=True, slots=True)
class AtOnce(Stages):
    """Knows a hit with the first record of its time, when the book may not yet be whole."""

    def said(self, done):
        return done._replace(known_at=done.known_at - (done.y != 1))

    def fold(self, state, tape):
        state, done = Stages.fold(self, state, tape)
        return state, self.said(done)

    def close(self, state):
        return self.said(Stages.close(self, state))


@dataclass(frozen=True, slots=True)
class Forgetful(Stages):
    """Keeps no quote from before the first row that waits."""

    @property
    def history(self):
        return 0


@dataclass(frozen=True, slots=True)
class OneSided(Stages):
    """Knows no barrier below."""

    def fold(self, state, tape):
        state, done = Stages.fold(self, state, tape)
        return state, done._replace(y=np.maximum(done.y, 1))


def test_cheats_of_barriers_and_means_are_caught(instruments, stream):
    one = spec(("depth",))
    for cheat, targets in ((AtOnce, BARRIERS), (Forgetful, BARRIERS), (Forgetful, MEANS)):
        with pytest.raises(AssertionError, match=r"known_at|one event at a time"):
            check_labels(cheat(targets), one, instruments, stream)


def test_a_deviation_that_looks_ahead_is_caught(instruments, stream, monkeypatch):
    honest = barrier.deviation
    ahead = lambda h, ts, path: honest(h, ts + h, path)  # noqa: E731
    monkeypatch.setattr(barrier, "deviation", ahead)
    with pytest.raises(AssertionError, match="changes after known_at"):
        check_labels(Stages(BARRIERS), spec(("depth",)), instruments, stream)


def test_a_side_that_is_never_called_is_caught_in_the_mirror(instruments, stream):
    with pytest.raises(AssertionError, match="mirror: y differs"):
        check_labels_mirror(OneSided(BARRIERS[:2]), spec(("depth",)), instruments, stream)
