"""A session that was killed and is started again goes on, and its recordings say the same."""

import os
import signal
import threading
from dataclasses import replace
from shutil import copytree

import numpy as np
import pytest
from serve.cutting import cut
from serve.parity import Rows
from serve.test_swapping import SYMBOLS, TABLE, VENUE, market
from structlog.testing import capture_logs

from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.schema import SECOND
from flowsense.serve import resuming
from flowsense.serve.config import PipelineConfig
from flowsense.serve.decisions import Decisions
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.replayed import replayed
from flowsense.serve.speaking import predictions
from flowsense.store.arrays import unpack
from flowsense.testing.fitted import save
from flowsense.testing.loop import BEGIN, run
from flowsense.train.shelf import load_model
from flowsense.wall import pause

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resuming")
    return [save(folder / str(seed), seed) for seed in (1, 2)]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(resuming, "EVERY", SECOND)


def session(model, lake, seconds, begin=0, *, killed=None, work=None):
    """A pipeline, all that it told, its rows and the log; `killed`: a copy of the lake as kill -9
    would leave it; `work`: is done with the pipeline before it ends."""

    async def go():
        async with Replay(Messages(market()), speaker(VENUE)(TABLE)) as venue:
            at = {VENUE: Address(venue.stream, venue.rest)}
            config = PipelineConfig(model, SYMBOLS, VENUE, addresses=at, record=lake, aside=False)
            pipeline, told, rows = InferencePipeline(config), [], Rows()
            pipeline.on_prediction(told.append)
            pipeline.audience.observers.append(rows)
            await pipeline.start()
            await pause(seconds)
            if work is not None:
                await work(pipeline)
            if killed is not None:
                pipeline.session.turns.archive.last.result()
                copytree(lake, killed)
            await pipeline.stop()
            return pipeline, told, rows.found

    with capture_logs() as log:
        found = run(go(), BEGIN + round(begin * SECOND))
    return *found, [one for one in log if one["event"] in ("warm start", "cold start")]


def again(pipeline, lake, pieces):
    """Of all recordings of the lake, by the model that served both."""
    bench, rows, told = pipeline.session.serving.bench, Rows(), []
    first = bench.load(pipeline.config.model, 0)
    for one, decided in replayed(bench, [first], cut(lake, pieces)):
        rows.decided([decided])
        told += predictions(decided, TABLE, one.decisions.risk, 1, one.about.version)
    return [replace(p, sequence=0) for p in told], rows.found


@pytest.mark.parametrize("seconds", [2.35, 4.7])
def test_killed_it_goes_on_and_the_replay_of_both_sessions_agrees(models, tmp_path, seconds):
    lake = tmp_path / "lake"
    session(models[0], tmp_path / "first", seconds, killed=lake)
    pipeline, told, rows, log = session(models[0], lake, 3.0, begin=20)
    assert [one["event"] for one in log] == ["warm start"] and len(told) > 20
    for pieces in (1, 23):
        all_told, all_rows = again(pipeline, lake, pieces)
        assert all_rows[-len(rows) :] == rows
        assert all_told[-len(told) :] == [replace(p, sequence=0) for p in told]
    assert all_rows[-len(rows) - 1][0] < BEGIN + 20 * SECOND <= rows[0][0]


def test_stopped_it_goes_on_too_and_knows_more_than_a_cold_one(models, tmp_path):
    session(models[0], tmp_path / "lake", 3.0)
    _, _, warm, log = session(models[0], tmp_path / "lake", 2.0, begin=20)
    _, _, cold, _ = session(models[0], tmp_path / "other", 2.0, begin=20)
    assert [one["event"] for one in log] == ["warm start"]
    assert [row[:2] for row in warm] == [row[:2] for row in cold] and warm[0] != cold[0]


@pytest.mark.parametrize(
    ("begin", "spoil", "said"),
    [
        (20, lambda place, models: (place, models[1]), "is served"),
        (2_000, lambda place, models: (place, models[0]), "too old"),
        (20, lambda place, models: (place.write_bytes(b"none"), models[0]), "engine.npz"),
    ],
)
def test_a_snapshot_of_something_else_is_refused_and_the_start_is_cold(
    models, tmp_path, begin, spoil, said
):
    session(models[0], tmp_path / "lake", 2.0)
    _, model = spoil(tmp_path / "lake" / ".live" / "engine.npz", models)
    pipeline, told, _, (log,) = session(model, tmp_path / "lake", 2.0, begin=begin)
    assert log["event"] == "cold start" and said in log["why"] and told
    assert pipeline.why == ""


def test_what_a_model_failed_on_before_does_not_keep_it_from_starting(
    models, tmp_path, monkeypatch
):
    lake, kind = tmp_path / "lake", type(load_model(models[0])[0].model)
    session(models[0], tmp_path / "first", 2.35, killed=lake)
    predict, fatal = kind.predict, BEGIN + 23 * SECOND // 10

    def fails(self, state, tape):
        return predict(self, state, tape) if fatal not in tape.rows[0].ts else 1 // 0

    monkeypatch.setattr(kind, "predict", fails)
    _, told, _, (log,) = session(models[0], lake, 2.0, begin=20)
    assert log["event"] == "cold start" and "ZeroDivisionError" in log["why"] and told


def test_a_state_that_cannot_be_kept_costs_its_snapshot_alone(models, tmp_path, monkeypatch):
    lake = tmp_path / "lake"

    def lost(self):
        raise TypeError("a model of somebody's")

    async def break_it(pipeline):
        monkeypatch.setattr(Decisions, "snapshot", lost)
        await pause(3.0)

    pipeline, told, _, _ = session(models[0], lake, 2.0, work=break_it)
    assert pipeline.why == "" and told[-1].ts > BEGIN + 4 * SECOND
    assert (lake / ".live" / "engine.npz").exists()


def test_a_snapshot_of_the_session_before_the_last_is_refused(models, tmp_path):
    """The last was killed before its first: its recording begins where this one would."""
    lake = tmp_path / "lake"
    session(models[0], lake, 2.0)
    before = (lake / ".live" / "engine.npz").read_bytes()
    session(models[0], lake, 1.0, begin=20)
    (lake / ".live" / "engine.npz").write_bytes(before)
    _, _, _, (log,) = session(models[0], lake, 1.0, begin=30)
    assert log["event"] == "cold start" and "another session has followed" in log["why"]


def test_killed_at_any_moment_a_snapshot_is_whole(tmp_path):
    """R23: 40 times kill -9 while it is written."""
    path, rng = tmp_path / "engine.npz", np.random.default_rng(1)
    arrays = {"x": np.arange(200_000)}
    resuming.write(path, {"n": 0}, arrays)
    for _ in range(40):
        child = os.fork()
        if not child:
            while True:
                resuming.write(path, {"n": 1}, arrays)
        threading.Event().wait(rng.random() / 50)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert (unpack(path.read_bytes())["x"] == arrays["x"]).all()
