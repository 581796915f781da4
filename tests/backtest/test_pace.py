"""Pieces hold all that came, in its order, and none is pushed before it is due."""

import numpy as np
import pytest
from papers import MAKER, SELDOM, chunk, market, opened

from flowsense.backtest.pace import Pace, divided, feed
from flowsense.schema import BAR, EVENT, NEVER, OBSERVATION, SECOND, Chunk, zeros
from flowsense.sources import NO_BARS, NO_OBSERVATIONS
from flowsense.testing.virtual import Virtual


def stamped(dtype, *seconds):
    out = zeros(dtype, len(seconds))
    out["ts_recv"] = np.array(seconds) * SECOND
    return out


def seconds(part):
    return [(x["ts_recv"] // SECOND).tolist() for x in part]


MIXED = Chunk(stamped(EVENT, 1, 2, 2, 5, 9), stamped(BAR, 2, 5, 12), stamped(OBSERVATION, 0, 7))


@pytest.mark.parametrize(
    ("until", "size", "first"),
    [
        (NEVER, 9, [[1, 2, 2, 5, 9], [2, 5, 12], [0, 7]]),
        (NEVER, 2, [[1, 2], [2], [0]]),  # bars go before the events of their time
        (6 * SECOND, 9, [[1, 2, 2, 5], [2, 5], [0]]),
        (0, 9, [[], [], [0]]),
        (-1, 9, [[], [], []]),
    ],
)
def test_a_piece_is_what_came_until_then(until, size, first):
    piece, rest = divided(MIXED, until, size)
    assert seconds(piece) == first
    for a, b, whole in zip(piece, rest, MIXED, strict=True):
        assert np.concatenate([a, b]).tobytes() == whole.tobytes()


def test_pieces_together_are_the_whole():
    rest, parts = MIXED, []
    while any(map(len, rest)):
        piece, rest = divided(rest, NEVER, 1)
        parts.append(piece)
    for k, whole in enumerate(MIXED):
        assert np.concatenate([part[k] for part in parts]).tobytes() == whole.tobytes()


def test_a_pace_waits_until_the_next_record_is_due():
    clock = Virtual()
    pace, rest = Pace(clock, 4.0), Chunk(stamped(EVENT, 10, 14), NO_BARS, NO_OBSERVATIONS)
    assert pace.until(rest) == 10 * SECOND
    rest = divided(rest, 10 * SECOND, 9)[1]
    while pace.until(rest) < 14 * SECOND:
        assert clock.now() <= SECOND
    assert SECOND <= clock.now() < 1.1 * SECOND


@pytest.mark.slow
@pytest.mark.compiled
def test_a_recording_takes_its_own_time_over_its_speed(tmp_path):
    made, clock, seen = market(), Virtual(), []
    paper = opened(tmp_path / "paper", made, MAKER, SELDOM)

    def go_on():
        first = int(made.events["ts_recv"][0])
        seen.append(clock.now() * 5 - (paper.position.ts - first) if paper.position.ts else 0)
        return True

    assert feed(paper, [chunk(made.events[:300]), chunk(made.events[300:])], go_on, clock, 5.0)
    took = int(made.events["ts_recv"][-1] - made.events["ts_recv"][0])
    assert min(seen) >= 0  # nothing was known before its time
    assert took <= 5 * clock.now() < took + SECOND
    assert paper.position.counts[0] == len(made.events)
    paper.let_go()


@pytest.mark.compiled
def test_it_stops_between_two_pieces_when_it_is_asked(tmp_path):
    made, asked = market(), iter([True, True, True, False])
    paper = opened(tmp_path / "paper", made)
    assert not feed(paper, [chunk(made.events)], lambda: next(asked), Virtual())
    assert paper.position.counts[0] == 16 + 32 + 64
    paper.let_go()
