import numpy as np
import pytest

from flowsense.model.hawkes.likelihood import OFF, ON, RESET
from flowsense.model.hawkes.orders import (
    ADD_ASK,
    ADD_BID,
    BUY,
    CANCEL_ASK,
    CANCEL_BID,
    SELL,
    SLOTS,
    Rates,
    begin,
    fold,
)
from flowsense.model.hawkes.watch import Items, counts, sequence
from flowsense.schema import (
    ADD,
    BOOK,
    CANCEL,
    CLEAR,
    EVENT,
    FILL,
    GAP,
    LAST,
    LATE,
    QUOTE,
    SCROLL,
    SECOND,
    SET,
    SNAPSHOT,
    TRADE,
    Decimal,
    Instrument,
    zeros,
)
from flowsense.simulate.points import NOON
from flowsense.tape import Rows, Tape

ORDERS = Instrument("A", "x", Decimal(1, -2), Decimal(1, 0), by_order=True)
LEVELS = Instrument("B", "x", Decimal(1, -2), Decimal(1, 0))
MEAN = np.array([[0.5, 0.5, 1.0, 1.0, 2.0, 2.0]])
RATES = Rates(np.array([[2.0]]), np.zeros((1, 6, 1)), MEAN, NOON)


def tape(instruments, events, rows=()):
    """events: (seconds, action, side, price, lots, bits, instrument); rows: (event, seconds)."""
    out = zeros(EVENT, len(events))
    for e, (ts, action, side, price, lots, bits, who) in zip(out, events, strict=True):
        e["ts_recv"] = e["ts_event"] = round(ts * SECOND)
        e["action"], e["side"], e["price"], e["lots"] = action, side, price, lots
        e["bits"], e["instrument"] = bits, who
    n = len(rows)
    due = np.array([r[0] for r in rows], np.int64)
    ts = np.array([round(r[1] * SECOND) for r in rows], np.int64)
    X, none = np.zeros((n, 0), np.float32), np.zeros(n, np.int64)
    every = Rows(ts, none, X, X > 0, due, np.zeros(n, BOOK), np.zeros(n, QUOTE))
    nothing = (zeros(EVENT),) * 3
    return Tape(out.view(EVENT), *nothing, (every,), instruments)


def kinds(instruments, events):
    state = begin(instruments, np.zeros(len(instruments), np.int64), RATES)
    return fold(state, tape(instruments, events), RATES)[1].code.tolist()


def test_all_fills_of_an_order_are_one_point_and_the_resting_side_is_none():
    events = [
        (1, TRADE, 1, 100, 3, 0, 0),
        (1, FILL, -1, 100, 3, 0, 0),
        (1, TRADE, 1, 101, 2, 0, 0),
        (1, FILL, -1, 101, 2, LAST, 0),
        (2, TRADE, -1, 99, 1, LAST, 0),
        (3, TRADE, -1, 99, 1, LAST, 0),
        (4, TRADE, 0, 99, 1, LAST, 0),
    ]
    assert kinds((ORDERS,), events) == [BUY, SELL, SELL]


def test_what_joins_and_what_leaves_is_told_by_side():
    events = [
        (1, ADD, 1, 99, 5, LAST, 0),
        (2, CANCEL, 1, 99, 2, LAST, 0),
        (3, CANCEL, -1, 101, 2, LAST, 0),
    ]
    assert kinds((ORDERS,), events) == [ADD_BID, CANCEL_BID, CANCEL_ASK]


def test_a_level_that_grows_was_joined_and_one_that_shrinks_was_left_unless_executed():
    events = [
        (1, SET, 1, 99, 10, LAST, 0),
        (2, SET, 1, 99, 7, LAST, 0),  # three cancelled
        (3, TRADE, -1, 99, 4, LAST, 0),
        (4, SET, 1, 99, 3, LAST, 0),  # the four that were executed
        (4, TRADE, -1, 99, 9, LATE | LAST, 0),  # of before the book
        (5, TRADE, -1, 99, 1, LAST, 0),
        (6, SET, 1, 99, 0, LAST, 0),  # one executed, two cancelled
        (7, SET, -1, 101, 5, LAST, 0),
        (8, SET, -1, 101, 0, LAST | SCROLL, 0),  # out of view
        (9, SET, -1, 102, 5, LAST, 0),
        (10, SET, -1, 102, 4, LAST, 0),
    ]
    bids = [ADD_BID, CANCEL_BID, SELL, SELL, CANCEL_BID]
    assert kinds((LEVELS,), events) == [*bids, ADD_ASK, ADD_ASK, CANCEL_ASK]


def test_of_a_level_that_took_the_place_of_another_nothing_is_known_at_first():
    events = [
        (1, SET, 1, 99, 10, LAST, 0),
        (2, SET, 1, 99 + SLOTS, 4, LAST, 0),
        (3, SET, 1, 99 + SLOTS, 5, LAST, 0),
    ]
    assert kinds((LEVELS,), events) == [ADD_BID, ADD_BID]


def test_nothing_of_a_snapshot_and_nothing_after_a_gap_until_it_is_whole():
    events = [
        (1, CLEAR, 0, 0, 0, SNAPSHOT, 0),
        (1, SET, 1, 99, 5, SNAPSHOT | LAST, 0),
        (2, SET, 1, 99, 4, LAST, 0),
        (3, SET, 1, 99, 3, GAP | LAST, 0),
        (4, TRADE, 1, 99, 3, LAST, 0),
        (5, CLEAR, 0, 0, 0, SNAPSHOT, 0),
        (5, SET, 1, 99, 2, SNAPSHOT | LAST, 0),
        (6, SET, 1, 99, 1, LAST, 0),
    ]
    assert kinds((LEVELS,), events) == [CANCEL_BID, RESET, CANCEL_BID]


def test_sums_at_rows_by_hand():
    """Decay 2 / s from means of 1/2 and 1 at 1 s; a buy at 2 s, a gap at 4 s."""
    events = [
        (1, ADD, 1, 99, 5, LAST, 0),
        (2, TRADE, 1, 100, 3, LAST, 0),
        (4, TRADE, 1, 100, 3, GAP | LAST, 0),
    ]
    rows = [(0, 1), (1, 2), (2, 3), (3, 5), (3, 9)]
    state = begin((ORDERS,), np.zeros(1, np.int64), RATES)
    after, found = fold(state, tape((ORDERS,), events, rows), RATES)
    buys = [0.5, 0.5 * np.exp(-2), (0.5 * np.exp(-2) + 2) * np.exp(-2), 0.5, 0.5]
    assert np.allclose(found.now[:, 6], buys) and (found.now[:, :6] == 0).all()
    assert state.sums[0, 0, 0] == 0.5 and after.seen["at"][0] == 0


def test_records_of_no_instrument_are_passed_over():
    events = [(1, TRADE, 1, 100, 3, LAST, 7), (2, TRADE, 1, 100, 3, LAST, 0)]
    assert kinds((ORDERS,), events) == [BUY]


@pytest.fixture
def watched():
    """Rows at 0, 10, 20, 30 and 40 s, the third not to be learned from; points between."""
    ts = np.array([0, 5, 10, 15, 20, 25, 30, 35, 40]) * SECOND
    row = np.array([0, -1, 1, -1, 2, -1, 3, -1, 4])
    return Items(ts, np.zeros(9, np.int64), np.zeros(9, np.int64), row)


def test_learning_lies_between_usable_rows(watched):
    usable = np.array([True, True, False, True, True])
    seq = sequence(watched, 0, usable, 100)
    assert seq.code.tolist() == [ON, 0, OFF, 0, 0, ON, 0, OFF]
    assert (seq.ts // SECOND).tolist() == [0, 5, 10, 15, 25, 30, 35, 40]
    assert counts(seq, 2).tolist() == [2, 0]


def test_the_last_points_are_kept(watched):
    seq = sequence(watched, 0, np.ones(5, np.bool_), 2)
    assert seq.code.tolist() == [ON, 0, 0, OFF] and counts(seq, 1).tolist() == [2]
    assert not len(sequence(watched, 1, np.ones(5, np.bool_), 2).ts)
