"""The pipeline where its feeds, its engine or its tasks fail, in virtual time."""

import re
from errno import EACCES, ENOSPC, errorcode
from itertools import count
from os import strerror

import numpy as np
import pytest
from live.followed import Told, table

from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.faults import script
from flowsense.replay.server import Replay
from flowsense.schema import EVENT, Chunk
from flowsense.serve.config import PipelineConfig
from flowsense.serve.monitor import Monitor
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.skipped import given, marks
from flowsense.serve.speaking import predictions
from flowsense.serve.swapping import Bench, push
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.sources.open import open_source
from flowsense.store import journal
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.wall import elapsed, now_utc, pause

NAME = "okx"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("faults") / "model")


def stalled(turns, seconds):
    """Its engine stands still once, before its next turn."""
    aside = turns._aside

    async def late(work):
        turns._aside = aside
        await pause(seconds)
        return await aside(work)

    turns._aside = late


def served(model, source, work, *faults, now=None, **more):
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
            pipeline, told = InferencePipeline(config, now), []
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
        return pipeline.session.feeds[0].state

    state, _, told = served(model, source, work, {"at": 4.0, "do": "refuse", "seconds": 3.0})
    blind = [said for at, said in told if 4.1 < at < 7.0]
    assert state == "live" and not [s for s in blind if s.should_trade]
    assert not [s for s in blind for f in s.forecasts if f.ready]
    known = [at for at, s in told if any(f.ready for f in s.forecasts)]
    assert min(known) < 4.0 and max(known) > 9.5


def ticking():
    """A clock that goes on between two looks at it, as that on the wall does."""
    looks = count()
    return lambda: now_utc() + next(looks)


@pytest.mark.slow
def test_predictions_of_a_silent_venue_are_marked_as_stale(model):
    """R10: from STALE on every prediction is flagged and none is to be traded on."""
    source = Told(table(NAME, 2), 400, 0.05)

    async def work(pipeline):
        await pause(20.0)

    _, _, told = served(
        model, source, work, {"at": 4.0, "do": "silence", "seconds": 12.0}, now=ticking()
    )
    found = [(at, said.stale, said.should_trade) for at, said in told]
    assert not any(stale for at, stale, _ in found if at < 13.5)
    silent = [stale for at, stale, _ in found if 14.1 < at < 14.5]
    assert silent and all(silent) and not [1 for _, stale, trade in found if stale and trade]
    assert not found[-1][1]


@pytest.mark.slow
def test_an_engine_that_stalls_loses_what_it_must_and_counts_it(model, tmp_path):
    """R12: it stands still for 10 s: the queue is bounded, what was dropped is counted exactly, it
    has caught up at once, the recording has every event that was heard, and what was served is what
    a batch over it gives."""
    source, most, heard = Told(table(NAME, 2), 400, 0.05), [], []

    async def work(pipeline):
        turns = pipeline.session.turns
        put = turns.inbox.put

        def counted(events, *more):
            put(events, *more)
            heard.append(events)
            most.append((len(events), turns.inbox.waiting - turns.inbox.head))

        turns.inbox.put = counted
        await pause(1.0)
        stalled(turns, 10.0)
        await pause(13.0)
        assert not turns.inbox.waiting
        return turns.events, turns.inbox

    lake = tmp_path / "lake"
    (events, inbox), pipeline, told = served(model, source, work, queue=100, record=lake)
    assert max(waiting for _, waiting in most) <= 100 and inbox.conflations > 1
    assert sum(n for n, _ in most) - inbox.dropped == events - inbox.made
    for pieces in (1, 7, 997):
        assert batch(pipeline, lake, pieces) == [said for _, said in told]
    assert not inbox.unkept and lacking(np.concatenate(heard), recorded(lake)[0]) == 0
    (skipped,) = np.flatnonzero(marks(recorded(lake)[0]))
    assert recorded(lake)[0]["lots"][skipped] > 250


def recorded(lake):
    found = open_source([lake])
    return np.concatenate(list(found)).view(EVENT), found.instruments


def lacking(heard, kept):
    """Events that are not in the recording, in order."""
    at, rows = 0, [row.tobytes() for row in heard]
    for row in kept:
        at += at < len(rows) and row.tobytes() == rows[at]
    return len(rows) - at


def batch(pipeline, lake, pieces=1):
    """The predictions that the recording of it gives, cut elsewhere."""
    events, instruments = recorded(lake)
    loaded = Bench(instruments, pipeline.config.settings).load(pipeline.config.model, 0)
    cut, told = np.array_split(events, pieces), []
    chunks = (Chunk(part.view(EVENT), NO_BARS, NO_OBSERVATIONS) for part in cut)
    for chunk in given(chunks):
        for one in push(loaded.decisions, chunk.events):
            risk, version = loaded.decisions.risk, loaded.about.version
            told += predictions(one, instruments, risk, len(told) + 1, version)
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

        if part == "pipeline":
            pipeline.tasks.spawn(part, broken())
        else:
            pipeline.session.feeds[0]._beside(broken())
        await pause(1.0)
        status, left = pipeline.status(), len(pipeline.tasks.running)
        await pipeline.stop()
        await pipeline.start()
        await pause(1.0)
        return status, left, pipeline.status().state

    (failed, left, again), _, _ = served(model, source, work, record=tmp_path / "lake")
    assert failed.state == "failed" and f"ZeroDivisionError: in {part}" in failed.why
    assert left == 0 and again == "running"


@pytest.mark.slow
@pytest.mark.parametrize("why", [ENOSPC, EACCES], ids=errorcode.get)
def test_a_disk_that_refuses_is_an_alarm_and_costs_nothing(model, tmp_path, monkeypatch, why):
    """R24: predictions go on, an alarm within 1 s names the path and its free bytes, and all that
    was heard meanwhile is in the lake when it heals."""
    source, lake, said = Told(table(NAME, 2), 160, 0.05), tmp_path / "lake", []

    def refuse(*args):
        raise OSError(why, strerror(why))

    async def work(pipeline):
        monitor = Monitor(pipeline)
        for k in range(14):
            await pause(0.5)
            archive = pipeline.session.turns.archive
            if k in (3, 8):
                monkeypatch.setattr(journal, "write", refuse if k == 3 else whole)
            archive.last.result()
            archive.next = 0  # on this clock no time passes between two tries
            await monitor.look()
            said.append({a.rule: a.says for a in monitor.watch.open.values()})

    whole = journal.write
    _, pipeline, told = served(model, source, work, record=lake)
    assert ["disk_refuses" in rules for rules in said[:3]] == [False] * 3
    assert re.fullmatch(rf"{lake}: cannot be written, [1-9]\d+ bytes .*", said[4]["disk_refuses"])
    assert "disk_refuses" not in said[-1]
    assert len([1 for at, one in told if 2.5 < at < 4.0]) > 20
    assert batch(pipeline, lake) == [one for _, one in told]
