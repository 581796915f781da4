"""A pipeline over a venue's own bytes, and all that is told of it."""

import asyncio
import re
from itertools import pairwise

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from grids import cut, says
from prometheus_client.parser import text_string_to_metric_families

from flowsense.ensemble.blend import Blend
from flowsense.ensemble.members import Ensemble
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.live.feed import Address
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.models import build
from flowsense.replay import speaker
from flowsense.replay.feed import feed
from flowsense.replay.server import Replay
from flowsense.schema import EVENT
from flowsense.serve.alerts import Thresholds
from flowsense.serve.config import PipelineConfig
from flowsense.serve.decisions import Decisions, Spent
from flowsense.serve.inbox import Times
from flowsense.serve.judge import Judge
from flowsense.serve.measured import STAGES
from flowsense.serve.monitor import Monitor, free, merged, weights
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.speaking import latencies
from flowsense.serve.swapping import Bench, push
from flowsense.sources.open import open_source
from flowsense.testing import Recording, tape_of
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.testing.service import SPEC, TABLE, TARGETS, market
from flowsense.train.dataset import prepare
from flowsense.wall import elapsed, pause


async def served(source, model, lake):
    """20 seconds of the stream, looked at; the pipeline and its monitor."""
    table = source.instruments
    name = table[0].venue
    async with Replay(feed(source, name), speaker(name)(table), speed=10.0) as venue:
        pipeline = InferencePipeline(
            PipelineConfig(
                *(model, tuple(f"{name}:{i.symbol}" for i in table)),
                addresses={name: Address(venue.stream, venue.rest)},
                record=lake,
                aside=False,
            )
        )
        monitor = Monitor(pipeline, thresholds=Thresholds(free=2**62))
        task = asyncio.create_task(monitor.run())
        await pause(1.0)  # before there is anything to tell
        await pipeline.start()
        await pause(2.0)
        await pipeline.reload(None)
        await pause(0.1)
        await pipeline.stop()
        await monitor.look()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return pipeline, monitor


@pytest.fixture(scope="module")
def looked_at(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("monitor")
    source = open_source(sorted((data / "binance_ws_raw").glob("spot_*_20240808.jsonl.zst")))
    return run(served(source, save(folder / "model"), folder / "lake")), folder / "lake"


@pytest.mark.slow
def test_what_a_pipeline_did_is_told(looked_at):
    (pipeline, monitor), _ = looked_at
    text = monitor.metrics.render()[0].decode()
    found = [s for family in text_string_to_metric_families(text) for s in family.samples]

    def total(name, **labels):
        return sum(s.value for s in found if s.name == name and labels.items() <= s.labels.items())

    assert total("flowsense_predictions_total") == pipeline.audience.count > 20
    messages = sum(f.messages for f in pipeline.session.feeds)
    assert total("flowsense_feed_messages_total") == messages > 100
    assert total("flowsense_events_total") == pipeline.session.turns.events
    assert total("flowsense_stage_seconds_count", stage="total") == pipeline.audience.count
    assert total("flowsense_outcomes_total", target="mid@500ms") > 10
    assert total("flowsense_swaps_total", outcome="accepted") == 1
    assert total("flowsense_alert", rule="disk_low") == 1
    assert {s.labels["state"] for s in found if s.name == "flowsense_feed_state"} >= {"live"}
    assert {s.name for s in found} >= {"flowsense_feed_clock_skew_ms", "flowsense_importance"}
    assert total("flowsense_refused_total") == 0 and len(found) < 2_000
    assert not [s for s in found if "other" in s.labels.values()]


@pytest.mark.slow
def test_what_came_of_forecasts_is_what_the_recording_gives(looked_at):
    (pipeline, monitor), lake = looked_at
    found = open_source([lake])
    loaded = Bench(found.instruments, pipeline.config.settings).load(pipeline.config.model, 0)
    columns = loaded.decisions.engine.fold.spec.columns
    judge = Judge(loaded.decisions.engine.model.targets, columns, found.instruments)

    for one in push(loaded.decisions, np.concatenate(list(found)).view(EVENT)):
        judge.push(one.tape, one.forecast)

    assert monitor.judge.snapshot() == judge.snapshot()


def test_before_the_pipeline_starts_there_is_little_to_tell_and_never_the_webhook(tmp_path):
    config = PipelineConfig(tmp_path / "model", ("binance-spot:BTCUSDT",))
    monitor = Monitor(
        InferencePipeline(config), webhook="https://hooks.example/canary-77", paths=(tmp_path,)
    )

    run(monitor.look())

    body = monitor.metrics.render()[0]
    assert b"flowsense_disk_free_bytes" in body and b"canary" not in body
    assert "canary" not in repr(vars(monitor))


def test_a_pipeline_that_cannot_start_is_an_alarm(tmp_path):
    config = PipelineConfig(tmp_path / "none", ("binance-spot:BTCUSDT",))
    pipeline = InferencePipeline(config)
    monitor, pipeline.state = Monitor(pipeline), "failed"

    run(monitor.look())

    assert monitor.metrics.series.read("flowsense_alert")["pipeline_down",] == 1


def test_a_full_disk_is_posted_within_a_second_with_its_path_and_bytes(tmp_path):
    got = list[dict]()

    async def take(request):
        got.append(await request.json() | {"after": elapsed()})
        return web.Response()

    async def main():
        app = web.Application()
        app.router.add_post("/hook", take)
        async with TestServer(app) as server:
            config = PipelineConfig(tmp_path / "model", ("binance-spot:BTCUSDT",), record=tmp_path)
            full, address = Thresholds(free=2**62), str(server.make_url("/hook"))
            monitor = Monitor(InferencePipeline(config), webhook=address, thresholds=full)
            task = asyncio.create_task(monitor.run())
            await pause(2.0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            return monitor

    series = run(main()).metrics.series
    (alert,) = got
    assert alert["rule"] == "disk_low" and alert["after"] < 1
    assert re.fullmatch(rf"{tmp_path}: \d+ bytes free", alert["says"])
    assert series.read("flowsense_alerts_total")["sent",] == 1


def test_free_bytes_are_those_of_where_a_path_will_be(tmp_path):
    found = free([tmp_path / "not" / "yet"])

    assert found[str(tmp_path / "not" / "yet")] > 0


def test_tapes_that_are_judged_at_once_are_judged_as_one_after_the_other(instruments, events):
    targets = tuple(map(Target.parse, ("mid@500ms", "ofi@1s")))
    tape = tape_of(spec(("depth",)), instruments, events)
    rows, edges = tape.rows[0], tape.rows[0].instants()[::9].tolist()
    forecast = says(np.random.default_rng(1).random(len(rows.ts)), 0.2, targets=targets)
    pieces = [
        (tape._replace(rows=(rows.take(slice(a, b)),)), cut(forecast, a, b))
        for a, b in pairwise(edges)
    ]
    single, at_once = (Judge(targets, spec(("depth",)).columns, instruments) for _ in range(2))

    for piece in pieces:
        single.push(*piece)
    for some in (pieces[:40], pieces[40:]):
        at_once.push(*merged(*zip(*some, strict=True)))

    assert at_once.snapshot() == single.snapshot()
    assert single.standing()["mid@500ms"].outcomes > 50


def test_the_stages_of_a_prediction_are_those_that_are_told():
    found = latencies(Times(1.0, 1.25), 1.75, 3.0, Spent(1_000, 2_000, 3_000), 3.5)
    assert tuple(found) == STAGES
    assert [*found.values()] == [25e4, 5e5, 1.0, 2.0, 3.0, 5e5, 25e5]


def test_members_of_an_ensemble_are_told_with_their_shares():
    data = prepare(Recording(TABLE, market(600, 1)), SPEC, TARGETS)
    members = (build("imbalance"), build("vote"))
    plain = Calibrated(Ensemble(members, Blend(learn=False, table=False)))
    model = plain.fit(data, data.labels, seed=0, budget=Budget(steps=2))

    found = weights(Decisions(model, SPEC, TABLE))

    assert found == {"imbalance": 0.5, "vote": 0.5}
