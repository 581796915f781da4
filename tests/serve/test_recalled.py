"""What was explained live is explained again of its recording, number by number."""

import numpy as np
import pytest

from flowsense.ensemble.combiners import combiner
from flowsense.ensemble.members import Ensemble
from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.forecast import Target
from flowsense.live.feed import Address
from flowsense.model import Budget
from flowsense.model.calibrated import Calibrated
from flowsense.models import build
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.schema import DAY, EVENT, Chunk, Decimal, Instrument
from flowsense.serve.config import PipelineConfig
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.recalled import recalled
from flowsense.serve.swapping import Bench
from flowsense.sources import NO_BARS, NO_OBSERVATIONS, chunks
from flowsense.sources.open import open_source
from flowsense.testing.fitted import FAMILIES, TARGETS, save
from flowsense.testing.loop import run
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order, merge
from flowsense.train.dataset import prepare
from flowsense.train.shelf import keep
from flowsense.wall import pause

pytestmark = pytest.mark.slow
VENUE, SYMBOLS = "binance-spot", ("AAAUSDT", "BBBUSDT")
TABLE = tuple(Instrument(s, VENUE, Decimal(1, -2), Decimal(1, 0)) for s in SYMBOLS)


def market(seed=7, n=1_500, before=0):
    """So many ns before the usual time."""
    events = merge(*(by_level(by_order(n, seed + k, k)) for k in range(2)))
    events["ts_event"] -= before
    events["ts_recv"] -= before
    return Recording(TABLE, events)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A plain model, and one whose members' shares follow what comes of their forecasts."""
    folder = tmp_path_factory.mktemp("shelf")
    save(folder / "plain")
    targets = tuple(map(Target.parse, TARGETS))
    data = prepare(market(1, 2_000, DAY), spec(FAMILIES, ("interval:100ms",)), targets)
    members = build("logistic", most=1_000), build("last_trade"), build("vote")
    model = Calibrated(Ensemble(members, combiner("adaptive")))
    model = model.fit(data, data.labels, seed=1, budget=Budget(steps=8))
    keep(folder / "adaptive", model, data, (int(data.ts[0]), int(data.ts[-1]) + 1), 1, {})
    return folder


@pytest.fixture
def session(shelf, tmp_path):
    """Of a model, what the pipeline explained at several times, beside its recording."""

    def of(name, then=None):
        async def go():
            async with Replay(Messages(market()), speaker(VENUE)(TABLE)) as venue:
                at = {VENUE: Address(venue.stream, venue.rest)}
                config = PipelineConfig(
                    *(shelf / name, SYMBOLS, VENUE), addresses=at, record=tmp_path, aside=False
                )
                pipeline = InferencePipeline(config)
                await pipeline.start()
                await pause(6.0)
                found = [pipeline.explain(s) for s in SYMBOLS]
                if then is not None:
                    assert (await pipeline.reload(shelf / then)).accepted
                await pause(3.0)
                found += [pipeline.explain(s) for s in SYMBOLS]
                await pipeline.stop()
                return pipeline, found

        return *run(go()), open_source([tmp_path])

    return of


def again(pipeline, model, source, like, at=None):
    bench = Bench(source.instruments, pipeline.config.settings)
    who = [i.symbol for i in source.instruments].index(like.prediction.symbol)
    ts = like.prediction.ts if at is None else at
    return recalled(bench, bench.load(model, 0), chunks(source), who, ts)


@pytest.mark.parametrize("name", ["plain", "adaptive"])
def test_an_explanation_of_a_recording_is_the_live_one(session, shelf, name):
    pipeline, found, source = session(name)
    for live in found:
        assert again(pipeline, shelf / name, source, live) == live
        assert live.costs["spread"] >= 1 and live.costs["fees"] == 0
    assert found[0].prediction.ts < found[2].prediction.ts
    if name == "adaptive":
        assert sum(found[2].weights.values()) == pytest.approx(1.0)
        assert found[0].weights != found[2].weights and len(found[0].members) == 3


def test_of_a_model_that_took_over_too(session, shelf):
    pipeline, found, source = session("plain", then="adaptive")
    for live, name in zip(found, ("plain", "plain", "adaptive", "adaptive"), strict=True):
        assert again(pipeline, shelf / name, source, live) == live
    assert len({live.prediction.model_version for live in found}) == 2


def test_the_row_at_or_before_a_time_is_told_however_the_recording_is_cut(session, shelf):
    pipeline, (live, *_), source = session("adaptive")
    events = np.concatenate(list(source)).view(EVENT)
    bench = Bench(source.instruments, pipeline.config.settings)
    loaded = bench.load(shelf / "adaptive", 0)
    for pieces in (1, 300):
        cut = np.array_split(events, pieces)
        parts = [Chunk(part.view(EVENT), NO_BARS, NO_OBSERVATIONS) for part in cut]
        assert recalled(bench, loaded, iter(parts), 0, live.prediction.ts + 99_999_999) == live


def test_a_time_outside_is_refused_with_the_range(session, shelf):
    pipeline, (live, *_), source = session("plain")
    first, last = (int(e["ts_recv"]) for e in np.concatenate(list(source))[[0, -1]])
    for ts in (first - 1, last + 1):
        with pytest.raises(InputError, match=r"lies outside of the recording: it is from .*Z to"):
            again(pipeline, shelf / "plain", source, live, ts)
    with pytest.raises(InputError, match=r"AAAUSDT has no row at or before .*Z: nothing of it"):
        again(pipeline, shelf / "plain", source, live, first)
