"""Databento, order by order: worked records that can be checked by hand."""

import numpy as np
from dbn_wire import (
    EMPTY,
    NOON,
    RESTING,
    metadata,
    of_orders,
    order,
    orders,
    told,
    write,
)

from flowsense.schema import (
    ADD,
    CANCEL,
    CLEAR,
    DAY,
    FILL,
    GAP,
    LAST,
    MODIFY,
    SNAPSHOT,
    STATUS,
    TRADE,
    TRADING,
)
from flowsense.sources import dbn_decode
from flowsense.sources.dbn import Dbn


def test_orders_are_told_as_they_are_and_a_book_from_midnight_on_begins_empty(tmp_path):
    assert of_orders(tmp_path, "A 7 B 100 5", "M 7 B 99 6 LAST", "C 7 B 99 2 LAST") == [
        EMPTY,
        (ADD, 7, 1, 100, 5, 0),
        (MODIFY, 7, 1, 99, 6, LAST),
        (CANCEL, 7, 1, 99, 2, LAST),
    ]


def test_an_execution_is_one_trade_and_takes_the_lots_once(tmp_path):
    sequence = ("T 9 B 101 5", "F 7 A 101 5", "C 7 A 101 5 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[3:] == [
        (TRADE, 9, 1, 101, 5, 0),
        (FILL, 7, -1, 101, 5, LAST),
    ]


def test_what_a_cancel_takes_beyond_the_fill_was_cancelled(tmp_path):
    sequence = ("T 9 B 101 2", "F 7 A 101 2", "C 7 A 101 5 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[4:] == [
        (FILL, 7, -1, 101, 2, 0),
        (CANCEL, 7, -1, 101, 3, LAST),
    ]


def test_a_fill_that_a_modification_follows_is_told_before_it(tmp_path):
    sequence = ("T 9 B 101 2", "F 7 A 101 2", "M 7 A 101 3 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[4:] == [
        (FILL, 7, -1, 101, 2, 0),
        (MODIFY, 7, -1, 101, 3, LAST),
    ]


def test_fills_of_several_orders_and_of_one_order_twice(tmp_path):
    fills = ("T 9 B 101 6", "F 7 A 101 3", "F 8 A 101 1", "F 7 A 101 2")
    sequence = (*fills, "C 8 A 101 1", "C 7 A 101 5 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[3:] == [
        (TRADE, 9, 1, 101, 6, 0),
        (FILL, 8, -1, 101, 1, 0),
        (FILL, 7, -1, 101, 2, 0),
        (FILL, 7, -1, 101, 3, LAST),
    ]


def test_a_fill_without_an_aggressor_is_the_trade(tmp_path):
    assert of_orders(tmp_path, *RESTING, "F 7 A 101 5", "C 7 A 101 5 LAST")[3:] == [
        (TRADE, 7, 1, 101, 5, 0),
        (FILL, 7, -1, 101, 5, LAST),
    ]


def test_an_aggressor_alone_is_the_trade(tmp_path):
    assert of_orders(tmp_path, *RESTING, "T 0 N 101 5 LAST")[3:] == [(TRADE, 0, 0, 101, 5, LAST)]


def test_a_cancel_in_the_next_message_was_no_fill(tmp_path):
    sequence = ("T 9 B 101 5", "F 7 A 101 5 LAST", "C 7 A 101 5 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[3:] == [
        (TRADE, 9, 1, 101, 5, 0),
        (STATUS, 0, 0, 0, TRADING, LAST),
        (CANCEL, 7, -1, 101, 5, LAST),
    ]


def test_a_snapshot_without_an_end_ends_before_the_next_record(tmp_path):
    texts = ("A 7 A 101 5 SNAP", "A 8 B 99 1 SNAP", "A 9 B 98 2 LAST")
    records = b"".join(order(t, 5 * (k > 1)) for k, t in enumerate(texts))
    assert told(write(tmp_path, records)) == [
        (CLEAR, 0, 0, 0, 0, SNAPSHOT),
        (ADD, 7, -1, 101, 5, SNAPSHOT),
        (ADD, 8, 1, 99, 1, SNAPSHOT),
        (STATUS, 0, 0, 0, TRADING, SNAPSHOT | LAST),
        (ADD, 9, 1, 98, 2, LAST),
    ]


def test_a_snapshot_with_its_own_clear_and_end(tmp_path):
    texts = ("R 0 N - 0 SNAP", "A 7 A 101 5 SNAP LAST", "A 9 B 98 2 LAST")
    records = b"".join(order(t, 5 * (k > 1)) for k, t in enumerate(texts))
    assert told(write(tmp_path, records)) == [
        (CLEAR, 0, 0, 0, 0, SNAPSHOT),
        (ADD, 7, -1, 101, 5, SNAPSHOT | LAST),
        (ADD, 9, 1, 98, 2, LAST),
    ]


def test_a_clear_makes_the_book_empty_and_whole(tmp_path):
    assert of_orders(tmp_path, *RESTING, "R 0 N - 0 LAST", "A 9 B 98 2 LAST")[3:] == [
        EMPTY,
        (ADD, 9, 1, 98, 2, LAST),
    ]


def test_of_a_book_that_is_not_known_only_trades_are_told_and_it_is_never_whole(tmp_path):
    texts = ("A 7 A 101 5 LAST", "C 3 A 101 5 LAST", "T 0 A 101 5 LAST", "R 0 N - 0 LAST")
    path = write(tmp_path, orders(*texts), head=metadata(NOON))
    assert told(path) == [(TRADE, 0, -1, 101, 5, 0), EMPTY]


def test_a_book_that_may_be_bad_is_lost_until_it_is_cleared(tmp_path):
    texts = ("A 9 A 102 1 BAD LAST", "A 3 A 103 1 LAST", "R 0 N - 0 LAST")
    assert of_orders(tmp_path, *RESTING, *texts)[3:] == [(CLEAR, 0, 0, 0, 0, GAP), EMPTY]


def test_a_record_that_tells_nothing_still_closes_its_message(tmp_path):
    assert of_orders(tmp_path, "A 7 B 100 5", "N 0 N - 0 LAST", "N 0 N - 0 LAST")[1:] == [
        (ADD, 7, 1, 100, 5, 0),
        (STATUS, 0, 0, 0, TRADING, LAST),
    ]


def test_records_of_a_snapshot_that_came_at_several_times_are_one_snapshot(tmp_path):
    texts = ("A 7 A 101 5 SNAP", "A 8 B 99 1 SNAP", "A 9 B 98 2 SNAP LAST")
    assert [e[0] for e in of_orders(tmp_path, *texts)] == [CLEAR, ADD, ADD, ADD]


def test_the_snapshot_of_the_next_midnight_is_another_one(tmp_path):
    later = order("A 8 B 99 1 SNAP", ts_recv=NOON + DAY)
    path = write(tmp_path, order("A 7 A 101 5 SNAP") + later)
    assert [e[0] for e in told(path)] == [CLEAR, ADD, CLEAR, ADD]


def test_a_level_of_a_feed_without_orders_is_one_order(tmp_path):
    records = order("A 0 B -3 5 LAST", flags=144) + order("C 0 B -3 1 LAST", 1, flags=144)
    one, two = told(write(tmp_path, records))[1:]
    assert one == (ADD, 4 * 3 + 2 + 1, 1, -3, 5, LAST) and two[:2] == (CANCEL, one[1])


def test_more_fills_than_are_remembered_are_taken_for_cancels(tmp_path, monkeypatch):
    monkeypatch.setattr(dbn_decode, "POOL", 2)
    fills = ("T 9 B 101 9", "F 7 A 101 5", "F 8 A 101 4", "F 7 A 101 1")
    sequence = (*fills, "C 8 A 101 4", "C 7 A 101 1 LAST")
    assert of_orders(tmp_path, *RESTING, *sequence)[4:] == [
        (CANCEL, 8, -1, 101, 4, 0),
        (FILL, 7, -1, 101, 1, LAST),
    ]


def test_what_cannot_rest_is_left_out(tmp_path):
    texts = ("A 7 N 101 5 LAST", "A 7 B - 5 LAST", "A 7 B 101 0 LAST", "T 0 B - 5 LAST")
    assert of_orders(tmp_path, *texts, "A 0 B - 0 TOB LAST") == [EMPTY]


def test_the_touch_of_a_feed_without_orders_is_one_order_a_side(tmp_path):
    texts = ("A 0 B 99 5 TOB LAST", "A 0 B 100 2 TOB LAST", "A 0 B - 0 TOB LAST")
    assert of_orders(tmp_path, *texts)[1:] == [
        (MODIFY, 2, 1, 99, 5, LAST),
        (MODIFY, 2, 1, 100, 2, LAST),
        (CANCEL, 2, 1, 100, 2, LAST),
    ]


def test_receive_times_never_fall(tmp_path):
    records = b"".join(order("A 7 B 100 5 LAST", k) for k in (5, 3, 9))
    source = Dbn((write(tmp_path, records),))
    assert (np.concatenate(list(source))["ts_recv"] - NOON).tolist() == [5, 5, 5, 9]
