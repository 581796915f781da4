"""The end of a pipeline whose engine works on a thread: its turn is told, and it may hang."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from serve.cutting import cut
from serve.test_swapping import SYMBOLS, TABLE, VENUE, market

from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.serve.config import PipelineConfig
from flowsense.serve.pipeline import InferencePipeline
from flowsense.testing.fitted import save
from flowsense.wall import elapsed, pause

pytestmark = pytest.mark.slow


async def stopped(lake, blocked):
    """Stops a pipeline in the middle of a turn; `blocked` holds that up. What was told, and how
    long stopping took."""
    model, inside = save(lake.parent / "model"), threading.Event()
    async with Replay(Messages(market()), speaker(VENUE)(TABLE)) as venue:
        at = {VENUE: Address(venue.stream, venue.rest)}
        config = PipelineConfig(model, SYMBOLS, VENUE, addresses=at, record=lake)
        pipeline, told = InferencePipeline(config), []
        pipeline.on_prediction(told.append)
        await pipeline.start()
        serving = pipeline.session.serving
        decide = serving.decide

        def held(recent):
            inside.set()
            blocked(pipeline)
            return decide(recent)

        while not told:
            await pause(0.01)
        serving.decide = held
        while not inside.is_set():
            await pause(0.01)
        begun = elapsed()
        await pipeline.stop()
        return pipeline, told, elapsed() - begun


def test_the_turn_in_flight_is_told(tmp_path):
    def until_it_stops(pipeline):
        while pipeline.state == "running":
            threading.Event().wait(0.01)

    pipeline, told, _ = asyncio.run(stopped(tmp_path / "lake", until_it_stops))
    events = np.concatenate([chunk.events for chunk in cut(tmp_path / "lake", 1)])
    assert [p.sequence for p in told] == [*range(1, len(told) + 1)]
    assert len(events) == pipeline.session.turns.events and pipeline.session.turns.turn is None
    assert told[-1].ts > int(events["ts_recv"][-1]) - 200_000_000


def hang():
    """Ends although its engine never does."""
    lake = Path(sys.argv[1])
    pipeline, _, seconds = asyncio.run(stopped(lake, lambda _: threading.Event().wait()))
    assert seconds < 4 and pipeline.state == "stopped"


def test_an_engine_that_hangs_keeps_no_process_from_ending_and_what_was_heard_is_kept(tmp_path):
    """R40: the process ends within 5 s, with 0."""
    lake, code = tmp_path / "lake", "from serve.test_ending import hang; hang()"
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    call = [sys.executable, "-c", code, str(lake)]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stderr
    assert "the engine hangs" in done.stdout and [*cut(lake, 1)]
