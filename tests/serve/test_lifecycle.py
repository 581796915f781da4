"""A pipeline that is started and stopped out of turn, or whose listener fails."""

import asyncio

import pytest

from flowsense.errors import InputError
from flowsense.live.archive import Archive
from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.schema import Decimal, Instrument
from flowsense.serve.config import PipelineConfig
from flowsense.serve.inbox import Times
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.session import Session
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order, merge
from flowsense.wall import pause

VENUE = "binance-spot"
SYMBOLS = ("AAAUSDT", "BBBUSDT")
TABLE = tuple(Instrument(s, VENUE, Decimal(1, -2), Decimal(1, 0)) for s in SYMBOLS)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("lifecycle") / "model")


def with_pipeline(model, work, **more):
    """Runs work(pipeline) on one that can hear a market."""
    market = Recording(TABLE, merge(*(by_level(by_order(300, 7 + k, k)) for k in range(2))))

    async def go():
        async with Replay(Messages(market), speaker(VENUE)(TABLE)) as venue:
            at = {VENUE: Address(venue.stream, venue.rest)}
            config = PipelineConfig(model, SYMBOLS, VENUE, addresses=at, aside=False, **more)
            pipeline = InferencePipeline(config)
            try:
                return await work(pipeline)
            finally:
                await pipeline.stop()

    return run(go())


def test_stopped_while_it_starts_it_does_not_run(model):
    async def work(pipeline):
        starting = asyncio.create_task(pipeline.start())
        await pause(0.0)
        await pipeline.stop()
        await asyncio.gather(starting, return_exceptions=True)
        return pipeline.state, len(pipeline.tasks.running)

    assert with_pipeline(model, work) == ("stopped", 0)


def broken(said):
    raise RuntimeError("a listener's own fault")


@pytest.mark.slow
def test_a_listener_that_fails_leaves_the_lake_closed_and_a_second_start_works(model, tmp_path):
    async def work(pipeline):
        forget = pipeline.subscribe(broken)
        await pipeline.start()
        await pause(5.0)
        state, why = pipeline.state, pipeline.why
        forget()
        await pipeline.start()
        await pause(5.0)
        return state, why, pipeline.state, pipeline.audience.count

    state, why, again, told = with_pipeline(model, work, record=tmp_path / "lake")
    assert (state, again) == ("failed", "running") and "own fault" in why and told > 10
    Archive(tmp_path / "lake", TABLE, 1).close()


@pytest.mark.slow
def test_stop_after_a_failure_lists_what_was_heard(model, tmp_path):
    async def work(pipeline):
        pipeline.subscribe(broken)
        await pipeline.start()
        await pause(5.0)
        await pipeline.stop()
        return pipeline.state, pipeline.why

    state, why = with_pipeline(model, work, record=tmp_path / "lake")
    assert state == "failed" and "own fault" in why
    after = Archive(tmp_path / "lake", TABLE, 1)
    after.close()
    assert after.recovered == 0


def test_a_start_that_fails_lets_go_of_the_lake(model, tmp_path, monkeypatch):
    async def work(pipeline):
        def refuse(*args):
            raise InputError("no key")

        monkeypatch.setattr(Session, "_feed", refuse)
        with pytest.raises(InputError, match="no key"):
            await pipeline.start()

    with_pipeline(model, work, record=tmp_path / "lake")
    Archive(tmp_path / "lake", TABLE, 1).close()


@pytest.mark.slow
def test_a_listener_that_fails_at_the_end_does_not_keep_it_from_stopping(model, tmp_path):
    async def work(pipeline):
        await pipeline.start()
        await pause(3.0)
        pipeline.subscribe(broken)
        inbox = pipeline.session.turns.inbox
        for events in (*inbox.recent.queue,)[-200:]:
            copy = events.copy()
            copy["ts_recv"] = copy["ts_event"] = pipeline.now() + 10**9
            inbox.put(copy, Times(0.0, 0.0))
        with pytest.raises(RuntimeError, match="own fault"):
            await pipeline.stop()
        return pipeline.state

    assert with_pipeline(model, work, record=tmp_path / "lake") == "stopped"
    Archive(tmp_path / "lake", TABLE, 1).close()


def test_a_subscription_may_be_ended_twice(model):
    pipeline = InferencePipeline(PipelineConfig(model, SYMBOLS, VENUE))
    forget = pipeline.subscribe(print)
    forget()
    forget()
    assert pipeline.audience.listeners == []


@pytest.mark.slow
def test_a_clock_of_events_decides_with_the_last_event_of_a_batch(tmp_path):
    async def work(pipeline):
        heard = []
        pipeline.on_prediction(heard.append)
        await pipeline.start()
        await pause(1.0)
        return pipeline.state, pipeline.why, heard

    model = save(tmp_path / "model", clocks=("events:1",))
    state, why, heard = with_pipeline(model, work)
    assert (state, why) == ("running", "") and len(heard) > 10
    assert all(p.latency_us["total"] >= p.latency_us["queue"] >= 0 for p in heard)
