"""Outcomes settled from rows are those that labels find by looking ahead."""

import numpy as np
import pytest
from grids import rows

from flowsense.ensemble.settle import Waiting, settle
from flowsense.features.catalogue import spec
from flowsense.features.fold import Replay
from flowsense.forecast import Target
from flowsense.labels import join
from flowsense.labels.stages import Stages
from flowsense.schema import BROKEN, ONE_SIDED, SECOND, WHOLE
from flowsense.sources.open import open_source
from flowsense.testing import Recording, tape_of

TARGETS = tuple(map(Target.parse, ("mid@500ms", "ofi@1s", "magnitude@300ms", "barrier@1s")))


def told(targets, rows, cuts=()):
    """origin, at, target, y, move, weight of each outcome, all counted from the first row."""
    waiting, ids, out, base = Waiting.none(2, len(targets)), np.zeros(0, int), [], 0
    for a, b in zip((0, *cuts), (*cuts, len(rows.ts)), strict=True):
        waiting, settled, kept = settle(targets, waiting, rows.take(slice(a, b)))
        ids = np.concatenate([ids, np.arange(a, b)])
        columns = (ids[settled.origin], settled.at + base, *settled[1:2], *settled[3:])
        out += list(zip(*(c.tolist() for c in columns), strict=True))
        ids, base = ids[kept], b
    return out


MID = (Target.parse("mid@200ms"),)


def test_a_row_is_settled_by_the_first_one_a_horizon_later():
    found = told(MID, rows((0, 10), (100, 10), (200, 11), (300, 10)))
    assert found == [(0, 2, 0, 2, 1, 0.5), (1, 3, 0, 1, 0, 0.5)]  # two of them overlap


def test_nothing_is_told_across_a_loss_or_of_an_empty_side():
    lost = rows((0, 10), (100, 10, ONE_SIDED), (200, 10), (300, 10, WHOLE, 1), (400, 9, WHOLE, 1))
    assert [x[:2] for x in told(MID, lost)] == [(0, 2)]
    assert told(MID, rows((0, 10), (200, 10, BROKEN), (400, 10))) == []


@pytest.mark.parametrize(("late", "quoted", "count"), [(219, 219, 1), (221, 221, 0), (900, 199, 1)])
def test_a_late_row_tells_where_the_touch_has_not_moved_or_it_is_hardly_late(late, quoted, count):
    assert len(told(MID, rows((0, 10), (late, 12, WHOLE, 0, quoted)))) == count


def test_rows_of_a_long_horizon_wait_a_hundredth_of_it_apart():
    found = told((Target.parse("mid@30s"),), rows(*((100 * k, 10) for k in range(1_000))))
    assert [x[0] for x in found[:4]] == [0, 3, 6, 9] and found[200][5] == 0.01


def labelled(tape):
    stage = Stages(TARGETS)
    state, done = stage.fold(stage.init(), tape)
    return join([done, stage.close(state)])


def assert_as_labelled(tape):
    """Each is that of the label, and known no sooner; all that labels know and a row can tell."""
    labels, first = labelled(tape), tape.rows[0]
    found = told(TARGETS, first)
    origin, at, t, y, move, _ = (np.array(c) for c in zip(*found, strict=True))
    assert (first.ts[at] >= labels.known_at[origin, t]).all()
    assert labels.valid[origin, t].all() and len(set(zip(origin, t, strict=True))) == len(found)
    assert np.array_equal(labels.y[origin, t], y.astype(np.float32))
    assert np.array_equal(labels.move[origin, t], move.astype(np.float32))
    missing = labels.valid & (np.array([x.kind != "barrier" for x in TARGETS]))
    missing[origin, t] = False
    there = {(int(a), int(b)) for a, b in zip(first.ts, first.instrument, strict=True)}
    for i, j in np.argwhere(missing):
        assert (int(labels.known_at[i, j]), int(first.instrument[i])) not in there


@pytest.mark.slow
def test_simulated_outcomes_are_those_of_labels(instruments, events):
    """With a pause of 90 s, in which no row is due."""
    tape = tape_of(spec(("depth",)), instruments, events)
    assert_as_labelled(tape)
    whole = told(TARGETS, tape.rows[0])
    assert {x[2] for x in whole} == {0, 1, 2}
    edges = tape.rows[0].instants()
    for cuts in (edges[1:-1], edges[[3, 4, 50]]):
        assert told(TARGETS, tape.rows[0], tuple(cuts.tolist())) == whole


def test_recorded_outcomes_are_those_of_labels(data):
    source = open_source(data / "lobster/GOOG_2012-06-21_34200000_52200000_message_10.csv.zst")
    events = next(iter(source))[:40_000]
    reader = Replay(spec(("depth",)), Recording(source.instruments, events))
    tape = tape_of(reader.spec, reader.instruments, events)
    assert (tape.rows[0].ts[-1] - tape.rows[0].ts[0]) > 20 * SECOND
    assert_as_labelled(tape)
