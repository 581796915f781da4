"""What a pipeline asks of Python while it serves, and that it asks no more of it afterwards."""

import asyncio
import gc
import sys

import pytest
from serve.test_pipeline import SYMBOLS, TABLE, VENUE, market

from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.serve.config import PipelineConfig
from flowsense.serve.interpreter import SWITCH, Interpreter
from flowsense.serve.pipeline import InferencePipeline
from flowsense.testing.fitted import save


@pytest.fixture
def model(tmp_path):
    return save(tmp_path / "model")


@pytest.fixture(autouse=True)
def thawed():
    """Nothing is frozen before; what the suite itself has frozen is so again afterwards."""
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    yield
    gc.unfreeze()
    if frozen:
        gc.freeze()


class Ring:
    """Garbage that only a look at all objects finds."""

    def __init__(self, gone):
        self.itself, self.gone = self, gone

    def __del__(self):
        self.gone.append(True)


def test_what_stays_is_left_out_of_every_look_for_garbage():
    gone, python = [], Interpreter()
    try:
        held = [Ring(gone) for _ in range(3)]
        python.settled()
        del held
        Ring(gone)
        assert gc.collect() and len(gone) == 1
    finally:
        python.ended()
    assert gc.collect() and len(gone) == 4


def test_the_last_that_ends_puts_back_what_was_before():
    before = sys.getswitchinterval()
    one, other = Interpreter(), Interpreter()
    one.settled()
    one.ended()
    assert sys.getswitchinterval() < before and gc.get_freeze_count()
    other.ended()
    assert sys.getswitchinterval() == before and not gc.get_freeze_count()


def test_what_others_have_frozen_stays_frozen():
    gc.freeze()
    python = Interpreter()
    python.settled()
    python.ended()
    assert gc.get_freeze_count()


def test_python_is_as_it_was_once_the_pipeline_has_stopped(model):
    def asked():
        return sys.getswitchinterval(), gc.get_freeze_count()

    async def go():
        async with Replay(Messages(market(400)), speaker(VENUE)(TABLE)) as venue:
            at = {VENUE: Address(venue.stream, venue.rest)}
            config = PipelineConfig(model, SYMBOLS, VENUE, addresses=at)
            pipeline, told = InferencePipeline(config), []
            heard = asyncio.Event()
            pipeline.on_prediction(lambda said: (told.append(asked()), heard.set()))
            await pipeline.start()
            async with asyncio.timeout(30):
                await heard.wait()
            await pipeline.stop()
            return told[0]

    before = asked()
    interval, frozen = asyncio.run(go())
    assert interval == pytest.approx(SWITCH) and frozen > 10_000
    assert asked() == before
