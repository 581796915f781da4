"""A pipeline that hears served venues, and what a batch over its recording gives."""

from contextlib import AsyncExitStack
from pathlib import Path

from serve.cutting import cut

from flowsense.live.feed import Address
from flowsense.serve.config import PipelineConfig
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.replayed import replayed
from flowsense.serve.speaking import predictions
from flowsense.testing.loop import run
from flowsense.wall import pause


class Rows:
    """What every prediction was made of: an observer of a pipeline."""

    def __init__(self):
        self.found = []

    def heard(self, told):
        pass

    def told(self, prediction):
        pass

    def swapped(self, swap):
        pass

    def decided(self, decided):
        for one in decided:
            rows = one.tape.rows[0]
            each = zip(rows.ts, rows.instrument, rows.X, rows.valid, one.signals, strict=True)
            self.found += [
                (int(ts), int(k), x.tobytes(), known.tolist(), signal.tobytes())
                for ts, k, x, known, signal in each
            ]


async def served(venues, symbols, model, lake, work, **more):
    """A pipeline, its predictions and rows, that heard venues by name: `stream` and `rest`."""
    async with AsyncExitStack() as stack:
        places = [(name, await stack.enter_async_context(v)) for name, v in venues.items()]
        addresses = {name: Address(v.stream, v.rest) for name, v in places}
        more = {"addresses": addresses, "record": lake, "aside": False} | more
        config = PipelineConfig(model, symbols, **more)
        pipeline, told, rows = InferencePipeline(config), [], Rows()
        pipeline.on_prediction(told.append)
        pipeline.audience.observers.append(rows)
        await pipeline.start()
        await work(pipeline)
        await pipeline.stop()
        assert pipeline.why == ""
        return pipeline, told, rows.found


def batch(pipeline, lake, pieces):
    """The same of the recording, cut elsewhere, by the models that served."""
    bench, table, rows, told = pipeline.session.serving.bench, pipeline.audience.table, Rows(), []
    models = [bench.load(Path(about.path), 0) for about in pipeline.session.serving.models]
    for loaded, one in replayed(bench, models, cut(lake, pieces)):
        risk, version = loaded.decisions.risk, loaded.about.version
        rows.decided([one])
        told += predictions(one, table, risk, len(told) + 1, version)
    return told, rows.found


def alike(venues, symbols, model, lake, *, seconds=2.0, work=None, pieces=97, **more):
    """Serves for so long, compares with the recording, and gives the pipeline and its rows."""
    work = work or lasting(seconds)
    pipeline, told, rows = run(served(venues, symbols, model, lake, work, **more))
    again, found = batch(pipeline, lake, pieces)
    assert len(told) == pipeline.audience.count == len(rows) > 0
    assert found == rows and again == told
    return pipeline, rows


def lasting(seconds):
    async def work(pipeline):
        await pause(seconds)

    return work
