"""R15: clocks that are wrong, that are set, and days that are longer or shorter than others."""

import asyncio
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from live.followed import Told, table

from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.server import Replay
from flowsense.schema import SECOND
from flowsense.serve.config import PipelineConfig
from flowsense.serve.monitor import Monitor
from flowsense.serve.pipeline import InferencePipeline
from flowsense.sources.open import open_source
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.wall import pause

NAME, MESSAGES, EVERY = "okx", 200, 0.05


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("clocks") / "model")


class Dated(Told):
    """A market whose venue's clock shows another date."""

    begin = 0  # ns UTC

    def __iter__(self):
        for n, moment in enumerate(super().__iter__()):
            moment.what["ts_event"] = self.begin + round(n * EVERY * SECOND)
            yield moment


def served(model, lake, begin, skew=0.0, steps=()):
    """What a pipeline told in 9 s that began then, its metrics and its recording.

    skew: s by which our clock is ahead of the venue's. steps: (s, by how many it is set).
    """
    source = Dated(table(NAME, 2), MESSAGES, EVERY)
    source.begin = begin - round(skew * SECOND)

    async def main():
        async with Replay(source, speaker(NAME)(source.instruments)) as venue:
            config = PipelineConfig(
                *(model, tuple(i.symbol for i in source.instruments), NAME),
                addresses={NAME: Address(venue.stream, venue.rest)},
                aside=False,
                record=lake,
            )
            pipeline, told = InferencePipeline(config), []
            monitor = Monitor(pipeline)
            pipeline.on_prediction(told.append)
            await pipeline.start()
            at = 0.0
            for when, by in steps:
                await pause(when - at)
                asyncio.get_running_loop().step(by)
                at = when
            await pause(9.0 - at)
            await monitor.look()
            state = pipeline.status()
            await pipeline.stop()
            return told, monitor.metrics.series, state

    return run(main(), begin)


def sound(told, lake, begin):
    """No time is negative or falls, and what is stored is ns UTC."""
    assert len(told) > 8 and all(us >= 0 for one in told for us in one.latency_us.values())
    times = [one.ts for one in told]
    assert times == sorted(times) and times[0] >= begin
    events = np.concatenate(list(open_source([lake])))
    assert (np.diff(events["ts_recv"]) >= 0).all() and events["ts_recv"][0] >= begin


@pytest.mark.slow
@pytest.mark.parametrize("skew", [-5.0, 0.0, 5.0])
def test_a_clock_that_is_wrong_is_measured_and_harms_nothing(model, tmp_path, skew):
    """R15: by -5 to +5 s: `flowsense_feed_clock_skew_ms` is that."""
    begin = 1_700_000_000 * SECOND
    told, series, state = served(model, tmp_path / "lake", begin, skew)
    sound(told, tmp_path / "lake", begin)
    (found,) = series.read("flowsense_feed_clock_skew_ms").values()
    assert abs(found - 1_000 * skew) < 100 and state.state == "running"
    (silent,) = series.read("flowsense_feed_staleness_seconds").values()
    assert 0.0 <= silent < 1.0


@pytest.mark.slow
@pytest.mark.parametrize("by", [-2.0, 2.0])
def test_a_clock_that_is_set_while_it_runs_harms_nothing(model, tmp_path, by):
    """R15: set back or forward by 2 s: nothing falls, nothing is taken to be stale, all goes on."""
    begin = 1_700_000_000 * SECOND
    told, series, state = served(model, tmp_path / "lake", begin, steps=((4.0, by),))
    sound(told, tmp_path / "lake", begin)
    assert not any(one.stale for one in told) and state.state == "running"
    assert told[-1].ts - begin > 6 * SECOND
    (silent,) = series.read("flowsense_feed_staleness_seconds").values()
    assert 0.0 <= silent < 1.0


DAYS = {
    "summer time begins": (datetime(2025, 3, 30, 0, 59, 57, tzinfo=UTC), ()),
    "summer time ends": (datetime(2025, 10, 26, 0, 59, 57, tzinfo=UTC), ()),
    "leap second": (datetime(2016, 12, 31, 23, 59, 57, tzinfo=UTC), ((3.0, -1.0),)),
}


@pytest.fixture
def berlin(monkeypatch):
    """The process is there."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.slow
@pytest.mark.parametrize("day", DAYS)
def test_days_of_other_lengths_are_as_others(model, tmp_path, berlin, day):
    """R15: through a change of summer time, and a second that UTC tells twice."""
    when, steps = DAYS[day]
    begin = round(when.timestamp()) * SECOND
    told, _, state = served(model, tmp_path / "lake", begin, steps=steps)
    sound(told, tmp_path / "lake", begin)
    assert told[-1].ts - begin > 7 * SECOND and state.state == "running"
