"""What a pipeline says while its venue is gone: nothing that is told then passes as fresh."""

import pytest
from live.followed import Told, table
from serve.parity import alike
from serve.test_faults_pipeline import NAME, model, served  # noqa: F401
from structlog.testing import capture_logs

from flowsense.replay import speaker
from flowsense.replay.faults import script
from flowsense.replay.server import Replay
from flowsense.serve.hub import Hub, Listener
from flowsense.serve.monitor import Monitor
from flowsense.wall import pause

pytestmark = pytest.mark.slow
GONE = {"at": 3.0, "do": "refuse", "seconds": 37.0}


def heard(listener):
    """What a listener to the stream was sent: (sequence, stale)."""
    frames = iter(listener.take, None)
    return [(frame.sequence, b'"stale":true' in frame.content("json")) for frame in frames]


def test_what_was_told_before_a_venue_was_lost_is_marked_at_once(model):  # noqa: F811
    """By `latest`, in the stream, in what is kept of it, and in the metrics; until it is back."""
    source, seen = Told(table(NAME, 2), 1_000, 0.05), []

    async def work(pipeline):
        listener, monitor = Listener(9_999, frozenset()), Monitor(pipeline)
        Hub(pipeline).join(listener, None)
        for when in (2.9, 0.3, 11.0, 30.0):
            await pause(when)
            await monitor.look()
            said = pipeline.latest("C00-USDT")
            stale = monitor.metrics.series.read("flowsense_stale")[NAME, "C00-USDT"]
            alarm = "feed_stale" in {rule for rule, _ in monitor.watch.open}
            kept = [p.stale for p in pipeline.since(0) if p.sequence == said.sequence]
            seen.append((said.stale, kept, stale, alarm))
        return heard(listener)

    with capture_logs() as logs:
        sent, _, told = served(model, source, work, GONE)
    before, lost, away, back = seen
    assert before == back == (False, [False], 0.0, False)
    assert lost == (True, [True], 1.0, False) and away == (True, [True], 1.0, True)
    marked = [n for n, stale in sent if stale]
    assert len(marked) == 2 and {(n, False) for n in marked} < {*sent}
    assert [p.sequence for _, p in told] == [*range(1, len(told) + 1)]
    said = [line["event"] for line in logs if "connection" in line["event"]]
    assert said == [
        "connection lost",
        "no connection yet",
        "no connection yet",
        "connection is back",
    ]


def test_silence_is_counted_from_the_last_message_and_not_from_a_try_to_connect(model):  # noqa: F811
    source, seen = Told(table(NAME, 1), 200, 0.05), []

    async def work(pipeline):
        monitor = Monitor(pipeline)
        for _ in range(30):
            await pause(1.0)
            await monitor.look()
            seen.append(monitor.metrics.series.read("flowsense_feed_staleness_seconds")[NAME,])

    served(model, source, work, GONE)
    assert max(seen[:2]) < 0.2
    assert seen[2:] == pytest.approx([k + seen[2] for k in range(28)], abs=0.1)


def test_once_it_is_stopped_nothing_that_was_told_passes_as_fresh(model):  # noqa: F811
    source = Told(table(NAME, 1), 200, 0.05)

    async def work(pipeline):
        await pause(3.0)
        fresh = pipeline.latest("C00-USDT")
        await pipeline.stop()
        return fresh.stale, pipeline.latest("C00-USDT").stale

    assert served(model, source, work)[0] == (False, True)


def test_a_session_in_which_its_venue_was_lost_replays_to_the_bit(model, tmp_path):  # noqa: F811
    """That it was, is a record: rows told without a venue are stale in the replay as well."""
    source = Told(table(NAME, 2), 400, 0.05)
    names = tuple(i.symbol for i in source.instruments)
    steps = script([{"at": 2.0, "do": "refuse", "seconds": 5.0}], "faults", [*names])
    venue = Replay(source, speaker(NAME)(source.instruments), faults=steps)
    symbols = tuple(f"{NAME}:{name}" for name in names)
    pipeline, _ = alike({NAME: venue}, symbols, model, tmp_path / "lake", seconds=10.0)
    assert pipeline.session.feeds[0].connections == 2
