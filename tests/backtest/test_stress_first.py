"""Scenarios that begin with the recording, before anything has a price."""

import numpy as np
import pytest
from backtest.test_stress import (
    BARS,
    LEVELS,
    MS,
    bars,
    book_of,
    candles,
    changed,
    under,
    under_bars,
)
from markets import L2, L3, stream

from flowsense.backtest.stress import Stressed, flash_crash, halt, standard, wide
from flowsense.schema import CLOSE, EVENT, LAST, SECOND, SET, checked
from flowsense.testing import Recording
from flowsense.testing.toy import by_level, by_order

FIRST = int(LEVELS["ts_recv"][0])


@pytest.mark.parametrize("start", [0, FIRST, FIRST + 1])
def test_a_spread_is_widened_once_the_snapshot_is_whole(start):
    rows = under(wide(start, SECOND, 10), LEVELS)
    at = rows[2][0]
    assert rows[:3] == under(wide(SECOND, SECOND, 10), LEVELS)[:3]
    assert rows[3:7] == [
        (at, SET, -1, 1002, 0, 0),
        (at, SET, 1, 1000, 0, 0),
        (at, SET, -1, 1011, 50, 0),
        (at, SET, 1, 991, 100, LAST),
    ]


@pytest.mark.parametrize("toy", [L2, L3], ids=["levels", "orders"])
@pytest.mark.parametrize("which", range(5))
def test_readers_hold_what_a_scenario_from_the_first_record_says(toy, which):
    raw = by_order(600, 3, 0) if toy.by_order else by_level(by_order(600, 3, 0))
    ts = raw["ts_recv"]
    scenario = standard(int(ts[0]), int(ts[450] - ts[0]))[which]
    out = np.concatenate(list(Stressed(Recording((toy,), raw, chunk=37), scenario)))
    checked(out, 1)
    at = int(ts[-1]) + 1
    assert book_of(out, toy.by_order, at) == book_of(raw, toy.by_order, at)
    inside, was = (book_of(x, toy.by_order, int(ts[300]) + 1) for x in (out, raw))
    assert changed(scenario, was, inside)


@pytest.mark.parametrize("start", [0, SECOND // 4])
def test_the_first_bar_falls_from_its_open(start):
    made = candles(bars([100, 100, 100]))
    (chunk,) = Stressed(made, flash_crash(start, 0.5, SECOND // 4, SECOND // 4)).chunks()
    assert chunk.bars["low"].tolist() == [50, 100, 100]


def test_a_first_close_without_its_bar_falls_too():
    made = Recording((BARS,), candles(bars([100] * 3)).events)
    fallen = under_bars(flash_crash(0, 0.5, SECOND // 2, SECOND), made)
    assert 50 < fallen[0][0] < 100 and fallen[2] == (100, 100)


def test_cutting_the_stream_changes_nothing():
    raw = by_order(300, 5, 0)
    scenario = flash_crash(int(raw["ts_recv"][0]), 0.2, SECOND, SECOND)
    sources = [Stressed(Recording((L3,), raw, chunk=n), scenario) for n in (10_000, 1)]
    whole, pieces = (np.concatenate(list(source)) for source in sources)
    assert np.array_equal(whole, pieces) and len(whole) > len(raw)


def test_an_instrument_that_comes_later_falls_from_its_first_price():
    one = stream((SET, 1, 999, 5, LAST), (SET, -1, 1001, 5, LAST))
    other = one.copy()
    other["instrument"], other["ts_recv"] = 1, other["ts_recv"] + 50 * MS
    late = stream((SET, 1, 990, 5, LAST, 1))
    late["ts_recv"] += 100 * MS
    source = Recording(
        (L2, L2._replace(symbol="C")), np.concatenate([one, other, late]).view(EVENT)
    )
    out = np.concatenate(list(Stressed(source, flash_crash(0, 0.5, MS, SECOND))))
    told = out[(out["instrument"] == 1) & (out["lots"] > 0) & (out["side"] < 0)]
    assert told["price"][0] == 1001 and 500 < told["price"][1] < 600


def test_a_halt_needs_no_price():
    (stopped,) = Stressed(candles(bars([100, 101, 102])), halt(0, SECOND)).chunks()
    assert stopped.bars["close"].tolist() == [101, 102]
    assert stopped.events["action"].tolist()[2:] == [CLOSE, CLOSE]
