"""A part read by itself shows the book that a reader from the beginning would see."""

import numpy as np
import pytest
from lakes import A, B, two_days

from flowsense.features.catalogue import spec
from flowsense.schema import (
    ADD,
    BEAT,
    CANCEL,
    CLEAR,
    EVENT,
    FILL,
    GAP,
    HALT,
    LAST,
    MODIFY,
    SET,
    SNAPSHOT,
    STATUS,
    TRADE,
)
from flowsense.store.lake_opening import NOTHING, after, opening
from flowsense.testing import tape_of

READY = SNAPSHOT | LAST
SPEC = spec(("depth",), ("events:1",))


def told(*lines):
    """Each line: action, side, price, lots, bits[, order id]."""
    out = np.zeros(len(lines), EVENT)
    for k, (action, side, price, lots, bits, *order) in enumerate(lines):
        out[k] = (k, k, *(order or [0]), price, lots, 10 + k, 0, action, side, bits, 0)
    return out.view(EVENT)


def shown(events, instrument, ts=99):
    """The opening after these, as lines."""
    out = opening(after(NOTHING, events, instrument), instrument, ts)
    assert (out["ts_recv"] == ts).all()
    names = ("action", "side", "price", "lots", "bits", "order_id")
    return [tuple(int(e[name]) for name in names) for e in out]


def test_levels_are_what_was_said_of_them_last():
    events = told(
        (CLEAR, 0, 0, 0, SNAPSHOT),
        (SET, 1, 10, 5, SNAPSHOT),
        (SET, -1, 11, 6, READY),
        (SET, 1, 10, 7, LAST),
        (SET, 1, 9, 1, LAST),
        (SET, -1, 11, 0, LAST),
        (SET, -1, 12, 3, LAST),
        (TRADE, 1, 12, 1, LAST),
    )
    assert shown(events, B) == [
        (CLEAR, 0, 0, 0, SNAPSHOT, 0),
        (SET, 1, 9, 1, SNAPSHOT, 0),
        (SET, 1, 10, 7, SNAPSHOT, 0),
        (SET, -1, 12, 3, READY, 0),
    ]


def test_orders_are_what_is_left_of_them_in_order_of_joining():
    events = told(
        (CLEAR, 0, 0, 0, READY),
        (ADD, 1, 10, 5, LAST, 1),
        (ADD, 1, 10, 6, LAST, 2),
        (ADD, -1, 12, 4, LAST, 3),
        (CANCEL, 1, 10, 2, LAST, 2),
        (FILL, 1, 10, 5, LAST, 1),
        (MODIFY, 1, 9, 8, LAST, 2),
        (FILL, 1, 9, 1, LAST, 2),
        (CANCEL, 1, 3, 1, LAST, 77),
    )
    assert shown(events, A) == [
        (CLEAR, 0, 0, 0, SNAPSHOT, 0),
        (ADD, -1, 12, 4, SNAPSHOT, 3),
        (ADD, 1, 9, 7, READY, 2),
    ]


def test_a_clear_forgets_what_was_before():
    events = told((CLEAR, 0, 0, 0, READY), (SET, 1, 10, 5, LAST), (CLEAR, 0, 0, 0, READY))
    assert shown(events, B) == [(CLEAR, 0, 0, 0, READY, 0)]


def test_after_a_gap_the_book_is_not_ready():
    events = told((CLEAR, 0, 0, 0, READY), (SET, 1, 10, 5, LAST | GAP))
    assert shown(events, B) == [(CLEAR, 0, 0, 0, SNAPSHOT, 0), (SET, 1, 10, 5, SNAPSHOT, 0)]


def test_a_halt_goes_on():
    events = told((CLEAR, 0, 0, 0, READY), (SET, 1, 10, 5, LAST), (STATUS, 0, 0, HALT, LAST))
    assert shown(events, B)[1:] == [(STATUS, 0, 0, HALT, SNAPSHOT, 0), (SET, 1, 10, 5, READY, 0)]


@pytest.mark.parametrize("instrument", [A, B, B._replace(depth=0)])
def test_nothing_is_said_of_what_was_never_heard_or_has_no_book(instrument):
    assert shown(told((BEAT, 0, 0, 0, 0)), instrument) == []
    snapshot = told((CLEAR, 0, 0, 0, READY))
    assert len(shown(snapshot, instrument)) == (instrument.depth > 0)


@pytest.mark.parametrize("who", [0, 1])
def test_it_is_a_fold(who):
    events, instrument = two_days(), (A, B)[who]
    events = events[events["instrument"] == who]
    rng, standing = np.random.default_rng(who), NOTHING
    for part in np.split(events, np.sort(rng.integers(0, len(events), 40))):
        standing = after(standing, part, instrument)
    whole = after(NOTHING, events, instrument)
    assert standing[1:] == whole[1:]
    assert standing.resting.tobytes() == whole.resting.tobytes()


@pytest.mark.parametrize("who", [0, 1])
def test_the_book_after_it_is_that_of_the_kernels(who):
    """At forty cuts: the first book of the rest is the same with the opening as with the past."""
    events, instrument = two_days(), (A, B)[who]
    events = events[events["instrument"] == who]
    events["instrument"] = 0
    ends = np.flatnonzero(events["bits"] & LAST)[:-1] + 1
    for cut in np.random.default_rng(who).choice(ends, 40):
        ts = int(events["ts_recv"][cut - 1])
        first = opening(after(NOTHING, events[:cut], instrument), instrument, ts)
        short = np.concatenate([first, events[cut:]]).view(EVENT)
        whole = tape_of(SPEC, (instrument,), events).rows[0]
        alone = tape_of(SPEC, (instrument,), short).rows[0]
        assert 1 < len(alone.ts) <= len(whole.ts)
        assert alone.book[1:].tobytes() == whole.book[-len(alone.ts) + 1 :].tobytes()
