"""R28: members of a served ensemble that raise, lie, hang or are late, and the replay of it all."""

import threading
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pytest
from serve.cutting import cut
from serve.test_swapping import SYMBOLS, TABLE, VENUE, market

from flowsense.ensemble.adapt import Adaptive
from flowsense.ensemble.members import Ensemble
from flowsense.ensemble.panel import Rules
from flowsense.features.catalogue import spec
from flowsense.forecast import Forecast, Target
from flowsense.live.feed import Address
from flowsense.model.calibrated import Calibrated
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.schema import MILLISECOND
from flowsense.serve.config import PipelineConfig
from flowsense.serve.decisions import Decisions
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.replayed import replayed
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import Bench, Loaded
from flowsense.tape import Needs
from flowsense.testing.fitted import FAMILIES, save
from flowsense.testing.loop import run
from flowsense.wall import pause

MS = MILLISECOND
MID = Target.parse("mid@500ms")
SPEC = spec(FAMILIES, ("interval:100ms",))
RULES = Rules(deadline_ns=40 * MS, hang_ns=200 * MS)


class Known(NamedTuple):
    mean: Any  # (1,) of a column
    events: Any  # (1,) counted, by who reads them


@dataclass(frozen=True)
class Member:
    """Remembers rows, and events if it reads them: whatever it misses shows in all that follows."""

    column: int
    reads: bool = False
    targets: tuple[Target, ...] = (MID,)

    @property
    def needs(self):
        return Needs(events=self.reads)

    def init(self, instruments):
        return Known(np.zeros(1), np.zeros(1))

    def predict(self, state, tape):
        rows, mean, x = tape.rows[0], state.mean.copy(), np.zeros(len(tape.rows[0].ts))
        for i in range(len(x)):
            mean += 0.1 * (rows.X[i, self.column] - mean)
            x[i] = np.tanh(mean[0]) / 2 + self.reads * np.sin(state.events[0] + rows.event[i]) / 3
        up, flat = 0.5 + x / 2, np.zeros(len(x))
        proba = np.stack([1 - up, flat, up], -1).astype(np.float32)[:, None]
        value, ready = x.astype(np.float32)[:, None], np.ones((len(x), 1), np.bool_)
        after = Known(mean, state.events + len(tape.events) * self.reads)
        return after, Forecast((MID,), proba, value, ready)

    def params(self):
        return {}


class Plain(Ensemble):
    """Of models that nobody has registered."""

    @property
    def targets(self):
        return self.members[0].targets

    def params(self):
        return {}


def ensemble():
    members = (Member(0), Member(1), Member(2, reads=True), Member(3))
    return Calibrated(Plain(members, Adaptive(), tuple("abcd")))


@dataclass
class Faulty:
    """A member that fails as planned, by the number of the tape that it is given."""

    model: Any
    plan: dict[int, str]
    go: threading.Event
    asked: int = -1

    @property
    def needs(self):
        return self.model.needs

    def init(self, instruments):
        return self.model.init(instruments)

    def predict(self, state, tape):
        self.asked += 1
        fault = self.plan.get(self.asked, "")
        if fault in ("raise", "late raise"):
            self.go.wait(0.06 if "late" in fault else 0)
            raise RuntimeError("killed")
        if fault:
            self.go.wait({"late": 0.05, "hang": 30}.get(fault, 0))
        state, said = self.model.predict(state, tape)
        return state, replace(said, proba=said.proba * np.nan) if fault == "nan" else said


def served(plans, lake, until):
    """All that a pipeline said whose members fail by plan, and that pipeline."""
    go = threading.Event()

    async def work():
        async with Replay(Messages(market()), speaker(VENUE)(TABLE)) as venue:
            at = {VENUE: Address(venue.stream, venue.rest)}
            model = save(lake.parent / "model")
            config = PipelineConfig(
                *(model, SYMBOLS, VENUE), addresses=at, aside=False, record=lake, members=RULES
            )
            pipeline, told = InferencePipeline(config), []
            pipeline.on_prediction(told.append)
            await pipeline.start()
            serving = pipeline.session.serving
            serving.loaded = loaded(serving.loaded)
            serving.loaded.decisions.seat(RULES)
            for name, plan in plans.items():
                seat = serving.loaded.decisions.voice.panel.seats["abcd".index(name)]
                seat.model = Faulty(seat.model, plan, go)
            for _ in range(until):
                await pause(1.0)
            go.set()
            await pause(1.0)
            await pipeline.stop()
            return pipeline, told

    return run(work())


def loaded(of):
    """The ensemble, as if it had been loaded."""
    model = ensemble()
    return Loaded(of.about, Decisions(model, SPEC, TABLE), model)


def again(pipeline, lake, pieces):
    bench = Bench(TABLE, pipeline.config.settings, RULES)
    of, out = loaded(pipeline.loaded), []
    for one, decided in replayed(bench, [of], cut(lake, pieces)):
        risk, version = one.decisions.risk, one.about.version
        out += predictions(decided, TABLE, risk, len(out) + 1, version)
    return out


@pytest.mark.soak  # who is late the wall clock decides: each run is another trial
@pytest.mark.parametrize("seed", range(1, 21))
def test_members_that_fail_in_any_way_are_left_out_and_a_replay_agrees(tmp_path, seed):
    rng = np.random.default_rng(seed)
    faults = ("raise", "nan", "late", "late raise")
    tapes = [rng.choice(90, 20, replace=False).tolist() for _ in "abc"]
    plans = {n: dict(zip(at, faults * 5, strict=True)) for n, at in zip("abc", tapes, strict=True)}
    plans["c"][40] = "hang"

    pipeline, told = served(plans, tmp_path / "lake", 5)

    met = Counter(a for p in told for a in p.abstained)
    assert {a.split(": ")[1] for a in met} >= {"raised", "unsound", "late"} and len(told) > 60
    for pieces in (1, 37):
        assert again(pipeline, tmp_path / "lake", pieces) == told
