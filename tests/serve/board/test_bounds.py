"""What the board holds and answers has an end, whatever the stream does and pages ask."""

import pytest
from serve.board.test_board import heard, served

from flowsense.serve.board import board as module
from flowsense.serve.board.told import Again, Ask
from flowsense.testing.loop import run
from flowsense.wall import pause

pytestmark = pytest.mark.slow


def test_a_page_that_watches_nothing_is_answered_with_nothing(tmp_path):
    async def work():
        async with served(tmp_path) as (_, board, _):
            await pause(3.0)
            page = board.join(admin=False)
            heard(page)
            board.asked(page, Ask(again=Again(-1, 0, 10**12)))
            return heard(page)

    states, columns = run(work())

    assert not columns and "gone" not in states


def test_a_picture_that_cannot_follow_is_begun_anew_and_predictions_go_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "WAITING", 100)

    async def work():
        async with served(tmp_path) as (pipeline, board, _):
            page = board.join(admin=False)
            next(t for t in pipeline.tasks.running if t.get_name() == "the board").cancel()
            most = 0
            for _ in range(50):
                await pause(0.1)
                most = max(most, sum(len(one.tape.events) for one, _ in board.pending))
            return most, heard(page)[0], pipeline.status().predictions

    most, states, predictions = run(work())

    assert 0 < most <= 100 and predictions > 50
    assert "cannot follow" in states["refusal"]["message"]


def test_a_page_that_comes_late_is_told_rates_of_the_last_seconds(tmp_path):
    async def work():
        async with served(tmp_path) as (_, board, _):
            board.leave(board.join(admin=False))
            await pause(12.0)
            board.join(admin=False)
            return board.rates.counts

    counts = run(work())

    assert 4.0 < counts[-1].at - counts[0].at < 6.0
    assert 0 < counts[0].events < counts[-1].events
