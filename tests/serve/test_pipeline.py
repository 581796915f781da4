"""The pipeline between a fake venue and who listens, in virtual time."""

from pathlib import Path

import pytest

from flowsense.errors import InputError
from flowsense.live.feed import Address
from flowsense.live.tables import Unreachable
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.schema import Decimal, Instrument
from flowsense.serve.config import PipelineConfig
from flowsense.serve.measured import STAGES
from flowsense.serve.pipeline import InferencePipeline
from flowsense.store.events import write_events
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
    return save(tmp_path_factory.mktemp("pipeline") / "model")


def market(n=1_500):
    return Recording(TABLE, merge(*(by_level(by_order(n, 7 + k, k)) for k in range(2))))


def with_pipeline(model, work, **more):
    """Runs work(pipeline, venue) on a pipeline that hears the market."""

    async def go():
        async with Replay(Messages(market()), speaker(VENUE)(TABLE)) as venue:
            config = PipelineConfig(
                *(model, SYMBOLS, VENUE),
                addresses={VENUE: Address(venue.stream, venue.rest)},
                aside=False,
                **more,
            )
            pipeline = InferencePipeline(config)
            try:
                return await work(pipeline, venue)
            finally:
                await pipeline.stop()

    return run(go())


def test_who_listens_hears_every_prediction_in_order(model):
    async def work(pipeline, venue):
        heard, beside = [], []
        pipeline.on_prediction(heard.append)

        @pipeline.on_prediction
        async def later(said):
            await pause(0.01)
            beside.append(said.sequence)

        await pipeline.start()
        await pause(10.0)
        return heard, beside, pipeline.status()

    heard, beside, status = with_pipeline(model, work)
    assert [p.sequence for p in heard] == [*range(1, len(heard) + 1)] and len(heard) > 100
    assert sorted(beside) == [p.sequence for p in heard][: len(beside)] and len(beside) > 100
    assert {p.symbol for p in heard} == set(SYMBOLS)
    assert status.state == "running" and status.feeds[0].state == "live"


@pytest.mark.slow
def test_what_is_told_can_be_asked_for_again_and_explained(model):
    async def work(pipeline, venue):
        await pipeline.start()
        await pause(5.0)
        (last,) = pipeline.since(pipeline.audience.count - 1)
        why = pipeline.explain(last.symbol)
        return last, pipeline.latest(last.symbol), why

    last, latest, why = with_pipeline(model, work)
    assert latest == last == why.prediction
    assert len(why.columns) > 30
    took = last.latency_us
    assert took.keys() == {*STAGES} and min(took.values()) >= 0


@pytest.mark.slow
def test_a_recording_that_is_brought_is_told_by_the_model_in_service(model, tmp_path):
    write_events(tmp_path / "mine.parquet", TABLE, list(market(300)))

    async def work(pipeline, venue):
        await pipeline.start()
        await pause(2.0)
        before = pipeline.audience.count
        found = await pipeline.of_events((tmp_path / "mine.parquet").read_bytes())
        return found, pipeline.audience.count - before, pipeline.status().model.version

    found, told, version = with_pipeline(model, work)
    assert len(found) > 50 and told == 0 and {p.sequence for p in found} == {0}
    assert {p.symbol for p in found} == set(SYMBOLS) and {p.model_version for p in found} == {
        version
    }


def test_a_full_queue_is_conflated_and_goes_on(model):
    async def work(pipeline, venue):
        await pipeline.start()
        await pause(3.0)
        inbox = pipeline.session.turns.inbox
        for _ in range(20):
            inbox.put(inbox.recent.queue[-1], 0.0)
        before = pipeline.audience.count
        await pause(5.0)
        return before, pipeline.audience.count, inbox

    before, after, inbox = with_pipeline(model, work, queue=10)
    assert inbox.dropped > 0 and inbox.conflations > 0 and after > before


@pytest.mark.parametrize(
    ("symbols", "said"),
    [
        ((), "no symbol"),
        (("BTCUSDT",), "VENUE:SYMBOL"),
        (("a:B", "a:B"), "twice"),
    ],
)
def test_symbols_that_are_none_are_refused(model, symbols, said):
    with pytest.raises(InputError, match=said):
        PipelineConfig(model, symbols)


def test_a_venue_that_cannot_be_reached_is_told_and_nothing_runs(model):
    async def go():
        nowhere = Address("ws://127.0.0.1:9", "http://127.0.0.1:9")
        config = PipelineConfig(model, SYMBOLS, VENUE, addresses={VENUE: nowhere}, aside=False)
        pipeline = InferencePipeline(config)
        with pytest.raises(Unreachable, match="instruments cannot be read"):
            await pipeline.start()
        return pipeline.status()

    status = run(go())
    assert status.state == "failed" and "cannot be read" in status.why


@pytest.mark.parametrize("name", ["confidence_threshold", "min_agreement"])
@pytest.mark.parametrize("value", [float("nan"), -0.1, 7.0])
def test_a_threshold_that_is_none_is_refused_before_anything_starts(name, value):
    with pytest.raises(InputError, match="least_"):
        PipelineConfig(Path("model"), SYMBOLS, VENUE, **{name: value})
