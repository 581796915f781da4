"""Columns of the dashboard: a fold, checked by hand, against a slow book, and cut anywhere."""

from itertools import pairwise
from math import log2

import numpy as np
import pytest

from flowsense.ensemble.code import Code
from flowsense.schema import (
    CONTROL,
    EVENT,
    LAST,
    SECOND,
    SET,
    SNAPSHOT,
    TRADE,
    Decimal,
    Instrument,
    zeros,
)
from flowsense.serve.board import wire
from flowsense.serve.board.columns import STEP, Columns, Said, bucket
from flowsense.serve.records import beat
from flowsense.simulate.market import simulate
from flowsense.simulate.markets import BRISK

TABLE = (Instrument("A", "x", Decimal(1, -2), Decimal(1, 0)),)
START = 1_000 * SECOND


def event(at_ms, action, price=0, lots=0, side=0, bits=LAST):
    out = zeros(EVENT, 1)
    out["ts_event"] = out["ts_recv"] = START + at_ms * 1_000_000
    out["action"], out["price"], out["lots"] = action, price, lots
    out["side"], out["bits"] = side, bits
    return out


def opening(bid=9_999, ask=10_001):
    return [
        event(1, SET, bid, 5, 1, SNAPSHOT),
        event(1, SET, ask, 7, -1, SNAPSHOT | LAST),
    ]


def columns(events, table=TABLE):
    return list(Columns(table).push(np.concatenate(events)))


def read(column):
    """Fields, strip and trades of a column's bytes."""
    fields = np.frombuffer(column.data, wire.COLUMN, 1)[0]
    at = wire.COLUMN.itemsize
    strip = np.frombuffer(column.data, np.uint8, wire.CELLS, at)
    n = int(fields["trades"])
    return fields, strip, np.frombuffer(column.data, wire.TRADE, n, at + wire.CELLS)


def test_a_column_holds_what_came_before_its_end():
    found = columns([*opening(), event(60, TRADE, 10_001, 3, 1), beat(START + STEP)])

    assert [c.number for c in found] == [START // STEP]
    fields, strip, trades = read(found[0])
    assert (fields["state"], fields["mid"], fields["cvd"]) == (wire.WHOLE, 10_000, 3)
    assert fields["known"] & (wire.MID | wire.MICRO | wire.IMBALANCE) and not fields["direction"]
    assert fields["micro"] == pytest.approx(10_000 + 1 * (5 - 7) / 12)
    base = int(fields["base"])
    resting = {base + int(k): int(strip[k]) for k in np.flatnonzero(strip)}
    assert resting == {9_999: round(8 * log2(6)), 10_001: round(8 * log2(8))}
    assert [(base + t["cell"], t["side"], t["lots"]) for t in trades] == [(10_001, 1, 3)]


def test_trades_of_a_price_and_side_are_one_dot():
    each = [(10_001, 3, 1), (10_001, 4, 1), (10_001, 5, -1), (9_999, 6, 0), (90_000, 7, 1)]
    told = [event(60, TRADE, price, lots, side) for price, lots, side in each]
    fields, _, trades = read(columns([*opening(), *told, beat(START + STEP)])[0])

    found = [(int(fields["base"]) + int(t["cell"]), int(t["side"]), t["lots"]) for t in trades]
    assert found[:3] == [(9_999, 0, 6), (10_001, -1, 5), (10_001, 1, 7)]
    assert len(found) == 4 and found[3][1:] == (1, 7) and fields["cvd"] == 9


def test_what_is_not_known_is_not_told_as_a_number():
    early = columns([event(1, TRADE, 10_000, 1, 1, 0), beat(START + STEP)])
    lost = columns([*opening(), event(150, SET, 9_998, 1, 1, 4), beat(START + 2 * STEP)])

    assert [read(c)[0]["state"] for c in early] == [wire.NOTHING]
    assert [read(c)[0]["state"] for c in lost] == [wire.WHOLE, wire.BROKEN]
    fields, strip, _ = read(lost[1])
    assert not fields["known"] & wire.MID and not strip.any() and lost[1].book is None


def test_predictions_and_marks_stand_in_the_column_that_they_were_made_at():
    made = Columns(TABLE)
    made.said[0] += [
        Said(START + STEP, 1, 0.8, 2, 0.5, act=True, breaker=False),
        Said(START + 3 * STEP, -1, 0.6, -1, 0.0, act=False, breaker=True),
    ]
    stale = event(250, CONTROL, Code.STALE, 1)
    found = made.push(np.concatenate([*opening(), stale, beat(START + 3 * STEP)]))

    told = [read(c)[0] for c in found]
    assert [int(f["direction"]) for f in told] == [1, 1, -1]
    assert [int(f["regime"]) for f in told] == [2, 2, wire.NO_REGIME]
    assert [int(f["marks"]) for f in told] == [wire.ACT, wire.ACT, wire.STALE | wire.BREAKER]
    assert told[0]["confidence"] == 204 and told[0]["likely"] == 128


def test_a_model_that_is_swapped_amid_a_boundary_is_marked_once_in_every_instrument():
    made = Columns((*TABLE, TABLE[0]._replace(symbol="B")))
    found = made.push(np.concatenate([*opening(), beat(START + 3 * STEP)]).view(EVENT))
    first = next(found)
    made.swaps += 1

    marks = [(c.instrument, int(read(c)[0]["marks"])) for c in (first, *found)]

    assert [m for i, m in marks if i == 0] == [0, wire.SWAPPED, 0]
    assert [m for i, m in marks if i == 1] == [0, wire.SWAPPED, 0]


def test_the_strip_follows_the_price_and_stays_while_it_is_near():
    mids, events = [10_000, 10_060, 10_070, 10_300], opening()
    for k, (before, mid) in enumerate(pairwise(mids), 1):
        at = 100 * k + 1
        events += [event(at, SET, before + 1, 0, -1), event(at, SET, mid + 1, 7, -1)]
        events += [event(at, SET, mid - 1, 5, 1)]
    found = [read(c)[0] for c in columns([*events, beat(START + 4 * STEP)])]

    assert [f["mid"] for f in found] == mids
    assert [f["base"] for f in found] == [9_872, 9_872, 9_942, 10_172]


def test_long_silence_is_left_out_and_short_silence_is_told():
    short = columns([*opening(), beat(START + 30 * STEP)])
    long = columns([*opening(), beat(START + 7_000 * STEP), beat(START + 7_001 * STEP)])

    assert len(short) == 30
    assert [c.number - START // STEP for c in long] == [0, 7_000]


def test_before_a_long_silence_the_same_columns_come_out_wherever_it_is_cut():
    traded = np.concatenate([*opening(), event(60, TRADE, 10_001, 3, 1)]).view(EVENT)
    after = np.concatenate([beat(START + 7_000 * STEP), beat(START + 7_001 * STEP)]).view(EVENT)
    made = Columns(TABLE)

    cut = [*made.push(traded), *made.push(after)]

    assert cut[0].number == START // STEP and len(read(cut[0])[2]) == 1
    assert [c[:4] for c in cut] == [c[:4] for c in columns([traded, after])]


@pytest.mark.parametrize(("ticks", "least"), [(0.1, 1), (1, 1), (1.2, 2), (26, 50), (501, 1_000)])
def test_a_bucket_is_one_two_or_five(ticks, least):
    assert bucket(ticks) == least


@pytest.fixture(scope="module")
def market():
    return simulate(BRISK, 8.0, 3)


@pytest.mark.parametrize("seed", range(3))
def test_wherever_the_stream_is_cut_the_same_columns_come_out(market, seed):
    whole = list(Columns(market.instruments).push(market.events))
    rng, n = np.random.default_rng(seed), len(market.events)
    edges = [0, *sorted(rng.integers(0, n, 40).tolist()), n]
    cut, made = [], Columns(market.instruments)
    for a, b in pairwise(edges):
        cut += made.push(market.events[a:b])

    assert len(whole) > 70 * len(market.instruments)
    assert [c[:4] for c in cut] == [c[:4] for c in whole]
    assert sum(len(read(c)[2]) for c in whole) > 30
