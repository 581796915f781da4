"""Candles on paper: their own venue, which holds orders and positions too."""

from dataclasses import replace

import numpy as np
import pytest
from backtest.test_arms_bars import MODEL, PLAN, SPEC, traded, walk
from papers import SELDOM

from flowsense.backtest.arms import Arm
from flowsense.backtest.bars import Frictions
from flowsense.backtest.consumed import ahead
from flowsense.backtest.pace import feed
from flowsense.backtest.paper import Paper
from flowsense.sources import chunks
from flowsense.testing.virtual import Virtual

pytestmark = pytest.mark.compiled
LATE = replace(PLAN, frictions=Frictions(1e-4, 0.5, 0.1, delay=2))
PARTLY = replace(PLAN, frictions=Frictions(0, 0, 0.01))
WAITS = replace(PLAN, frictions=Frictions(0, 0, 0.1, delay=20))


def opened(folder, source, plan):
    return Paper(folder, {"coin": Arm(MODEL, SPEC, plan)}, source.instruments, SELDOM, Virtual())


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(PLAN, marks=pytest.mark.slow, id="plain"),
        pytest.param(LATE, id="late"),
        pytest.param(PARTLY, marks=pytest.mark.slow, id="partly"),
    ],
)
def test_left_after_any_piece_it_trades_what_a_backtest_does(tmp_path, plan):
    source, expected = walk(n=120), traded(walk(n=120), plan)
    for left in (3, 30, 5, 1):
        paper, count = opened(tmp_path / "paper", source, plan), iter(range(left))
        assert paper.recovery.differences == ()
        parts = ahead(chunks(walk(n=120, chunk=left)), paper.position)
        feed(paper, parts, lambda count=count: next(count, None) is not None, Virtual())
        paper.let_go()
    paper = opened(tmp_path / "paper", source, plan)
    assert paper.position.counts[1] >= 39
    assert feed(paper, ahead(chunks(source), paper.position), lambda: True, Virtual())
    found = paper.results()["coin"]
    paper.close()
    assert len(found.fills) > 3 and found.config == expected.config
    assert np.array_equal(found.fills, expected.fills)
    assert np.array_equal(found.marks, expected.marks)


def test_what_the_venue_of_bars_holds_otherwise_is_told(tmp_path):
    source = walk(n=60)
    paper = opened(tmp_path / "paper", source, WAITS)
    for chunk in chunks(source):
        paper.push(chunk)
    venue = paper.arms.runs["coin"].venue
    venue.places["position"][0] += 1
    venue.venue["live"][0] = 0
    told = paper.status()["arms"]["coin"]["differences"]
    paper.let_go()
    assert any(
        "the account believes" in said and "the venue holds nothing" in said for said in told[:-1]
    )
    assert "lots, the venue holds" in told[-1]
