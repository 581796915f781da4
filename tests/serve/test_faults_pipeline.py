"""The pipeline where its feeds, its engine or its tasks fail, in virtual time."""

import numpy as np
import pytest
from live.followed import Told, table

from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.faults import script
from flowsense.replay.server import Replay
from flowsense.schema import EVENT
from flowsense.serve.config import PipelineConfig
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import Bench, push
from flowsense.sources.open import open_source
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.wall import elapsed, pause

NAME = "okx"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("faults") / "model")


class Stalling(InferencePipeline):
    """Its engine stands still once, for `stall` seconds of the loop, when it has run for one."""

    stall = 0.0

    async def _aside(self, work, of):
        if self.stall and self.now() > self.started + 10**9:
            seconds, self.stall = self.stall, 0.0
            await pause(seconds)
        return await super()._aside(work, of)


def served(model, source, work, *faults, kind=InferencePipeline, **more):
    """What `work` returns, and all that a pipeline has said: (when, prediction)."""

    async def go():
        steps = script([*faults], "faults", [i.symbol for i in source.instruments])
        async with Replay(source, speaker(NAME)(source.instruments), faults=steps) as venue:
            config = PipelineConfig(
                *(model, tuple(i.symbol for i in source.instruments), NAME),
                addresses={NAME: Address(venue.stream, venue.rest)},
                aside=False,
                **more,
            )
            pipeline, told = kind(config), []
            pipeline.on_prediction(lambda said: told.append((elapsed(), said)))
            await pipeline.start()
            try:
                return await work(pipeline), pipeline, told
            finally:
                await pipeline.stop()

    return run(go())


@pytest.mark.slow
def test_nothing_is_predicted_from_a_book_that_is_not_whole(model):
    """R1: the venue refuses for 3 s: from the loss until the books are whole again no prediction
    says anything, and none is to be traded on."""
    source = Told(table(NAME, 2), 240, 0.05)

    async def work(pipeline):
        await pause(12.0)
        return pipeline.feeds[0].state

    state, _, told = served(model, source, work, {"at": 4.0, "do": "refuse", "seconds": 3.0})
    blind = [said for at, said in told if 4.1 < at < 7.0]
    assert state == "live" and not [s for s in blind if s.should_trade]
    assert not [s for s in blind for f in s.forecasts if f.ready]
    known = [at for at, s in told if any(f.ready for f in s.forecasts)]
    assert min(known) < 4.0 and max(known) > 9.5


@pytest.mark.slow
def test_predictions_of_a_silent_venue_are_marked_as_stale(model):
    """R10: from STALE on every prediction is flagged and none is to be traded on."""
    source = Told(table(NAME, 2), 400, 0.05)

    async def work(pipeline):
        await pause(20.0)

    _, _, told = served(model, source, work, {"at": 4.0, "do": "silence", "seconds": 12.0})
    found = [(at, said.stale, said.should_trade) for at, said in told]
    assert not any(stale for at, stale, _ in found if at < 13.5)
    silent = [stale for at, stale, _ in found if 14.1 < at < 14.5]
    assert silent and all(silent) and not [1 for _, stale, trade in found if stale and trade]
    assert not found[-1][1]


@pytest.mark.slow
def test_an_engine_that_stalls_loses_what_it_must_and_counts_it(model, tmp_path):
    """R12: it stands still for 10 s: the queue is bounded, what was dropped is counted exactly, it
    has caught up at once, and what was served is what a batch over the recording gives."""
    source, most = Told(table(NAME, 2), 400, 0.05), []

    async def work(pipeline):
        put = pipeline.inbox.put

        def counted(events, heard):
            put(events, heard)
            most.append((len(events), pipeline.inbox.waiting))

        pipeline.inbox.put = counted
        await pause(14.0)
        assert not pipeline.inbox.waiting
        return pipeline.events, pipeline.inbox.made

    Stalling.stall = 10.0
    lake = tmp_path / "lake"
    (events, made), pipeline, told = served(
        *(model, source, work), kind=Stalling, queue=100, record=lake
    )
    assert max(waiting for _, waiting in most) <= 100 and pipeline.inbox.conflations > 1
    assert sum(n for n, _ in most) - pipeline.inbox.dropped == events - made
    assert batch(pipeline, lake) == [said for _, said in told]


def batch(pipeline, lake):
    """The predictions that the recording of it gives."""
    found = open_source([lake])
    loaded = Bench(found.instruments, pipeline.config.settings).load(pipeline.config.model, 0)
    events, told = np.concatenate(list(found)).view(EVENT), []
    for one in push(loaded.decisions, events):
        risk, version = loaded.decisions.risk, loaded.about.version
        told += predictions(one, found.instruments, risk, len(told) + 1, version)
    return told


@pytest.mark.parametrize("part", ["feed", pytest.param("pipeline", marks=pytest.mark.slow)])
def test_a_task_that_fails_is_told_within_a_second_and_it_can_be_begun_again(model, tmp_path, part):
    """R41: status `failed` <= 1 s later, with what failed; what was heard is in the lake, and the
    pipeline starts again on it."""
    source = Told(table(NAME, 1), 200, 0.05)

    async def work(pipeline):
        await pause(1.0)

        async def broken(*_):
            raise ZeroDivisionError(f"in {part}")

        one = pipeline if part == "pipeline" else pipeline.feeds[0]
        one._beside(broken())
        await pause(1.0)
        status, left = pipeline.status(), len(pipeline.tasks)
        await pipeline.stop()
        await pipeline.start()
        await pause(1.0)
        return status, left, pipeline.status().state

    (failed, left, again), _, _ = served(model, source, work, record=tmp_path / "lake")
    assert failed.state == "failed" and f"ZeroDivisionError: in {part}" in failed.why
    assert left == 0 and again == "running"
