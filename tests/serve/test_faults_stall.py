"""R12 at its own rate, in time as it passes: `pytest -m soak tests/serve/test_faults_stall.py`."""

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from flowsense.schema import BEAT, CONTROL, LAST, Decimal, Instrument
from flowsense.serve.config import PipelineConfig
from flowsense.serve.serving import Serving
from flowsense.serve.swapping import Bench, warm
from flowsense.serve.turns import Turns
from flowsense.sources.open import open_source
from flowsense.sources.venues.decoder import Told
from flowsense.testing.fitted import save
from flowsense.testing.toy import by_level, by_order, merge
from flowsense.wall import Stamp, elapsed, pause

RATE, TICK, BEFORE, STALL, AFTER = 10_000, 0.01, 5.0, 10.0, 15.0  # messages/s, then s


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save(tmp_path_factory.mktemp("stall") / "model")


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4_096


async def lived(turns, serving, messages, now):
    """What was measured while 10,000 messages a second come, and the engine stalls once."""
    seen = {"most": 0, "memory": 0, "told": 0, "heard": 0, "caught": None, "stalled": False}
    decide, begin, end = serving.decide, elapsed() + BEFORE, elapsed() + BEFORE + STALL

    def stalls(recent):
        if not seen["stalled"] and time.perf_counter() >= begin:
            seen["stalled"] = True
            time.sleep(STALL)
        return decide(recent)

    put = turns.inbox.put

    def counted(events, *more):
        seen["put"] += len(events)  # those too that say that time has passed
        put(events, *more)

    serving.decide, turns.inbox.put, seen["put"] = stalls, counted, 0
    running, start, before = asyncio.create_task(turns.run()), elapsed(), resident()
    while (at := elapsed() - start) < BEFORE + STALL + AFTER:
        while seen["heard"] < at * RATE:
            events = next(messages)
            events["ts_recv"] = now()
            turns.hear(Told(events, (), ()), elapsed())
            seen["heard"] += 1
            seen["told"] += len(events)
            seen["most"] = max(seen["most"], turns.inbox.waiting - turns.inbox.head)
        seen["memory"] = max(seen["memory"], resident() - before)
        if seen["caught"] is None and elapsed() > end and turns.inbox.waiting < RATE / 10:
            seen["caught"] = elapsed() - end
        await pause(TICK)
    while turns.inbox.waiting:
        await pause(TICK)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return seen


def endless(table):
    """Messages of two books, again and again."""
    events = merge(*(by_level(by_order(4_000, 7 + k, k)) for k in range(len(table))))
    ends = np.flatnonzero(events["bits"] & LAST) + 1
    parts = [p for p in np.split(events, ends) if len(p)]
    while True:
        yield from (part.copy() for part in parts)


@pytest.mark.soak
def test_ten_seconds_of_a_stalled_engine_at_ten_thousand_messages_a_second(model, tmp_path):
    """The queue stays bounded, the recording has all that was heard, what was dropped is counted to
    the event, memory grows by <= 100 MB, and what waits is caught up with in <= 10 s."""
    table = tuple(Instrument(s, "toy", Decimal(1, -2), Decimal(1, 0)) for s in ("A", "B"))
    bench = Bench(table, PipelineConfig(model, ("A",), "toy").settings)
    loaded = bench.load(model, 0)
    warm(bench, bench.renewed(loaded))
    config = PipelineConfig(model, ("A", "B"), "toy", record=tmp_path / "lake", queue=1 << 16)
    serving, now = Serving(bench, loaded), Stamp()
    turns = Turns(config, table, serving, now, lambda *_: None)
    messages = endless(table)

    async def main():
        seen = await lived(turns, serving, messages, now)
        await turns.end()
        await turns.close()
        return seen

    seen, inbox = asyncio.run(main()), turns.inbox
    assert seen["stalled"] and inbox.conflations > 0 and seen["most"] <= config.queue
    assert seen["put"] - inbox.dropped == turns.events - inbox.made and not inbox.unkept
    assert seen["memory"] <= 100e6 and seen["caught"] is not None and seen["caught"] <= 10.0
    said = (part["action"] for part in open_source([tmp_path / "lake"]))
    kept = sum(int((~np.isin(actions, (BEAT, CONTROL))).sum()) for actions in said)
    assert kept == seen["told"] + inbox.made and inbox.dropped > RATE
