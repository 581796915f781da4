"""The board beside a real pipeline, on a real venue of our own, in virtual time."""

import json
from contextlib import asynccontextmanager

import numpy as np
import pytest
from serve.board.test_columns import read
from serve.test_members import RULES, SPEC, Faulty, ensemble
from serve.test_swapping import SYMBOLS, TABLE, VENUE, market

from flowsense.live.feed import Address
from flowsense.replay import speaker
from flowsense.replay.faults import Step
from flowsense.replay.feed import Messages
from flowsense.replay.server import Replay
from flowsense.serve.board import wire
from flowsense.serve.board.board import Board
from flowsense.serve.board.columns import Columns
from flowsense.serve.board.told import Acknowledge, Again, Ask, Watch
from flowsense.serve.config import PipelineConfig
from flowsense.serve.decisions import Decisions
from flowsense.serve.monitor import Monitor
from flowsense.serve.pipeline import InferencePipeline
from flowsense.serve.swapping import Loaded
from flowsense.testing.fitted import save
from flowsense.testing.loop import run
from flowsense.wall import pause

pytestmark = pytest.mark.slow


@asynccontextmanager
async def served(folder, members=None, faults=()):
    """A pipeline that runs, and its board."""
    async with Replay(Messages(market()), speaker(VENUE)(TABLE), faults=faults) as venue:
        at = {VENUE: Address(venue.stream, venue.rest)}
        place = save(folder / "model") if not (folder / "model").exists() else folder / "model"
        config = PipelineConfig(place, SYMBOLS, VENUE, addresses=at, aside=False, members=RULES)
        pipeline = InferencePipeline(config)
        board = Board(pipeline, Monitor(pipeline), "REPLAY")
        await pipeline.start()
        if members is not None:
            members(pipeline)
        pipeline.tasks.spawn("the board", board.run())
        yield pipeline, board, venue
        await pipeline.stop()


def heard(page):
    """All that waits for a page: the newest of each topic, and its columns in order."""
    states, columns = {}, []
    while (taken := page.take()) is not None:
        text, content = taken
        if text:
            said = json.loads(content)
            states[said["topic"]] = said
        else:
            columns += unpacked(content)
    return states, columns


def unpacked(frame):
    """Columns of a frame, each as fields, strip and trades."""
    head, at, found = np.frombuffer(frame, wire.HEAD, 1)[0], wire.HEAD.itemsize, []
    assert (head["kind"], head["version"], head["cells"]) == (1, wire.VERSION, wire.CELLS)
    for _ in range(head["count"]):
        one = Sent(frame[at:])
        found.append(one)
        size = wire.COLUMN.itemsize + wire.CELLS + len(one.trades) * wire.TRADE.itemsize
        at += size + -size % 8
    assert at == len(frame)
    return found


class Sent:
    def __init__(self, data):
        self.data = data
        self.fields, self.strip, self.trades = read(self)

    @property
    def number(self):
        return int(self.fields["number"])


async def watching(board, instrument=0, **wish):
    page = board.join(admin=True)
    board.asked(page, Ask(watch=Watch(instrument, **wish)))
    return page


def test_a_page_is_told_all_there_is_and_columns_without_a_hole(tmp_path):
    async def work():
        async with served(tmp_path) as (pipeline, board, _):
            await pause(3.0)
            page = await watching(board)
            await pause(12.0)
            return heard(page), pipeline.status(), pipeline.latest(SYMBOLS[0])

    (states, columns), status, latest = run(work())

    assert {"hello", "status", "votes", "book", "equity", "latency", "alarms"} <= {*states}
    assert {"calibration", "drift"} <= {*states}
    numbers = [c.number for c in columns]
    assert numbers == [*range(numbers[0], numbers[0] + len(numbers))] and len(numbers) > 140
    whole = [c for c in columns if c.fields["state"] == wire.WHOLE]
    assert len(whole) > 100 and all(c.strip.any() for c in whole)
    assert states["status"]["feeds"][0]["venue"] == VENUE and states["status"]["state"] == "running"
    assert 0 <= status.predictions - states["status"]["predictions"] < 20
    assert states["votes"]["prediction"]["sequence"] <= latest.sequence
    assert [i["symbol"] for i in states["hello"]["instruments"]] == [*SYMBOLS]
    marks = [m["number"] for m in states["equity"]["marks"]]
    assert marks and states["equity"]["why"] == ""
    assert states["equity"]["capital"] == 1_000_000


def test_the_account_of_a_simulated_market_is_one_that_its_books_bear(tmp_path):
    async def work():
        async with served(tmp_path) as (_, board, _):
            board.mode, board.picture = "SIMULATED", None
            await pause(3.0)
            page = await watching(board)
            await pause(3.0)
            return heard(page)[0]["equity"]

    told = run(work())

    assert (told["capital"], told["why"], told["fees"]) == (10_000, "", 0)


def test_columns_are_those_of_the_recorded_stream(tmp_path):
    kept = []

    async def work():
        async with served(tmp_path) as (_, board, _):
            of = board.decided
            board.decided = lambda some: (kept.extend(d.tape.events for d in some), of(some))
            page = await watching(board)
            await pause(8.0)
            return heard(page)[1]

    sent = run(work())

    again = {c.number: c for c in Columns(TABLE).push(np.concatenate(kept)) if c.instrument == 0}
    quiet = [c for c in sent if not c.fields["known"] & wire.SAID]
    assert len(sent) > 60 and {c.number for c in sent} <= again.keys()
    for one in sent:
        assert read(again[one.number])[1].tobytes() == one.strip.tobytes()
        assert read(again[one.number])[0]["cvd"] == one.fields["cvd"]
    assert len(quiet) < len(sent)


def test_a_hole_is_filled_and_what_is_not_kept_is_said_to_be_gone(tmp_path):
    async def work():
        async with served(tmp_path) as (_, board, _):
            await pause(4.0)
            page = await watching(board, span=10)
            first = heard(page)[1]
            newest = first[-1].number
            board.asked(page, Ask(again=Again(0, newest - 15, newest - 5)))
            board.asked(page, Ask(again=Again(0, newest - 9_000, newest - 8_995)))
            board.asked(page, Ask(again=Again(1, newest - 5, newest)))
            return first, newest, heard(page)

    first, newest, (states, again) = run(work())

    assert len(first) == 10
    assert [c.number for c in again] == [*range(newest - 15, newest - 4)]
    assert states["gone"] == {
        "topic": "gone",
        "instrument": 0,
        "first": newest - 9_000,
        "last": newest - 8_995,
    }


def test_after_a_reconnect_a_page_gets_what_it_missed_and_nothing_twice(tmp_path):
    async def work():
        async with served(tmp_path) as (_, board, _):
            await pause(3.0)
            page = await watching(board)
            before = heard(page)[1]
            board.leave(page)
            await pause(2.0)
            page = await watching(board, after=before[-1].number)
            await pause(1.0)
            return before, heard(page)[1]

    before, after = run(work())

    numbers = [c.number for c in (*before, *after)]
    assert numbers == [*range(numbers[0], numbers[-1] + 1)] and len(after) > 25


def test_a_lost_venue_leaves_broken_columns(tmp_path):
    async def work():
        faults = [Step(at=3.0, do="reset")]
        async with served(tmp_path, faults=faults) as (_, board, _):
            page = await watching(board)
            await pause(9.0)
            return heard(page)[1]

    states = [int(c.fields["state"]) for c in run(work())]

    assert wire.BROKEN in states and states[-1] == wire.WHOLE


def failing(pipeline):
    """Members a, b, c and d, of which b raises at every row but the first few."""
    serving = pipeline.session.serving
    model = ensemble()
    serving.loaded = Loaded(serving.loaded.about, Decisions(model, SPEC, TABLE), model)
    serving.loaded.decisions.seat(RULES)
    seat = serving.loaded.decisions.voice.panel.seats[1]
    seat.model = Faulty(seat.model, dict.fromkeys(range(5, 9_999), "raise"), Never())


def test_a_member_that_fails_says_why_and_weights_are_of_the_others(tmp_path):
    async def work():
        async with served(tmp_path, failing) as (_, board, _):
            page = await watching(board)
            await pause(4.0)
            return heard(page)[0]["votes"]

    votes = run(work())

    by = {v["name"]: v for v in votes["votes"]}
    assert by["b"]["state"] == "left out" and by["b"]["why"].startswith("it raised an error")
    assert by["b"]["p_up"] is None and by["b"]["weight"] is None and by["b"]["age_ms"] >= 100
    heard_of = [by[n] for n in "acd"]
    assert all(v["state"] == "ok" and v["age_ms"] == 0 for v in heard_of)
    assert (votes["answered"], votes["needed"]) == (3, 3)
    known = [v["weight"] for v in heard_of if v["weight"] is not None]
    assert not known or sum(known) == pytest.approx(1)


class Never:
    def wait(self, seconds):
        return False


def test_alarms_are_told_and_acknowledged_by_who_may(tmp_path):
    async def work():
        async with served(tmp_path) as (pipeline, board, _):
            await pause(1.0)
            may, reads = board.join(admin=True), board.join(admin=False)
            series = board.monitor.metrics.series
            series.put("flowsense_feed_barred_seconds", 600.0, (VENUE,))
            board.monitor.watch.look(pipeline.now())
            await pause(1.0)
            told = heard(may)[0]["alarms"]["alarms"]
            wish = Ask(acknowledge=Acknowledge("feed_barred", VENUE))
            board.asked(reads, wish)
            refused = heard(reads)[0]
            board.asked(may, wish)
            after = heard(may)[0]["alarms"]["alarms"]
            for seconds in (0.0, 600.0):  # it is over, and comes again
                series.put("flowsense_feed_barred_seconds", seconds, (VENUE,))
                board.monitor.watch.look(pipeline.now())
                await pause(1.0)
            again = heard(may)[0]["alarms"]["alarms"]
            board.asked(may, wish)
            return told, refused, after, again, len(board.seen)

    told, refused, after, again, seen = run(work())

    assert [(a["rule"], a["severity"], a["acknowledged"]) for a in told] == [
        ("feed_barred", "critical", False)
    ]
    assert told[0]["action"] and "may only read" in refused["refusal"]["message"]
    assert [a["acknowledged"] for a in after] == [True]
    assert [a["acknowledged"] for a in again] == [False] and seen == 1


def test_what_fails_in_the_picture_is_told_and_predictions_go_on(tmp_path):
    async def work():
        async with served(tmp_path) as (pipeline, board, _):
            page = await watching(board)
            await pause(2.0)
            board.picture.columns.fold = None
            await pause(1.0)
            before = pipeline.status().predictions
            board.asked(page, Ask(watch=Watch(0)))
            await pause(2.0)
            return heard(page)[0], pipeline.status().predictions - before

    states, more = run(work())

    assert "the dashboard failed" in states["refusal"]["message"] and more > 10
