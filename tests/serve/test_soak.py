"""R39: the service under faults, for as long as one likes: FLOWSENSE_SOAK=2m to try."""

import asyncio
import os

import pytest
from live.followed import Told, table

from flowsense.bench.api import resident
from flowsense.bench.soak import soak
from flowsense.forecast import duration
from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.faults import random
from flowsense.replay.server import Replay
from flowsense.schema import SECOND
from flowsense.serve.config import PipelineConfig
from flowsense.serve.hub import Hub, Listener
from flowsense.serve.monitor import Monitor
from flowsense.serve.pipeline import InferencePipeline
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.wall import pause

NAME, LENGTH = "okx", 40  # seconds, which pass at once
FAULTS = {
    **dict.fromkeys(("drop", "duplicate", "delay", "swap"), 12.0),
    **dict.fromkeys(("eof", "reset", "close", "refuse", "slow", "silence"), 2.0),
}


async def lived(model, lake, steps):
    """(tasks, series, bytes, predictions) of each second, and what was alive in the end."""
    source, looks = Told(table(NAME, 2), 20 * LENGTH, 0.05), []
    async with Replay(source, speaker(NAME)(source.instruments), faults=steps) as venue:
        address = {NAME: Address(venue.stream, venue.rest)}
        symbols = tuple(i.symbol for i in source.instruments)
        config = PipelineConfig(
            *(model, symbols, NAME), addresses=address, aside=False, record=lake, kept=50
        )
        pipeline = InferencePipeline(config)
        monitor, hub, stalled = Monitor(pipeline), Hub(pipeline), Listener(32, frozenset())
        await pipeline.start()
        hub.join(stalled, None)
        for _ in range(LENGTH - 1):
            await pause(1.0)
            await monitor.look()
            told = pipeline.status().predictions
            series = monitor.metrics.series.count
            looks.append((len(asyncio.all_tasks()), series, resident(), told))
        status, held = pipeline.status(), (len(stalled.queue), len(pipeline.since(0)))
        await pipeline.stop()
    return looks, status, held, len(asyncio.all_tasks())


@pytest.mark.slow
def test_some_seconds_of_faults_leave_nothing_behind(tmp_path):
    model, steps = save(tmp_path / "model"), random(2, FAULTS, LENGTH)
    looks, status, held, left = run(lived(model, tmp_path / "lake", steps))
    tasks, series, memory, told = zip(*looks, strict=True)
    assert status.state == "running" and left == 1
    assert status.feeds[0].reconnects and status.feeds[0].gaps and not status.dropped
    assert told[-1] > 500 and held == (32, 50)
    assert max(tasks[LENGTH // 2 :]) <= max(tasks[: LENGTH // 2]) + 3
    assert max(series) < 2_000 and series[-1] <= series[LENGTH // 2] + 10
    assert memory[-1] - memory[LENGTH // 2] < 20e6


@pytest.mark.soak
@pytest.mark.timeout(7_200)
def test_half_an_hour_of_faults_leaves_nothing_behind():
    seconds = duration(os.environ.get("FLOWSENSE_SOAK", "30m")) / SECOND
    found = soak(seconds).metrics
    assert found["messages_per_second"] > 9_000 and found["refused"] == 0  # 10,000 but for faults
    assert found["availability"] >= 0.999 and found["p99_drift"] < 1.1
    assert found["rss_mb_per_hour_at_most"] < 10 and found["series"] < 2_000
    assert max(found[f"{what}_grown"] for what in ("files", "tasks", "threads", "series")) < 5
