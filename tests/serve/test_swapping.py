"""Models that take over from each other while predictions flow, in virtual time."""

import asyncio
import os
import pickle
from dataclasses import replace
from hashlib import sha256
from itertools import groupby
from json import dumps, loads
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from serve.cutting import cut

from flowsense.ensemble.blend import Blend
from flowsense.ensemble.members import Ensemble
from flowsense.live.feed import Address
from flowsense.model.calibrated import Calibrated
from flowsense.models.settings import kind_of, settings
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.schema import Decimal, Instrument
from flowsense.serve.config import PipelineConfig
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.replayed import replayed
from flowsense.serve.speaking import predictions
from flowsense.store import checkpoint
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.testing.streams import Recording
from flowsense.testing.toy import by_level, by_order, merge
from flowsense.train.shelf import load_model
from flowsense.wall import pause

pytestmark = pytest.mark.slow
VENUE = "binance-spot"
SYMBOLS = ("AAAUSDT", "BBBUSDT")
TABLE = tuple(Instrument(s, VENUE, Decimal(1, -2), Decimal(1, 0)) for s in SYMBOLS)


class Payload:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Two good models, and bad ones by what is wrong with them."""
    folder = tmp_path_factory.mktemp("shelf")
    for seed in (1, 2):
        save(folder / f"good-{seed}", seed)
    for name in ("corrupt", "pickle"):
        copytree(folder / "good-1", folder / name)
    corrupt(folder / "corrupt")
    changed(folder, "infinite", size=lambda x: np.full_like(x, np.inf))
    changed(folder, "shapes", weight=lambda x: x[:, :3])
    poisoned(folder / "pickle", folder / "escaped")
    slow(folder)
    (folder / "empty").mkdir()
    return folder


def corrupt(place):
    file = place / "params.npz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def changed(folder, name, **changes):
    """With other numbers than were fitted, saved as they should be."""
    manifest, params, _ = checkpoint.load(folder / "good-1")
    params |= {k: change(params[k]) for k, change in changes.items()}
    checkpoint.save(folder / name, manifest, params)


def poisoned(place, escaped):
    """A pickle with the right hashes."""
    data, manifest = pickle.dumps(Payload(escaped)), place / "manifest.json"
    (place / "params.npz").write_bytes(data)
    body = loads(manifest.read_bytes())
    body["files"]["params.npz"] = [len(data), sha256(data).hexdigest()]
    manifest.write_text(dumps(body))
    (place / "manifest.sha256").write_text(sha256(manifest.read_bytes()).hexdigest())


def slow(folder):
    """Hundreds of members: far more than ten times the work of one."""
    one, _ = load_model(folder / "good-1")
    manifest = checkpoint.load(folder / "good-1").manifest
    count, T = 300, len(one.targets)
    weight = np.full((2, 1, count, T), 1 / count)
    blend = Blend(learn=False, table=False)
    fitted = {"target": np.array([str(t) for t in one.targets]), "weight": weight}
    fitted |= {"offset": np.zeros(T), "usual": np.ones(1), "regimes": np.array([], np.str_)}
    model = Ensemble((one.model,) * count, blend.load(fitted))
    many = Calibrated(model, one.scale, one.curves)
    about = replace(manifest, model=kind_of(model), config=settings(model))
    checkpoint.save(folder / "slow", about, many.params())


def market(n=1_500):
    return Recording(TABLE, merge(*(by_level(by_order(n, 7 + k, k)) for k in range(2))))


def flowing(model, work, **more):
    """What work(pipeline) returns and all that was told, while the market speaks."""

    async def go():
        async with Replay(Messages(market()), speaker(VENUE)(TABLE)) as venue:
            config = PipelineConfig(
                *(model, SYMBOLS, VENUE),
                addresses={VENUE: Address(venue.stream, venue.rest)},
                aside=False,
                **more,
            )
            pipeline, told = InferencePipeline(config), []
            pipeline.on_prediction(told.append)
            try:
                await pipeline.start()
                return await work(pipeline), told
            finally:
                await pipeline.stop()

    return run(go())


def versions(told):
    """Of all predictions, each stretch once."""
    return [version for version, _ in groupby(told, lambda p: p.model_version)]


def whole(told):
    """Whether every prediction is there once."""
    slots = [(p.symbol, p.ts) for p in told]
    ordered = [p.sequence for p in told] == [*range(1, len(told) + 1)]
    return ordered and len(set(slots)) == len(slots) and steady(told)


def steady(told):
    """Whether rows follow each other by 100 ms."""
    each = [np.diff([p.ts for p in told if p.symbol == s]) for s in SYMBOLS]
    return all((gaps == 100_000_000).all() for gaps in each)


def test_a_good_model_takes_over_once_and_no_prediction_is_lost(shelf):
    async def work(pipeline):
        await pause(2.0)
        swap = await pipeline.reload(shelf / "good-2")
        await pause(2.0)
        return swap

    swap, told = flowing(shelf / "good-1", work)
    assert swap.accepted and versions(told) == [swap.before, swap.version]
    assert whole(told) and len(told) > 50


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("corrupt", "damaged"),
        ("infinite", "not finite"),
        ("shapes", "are of other shapes"),
        ("nowhere", "neither a run nor"),
        ("empty", "neither a run nor"),
        ("pickle", "params.npz"),
    ],
)
def test_a_bad_model_is_refused_and_the_other_goes_on(shelf, name, said):
    async def work(pipeline):
        early = await pipeline.reload(shelf / name)  # before anything was heard
        await pause(2.0)
        late = await pipeline.reload(shelf / name)
        await pause(2.0)
        return early, late

    swaps, told = flowing(shelf / "good-1", work)
    for swap in swaps:
        assert not swap.accepted and said in swap.why and swap.version == swap.before
    assert versions(told) == [swaps[0].version] and whole(told)
    assert not (shelf / "escaped").exists()


@pytest.mark.compiled
def test_a_model_ten_times_slower_is_refused(shelf):
    async def work(pipeline):
        await pause(1.0)
        return await pipeline.reload(shelf / "slow")

    swap, _ = flowing(shelf / "good-1", work)
    assert not swap.accepted and "times what serves now" in swap.why


def test_who_leaves_before_a_model_takes_over_stops_nothing(shelf):
    async def work(pipeline):
        await pause(0.5)
        serving = pipeline.session.serving
        for _ in range(5):
            task = asyncio.ensure_future(pipeline.reload(shelf / "good-2"))
            while serving.next is None and not task.done():
                await pause(0.0)
            task.cancel()
            await asyncio.wait((task,))
            await pause(0.3)
        serving.take_over(pipeline.session.turns.inbox.recent, 0)  # its asker has just left
        return pipeline.state, await pipeline.reload(shelf / "good-2")

    (state, swap), told = flowing(shelf / "good-1", work)
    assert state == "running" and swap.accepted and whole(told)


def test_twenty_reloads_of_which_five_are_bad_while_predictions_flow(shelf):
    bad = ("corrupt", "infinite", "shapes", "nowhere", "pickle")

    async def work(pipeline):
        swaps = []
        for k in range(20):
            await pause(0.3)
            name = bad[k // 4] if k % 4 == 3 else f"good-{2 - k % 2}"
            swaps.append(await pipeline.reload(shelf / name))
        return swaps

    swaps, told = flowing(shelf / "good-1", work)
    refused = [(k, s.why) for k, s in enumerate(swaps) if not s.accepted]
    assert [k for k, _ in refused] == [*range(3, 20, 4)], refused
    changes = [s.version for s in swaps if s.accepted and s.version != s.before]
    assert versions(told)[1:] in (changes, changes[:-1]) and whole(told)


class Swaps:
    """An observer of nothing else."""

    def __init__(self):
        self.of = []
        self.swapped = self.of.append

    def heard(self, told): ...
    def decided(self, decided): ...
    def told(self, prediction): ...


def test_a_model_that_fails_in_service_gives_way_to_the_one_before_it(shelf):
    async def work(pipeline):
        pipeline.audience.observers.append(seen := Swaps())
        await pause(1.5)
        first = await pipeline.reload(shelf / "good-2")
        await pause(2.0)
        pipeline.loaded.decisions.engine.state = None
        await pause(2.0)
        return first, pipeline.status(), seen.of

    (swap, status, (_, rolled)), told = flowing(shelf / "good-1", work)
    assert status.state == "running" and status.model.version == swap.before
    assert versions(told) == [swap.before, swap.version, swap.before] and whole(told)
    assert "AttributeError" in rolled.why and not rolled.accepted


def test_where_no_model_served_before_its_failure_is_told(shelf):
    async def work(pipeline):
        await pause(1.5)
        pipeline.loaded.decisions.engine.state = None
        await pause(2.0)
        return pipeline.status()

    status, told = flowing(shelf / "good-1", work)
    assert status.state == "failed" and "AttributeError" in status.why and whole(told)


def test_a_reload_ends_when_the_pipeline_is_stopped_meanwhile(shelf):
    async def work(pipeline):
        await pause(1.5)
        async with asyncio.TaskGroup() as tasks:
            reload = tasks.create_task(pipeline.reload(shelf / "good-2"))
            await pause(0.0)
            await pipeline.stop()
        return reload.result()

    swap, _ = flowing(shelf / "good-1", work)
    assert not swap.accepted and "stopped" in swap.why


def test_a_model_is_judged_by_what_serves_not_by_what_lies_in_its_folder_now(shelf, tmp_path):
    copytree(shelf / "good-1", tmp_path / "served")

    async def work(pipeline):
        await pause(1.0)
        corrupt(tmp_path / "served")
        return await pipeline.reload(None), await pipeline.reload(shelf / "good-2")

    (same, other), _ = flowing(tmp_path / "served", work)
    assert "damaged" in same.why and other.accepted


def test_a_recording_with_swaps_and_a_rollback_replays_to_the_bit(shelf, tmp_path):
    async def work(pipeline):
        await pause(1.0)
        for name in ("good-2", "corrupt", "good-1", "good-2"):
            await pipeline.reload(shelf / name)
            await pause(0.5)
        pipeline.loaded.decisions.engine.state = None
        await pause(1.0)
        return pipeline

    pipeline, told = flowing(shelf / "good-1", work, record=tmp_path / "lake")
    places = [m.path for m in pipeline.session.serving.models]
    assert len(versions(told)) == len(places) == 5 and whole(told)
    for pieces in (1, 23):
        assert batch(pipeline.session.serving.bench, places, tmp_path / "lake", pieces) == told


def batch(bench, places, lake, pieces):
    """The same from the recording, cut elsewhere."""
    models, out = [bench.load(Path(place), 0) for place in places], []
    for loaded, one in replayed(bench, models, cut(lake, pieces)):
        risk, version = loaded.decisions.risk, loaded.about.version
        out += predictions(one, TABLE, risk, len(out) + 1, version)
    return out
