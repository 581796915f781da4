"""Each rule by hand, logs that lose and swap lines, and what is no recording."""

import numpy as np
import orjson
import pytest

from flowsense.errors import InputError
from flowsense.features.catalogue import spec
from flowsense.schema import (
    ADD,
    CANCEL,
    CLEAR,
    FILL,
    GAP,
    LAST,
    MODIFY,
    SCROLL,
    SNAPSHOT,
    TRADE,
    Decimal,
    checked,
)
from flowsense.sources import bitstamp
from flowsense.sources.open import open_source
from flowsense.sources.units import Unit
from flowsense.testing.streams import check_stream

START = 1_430_438_404_000  # ms
COLUMNS = ("action", "side", "price", "lots", "order_id", "bits", "sequence")


def order(what, number, price, amount, side=0):
    d = {"price": price, "amount": amount, "datetime": "1430438404", "id": number}
    return f"order_{what}", d | {"order_type": side}


def created(*args):
    return order("created", *args)


def changed(*args):
    return order("changed", *args)


def deleted(*args):
    return order("deleted", *args)


def trade(price, amount, number=8_111_041):
    return "trade", {"price": price, "amount": amount, "id": number}


def book(bids, asks):
    return "order_book", {"bids": [list(x) for x in bids], "asks": [list(x) for x in asks]}


BOOK = book([("99.00", "1.00000000")], [("101.00", "2.00000000")])
BID, ASK = created(5, "99.50", "1.00000000", 0), created(6, "100.50", "1.00000000", 1)


@pytest.fixture
def log(tmp_path):
    """Writes (ms after the start, kind, body) or (kind, body), 10 ms apart; -> its path."""

    def write(*said, name="some.log"):
        lines = []
        for k, one in enumerate(said):
            ms, kind, body = one if len(one) == 3 else (10 * k, *one)
            lines.append(f"{START + ms} {kind} {orjson.dumps(body).decode()}\n")
        (path := tmp_path / name).write_text("".join(lines))
        return path

    return write


@pytest.fixture
def became(log):
    """(action, side, cents, hundredths, order, bits) of the events after the first snapshot."""

    def read(*said):
        (source,) = bitstamp.open([log(BOOK, *said)])
        events = checked(np.concatenate(list(source)), 1)
        rows = zip(*(events[c].tolist() for c in COLUMNS[:-1]), strict=True)
        return [(a, s, p, q // 10**6, o, b) for a, s, p, q, o, b in rows][3:]

    return read


def test_the_first_book_is_the_snapshot_with_the_orders_heard_before_it(log):
    mine = created(4, "99.00", "0.40000000", 0)
    (source,) = bitstamp.open([log((0, *mine), (10, *trade(99.5, 0.1)), (300, *BOOK))])
    events = np.concatenate(list(source))
    assert events["action"].tolist() == [TRADE, CLEAR, ADD, ADD, ADD]
    assert events["lots"].tolist() == [10**7, 0, 4 * 10**7, 6 * 10**7, 2 * 10**8]
    assert events["bits"].tolist() == [0, SNAPSHOT, SNAPSHOT, SNAPSHOT, SNAPSHOT | LAST]
    assert events["ts_recv"].tolist() == [START * 10**6 + k * 10**7 for k in (1, 30, 30, 30, 30)]


def test_orders_come_change_and_go(became):
    half = changed(5, "99.50", "0.50000000", 0)
    assert became(BID, half, deleted(5, "99.50", "0.50000000", 0)) == [
        (ADD, 1, 9_950, 100, 5, LAST),
        (FILL, 1, 9_950, 50, 5, LAST),
        (CANCEL, 1, 9_950, 50, 5, LAST),
    ]


def test_an_order_about_to_trade_is_held_and_the_later_one_is_the_aggressor(became):
    taker = created(7, "99.50", "1.50000000", 1)
    rest = changed(7, "99.50", "0.50000000", 1)
    assert became(BID, taker, deleted(5, "99.50", "0.00000000", 0), rest, trade(99.5, 1.0)) == [
        (ADD, 1, 9_950, 100, 5, LAST),
        (FILL, 1, 9_950, 100, 5, 0),
        (ADD, -1, 9_950, 150, 7, LAST),
        (FILL, -1, 9_950, 100, 7, LAST),
        (TRADE, -1, 9_950, 100, 8_111_041, LAST),
    ]


def test_a_held_order_that_is_executed_at_once_never_stands(became):
    taker, done = created(7, "99.00", "1.00000000", 1), deleted(7, "99.00", "0.00000000", 1)
    hit = deleted(5, "99.50", "0.00000000", 0)
    assert [(a, o) for a, *_, o, _ in became(BID, taker, done, hit, trade(99.5, 1.0))] == [
        (ADD, 5),
        (FILL, 5),
        (TRADE, 8_111_041),
    ]


def test_a_held_order_that_is_cancelled_leaves_nothing(became):
    taker, gone = created(7, "99.00", "1.00000000", 1), deleted(7, "99.00", "1.00000000", 1)
    assert became(BID, taker, gone)[1:] == []


def test_a_market_order_that_follows_the_levels_leaves_its_own(became):
    moved = changed(6, "99.50", "1.00000000", 1)
    assert became(BID, ASK, moved)[2:] == [(CANCEL, -1, 10_050, 100, 6, LAST)]
    away = changed(6, "100.60", "1.00000000", 1)
    assert became(BID, ASK, away)[2:] == [
        (CANCEL, -1, 10_050, 100, 6, 0),
        (ADD, -1, 10_060, 100, 6, LAST),
    ]


def test_an_order_that_grows_is_modified(became):
    assert became(BID, changed(5, "99.50", "2.00000000", 0))[1:] == [
        (MODIFY, 1, 9_950, 200, 5, LAST)
    ]


def test_an_order_that_changes_sides_is_taken_out_first(became):
    assert [a for a, *_ in became(BID, changed(5, "100.00", "1.00000000", 1))] == [ADD, CANCEL, ADD]


def test_lines_after_a_deletion_are_left_out(became):
    gone = deleted(5, "99.50", "1.00000000", 0)
    assert became(BID, gone, changed(5, "99.50", "1.00000000", 0), BID)[2:] == []


def test_deletions_of_unknown_orders_take_from_the_stand_in(became):
    rest = 2**62 + 2 * 9_900 + 1
    unheard = changed(3, "99.00", "0.20000000", 0)
    assert became(deleted(2, "99.00", "0.30000000", 0), unheard) == [
        (CANCEL, 1, 9_900, 30, rest, LAST),
        (CANCEL, 1, 9_900, 20, rest, SCROLL),
        (ADD, 1, 9_900, 20, 3, LAST),
    ]


def test_an_unknown_order_that_was_executed_takes_what_the_trade_says(became):
    rest, taker = 2**62 + 2 * 10_100, created(7, "101.00", "0.50000000", 0)
    hit, done = deleted(2, "101.00", "0.00000000", 1), deleted(7, "101.00", "0.00000000", 0)
    assert became(taker, hit, done, trade(101.0, 0.5)) == [
        (TRADE, 1, 10_100, 50, 8_111_041, 0),
        (FILL, -1, 10_100, 50, rest, LAST),
    ]


def test_a_trade_of_orders_unheard_of_has_no_side(became):
    assert became(trade(100.0, 0.25)) == [(TRADE, 0, 10_000, 25, 8_111_041, LAST)]


def test_an_order_that_a_trade_passed_is_gone(became):
    low = created(8, "99.20", "1.00000000", 0)
    hit = changed(8, "99.20", "0.50000000", 0)
    assert became(BID, low, hit, trade(99.2, 0.5))[2:] == [
        (FILL, 1, 9_920, 50, 8, LAST),
        (TRADE, -1, 9_920, 50, 8_111_041, 0),
        (CANCEL, 1, 9_950, 100, 5, SCROLL | LAST),
    ]


def test_what_a_newer_order_meets_in_vain_is_gone_after_a_second(became):
    taker = created(7, "99.50", "1.00000000", 1)
    later = created(9, "98.00", "1.00000000", 0)
    assert became(BID, taker, (1_030, *later))[1:] == [
        (ADD, 1, 9_800, 100, 9, 0),
        (CANCEL, 1, 9_950, 100, 5, SCROLL),
        (ADD, -1, 9_950, 100, 7, LAST),
    ]


def test_a_held_order_that_only_newer_ones_contradict_is_gone_itself(became):
    taker, newer = created(4, "99.50", "1.00000000", 1), created(9, "98.00", "1.00000000", 0)
    assert became(BID, taker, (1_030, *newer))[1:] == [(ADD, 1, 9_800, 100, 9, LAST)]


def test_a_book_takes_out_what_it_does_not_show_and_adds_what_nobody_told(became):
    shown = book([("99.00", "0.40000000")], [("100.50", "1.00000000"), ("101.00", "2.50000000")])
    assert became(BID, ASK, (1_000, *shown))[2:] == [
        (CANCEL, 1, 9_950, 100, 5, SCROLL),
        (CANCEL, 1, 9_900, 60, 2**62 + 2 * 9_900 + 1, SCROLL),
        (ADD, -1, 10_100, 250, 2**62 + 2 * 10_100, SCROLL | LAST),
    ]


def test_a_book_with_less_takes_the_oldest_first(became):
    two = created(8, "99.50", "2.00000000", 0)
    shown = book([("99.50", "1.50000000"), ("99.00", "1.00000000")], [("101.00", "2.00000000")])
    assert became(BID, two, (1_000, *shown))[2:] == [
        (CANCEL, 1, 9_950, 100, 5, SCROLL),
        (CANCEL, 1, 9_950, 50, 8, SCROLL | LAST),
    ]


def test_a_book_says_nothing_of_levels_just_named(became):
    assert became(BID, ASK, BOOK)[2:] == []


def test_a_book_adds_nothing_that_would_meet_a_newer_order(became):
    high = created(8, "100.40", "1.00000000", 0)
    shown = book([("99.00", "1.00000000")], [("100.40", "1.00000000"), ("101.00", "2.00000000")])
    assert became((1_000, *high), (1_010, *shown)) == [(ADD, 1, 10_040, 100, 8, LAST)]


def test_a_minute_of_silence_is_a_hole(became):
    late = (61_000, *BOOK)
    assert [(a, b) for a, *_, b in became(BID, late)][1:] == [
        (CLEAR, GAP),
        (CLEAR, SNAPSHOT),
        (ADD, SNAPSHOT),
        (ADD, SNAPSHOT | LAST),
    ]


def test_time_that_falls_is_held(log):
    (source,) = bitstamp.open([log((500, *BOOK), (400, *BID))])
    assert np.diff(np.concatenate(list(source))["ts_recv"]).min() == 0
    assert source.counts["receive time fell"] == 1


def test_memory_of_deletions_is_bounded(log, monkeypatch):
    monkeypatch.setattr("flowsense.sources.bitstamp_fold.DEAD", 1)
    other = created(8, "98.00", "1.00000000", 0), deleted(8, "98.00", "1.00000000", 0)
    (source,) = bitstamp.open([log(BOOK, BID, deleted(5, "99.50", "1.00000000", 0), *other, BID)])
    assert np.concatenate(list(source))["order_id"][-1] == 5


def test_files_are_read_in_order_of_time(log):
    second = log((9_000, *BID), name="a.log")
    first = log(BOOK, name="b.log")
    (source,) = bitstamp.open([second, first])
    assert source.files == (first, second) and "b.log + " in source.name
    assert np.concatenate(list(source))["action"].tolist() == [CLEAR, ADD, ADD, ADD]
    assert open_source([second, first]).instruments[0].symbol == "BTCUSD"


def rows(events):
    return zip(*(events[c].tolist() for c in COLUMNS), strict=True)


def market(seed, steps=600):
    """Lines of a market that loses, repeats and swaps some of them, with true books in between."""
    rng = np.random.default_rng(seed)
    told, live = [BOOK], {}
    for number in range(10, 10 + steps):
        price = 10_000 + int(rng.integers(-40, 40))
        what = created(number, f"{price / 100:.2f}", f"{rng.integers(1, 500) / 100:.8f}")
        what[1]["order_type"] = int(rng.integers(2))
        live[number] = what[1]
        told.append(what)
        if len(live) > 12 or rng.random() < 0.3:
            gone = live.pop(int(rng.choice(list(live))))
            zero = rng.random() < 0.3
            told.append(("order_deleted", gone | ({"amount": "0.00000000"} if zero else {})))
        if live and rng.random() < 0.2:
            one = live[int(rng.choice(list(live)))]
            one["amount"] = f"{max(float(one['amount']) / 2, 0.01):.8f}"
            told.append(("order_changed", dict(one)))
        if rng.random() < 0.2:
            told.append(trade(price / 100, float(rng.integers(1, 500)) / 100, number))
        if rng.random() < 0.1:
            sides = [[(d["price"], d["amount"]) for d in live.values() if d["order_type"] == k]
                     for k in (0, 1)]  # fmt: skip
            told.append(book(*(dict(s).items() for s in sides)))
    keep = [x for x in told if rng.random() > 0.05] + [BOOK]
    when = np.cumsum(rng.integers(0, 400, len(keep))).tolist()
    return [(ms, *x) for ms, x in zip(when, keep, strict=True)]


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_lost_the_book_is_never_crossed(log, seed):
    (source,) = bitstamp.open([log(*market(seed))])
    events = np.concatenate(list(source))
    orders, seen = {}, 0
    for action, side, price, size, order, bits, _ in rows(events):
        if action == CLEAR:
            orders = {}
        elif action in (ADD, MODIFY):
            orders[order] = (side, price, size)
        elif action in (CANCEL, FILL):
            was, at, have = orders.pop(order)
            assert (was, at) == (side, price) and have >= size
            if have > size:
                orders[order] = (was, at, have - size)
        if bits & LAST:
            bids = [p for s, p, _ in orders.values() if s > 0]
            asks = [p for s, p, _ in orders.values() if s < 0]
            assert max(bids, default=0) < min(asks, default=10**9)
            seen += 1
    assert seen > 300


@pytest.mark.compiled
def test_a_log_obeys_the_laws_of_a_stream(log):
    (source,) = bitstamp.open([log(*market(7, 200))])
    events = np.concatenate(list(source))
    check_stream(spec(("depth", "ofi", "orders"), ("interval:1s",)), source.instruments, events)


@pytest.mark.parametrize("size", [pytest.param(1, marks=pytest.mark.slow), 7, 100])
def test_blocks_cut_anywhere_give_the_same_events(log, monkeypatch, size):
    path = log(*market(9))
    whole = np.concatenate(list(*bitstamp.open([path])))
    monkeypatch.setattr(bitstamp, "LINES", size)
    assert np.array_equal(np.concatenate(list(*bitstamp.open([path]))), whole)


def test_a_recording_without_books_or_with_a_bad_unit_is_refused(log):
    with pytest.raises(InputError, match="no order_book line in it"):
        list(*bitstamp.open([log(BID)]))
    with pytest.raises(InputError, match="give one above 0"):
        bitstamp.open([log(BID)], tick=Decimal(0, 0))


def test_other_units_are_taken(log):
    (source,) = bitstamp.open([log(BOOK, BID, trade(99.5, 0.5))])
    units = {("BTCUSD", "bitstamp"): (Unit(1, -3), Unit(1, -8))}
    assert np.concatenate(list(source.in_units(units)))["price"][-1] == 99_500
    assert source.in_units({("BTCUSD", "bitstamp"): (Unit(1, -2), Unit(1, -8))}) is source
