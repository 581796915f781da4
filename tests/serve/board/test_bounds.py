"""What the board holds and answers has an end, whatever the stream does and pages ask."""

import pytest
from serve.board.test_board import heard, served

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
